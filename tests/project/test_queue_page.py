"""The page of queue and workers: it believes nothing of what stands in Valkey."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import django_rq
import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import NoReverseMatch, reverse
from rq.job import Job as QueuedJob
from rq.serializers import JSONSerializer

from project.audit.models import Act, AuditEntry
from project.jobs import queue
from project.jobs.bell import ring
from project.jobs.models import Job, Process
from project.jobs.processes import beat, process_name
from project.jobs.reconciler import tick
from project.jobs.services import enqueue, stop_job
from tests.factories import make_staff

pytestmark = pytest.mark.django_db
Declare = Callable[..., str]
PAGE, RING, EMPTY = "/admin/jobs/queue/", "/admin/jobs/queue/ring/", "/admin/jobs/queue/empty/"


def work(run: Any) -> dict[str, Any]:
    return {}


def client_of(*permissions: str) -> Client:
    client = Client()
    client.force_login(make_staff(*permissions))
    return client


def rung(kind: str) -> Job:
    job = enqueue(kind, ring_bell=False)
    assert ring(job.pk)
    return job


@pytest.fixture
def without_valkey(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    at = f"unix://{tmp_path}/nothing.sock"
    monkeypatch.setitem(django_rq.settings.QUEUES["default"], "URL", at)


# --- What it shows --------------------------------------------------------------------------------


def test_rqs_own_pages_are_gone(admin_client: Client) -> None:
    assert admin_client.get("/admin/rq/").status_code == 404
    with pytest.raises(NoReverseMatch):
        reverse("django_rq:home")


def test_it_shows_who_works_on_what_and_who_fell_silent(
    declare: Declare, admin_client: Client, valkey: Any
) -> None:
    kind = declare(work)
    worked, elsewhere, ended = (enqueue(kind, ring_bell=False) for _ in range(3))
    stop_job(ended)
    running = Job.objects.filter(pk__in=[worked.pk, elsewhere.pk])
    running.update(state=Job.State.RUNNING, lease_until=Now() + timedelta(hours=1))
    Job.objects.filter(pk=worked.pk).update(worker="here:12")
    Job.objects.filter(pk=elsewhere.pk).update(worker="laptop:7")
    beat(Process.Role.WORKER, works_as="here:12")
    late = Now() - timedelta(seconds=Process.SILENCE_SECONDS + 1)
    Process.objects.create(name="there:99", role=Process.Role.SCHEDULER, beat_at=late)
    page = admin_client.get(PAGE)
    alive, silent = page.context["processes"]
    assert (alive["process"].name, silent["process"].name) == (process_name(), "there:99")
    assert worked.short_id in alive["job"]
    assert silent["job"] is None
    assert [job for _, job in page.context["elsewhere"]] == [elsewhere]
    html = page.content.decode()
    assert "silent" in html
    assert "there</td><td>99" in html
    assert "laptop:7" in html
    assert "No worker is running" not in html
    assert "No scheduler is running" in html
    counts = {row["state"]: row["count"] for row in page.context["states"]}
    assert (counts["running"], counts["cancelled"], counts["queued"]) == (2, 1, 0)
    for row in page.context["states"]:
        shown = admin_client.get(row["url"]).context["cl"].result_count
        assert shown == row["count"], row


def test_it_says_what_to_do_when_no_worker_runs(
    declare: Declare, admin_client: Client, valkey: Any
) -> None:
    rung(declare(work))
    html = admin_client.get(PAGE).content.decode()
    assert "No worker is running, and 1 job waits for one." in html
    assert "manage.py worker" in html


def test_it_takes_as_many_queries_for_many_as_for_one(
    declare: Declare, admin_client: Client, valkey: Any, django_assert_num_queries: Any
) -> None:
    kind = declare(work)
    admin_client.get(PAGE)

    def add(number: int) -> None:
        enqueue(kind, ring_bell=False)
        Process.objects.create(name=f"a:{number}", role="worker", works_as=f"b:{number}")
        Job.objects.filter(worker="").update(worker=f"b:{number}", state="running")

    add(1)
    with django_assert_num_queries(9):
        admin_client.get(PAGE)
    for number in range(2, 12):
        add(number)
    with django_assert_num_queries(9):
        page = admin_client.get(PAGE)
    assert all(row["job"] for row in page.context["processes"])


def test_it_is_linked_from_the_front_page_and_the_list(admin_client: Client, valkey: Any) -> None:
    for address in ("/admin/", "/admin/jobs/job/"):
        assert f'href="{PAGE}"' in admin_client.get(address).content.decode(), address


def test_what_is_no_bell_is_counted_and_nothing_of_it_is_run(
    declare: Declare,
    admin_client: Client,
    valkey: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fetched: list[int] = []
    judge = queue._is_bell

    def is_bell(entry_id: bytes, names: Any, values: Any) -> bool:
        fetched.extend([len(names), *(len(value or b"") for value in values)])
        return judge(entry_id, names, values)

    monkeypatch.setattr(queue, "_is_bell", is_bell)
    rung(declare(work))
    touched = tmp_path / "touched"
    forged = QueuedJob.create(
        "os.system", args=(f"touch {touched}",), connection=valkey, serializer=JSONSerializer
    )
    forged.save()
    pickled = b"cos\nsystem\n(S'touch " + str(touched).encode() + b"'\ntR."
    strange: dict[bytes, dict[Any, Any]] = {
        forged.id.encode(): {},
        b"pickled": {"data": pickled},
        b"\xff\xfe": {"data": b"x"},
        b"unreadable": {b"\xff": "a name that is no text"},
        b"huge": {"data": b"x" * 1_000_000},
        b"many": {f"field {number}": "" for number in range(5_000)},
        b"not-there": {},
        b"of-another-type": {},
        b"": {},
        b"<script>alert(1)</script>\0": {},
    }
    for name, fields in strange.items():
        valkey.rpush("rq:queue:default", name)
        if fields:
            valkey.hset(b"rq:job:" + name, mapping=fields)
    valkey.rpush("rq:job:of-another-type", "a list")
    # A bell but for one thing, which only a look at all its names tells.
    named = rung(declare(work))
    valkey.hset(f"rq:job:{named.pk}-0", b"\xff", "x")
    found = queue.look()
    assert (found.answers, found.waiting, found.looked_at) == (True, 12, 12)
    assert found.foreign == 11
    assert max(fetched) <= 500  # what is larger is left where it is
    html = admin_client.get(PAGE).content.decode()
    assert "dropped when a worker meets them" in html
    assert "<script>alert" not in html
    assert not touched.exists()
    assert valkey.llen("rq:queue:default") == 12  # to look takes nothing away


@pytest.mark.parametrize("kind", ["string", "hash", "set", "zset"])
def test_a_queue_of_another_type_is_said_and_can_be_emptied(
    kind: str, admin_client: Client, valkey: Any
) -> None:
    for key in ("rq:queue:default", "rq:failed:default"):
        if kind == "string":
            valkey.set(key, "x")
        elif kind == "hash":
            valkey.hset(key, "a", "b")
        elif kind == "set":
            valkey.sadd(key, "a")
        elif key == "rq:queue:default":
            valkey.zadd(key, {"a": 1})
    html = admin_client.get(PAGE).content.decode()
    assert "unreadable" in html
    assert admin_client.post(EMPTY).status_code == 302
    assert not valkey.exists("rq:queue:default", "rq:failed:default")


def test_only_the_first_entries_are_looked_into(
    monkeypatch: pytest.MonkeyPatch, admin_client: Client, valkey: Any
) -> None:
    monkeypatch.setattr(queue, "LOOKED_AT", 2)
    valkey.rpush("rq:queue:default", "a", "b", "c")
    assert "of the first 2" in admin_client.get(PAGE).content.decode()


@pytest.mark.usefixtures("without_valkey")
def test_without_valkey_it_says_so_and_every_button_ends_in_words(
    declare: Declare, admin_client: Client
) -> None:
    enqueue(declare(work), ring_bell=False)
    assert "Valkey does not answer" in admin_client.get(PAGE).content.decode()
    for address, said in ((RING, "does not answer"), (EMPTY, "was not emptied")):
        assert admin_client.get(address).status_code == 200
        assert said in admin_client.post(address, follow=True).content.decode()
    assert not AuditEntry.objects.of(Act.QUEUE).filter(title__startswith="Emptied").exists()


# --- What it does ---------------------------------------------------------------------------------


def test_ringing_again_reaches_every_due_job_and_no_other(
    declare: Declare, admin_client: Client, valkey: Any
) -> None:
    kind = declare(work)
    waiting = [enqueue(kind, ring_bell=False) for _ in range(3)]  # rung for just now, in vain
    lost, held, ended = (enqueue(kind, ring_bell=False) for _ in range(3))
    Job.objects.filter(pk=lost.pk).update(state="running", lease_until="2020-01-01T00:00Z", fence=2)
    Job.objects.filter(pk=held.pk).update(state="running", lease_until="2999-01-01T00:00Z")
    stop_job(ended)
    assert "Jobs that wait for a worker: 4." in admin_client.get(RING).content.decode()
    assert valkey.llen("rq:queue:default") == 0
    html = admin_client.post(RING, follow=True).content.decode()
    assert "jobs that wait for a worker: 4." in html
    bells = {f"{job.pk}-0".encode() for job in waiting} | {f"{lost.pk}-2".encode()}
    assert set(valkey.lrange("rq:queue:default", 0, -1)) == bells
    admin_client.post(RING)
    assert valkey.llen("rq:queue:default") == 4  # none rings twice
    entry = AuditEntry.objects.of(Act.QUEUE).first()
    assert (entry.actor, entry.title) == ("admin", "Rang again for 4 due jobs")


def test_ringing_again_goes_on_until_every_due_job_was_rung_for(
    declare: Declare, admin_client: Client, valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = declare(work)
    for _ in range(5):
        enqueue(kind, ring_bell=False)
    turns = iter([(2, 0), (2, 0), (1, 0)])  # as many thousands at once
    monkeypatch.setattr(queue, "ring_due_jobs", lambda: next(turns))
    assert queue.ring_again() == (5, 0)
    assert list(turns) == []


def test_an_emptied_queue_loses_no_job(declare: Declare, admin_client: Client, valkey: Any) -> None:
    job = rung(declare(work))
    at_work = "rq:job:11111111-1111-1111-1111-111111111111-0"
    for key in ("rq:job:strange", "rq:job:failed", at_work, "session:somebody"):
        valkey.hset(key, "data", "x")
    valkey.rpush("rq:queue:default", "strange", b"\xff")
    valkey.zadd("rq:failed:default", {"failed": 1, b"\xfe": 2})
    assert "that wait: 3; that failed: 2" in admin_client.get(EMPTY).content.decode()
    assert valkey.llen("rq:queue:default") == 3
    assert "Entries removed: 5" in admin_client.post(EMPTY, follow=True).content.decode()
    assert set(valkey.keys("*")) == {at_work.encode(), b"session:somebody", b"rq:queues"}
    entry = AuditEntry.objects.of(Act.QUEUE).get()
    assert (entry.actor, entry.title) == ("admin", "Emptied the queue of 5 entries")
    Job.objects.update(rung_at=Now() - timedelta(minutes=1))
    tick()
    assert valkey.lrange("rq:queue:default", 0, -1) == [f"{job.pk}-0".encode()]


def test_each_button_is_for_whom_it_is_shown_to(declare: Declare, valkey: Any) -> None:
    rung(declare(work))
    looks, rings = client_of("jobs.view_job"), client_of("jobs.view_job", "jobs.retry_job")
    every = client_of(*("jobs.view_job", "jobs.retry_job", "jobs.stop_job", "jobs.delete_job"))
    for client, may_ring in ((looks, False), (rings, True), (every, True)):
        html = client.get(PAGE).content.decode()
        assert (RING in html, EMPTY in html) == (may_ring, False)
        assert client.post(RING).status_code == (302 if may_ring else 403)
        assert client.post(EMPTY).status_code == 403
    assert client_of("jobs.retry_job").post(RING).status_code == 403
    assert client_of().get(PAGE).status_code == 403
    assert valkey.llen("rq:queue:default") == 1
