"""Whoever writes to Valkey rings for a job of the ledger, or for nothing."""

import json
import zlib
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import django_rq
import pytest
from django.core.management import call_command
from rq import Callback, Queue
from rq.job import Job as QueuedJob
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

from project.jobs.bell import Bell, ring
from project.jobs.models import Job
from project.jobs.services import enqueue
from project.jobs.worker import AnsweredBell, LedgerWorker

pytestmark = pytest.mark.django_db(transaction=True)


def touch(*arguments: Any, **named: Any) -> None:
    """What somebody with redis-cli would like to run."""
    Path("touched").touch()


def plain_queue() -> Queue:
    """A queue as any other application has it."""
    return Queue("default", connection=django_rq.get_connection(), serializer=JSONSerializer)


def work() -> None:
    """Answer every bell in this process, as a worker would in another."""
    worker = django_rq.get_worker(
        "default", worker_class=LedgerWorker, serializer="rq.serializers.JSONSerializer"
    )
    (queue,) = worker.queues
    told = {"connection": queue.connection, "serializer": JSONSerializer}
    while found := queue.dequeue_any([queue], None, job_class=AnsweredBell, **told):
        worker.perform_job(*found)


@pytest.mark.parametrize(
    "forge",
    [
        lambda queue, path: queue.enqueue(touch, str(path)),
        lambda queue, path: queue.enqueue("os.system", f"touch {path}"),
        lambda queue, path: queue.enqueue("project.jobs.runner.run_job", f"touch {path}"),
        lambda queue, path: queue.enqueue(
            "project.jobs.runner.run_job", "x", on_failure=Callback(touch)
        ),
    ],
    ids=["function", "system", "no id", "callback"],
)
def test_anything_but_a_bell_is_dropped_and_logged(
    forge: Callable[[Queue, Path], None],
    valkey: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    forge(plain_queue(), tmp_path / "touched")
    work()
    assert list(tmp_path.iterdir()) == []
    assert "is no bell of the ledger" in caplog.text
    assert plain_queue().count == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("success_callback_name", "tests.project.test_bell.touch"),
        ("failure_callback_name", "tests.project.test_bell.touch"),
        ("stopped_callback_name", "tests.project.test_bell.touch"),
        ("webhooks", json.dumps([{"url": "http://127.0.0.1:1/", "statuses": ["finished"]}])),
        ("dependency_ids", json.dumps(["a"])),
        ("repeats_left", "3"),
        ("data", zlib.compress(b'["os.system", null, ["true"], {}]')),
        ("data", zlib.compress(b"[" * 5000)),
        ("data", zlib.compress(bytes(100_000_000), 1)),
        ("data", b"\x80\x04."),
        ("status", "of another world"),
    ],
)
def test_a_bell_that_says_more_is_dropped(field: str, value: Any, valkey: Any) -> None:
    job = enqueue("matching.seed_users", count=0, ring_bell=False)
    ring(job.pk)
    (key,) = valkey.keys("rq:job:*")
    valkey.hset(key, field, value)
    work()
    job.refresh_from_db()
    assert job.state == Job.State.QUEUED
    assert plain_queue().count == 0


def test_what_else_stands_in_a_bell_is_not_believed(valkey: Any) -> None:
    """Times, limits and metadata are RQ's own business; odd ones end no worker."""
    job = enqueue("matching.seed_users", count=0, ring_bell=False)
    ring(job.pk)
    (key,) = valkey.keys("rq:job:*")
    odd = {"created_at": "never", "timeout": "x", "result_ttl": "x", "meta": "{", "worker_name": ""}
    for name, value in odd.items():
        valkey.hset(key, name, value)
    work()
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED, job.error


def test_an_abandoned_entry_calls_nothing_when_registries_are_cleaned(
    valkey: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    forged = QueuedJob.create(
        touch,
        connection=valkey,
        serializer=JSONSerializer,
        on_failure=Callback(touch),
        origin="default",
    )
    forged.save()
    valkey.zadd("rq:wip:default", {f"{forged.id}:x": 1})
    queue = django_rq.get_queue("default")
    assert queue.job_class is Bell
    # As a worker does it, as django-rq's commands do, and one of those.
    queue.started_job_registry.cleanup()
    valkey.zadd("rq:wip:default", {f"{forged.id}:x": 1})
    StartedJobRegistry("default", valkey).cleanup()
    valkey.zadd("rq:wip:default", {f"{forged.id}:x": 1})
    call_command("rqstats", stdout=StringIO())
    assert list(tmp_path.iterdir()) == []


def test_a_bell_is_answered_by_a_worker_alone(valkey: Any) -> None:
    job = enqueue("matching.seed_users", count=0, ring_bell=False)
    ring(job.pk)
    (bell,) = django_rq.get_queue("default").get_jobs()
    with pytest.raises(RuntimeError, match=r"manage\.py worker"):
        bell.perform()
    job.refresh_from_db()
    assert job.state == Job.State.QUEUED


def test_an_entry_that_cannot_be_read_ends_no_worker(
    valkey: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("project.jobs.worker.UNREADABLE_PAUSE_SECONDS", 0.0)
    strange = enqueue("matching.seed_users", count=0, ring_bell=False)
    ring(strange.pk)
    (key,) = valkey.keys("rq:job:*")
    valkey.hset(key, b"\xff", "a name that is no text")
    valkey.rpush("rq:queue:default", b"\xff\xfe")
    valkey.rpush("rq:queue:default", "of-another-type")
    valkey.rpush("rq:job:of-another-type", "a list")
    valkey.set("rq:wip:default", "no sorted set")
    job = enqueue("matching.seed_users", count=0, ring_bell=False)
    ring(job.pk)
    worker = django_rq.get_worker(
        "default", worker_class=LedgerWorker, serializer="rq.serializers.JSONSerializer"
    )
    worker.register_birth()
    try:
        bell, _ = worker.dequeue_job_and_maintain_ttl(None)
        assert list(bell.args) == [str(job.pk)]
        assert "cannot be read" in caplog.text
        worker.run_maintenance_tasks()
        assert "cannot be cleaned" in caplog.text
    finally:
        worker.register_death()


@pytest.mark.parametrize("command", ["shutdown", "kill-horse", "stop-job"])
def test_a_worker_takes_no_orders_from_valkey(valkey: Any, command: str) -> None:
    worker = django_rq.get_worker(
        "default", worker_class=LedgerWorker, serializer="rq.serializers.JSONSerializer"
    )
    worker.bootstrap()
    try:
        heard = valkey.publish(worker.pubsub_channel_name, json.dumps({"command": command}))
        assert heard == 0
        valkey.set("rq:suspended", 1)
        worker.check_for_suspension(burst=False)
        assert worker.get_state() != "suspended"
    finally:
        worker.teardown()
