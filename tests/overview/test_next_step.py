"""The next step, in every state that the pipeline can be in, and as records make it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest
from django.utils import timezone

from matching.models import EventBatch, SeedUser
from overview.queries import next_step as steps
from overview.queries.next_step import next_step, step_of
from overview.queries.pipeline import (
    TREND_DAYS,
    Answers,
    Events,
    People,
    Pipeline,
    Trips,
    ends_of_days,
    read_pipeline,
)
from project import clock
from project.jobs.models import Job
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.refusal import Refusal
from tests.factories import make_admin, make_seed_user, make_session
from tests.removing import remove
from tests.training.batches import (
    draw_events,
    make_batch,
    make_dataset,
    make_good_batch,
    make_model,
)
from training.kinds import DEFAULT_KIND, get_kind
from training.models import Dataset, ModelVersion
from training.services import registry

FLAT = [0] * TREND_DAYS
DATASET = Dataset(pk=2, kind=DEFAULT_KIND, version=2, verdict="pass")
OLD = Dataset(pk=1, kind=DEFAULT_KIND, version=1, verdict="pass")


def model(version: int, stage: str, *, dataset: Dataset = DATASET, **fields: Any) -> ModelVersion:
    values = {"verdict": "pass", "gates": [], **fields}
    return ModelVersion(
        pk=version, kind=DEFAULT_KIND, version=version, stage=stage, dataset=dataset, **values
    )


def pipeline(**fields: Any) -> Pipeline:
    """Return a pipeline in which version 1 of dataset 2 is live and nothing waits."""
    champion = model(1, "champion")
    whole = Pipeline(
        people=People(10, 10, FLAT),
        trips=Trips(10, 10, timezone.now(), FLAT),
        events=Events(0, 100, 1, None, FLAT),
        datasets=2,
        datasets_trend=FLAT,
        dataset=DATASET,
        is_trained=True,
        is_behind=False,
        stale="",
        model=champion,
        champions={DEFAULT_KIND: champion},
        problems={},
        live_figures=[0.8],
        folder_problem=None,
        words=0,
        answers=Answers(0, 0, is_watched=False),
        alarms=[],
    )
    return replace(whole, **fields)


NEVER_LIVE: dict[str, Any] = {"champions": {}, "model": None, "is_trained": False}
GIVEAWAY = {
    "name": "suspicious_input:age_score", "value": 0.9, "limit": 0.6, "target": "",
    "verdict": "warn", "remedy": "",
}  # fmt: skip

ONE_EVENT = Events(1, 100, 2, None, FLAT, newest_made=1)
REFUSED = Events(9, 100, 2, None, FLAT, newest_made=9, refused="All 9 rows.")

STATES: dict[str, tuple[dict[str, Any], str, str]] = {
    "nothing": ({}, "nothing", "the champion serves"),
    "another folder": (
        {"folder_problem": Refusal("It is of another.", remedy="")}, "adopt_folder", "written",
    ),
    "nobody": ({"people": People(0, 0, FLAT), **NEVER_LIVE}, "seed", "Make seed users"),
    "nobody complete": ({"people": People(9, 0, FLAT)}, "complete", "Complete"),
    "no live trip": ({"trips": Trips(9, 0, None, FLAT)}, "trips", "Create sessions"),
    "no event": ({"events": Events(0, 0, None, None, FLAT)}, "events", "Generate or import"),
    "no dataset": ({"dataset": None, **NEVER_LIVE}, "build", "Build a dataset"),
    "a newer batch": ({"is_behind": True}, "build", "batch 1 is newer"),
    "a newer batch of one event": (
        {"is_behind": True, "events": ONE_EVENT}, "events", "batch 2 has 1 event, too few",
    ),
    "a newer batch of one event, and a candidate": (
        {"is_behind": True, "events": ONE_EVENT, "model": model(2, "candidate")},
        "promote", "Promote model 2",
    ),
    "a newer batch of one event, and an untrained dataset": (
        {"is_behind": True, "events": ONE_EVENT, "is_trained": False}, "train", "dataset 2",
    ),
    "one event and no dataset": (
        {"dataset": None, "events": ONE_EVENT, **NEVER_LIVE}, "events", "Import or generate more",
    ),
    "a newer batch of which no dataset came": (
        {"is_behind": True, "events": REFUSED}, "events", "no dataset came of batch 2: All 9 rows.",
    ),
    "a refused dataset": (
        {"dataset": Dataset(pk=3, version=3, verdict="refuse")}, "see_dataset", "3 is refused",
    ),
    "a stale dataset": ({"stale": "events were changed"}, "build", "Build dataset 2 again"),
    "an untrained dataset": ({"is_trained": False}, "train", "Train on dataset 2"),
    "a candidate": ({"model": model(2, "candidate")}, "promote", "Promote model 2"),
    "a first candidate": (
        {"champions": {}, "model": model(1, "candidate")}, "promote", "Promote model 1",
    ),
    "a candidate with a giveaway": (
        {"model": model(2, "candidate", gates=[GIVEAWAY])}, "confirm", "Confirm age_score",
    ),
    "a refused candidate beside a champion": (
        {"model": model(2, "candidate", verdict="refuse")}, "nothing", "the champion serves",
    ),
    "a refused candidate alone": (
        {"champions": {}, "model": model(1, "candidate", verdict="refuse")}, "see_model", "see why",
    ),
    # Rolled back: the newest model was live and is not any more; dataset 2 has a model.
    "rolled back to the model of the newest dataset": (
        {"model": model(2, "archived", dataset=OLD)}, "nothing", "the champion serves",
    ),
    "rolled back to the model of an older dataset": (
        {
            "model": model(2, "archived"),
            "champions": {DEFAULT_KIND: model(1, "champion", dataset=OLD)},
        },
        "nothing", "the champion serves",
    ),
    "a champion that cannot serve": (
        {"problems": {DEFAULT_KIND: "Its files are gone."}}, "train", "The rules serve",
    ),
    "a champion that cannot serve beside a newer model": (
        {"problems": {DEFAULT_KIND: "Its files are gone."}, "model": model(2, "archived")},
        "promote", "Promote model 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_the_next_step_of_each_state(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "why_not_serving", lambda model, words: "")
    monkeypatch.setattr(steps, "file_problem", lambda record: None)
    monkeypatch.setattr(steps, "retrain_command", lambda model: "train_model")
    monkeypatch.setattr(steps, "build_command", lambda dataset: "build_dataset")
    fields, name, said = STATES[state]
    step = step_of(pipeline(**fields))
    assert step["name"] == name
    assert said in step["text"]


def test_every_step_there_is_has_a_state() -> None:
    assert {name for _, name, _ in STATES.values()} == set(get_args(steps.StepName))


def test_files_that_are_gone_are_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Refusal("The files are gone.", remedy="")
    monkeypatch.setattr(steps, "file_problem", lambda record: gone)
    monkeypatch.setattr(steps, "build_command", lambda dataset: "build_dataset --seed 4")
    monkeypatch.setattr(steps, "retrain_command", lambda model: "build_dataset --seed 4")
    step = step_of(pipeline(is_trained=False))
    assert (step["name"], step["command"]) == ("build", "build_dataset --seed 4")
    broken = {DEFAULT_KIND: "Its files are gone."}
    assert step_of(pipeline(problems=broken))["name"] == "build"


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
def test_after_a_rollback_nothing_waits() -> None:
    make_session(make_seed_user())
    first_rows = make_dataset(make_good_batch(400))
    early = make_model(first_rows)
    rows = make_dataset(make_good_batch(400, seed=2))
    live = make_model(rows)
    registry.promote(live)
    other = make_model(first_rows, seed=1)
    why = "to go back from it again"
    registry.promote(other, by=make_admin(), reason=why, override_reason=why)
    registry.rollback(get_kind(DEFAULT_KIND), reason="as said")
    found = read_pipeline()
    assert found.champion == live
    assert found.model != live
    assert found.dataset == rows
    assert next_step()["name"] == "nothing"
    assert early.stage == "candidate"


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
def test_what_is_counted_is_what_is_there() -> None:
    before = timezone.now() - timedelta(days=3)
    make_session(make_seed_user())
    make_session(make_seed_user(age=None), expires_at=timezone.now() - timedelta(hours=1))
    SeedUser.objects.filter(age=None).update(created_at=before)
    batch = make_good_batch(40)
    found = read_pipeline()
    assert (found.people.total, found.people.complete, found.people.incomplete) == (2, 1, 1)
    assert (found.trips.total, found.trips.live) == (2, 1)
    assert (found.events.synthetic, found.events.real, found.events.newest) == (40, 0, batch.pk)
    assert found.people.trend[-1] == 2
    assert found.people.trend[-5:-1] == [0, 1, 1, 1] or found.people.trend[-5:-1] == [1, 1, 1, 1]
    assert found.trips.trend[-1] == 1
    assert found.events.trend[-1] == 40
    assert found.events.trend[0] == 0


@pytest.mark.django_db
def test_an_empty_database_is_a_pipeline_too() -> None:
    found = read_pipeline()
    assert (found.people.total, found.events.total, found.dataset, found.model) == (
        0,
        0,
        None,
        None,
    )
    assert found.champion is None
    assert next_step()["name"] == "seed"


def test_a_trend_ends_now_after_whole_days() -> None:
    now = timezone.now()
    ends = ends_of_days(now)
    assert len(ends) == TREND_DAYS
    assert ends[-1] == now
    assert ends == sorted(ends)
    assert all((one.hour, one.minute) == (0, 0) for one in ends[:-1])


# --- A build that was refused --------------------------------------------------------------------


def build(**asked: Any) -> Job:
    job = enqueue("training.build_dataset", by=make_admin(), **asked)
    run_job(str(job.pk))
    job.refresh_from_db()
    return job


def of_one_moment(count: int) -> EventBatch:
    """A batch that no split by time can divide."""
    rows = draw_events(count, seed=3)
    return make_batch(rows.assign(occurred_at=rows["occurred_at"].iloc[0]))


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
def test_one_event_is_answered_by_more_and_by_no_build() -> None:
    make_session(make_seed_user())
    registry.promote(make_model(make_dataset(make_good_batch(400))))
    newest = make_batch(draw_events(1, seed=2))
    step = next_step()
    assert (step["name"], step["command"]) == ("events", "generate_events")
    assert f"batch {newest.pk} has 1 event" in step["text"]
    refused = build()
    assert refused.state == Job.State.REFUSED
    assert "Expected at least 2 rows to split, got 1." in refused.error
    assert "Import or generate more events" in refused.error
    assert "--train-share" not in refused.error
    assert next_step()["name"] == "events"
    make_good_batch(400, seed=4)
    assert next_step()["name"] == "build"


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
def test_a_build_that_was_refused_is_not_proposed_until_something_changes() -> None:
    make_session(make_seed_user())
    registry.promote(make_model(make_dataset(make_good_batch(400))))
    newest = of_one_moment(40)
    assert next_step()["name"] == "build"
    # Refused for what was wished of it, or of another batch: the plain one may well succeed.
    build(split="origin")
    assert next_step()["name"] == "build"
    refused = build()
    assert refused.state == Job.State.REFUSED
    step = next_step()
    assert step["name"] == "events"
    assert "have the timestamp" in step["text"]
    EventBatch.objects.filter(pk=newest.pk).update(corrected_at=clock.now())
    assert next_step()["name"] == "build"
    build(batches=[newest.pk])
    assert next_step()["name"] == "events"
    make_good_batch(400, seed=4)
    assert next_step()["name"] == "build"


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
def test_what_cannot_be_built_again_is_not_proposed_to_be() -> None:
    make_session(make_seed_user())
    _, newest = make_good_batch(400), make_good_batch(400, seed=2)
    rows = make_dataset(newest)
    EventBatch.objects.update(corrections=3, corrected_at=clock.now())
    assert next_step()["text"].startswith(f"Build dataset {rows.version} again")
    assert remove("batch", newest.pk).state == "succeeded"
    step = next_step()
    assert (step["name"], step["dataset"]) == ("train", rows.pk)
