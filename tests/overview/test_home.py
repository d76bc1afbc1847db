"""The front page: what it says is true, and what it offers can be done by who reads it."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from feedback.models import FeedbackSource
from feedback.queries.reports import csat_report
from feedback.queries.reports.kept import Asked, counts_asked
from feedback.queries.sources import choose_scope
from feedback.services.reports import count_report, feedback_at_a_glance
from matching.models import SeedUser
from overview.admin import cards
from overview.queries import pipeline
from overview.queries.pipeline import read_pipeline
from overview.queries.targets import Target, targets_of, targets_of_feedback
from project import words
from project.jobs.models import Job, Schedule
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from tests.factories import (
    make_admin,
    make_alarm,
    make_api_key,
    make_seed_user,
    make_session,
    make_staff,
)
from tests.feedback.collected import rate, real_source
from tests.serving.logged import log_pairs
from tests.training.batches import make_dataset, make_good_batch, make_model
from training.models import ModelVersion
from training.services import registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]

HOME, ANSWERS = "/admin/", "serving.view_alarm"
QUERIES = 15
VIEWS = (
    *("matching.view_seeduser", "matching.view_travelsession", "matching.view_eventbatch"),
    *("training.view_dataset", "training.view_modelversion", "jobs.view_job"),
    "feedback.report_feedback",
)


@pytest.fixture
def full() -> ModelVersion:
    """A whole installation: people, trips, events, a live model, feedback and jobs."""
    make_session(make_seed_user())
    live = make_model(make_dataset(make_good_batch(400)))
    registry.promote(live)
    source = real_source("production")
    rate(source, [0.2, 0.4, 0.6, 0.8] * 20, days_ago=2.0)
    for asked in (Asked("csat", choose_scope()), counts_asked(FeedbackSource.objects.all())):
        count_report(asked)  # as the job that lands rows does
    for state in ("succeeded", "failed", "running", "queued"):
        Job.objects.create(kind="matching.seed_users", state=state, actor="ada", arguments={})
    return live


def text_of(page: Any) -> str:
    html = page.content.decode()
    main = html[html.index("<main") : html.index("</main>")]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))


def signed_in(*permissions: str) -> Client:
    client = Client()
    client.force_login(make_staff(*permissions) if permissions else make_admin())
    return client


def ways_of(client: Client) -> Iterator[tuple[str, str]]:
    """Yield method and address of each link and button of the front page."""
    html = client.get(HOME).content.decode()
    main = html[html.index("<main") : html.index("</main>")]
    yield from (("get", address) for address in re.findall(r'href="(/admin/[^"]*)"', main))
    yield from (("post", address) for address in re.findall(r'formaction="([^"]*)"', main))


@pytest.mark.parametrize("rights", [(), VIEWS], ids=["everything", "may look"])
def test_the_front_page_asks_few_queries(full: ModelVersion, rights: tuple[str, ...]) -> None:
    """With those of the session and the rights, and with nothing kept of what was asked before."""
    client = signed_in(*rights)
    client.get(HOME)  # writes that somebody is there, once a minute
    for address in (HOME, reverse("admin:home_live")):
        cache.clear()
        with CaptureQueriesContext(connection) as asked:
            page = client.get(address)
        assert page.status_code == 200
        said = [query["sql"][:120] for query in asked.captured_queries]
        assert len(said) <= QUERIES, "\n".join(said)


def test_a_full_installation_is_told_in_cards_targets_and_jobs(full: ModelVersion) -> None:
    said = text_of(signed_in().get(HOME))
    auc = full.metrics["validation"]["roc_auc"]
    for word in (
        f"Version {full.version} is live", "Nothing waits: the champion serves.", "all complete",
        "all live", "no real ones", f"ROC-AUC of version {full.version}",
        words.number(auc["value"]), "not enough evidence", "Copies", "CSAT", "80 ratings",
        "No real rows: every figure of the live model is about synthetic people",
        "running", "queued", "failed", "done",
    ):  # fmt: skip
        assert word in said, word
    assert "manage.py" not in said


def test_figures_are_those_of_gates_and_reports(full: ModelVersion) -> None:
    found = {(one["title"], one["about"][0]): one for one in targets_of(read_pipeline())}
    auc = found["ROC-AUC", "training.modelversion"]
    measured = full.metrics["validation"]["roc_auc"]
    assert (auc["value"], auc["low"], auc["high"]) == tuple(measured.values())
    assert auc["wanted"] == "> 0.70"
    copies = found["Copies", "training.dataset"]
    check = next(one for one in full.dataset.checks if one["name"] == "duplicate_share")
    assert (copies["value"], copies["wanted"]) == (check["value"], check["target"])
    glance = feedback_at_a_glance()
    report = csat_report(choose_scope())
    assert glance["csat"]["overall"] == report["overall"]
    assert glance["csat"]["days"] == report["days"]
    told = {one["title"]: one for one in targets_of_feedback(glance)}
    assert told["CSAT"]["value"] == report["overall"]["mean"]
    assert told["Rows for a model of CSAT"]["value"] == 80
    assert told["Rows for a model of CSAT"]["status"] == "missed"


@pytest.mark.parametrize(
    ("low", "high", "status"),
    [(0.71, 0.9, "met"), (0.5, 0.69, "missed"), (0.6, 0.8, "not enough evidence")],
)
def test_an_interval_decides_whether_a_target_is_met(
    full: ModelVersion, low: float, high: float, status: str
) -> None:
    pipeline = read_pipeline()
    champion = pipeline.champion
    assert champion is not None
    champion.metrics["validation"]["roc_auc"] = {"value": 0.7, "low": low, "high": high}
    found: list[Target] = targets_of(pipeline)
    assert next(one["status"] for one in found if one["title"] == "ROC-AUC") == status


def test_what_feedback_says_is_kept_until_a_run_ends() -> None:
    source = real_source("production")
    rate(source, [0.2] * 10)
    assert feedback_at_a_glance()["csat"]["rows"] == 10
    rate(source, [0.8] * 10)
    again = feedback_at_a_glance()["csat"]["rows"]
    assert again == 20


@pytest.mark.parametrize(
    "rights",
    [
        (),
        VIEWS,
        (*VIEWS, "training.train_model", "training.build_dataset"),
        (*VIEWS, "training.promote_model"),
        (*VIEWS, "matching.add_seeduser"),
        ("matching.view_seeduser",),
        ("jobs.view_job",),
        ("training.rebuild_model",),
        ("feedback.report_feedback",),
    ],
)
@pytest.mark.parametrize("state", ["empty", "people", "full", "candidate"])
def test_nothing_on_it_answers_no_to_who_may_see_it(
    rights: tuple[str, ...], state: str, request: pytest.FixtureRequest
) -> None:
    if state == "people":
        make_seed_user(age=None)
    if state in ("full", "candidate"):
        live = request.getfixturevalue("full")
        if state == "candidate":
            make_model(live.dataset, seed=1)
        FeedbackSource.objects.update(failures=2)
    client = signed_in(*rights)
    for method, address in set(ways_of(client)):
        answer = getattr(client, method)(address)
        assert answer.status_code in (200, 302), (method, address)


def test_a_candidate_is_decided_on_by_who_may_and_looked_at_by_others(full: ModelVersion) -> None:
    newest = make_model(full.dataset, seed=1)
    decide = reverse("admin:training_modelversion_promote", args=[newest.pk])
    look = reverse("admin:training_modelversion_change", args=[newest.pk])
    said = text_of(signed_in().get(HOME))
    assert f"Next: Promote model {newest.version}" in said
    assert ("get", decide) in set(ways_of(signed_in()))
    viewer = signed_in(*VIEWS)
    assert "It waits for somebody who may promote models." in text_of(viewer.get(HOME))
    assert ("get", decide) not in set(ways_of(viewer))
    assert ("get", look) in set(ways_of(viewer))


def test_what_is_under_way_is_watched_and_not_begun_again(full: ModelVersion) -> None:
    make_good_batch(40)
    client = signed_in()
    assert "Next: Build a dataset" in text_of(client.get(HOME))
    enqueue("training.build_dataset", by=make_admin())
    said = text_of(client.get(HOME))
    assert "“Build a dataset” is under way" in said
    assert "Watch it" in said


def test_an_empty_installation_is_begun_step_by_step() -> None:
    client = signed_in()
    begin = {step: reverse("admin:home_begin", args=[step]) for step in ("people", "trips")}
    assert "Three steps to a first live model" in text_of(client.get(HOME))
    assert ("post", begin["people"]) in set(ways_of(client))
    assert ("post", begin["trips"]) not in set(ways_of(client))
    assert client.post(begin["people"])["Location"] == HOME
    job = Job.objects.get()
    assert (job.kind, job.arguments["count"]) == ("matching.seed_users", 200)
    # While it is under way nobody begins it twice, by a second tab either.
    assert ("post", begin["people"]) not in set(ways_of(client))
    said = client.post(begin["people"], follow=True).content.decode()
    assert "is under way already" in said
    assert Job.objects.count() == 1
    run_job(str(job.pk))
    assert SeedUser.objects.complete().count() >= 200
    assert ("post", begin["trips"]) in set(ways_of(client))
    client.post(begin["trips"])
    run_job(str(Job.objects.latest("created_at").pk))
    rebuild = reverse("admin:training_modelversion_rebuild")
    assert ("get", rebuild) in set(ways_of(client))
    assert client.post(reverse("admin:home_begin", args=["everything"])).status_code == 404
    assert client.get(begin["people"]).status_code == 405


def test_nobody_begins_what_they_may_not() -> None:
    viewer = signed_in(*VIEWS)
    begin = reverse("admin:home_begin", args=["people"])
    assert "for somebody who may" in text_of(viewer.get(HOME))
    assert viewer.post(begin).status_code == 403
    assert not Job.objects.exists()


def test_the_live_parts_are_the_same_while_nothing_changes(full: ModelVersion) -> None:
    client = signed_in()
    live = reverse("admin:home_live")
    first, second = (client.get(live).json() for _ in range(2))
    assert first["parts"] == second["parts"]
    assert first["is_active"]
    Job.objects.filter(state__in=Job.ACTIVE).update(state="succeeded")
    third = client.get(live).json()
    assert third["pause"] > first["pause"]
    assert third["parts"]["side"] != first["parts"]["side"]
    assert third["parts"]["targets"] == first["parts"]["targets"]
    assert "csrf" not in str(third)


def test_nobody_without_rights_sees_a_number(full: ModelVersion) -> None:
    said = text_of(signed_in("auth.view_user").get(HOME))
    assert "Nothing to show yet" in said
    assert not re.search(r"\d\.\d", said)


def card_of(client: Client, title: str) -> str:
    """Return what a card says, and where its button leads."""
    html = client.get(HOME).content.decode()
    return next(part for part in html.split("<li>")[1:] if f">{title}</a></h2>" in part)


def test_applications_stand_in_the_pipeline(full: ModelVersion) -> None:
    client, title = signed_in(), "Answers today"
    card = card_of(client, title)
    assert "no key yet" in card
    assert reverse("admin:serving_apikey_add") in card
    assert reverse("admin:serving_apikey_add") not in card_of(signed_in(ANSWERS), title)
    make_api_key()
    log_pairs(["ana", "ben"], [timezone.now()] * 2, [0.2, 0.8])
    log_pairs(["cem"], [timezone.now() - timedelta(days=1)], [0.4])
    card = card_of(client, title)
    assert '<div class="sb-value">2</div>' in card
    assert "not watched" in card
    assert reverse("admin:serving_watch") in card
    assert reverse("admin:serving_watch") not in card_of(signed_in(ANSWERS), title)
    client.post(reverse("admin:serving_watch"))
    assert "no alarm" in card_of(client, title)
    Schedule.objects.update(last_error="Its owner may not.")
    assert "the watch cannot run" in card_of(client, title)
    Schedule.objects.update(last_error="")
    make_alarm()
    card = card_of(client, title)
    assert "1 open alarm" in card
    assert f"{reverse('admin:serving_alarm_changelist')}?state=open" in card
    assert title not in signed_in(*VIEWS).get(HOME).content.decode()


def test_answers_of_a_day_are_counted_so_far(
    full: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (pipeline, cards):
        monkeypatch.setattr(module, "COUNTED_ANSWERS", 3)
    log_pairs(["ana"] * 9, [timezone.now()] * 9, [0.2] * 9)
    assert read_pipeline().answers.today == 4
    assert '<div class="sb-value">3+</div>' in card_of(signed_in(), "Answers today")
