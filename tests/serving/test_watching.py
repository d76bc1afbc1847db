"""Alarms open once on what the log tells, name what it is, and close when it has ended."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection

from matching.domain.features.names import GROUP_ONLY
from serving.domain.watching import expected_missing
from serving.models import Alarm, WatchedStream, WatchState
from serving.queries.training_facts import coincidence_in_training, facts_of
from serving.queries.visits import visits_after, visits_between
from serving.services import watching
from serving.services.watching import watch
from tests.blobs import file_of, last_file_of
from tests.serving.logged import log_pairs
from tests.training.batches import make_dataset, make_model
from training.queries.loading import load_cached
from training.queries.scoring import NO_CHAMPION
from training.services import registry

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def champion(valkey):
    model = make_model(make_dataset())
    registry.promote(model)
    return model


def many(count, at, rng, *, prefix="", missing=0.0, name="age_score", score=None, **columns):
    """Log one pair each of so many people, over a minute."""
    people = [f"{prefix or at.isoformat()} {n}" for n in range(count)]
    moments = [at + n * MINUTE / count for n in range(count)]
    scores = rng.random(count) if score is None else np.full(count, score)
    lacks = [[name] if lacking else [] for lacking in rng.random(count) < missing]
    log_pairs(people, moments, scores, missing=lacks, **columns)


def open_now():
    return {(alarm.kind, alarm.subject) for alarm in Alarm.objects.filter(closed_at=None)}


def test_a_person_is_one_visit_in_an_hour_whatever_was_scored_and_read_when():
    log_pairs(["a"] * 5 + ["b"], [NOON] * 6, np.arange(6) / 10)
    visits, last, is_behind = visits_after(0, 4)
    assert (len(visits), is_behind) == (1, True)
    visits, last, is_behind = visits_after(last, 100)
    assert (len(visits), is_behind) == (1, False)  # of a there was one before
    log_pairs(["a", "b", "a"], [NOON + MINUTE, NOON + 59 * MINUTE, NOON + 60 * MINUTE], [0.1] * 3)
    visits, last, _ = visits_after(last, 100)
    assert len(visits) == 1  # of the next hour
    assert visits_after(last, 100)[1:] == (last, False)
    assert len(visits_between(NOON - MINUTE, NOON + 61 * MINUTE, 1_000)) == 3
    assert len(visits_between(NOON, NOON + 59 * MINUTE, 1_000)) == 2


def test_who_is_not_named_is_one_visit_of_a_key_and_minute():
    log_pairs([""] * 4, [NOON, NOON, NOON + MINUTE, NOON], [0.5] * 4, key_id=[1, 1, 1, 2])
    visits, last, _ = visits_after(0, 2)
    assert len(visits) == 1
    visits, _, _ = visits_after(last, 2)
    assert len(visits) == 2
    assert len(set(visits.people)) == 2


def test_what_training_saw_is_what_is_expected(champion):
    facts = facts_of(champion)
    assert set(facts.missing) == set(champion.inputs) - set(GROUP_ONLY)  # of users alone
    assert sum(facts.histogram) == champion.dataset.validation_rows
    share = coincidence_in_training(champion, load_cached(champion))
    assert 0 < share < 0.1
    file_of(champion.dataset, "val.parquet").unlink()
    assert 0 < coincidence_in_training(champion, load_cached(champion)) < 0.1
    watch(at=NOON)
    stream = WatchedStream.objects.get(name="missing:age_score")
    assert stream.expected_share == expected_missing(facts.missing["age_score"])
    assert stream.model_version == champion.version


@pytest.mark.usefixtures("champion")
def test_one_score_for_everybody_opens_one_alarm_once():
    rng = np.random.default_rng(1)
    many(300, NOON, rng)
    assert watch(at=NOON + MINUTE).opened == []
    many(100, NOON + MINUTE, rng, score=0.485)
    many(100, NOON + 2 * MINUTE, rng, score=0.485)
    assert watch(at=NOON + 2 * MINUTE).opened == ["Different people get the same score"]
    alarm = Alarm.objects.get()
    assert alarm.is_open
    assert "100.0 % of the last 50 visits" in alarm.text
    assert "models rollback" in alarm.remedy
    assert alarm.numbers["share"] == 1.0
    many(100, NOON + 3 * MINUTE, rng, score=0.485)
    assert watch(at=NOON + 4 * MINUTE).opened == []
    assert open_now() == {("repeated", "")}


@pytest.mark.usefixtures("champion")
def test_a_missing_input_is_named_and_its_alarm_closes_when_it_is_back():
    rng = np.random.default_rng(2)
    many(200, NOON, rng)
    many(200, NOON + MINUTE, rng, missing=0.6)
    told = watch(at=NOON + 2 * MINUTE)
    assert told.visits == 400
    assert open_now() == {("missing", "age_score")}
    many(100, NOON + 3 * MINUTE, rng, missing=0.6)
    assert watch(at=NOON + 4 * MINUTE).closed == []
    many(40, NOON + 61 * MINUTE, rng)
    assert watch(at=NOON + 70 * MINUTE).closed == []  # not enough of them to tell
    many(60, NOON + 71 * MINUTE, rng)
    assert len(watch(at=NOON + 72 * MINUTE).closed) == 1
    alarm = Alarm.objects.get()
    assert (alarm.is_open, alarm.closed_at) == (False, NOON + 72 * MINUTE)
    assert alarm.numbers["share_at_end"] <= alarm.numbers["expected"]
    many(200, NOON + 73 * MINUTE, rng, missing=0.6)
    assert len(watch(at=NOON + 75 * MINUTE).opened) == 1


@pytest.mark.usefixtures("champion")
def test_rules_instead_of_the_model_are_told_with_why_and_none_where_no_model_was_ever_live():
    rng = np.random.default_rng(3)
    many(400, NOON, rng, version=None, why=NO_CHAMPION)
    assert watch(at=NOON + MINUTE).opened == []
    many(200, NOON + MINUTE, rng, version=None, why="These features are of another set.")
    watch(at=NOON + 2 * MINUTE)
    alarm = Alarm.objects.get()
    assert alarm.kind == Alarm.Kind.FALLBACK
    assert alarm.numbers["why"] == {"These features are of another set.": 200}
    assert "another set" in alarm.text


def test_a_champion_that_cannot_serve_is_told_until_it_can(champion):
    watch(at=NOON)
    before = {stream.name for stream in WatchedStream.objects.all()}
    file = last_file_of(champion)
    kept = file.read_bytes()
    file.write_bytes(kept + b" ")
    assert watch(at=NOON + MINUTE).opened == ["The live model cannot serve"]
    assert watch(at=NOON + 2 * MINUTE).opened == []
    assert "cannot be used" in Alarm.objects.get().text
    assert {stream.name for stream in WatchedStream.objects.all()} == before
    file.write_bytes(kept)
    assert watch(at=NOON + 3 * MINUTE).closed == ["The live model cannot serve"]
    assert Alarm.objects.get().closed_at == NOON + 3 * MINUTE


def test_another_model_is_held_to_its_own_training_and_ends_alarms_of_the_other(champion):
    rng = np.random.default_rng(4)
    many(200, NOON, rng, missing=0.9)
    watch(at=NOON + MINUTE)
    assert open_now() == {("missing", "age_score")}
    newer = make_model(champion.dataset)
    registry.promote(newer, reason="better")
    assert len(watch(at=NOON + 2 * MINUTE).closed) == 1
    assert {stream.model_version for stream in WatchedStream.objects.exclude(name="fallback")} == {
        newer.version
    }
    many(200, NOON + 2 * MINUTE, rng, missing=0.9)  # answers of the older one
    assert watch(at=NOON + 3 * MINUTE).opened == []


def test_before_any_model_is_live_repeats_are_watched_and_then_the_inputs_too(valkey):
    watch(at=NOON)
    assert {stream.name for stream in WatchedStream.objects.all()} == {"fallback", "repeated"}
    registry.promote(make_model(make_dataset()))
    watch(at=NOON + MINUTE)
    assert WatchedStream.objects.filter(name__startswith="missing:").count() >= 11


@pytest.mark.usefixtures("champion")
def test_rows_count_once_however_often_the_watch_is_interrupted(monkeypatch):
    rng = np.random.default_rng(5)
    many(30, NOON, rng)

    def fail(*_, **__):
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(watching, "_judge", fail)
        with pytest.raises(RuntimeError):
            watch(at=NOON + MINUTE)
    assert not WatchState.objects.exists()
    assert watch(at=NOON + MINUTE).visits == 30
    assert watch(at=NOON + MINUTE).visits == 0
    assert WatchedStream.objects.get(name="fallback").visits == 30


@pytest.mark.usefixtures("champion")
def test_a_look_reads_a_bounded_part_and_says_that_there_is_more(monkeypatch):
    monkeypatch.setattr(watching, "MOST_ROWS", 20)
    many(30, NOON, np.random.default_rng(6))
    assert [watch(at=NOON).is_behind for _ in range(3)] == [True, False, False]
    assert WatchedStream.objects.get(name="fallback").visits == 30
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM serving_alarm")
        assert cursor.fetchone() == (0,)
