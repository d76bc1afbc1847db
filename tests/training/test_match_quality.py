"""What the dataset gate expects of match events."""

import numpy as np
import pandas as pd
import pytest

from matching.domain.features.names import FEATURE_NAMES, GROUP_ONLY
from training.domain.match_quality import match_quality_spec
from training.domain.quality import report_quality


def make_events(rows=300, match_type="user_user", seed=0):
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(draw.random((rows, 13)), columns=list(FEATURE_NAMES), dtype=np.float32)
    frame["label"] = (draw.random(rows) < frame["distance_score"]).astype(int)
    frame["match_type"] = match_type
    if match_type == "user_user":
        frame[list(GROUP_ONLY)] = np.nan
    return frame


def verdicts(report):
    return {check.name: check.verdict for check in report.checks}


@pytest.mark.parametrize("match_type", ["user_user", "user_group"])
def test_varied_events_pass(match_type):
    report = report_quality(make_events(match_type=match_type), match_quality_spec("smooth-1"))
    assert report.verdict == "pass", verdicts(report)


def test_neutral_personality_of_tiered_groups_is_not_judged():
    frame = make_events(match_type="user_group").assign(personality_score=0.5)
    assert report_quality(frame, match_quality_spec("tiered-1")).verdict == "pass"
    assert report_quality(frame, match_quality_spec("smooth-1")).verdict == "refuse"


@pytest.mark.parametrize(
    ("tiers", "verdict"), [((0.4, 0.7, 1.0), "pass"), ((0.4, 0.7), "warn"), ((0.7,), "refuse")]
)
@pytest.mark.parametrize("feature_set", ["smooth-1", "tiered-1"])
def test_personality_from_labels_is_held_to_what_labels_can_give(feature_set, tiers, verdict):
    personality = np.random.default_rng(1).choice(tiers, 300).astype(np.float32)
    report = report_quality(
        make_events().assign(personality_score=personality), match_quality_spec(feature_set)
    )
    assert verdicts(report)["distinct:personality_score"] == verdict
    assert report.verdict == verdict


@pytest.mark.parametrize("feature_set", ["smooth-1", "tiered-1"])
def test_generated_rows_have_every_personality_that_labels_can_give(feature_set):
    personality = np.random.default_rng(1).choice((0.4, 0.7), 300).astype(np.float32)
    report = report_quality(
        make_events().assign(personality_score=personality),
        match_quality_spec(feature_set),
        generated=np.full(300, True),
    )
    assert verdicts(report)["distinct:personality_score"] == "refuse"


@pytest.mark.parametrize(("count", "verdict"), [(11, "pass"), (10, "warn"), (4, "refuse")])
def test_personality_from_extraversion_wants_more_than_ten_values(count, verdict):
    personality = np.resize(np.linspace(0.4, 1.0, count, dtype=np.float32), 300)
    report = report_quality(
        make_events().assign(personality_score=personality),
        match_quality_spec("smooth-1"),
        generated=np.full(300, True),
    )
    assert verdicts(report)["distinct:personality_score"] == verdict


def test_tiers_are_not_refused_for_being_few_but_for_being_fewer_than_there_are():
    draw = np.random.default_rng(1)
    for tiers, verdict in (((1.0, 0.8, 0.6, 0.4), "warn"), ((1.0, 0.8, 0.6), "refuse")):
        frame = make_events().assign(budget_score=draw.choice(tiers, 300).astype(np.float32))
        report = report_quality(frame, match_quality_spec("tiered-1"), generated=np.full(300, True))
        assert verdicts(report)["distinct:budget_score"] == verdict


def test_log_of_half_copies_and_defaults_is_refused_with_both_reasons():
    frame = pd.concat([make_events(114), make_events(114), make_events(4)], ignore_index=True)
    frame.loc[frame.index % 3 == 0, ["interest_score", "age_score"]] = 0.5
    report = report_quality(frame, match_quality_spec("tiered-1"))
    found = verdicts(report)
    assert report.verdict == "refuse"
    assert found["duplicate_share"] == "refuse"
    assert found["missing:interest_score"] == "refuse"
    assert found["missing:age_score"] == "warn"  # 0.5 is an honest age score as well
    assert all(check.remedy for check in report.checks if check.verdict != "pass")


def test_split_by_user_must_not_share_users():
    frame = make_events().assign(user_id=1, target_id=range(300), event_key=range(300))
    in_train = np.arange(300) < 240
    assert "shared:user" not in verdicts(
        report_quality(frame, match_quality_spec("smooth-1"), in_train)
    )
    spec = match_quality_spec("smooth-1", frozenset({"user"}))
    assert verdicts(report_quality(frame, spec, in_train))["shared:user"] == "refuse"
