"""The last hour beside training, as command, job and page; and alarms as they are told on."""

import http.server
import json
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone

from overview.queries.status import describe_everything
from project.jobs.models import Job, Schedule
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.refusal import Refusal
from serving.jobs.telling import post_json
from serving.models import Alarm, WatchState
from serving.queries.monitoring import monitor_hour
from serving.services.alarms import close_alarm, open_alarm
from serving.services.watching import watch
from tests.blobs import last_file_of
from tests.factories import make_admin, make_alarm, make_api_key, make_staff
from tests.matching.commands import run_command, show_command
from tests.serving.logged import log_pairs
from tests.training.batches import make_dataset, make_model
from training.services import registry

pytestmark = pytest.mark.django_db


@pytest.fixture
def champion(valkey):
    model = make_model(make_dataset())
    registry.promote(model)
    return model


def an_hour(count=200, *, missing=0.0, score=None, **columns):
    """Log a pair each of so many people, over the last half hour."""
    rng = np.random.default_rng(1)
    now = timezone.now()
    scores = rng.random(count) if score is None else np.full(count, score)
    log_pairs(
        [f"person {n}" for n in range(count)],
        [now - timedelta(minutes=30) + timedelta(seconds=n) for n in range(count)],
        scores,
        missing=[["age_score"] if lacks else [] for lacks in rng.random(count) < missing],
        **columns,
    )
    return scores


def test_the_hour_says_how_scores_spread_what_is_missing_and_who_answered(champion):
    scores = an_hour(200, missing=0.3)
    log_pairs(["rules"] * 3, [timezone.now()] * 3, [0.4] * 3, version=None, why="Another set.")
    log_pairs(["before"], [timezone.now() - timedelta(hours=2)], [0.9])
    told = monitor_hour(timezone.now())
    assert (told["rows"], told["pairs"], told["visits"]) == (203, 203, 201)
    assert (told["lowest"], told["highest"]) == (scores.min(), scores.max())
    assert told["fallback_share"] == pytest.approx(1 / 201)
    assert told["why"] == {"Another set.": 1}
    age = next(one for one in told["inputs"] if one["name"] == "age_score")
    assert 0.2 < age["missing_share"] < 0.4
    assert age["training_share"] < age["expected_share"] < 0.2
    assert sum(told["histogram"]) == 203
    assert sum(told["training_histogram"]) == champion.dataset.validation_rows


def test_a_row_counts_for_all_that_it_stands_for():
    log_pairs(["a", "b"], [timezone.now()] * 2, [0.2, 0.8], share=np.array([0.1, 1.0]))
    told = monitor_hour(timezone.now())
    assert (told["rows"], told["pairs"]) == (2, 11)
    assert (told["most_common"], told["most_common_share"]) == (0.2, pytest.approx(10 / 11))
    assert told["standard_deviation"] == pytest.approx(np.std([0.2] * 10 + [0.8]))


def test_an_hour_without_answers_says_so():
    code, told = run_command("monitor_scores")
    assert (code, told["rows"], told["lowest"], told["alarms"]) == (0, 0, None, [])
    assert "No application was answered" in show_command("monitor_scores")


@pytest.mark.usefixtures("champion")
def test_the_command_reads_on_and_ends_with_2_while_an_alarm_is_open():
    an_hour(200)
    code, told = run_command("monitor_scores")
    assert (code, told["opened"]) == (0, [])
    said = show_command("monitor_scores")
    assert "No alarm is open" in said
    assert "Missing now" in said
    log_pairs([f"later {n}" for n in range(60)], [timezone.now()] * 60, [0.485] * 60)
    code, told = run_command("monitor_scores")
    assert (code, told["opened"]) == (2, ["Different people get the same score"])
    assert [alarm["kind"] for alarm in told["alarms"]] == ["repeated"]
    assert "models rollback" in show_command("monitor_scores")
    (state,) = describe_everything()["alarms"]
    assert state["title"] == "Different people get the same score"
    assert "the score that somebody else" in show_command("status")


def test_it_looks_by_itself_when_it_is_told_to():
    owner = make_admin()
    assert run_command("monitor_scores", "--every")[1]["every_seconds"] == 60
    schedule = Schedule.objects.get()
    assert (schedule.kind, schedule.owner) == ("serving.monitor_scores", owner)
    assert run_command("monitor_scores", "--every", "300")[1]["every_seconds"] == 300
    assert "every 5 min" in show_command("monitor_scores")
    assert run_command("monitor_scores", "--off")[1]["every_seconds"] is None
    assert run_command("monitor_scores", "--off")[1]["every_seconds"] is None
    assert run_command("monitor_scores", "--every")[1]["every_seconds"] == 60
    looker = make_staff("serving.view_alarm", name="looker")
    code, told = run_command("monitor_scores", "--every", "--owner", looker.username)
    assert (code, "may not watch" in told["refused"]["message"]) == (2, True)


