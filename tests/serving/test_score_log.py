"""The score log: all of what was answered, or a share that is told; no request waits for it."""

import os
from typing import Any

import numpy as np
import pytest
from django.db import OperationalError
from hypothesis import given
from hypothesis import strategies as st

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.words import MatchType
from serving.domain.inputs import bits_of, from_bytes, mask_of, names_of, to_bytes
from serving.domain.responses import make_answer, read_response_id, response_id
from serving.models import ApiKey, ScoredPair
from serving.services import score_log
from serving.services.score_log import Answered, ScoreLog
from tests.training.batches import make_dataset, make_model
from tests.waiting import until
from training.queries.scoring import score_vectors
from training.services import registry

A = "a" * 20


@pytest.fixture
def log(settings: Any, monkeypatch: pytest.MonkeyPatch) -> ScoreLog:
    """The log of this process, which writes when it is told to."""
    settings.SCORE_LOG = True
    mine = ScoreLog()
    monkeypatch.setattr(mine, "begin", lambda: None)
    monkeypatch.setattr("serving.api.match.log", mine)
    return mine


def offered(count: int, answer: str | None = None) -> Answered:
    scores = score_vectors([{"ageScore": n / count} for n in range(count)])
    names = [(f"left {n}", f"right {n}") for n in range(count)]
    return Answered(
        answer or make_answer(), ScoreLog().clock(), 7, names, range(count), scores, "user_user"
    )


@pytest.mark.usefixtures("people")
def test_each_answered_pair_is_kept_as_it_was_told(ask, log):
    model = make_model(make_dataset())
    registry.promote(model)
    named = [
        ("seed_0", "seed_1"),
        ("nobody", "seed_1"),
        ("seed_0", "group_1"),
        ("seed_0", "seed_5"),
    ]
    body = {"pairs": [{"left": left, "right": right} for left, right in named]}
    told = ask("match/score", body).json()["scores"]
    assert "response_id" not in told[1]
    assert log.flush() == log.written == 3
    assert log.flush() == 0
    rows = {str(row): row for row in ScoredPair.objects.all()}
    assert set(rows) == {one["response_id"] for one in told if "problem" not in one}
    for place, one in enumerate(told):
        if "problem" in one:
            continue
        row = rows[one["response_id"]]
        assert (row.left_id, row.right_id) == named[place]
        assert (row.score, row.rule_score) == (one["score"], one["rule_score"])
        assert (row.model_version, row.why_rules) == (model.version, "")
        assert row.feature_set == one["feature_set"]
        assert row.feature_revision == one["feature_revision"]
        assert list(names_of(row.missing)) == one["missing"]
        values = from_bytes(row.features)
        assert {FEATURE_NAMES[at] for at in np.flatnonzero(np.isnan(values))} >= set(one["missing"])
        assert (row.share, row.place) == (1.0, place)
        assert ApiKey.objects.filter(pk=row.key_id).exists()
    group = rows[told[2]["response_id"]]
    assert [rows[told[0]["response_id"]].match_type, group.match_type] == [
        MatchType.USER_USER.code,
        MatchType.USER_GROUP.code,
    ]


@pytest.mark.usefixtures("people")
def test_a_ranking_and_unnamed_pairs_are_kept_with_why_the_rules_answered(ask, log):
    best = ask("match/rank", {"left": "seed_0", "count": 2}).json()["best"]
    features = {"features": [{"ageScore": 0.5}], "feature_set": "smooth-1"}
    unnamed = ask("match/score", {**features, "match_type": "user_group"}).json()["scores"]
    assert log.flush() == 3
    rows = {str(row): row for row in ScoredPair.objects.all()}
    for one in best:
        row = rows[one["response_id"]]
        assert (row.left_id, row.right_id, row.score) == ("seed_0", one["right"], one["score"])
        assert row.model_version is None
        assert "no champion" in row.why_rules
    row = rows[unnamed[0]["response_id"]]
    assert (row.left_id, row.right_id) == ("", "")
    assert row.match_type == MatchType.USER_GROUP.code