@pytest.mark.usefixtures("champion")
def test_the_job_says_what_it_read_opened_and_left_open():
    owner = make_admin()
    an_hour(60, score=0.485)
    for said in ("60 visits read, opened: Different people", "No visits read, 1 alarm still open"):
        job = enqueue("serving.monitor_scores", by=owner)
        run_job(str(job.pk))
        job.refresh_from_db()
        assert job.state == Job.State.SUCCEEDED, job.error
        assert said in job.said["text"]
    assert WatchState.objects.get().looked_at is not None


# --- Alarms as records ----------------------------------------------------------------------------


def test_an_alarm_is_open_once_and_closed_once():
    at = timezone.now()
    fields = {"text": "It is so.", "remedy": "Do this.", "at": at}
    first = open_alarm(Alarm.Kind.MISSING, "age_score", share=0.6, **fields)
    assert open_alarm(Alarm.Kind.MISSING, "age_score", **fields) is None
    assert open_alarm(Alarm.Kind.MISSING, "budget_score", **fields) is not None
    assert close_alarm(first, at=at, share_at_end=0.0)
    assert not close_alarm(first, at=at)
    again = open_alarm(Alarm.Kind.MISSING, "age_score", **fields)
    assert again is not None
    assert again.pk != first.pk
    first.refresh_from_db()
    assert first.numbers == {"share": 0.6, "share_at_end": 0.0}


class Listener(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted, and answers what it is told to."""

    posted: list[Any] = []
    status = 204

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.posted.append((self.path, json.loads(body)))
        self.send_response(self.status)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[tuple[type[Listener], str]]:
    Listener.posted, Listener.status = [], 204
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Listener, f"http://127.0.0.1:{server.server_port}/hook/secret?of=ours"
    server.shutdown()
    server.server_close()


def test_opening_and_closing_are_posted_where_somebody_listens(settings, listener):
    listening, address = listener
    alarm = make_alarm()
    close_alarm(alarm, at=timezone.now())
    assert not Job.objects.exists()  # nobody listens
    settings.ALARM_WEBHOOK = address
    opened = open_alarm(
        Alarm.Kind.CHAMPION, "", text="It is gone.", remedy="Bring it back.", at=timezone.now()
    )
    close_alarm(opened, at=timezone.now())
    jobs = list(Job.objects.order_by("created_at"))
    assert [job.kind for job in jobs] == ["serving.tell_alarm"] * 2
    for job in jobs:
        assert address not in str(job.arguments)
        run_job(str(job.pk))
    assert [path for path, _ in listening.posted] == ["/hook/secret?of=ours"] * 2
    assert [told["state"] for _, told in listening.posted] == ["open", "closed"]
    assert listening.posted[0][1]["what_to_do"] == "Bring it back."
    assert Job.objects.filter(state="succeeded").count() == 2
    said = Job.objects.order_by("created_at").first().said
    assert said["text"] == "Posted that “The live model cannot serve” is open."


def test_who_does_not_take_it_is_named_without_the_address(settings, listener):
    listening, address = listener
    settings.ALARM_WEBHOOK = address
    alarm = make_alarm()
    for status in (302, 500):
        listening.status = status
        job = enqueue("serving.tell_alarm", alarm=alarm.pk)
        run_job(str(job.pk))
        job.refresh_from_db()
        assert job.state == Job.State.REFUSED
        assert f"answers {status}" in job.result["refused"]["message"]
        assert "secret" not in json.dumps(job.result)
    assert len(listening.posted) == 2  # no redirect is followed
    job = enqueue("serving.tell_alarm", alarm=alarm.pk + 1)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.REFUSED


@pytest.mark.parametrize(
    "address",
    ["", "ftp://example.org/", "file:///etc/passwd", "http://", "http://a:b@example.org/",
     "http://example.org:99999/", "//example.org/", "http://127.0.0.1:1/"],
)  # fmt: skip
def test_nothing_but_a_web_address_is_posted_to(address):
    with pytest.raises(Refusal):
        post_json(address, b"{}")


# --- The pages ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("champion")
def test_the_page_shows_the_hour_and_who_may_looks_at_once(client):
    page = reverse("admin:serving_monitoring")
    client.force_login(make_staff("serving.view_alarm", name="looker"))
    assert "No application was answered" in client.get(page).content.decode()
    an_hour(100, missing=0.4)
    alarm = make_alarm()
    shown = client.get(page).content.decode()
    assert "Missing inputs" in shown
    assert "more than usual" in shown
    assert reverse("admin:serving_alarm_change", args=[alarm.pk]) in shown
    assert "look-now" not in shown
    assert client.post(page).status_code == 403
    assert not Job.objects.exists()
    client.force_login(make_staff("serving.view_alarm", "serving.monitor_scores", name="operator"))
    assert "look-now" in client.get(page).content.decode()
    assert client.post(page).status_code == 302
    assert Job.objects.get().kind == "serving.monitor_scores"


def test_pages_tell_of_a_broken_champion_what_can_be_done_there(client, champion):
    file = last_file_of(champion)
    file.write_bytes(b" " + file.read_bytes())
    watch(at=timezone.now())
    alarm = Alarm.objects.get()
    assert "manage.py" in alarm.text
    assert "where a process holds the version" in alarm.text
    client.force_login(make_admin())
    for name, arguments in (
        ("serving_monitoring", []),
        ("serving_alarm_changelist", []),
        ("serving_alarm_change", [alarm.pk]),
    ):
        shown = client.get(reverse(f"admin:{name}", args=arguments)).content.decode()
        assert "cannot be used" in shown, name
        assert "manage.py" not in shown, name


def test_alarms_are_listed_told_on_the_front_page_and_nobody_changes_them(client):
    client.force_login(make_admin())
    alarm, old = make_alarm(), make_alarm("budget_score", closed_at=timezone.now())
    listed = reverse("admin:serving_alarm_changelist")
    for state, titles in (("open", [str(alarm)]), ("closed", [str(old)])):
        shown = client.get(listed, {"state": state}).content.decode()
        assert [title for title in (str(alarm), str(old)) if title in shown] == titles
    shown = client.get(reverse("admin:serving_alarm_change", args=[alarm.pk])).content.decode()
    assert "Answers" in shown
    assert "monitor_scores" not in shown  # the page that does it, not the command
    assert str(alarm) in client.get(reverse("admin:index")).content.decode()


def test_who_may_switches_the_watch_on_and_off_on_a_page_that_says_what_comes_of_it(client):
    answers = reverse("admin:serving_monitoring")
    on, off = reverse("admin:serving_watch"), reverse("admin:serving_rest")
    client.force_login(make_staff("serving.view_alarm", name="looker"))
    shown = client.get(answers).content.decode()
    assert "somebody who may watch has to switch it on here" in shown
    assert on not in shown
    operator = make_staff("serving.view_alarm", "serving.monitor_scores", name="operator")
    client.force_login(operator)
    shown = client.get(answers).content.decode()
    assert re.search(rf'sb-empty.*<a class="sb-btn sb-primary" href="{on}">Watch the', shown)
    said = client.get(on).content.decode()
    assert "every 1 min, with your rights" in said
    assert "No worker is running" in said
    assert not Schedule.objects.exists()  # to look at it switches nothing on
    shown = client.post(on, follow=True).content.decode()
    assert "Answers are watched every 1 min from now on" in shown
    schedule = Schedule.objects.get()
    assert (schedule.kind, schedule.owner, schedule.is_enabled) == (
        "serving.monitor_scores", operator, True,
    )  # fmt: skip
    assert on not in shown
    assert off in shown
    said = client.get(on).content.decode()
    assert "watched already, every 1 min" in said
    assert "<button" not in said[said.index("submit-row") : said.index("Back")]
    make_alarm()
    assert "1 alarm stays open until somebody looks" in client.get(off).content.decode()
    assert "not watched by themselves any more" in client.post(off, follow=True).content.decode()
    assert not Schedule.objects.get().is_enabled
    assert "Nothing watches by itself" in client.post(off).content.decode()
    Schedule.objects.update(interval_seconds=300)
    assert "every 5 min" in client.post(on, follow=True).content.decode()  # as it was


def test_the_page_says_that_the_watch_cannot_run_and_when_it_last_looked(client):
    client.force_login(make_admin())
    client.post(reverse("admin:serving_watch"))
    Schedule.objects.update(
        last_error="The owner may not.", interval_seconds=None, cron="0 * * * *"
    )
    watch(at=timezone.now())
    shown = client.get(reverse("admin:serving_monitoring")).content.decode()
    assert "cannot watch" in shown
    assert "The owner may not." in shown
    assert "Last looked at" in shown
    Schedule.objects.update(last_error="")
    shown = client.get(reverse("admin:serving_monitoring")).content.decode()
    assert "by the plan “0 * * * *”" in shown


def test_what_follows_when_nothing_was_answered_is_for_who_may(client):
    page, add = reverse("admin:serving_monitoring"), reverse("admin:serving_apikey_add")
    client.force_login(make_admin())
    client.post(reverse("admin:serving_watch"))
    assert add in client.get(page).content.decode()
    make_api_key()
    assert add not in client.get(page).content.decode()