@pytest.mark.django_db
def test_beyond_a_hundred_a_second_a_share_is_kept_and_said(log):
    for _ in range(5):
        log.offer(offered(80))
    assert log.flush() == score_log.ROWS_PER_SECOND
    assert {row.share for row in ScoredPair.objects.all()} == {100 / 400}
    assert len({row.answer for row in ScoredPair.objects.all()}) == 5
    for row in ScoredPair.objects.all():
        assert row.left_id == f"left {row.place}"
        assert from_bytes(row.features)[FEATURE_NAMES.index("age_score")] == pytest.approx(
            row.place / 80
        )
    log.offer(offered(80))
    log.offer(offered(80))
    assert log.flush(seconds=1.6) == 160  # what came while a write took longer


@pytest.mark.django_db
def test_what_there_is_no_room_for_counts_in_the_share(log, monkeypatch):
    monkeypatch.setattr(score_log, "MOST_WAITING", 100)
    for _ in range(4):
        log.offer(offered(50))
    assert log.flush() == 100
    assert {row.share for row in ScoredPair.objects.all()} == {0.5}


@pytest.mark.django_db
def test_a_batch_that_no_database_takes_is_counted_and_the_next_is_written(
    log, monkeypatch, caplog
):
    def fail(*_):
        raise OperationalError("password=secret")

    with monkeypatch.context() as broken:
        broken.setattr(score_log, "write_rows", fail)
        log.offer(offered(3))
        assert log.flush() == 0
    assert (log.written, log.lost) == (0, 3)
    assert "3 scored pairs were not written" in caplog.text
    assert "secret" not in caplog.text
    log.offer(offered(2))
    assert log.flush() == 2
    assert (log.written, log.lost) == (2, 3)


@pytest.mark.django_db
def test_nothing_is_kept_where_it_is_switched_off_and_ids_are_given_all_the_same(
    ask, log, settings
):
    settings.SCORE_LOG = False
    asked = {"features": [{}], "feature_set": "smooth-1"}
    told = ask("match/score", asked).json()["scores"]
    assert read_response_id(told[0]["response_id"])
    assert log.flush() == 0


@pytest.mark.django_db(transaction=True)
def test_a_thread_of_its_own_writes_and_the_end_of_the_process_writes_the_rest(settings):
    settings.SCORE_LOG = True
    mine = ScoreLog()
    try:
        mine.offer(offered(3))
        until(lambda: mine.written == 3)
        mine.offer(offered(2))
    finally:
        mine.end()
    assert ScoredPair.objects.count() == mine.written == 5


@pytest.mark.django_db
def test_a_fork_takes_nothing_of_its_parent_and_writes_its_own(settings, monkeypatch):
    monkeypatch.setattr("threading.Thread.start", lambda self: None)
    mine = ScoreLog()
    mine.offer(offered(3))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    mine.offer(offered(2))
    assert mine.flush() == 2


@given(st.sets(st.sampled_from(FEATURE_NAMES)))
def test_missing_inputs_are_one_number(names):
    mask = mask_of(names)
    assert set(names_of(mask)) == names
    assert bits_of([mask, 0]).sum(axis=1).tolist() == [len(names), 0]


@given(st.lists(st.floats(0, 1, width=32) | st.just(float("nan")), min_size=13, max_size=13))
def test_features_come_back_as_they_were(values):
    np.testing.assert_array_equal(from_bytes(to_bytes(values)), np.array(values, np.float32))


@given(st.integers(0, 9_999))
def test_a_response_id_names_an_answer_and_a_place(place):
    answer = make_answer()
    assert read_response_id(response_id(answer, place)) == (answer, place)


@pytest.mark.parametrize(
    "given_id",
    ["", "a.1", f"{A.upper()}.1", A, f"{A}.01", f"{A}.-1", f"{A}.10000", f"{A}.1 "],
)
def test_what_is_no_response_id_is_none(given_id):
    assert read_response_id(given_id) is None
