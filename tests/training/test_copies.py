"""A copy is the same who, about whom and vector; repeats of the vector alone may be honest."""

import numpy as np
import pandas as pd
import pytest

from matching.domain.features.names import FEATURE_NAMES, GROUP_ONLY
from matching.models import EventBatch
from project.origin import Origin
from tests.training.batches import draw_events, make_batch, make_dataset
from training.domain.kind import ORIGIN_COLUMN
from training.domain.match_quality import match_quality_spec
from training.domain.quality import copied_by, report_quality
from training.domain.quality.copies import measure_repeats
from training.domain.splits import split_rows
from training.kinds import DEFAULT_KIND, Recipe, get_kind
from training.kinds.rows.matches import choose_outcomes
from training.queries.comparisons import _stands_in, _told_apart_by

TIERED = match_quality_spec("tiered-1")
TIERS = {
    "distance_score": (1.0, 0.95, 0.85, 0.6, 0.0),
    "date_overlap_score": (1.0, 0.9, 0.8, 0.6, 0.3, 0.1),
    "budget_score": (1.0, 0.8, 0.6, 0.4),
    "age_score": (1.0, 0.9, 0.7, 0.3, 0.1),
    "lifestyle_score": (1.0, 0.75, 0.25),
}


def write_pairs(rows: int, people: int, *, seed: int = 0) -> pd.DataFrame:
    """Rows of distinct ordered pairs whose vectors are tiers, five inputs that vary."""
    draw = np.random.default_rng(seed)
    pair = draw.choice(people * (people - 1), size=rows, replace=False)
    user, step = np.divmod(pair, people - 1)
    frame = pd.DataFrame({"user_id": user, "partner_id": (user + 1 + step) % people})
    for name in FEATURE_NAMES:
        frame[name] = draw.choice(TIERS.get(name, (1.0, 0.7)), rows).astype(np.float32)
    frame["destination_interest"] = frame["distance_score"] * frame["interest_score"]
    frame["date_budget"] = frame["date_overlap_score"] * frame["budget_score"]
    frame[list(GROUP_ONLY)] = np.float32(np.nan)
    frame["match_type"] = "user_user"
    frame["label"] = (draw.random(rows) < frame["date_budget"]).astype(np.int8)
    frame["event_key"] = np.arange(rows)
    moments = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(rows), unit="min")
    return frame.assign(occurred_at=moments)


def checks_of(frame, spec=TIERED, **options):
    return {check.name: check for check in report_quality(frame, spec, **options).checks}


def test_distinct_pairs_in_coarse_tiers_are_no_copies_and_not_refused_for_their_repeats():
    frame = write_pairs(5_000, 400).assign(personality_score=np.float32(0.7))
    report = report_quality(frame, TIERED)
    checks = {check.name: check for check in report.checks}
    assert report.duplicate_share == 0
    assert checks["repeated_vectors"].verdict == "warn"
    assert report.repeats.share > 0.1
    assert report.repeats.by_chance == pytest.approx(report.repeats.of_different_pairs, abs=0.02)
    assert "nothing is wrong with the rows" in checks["repeated_vectors"].remedy


def test_the_same_pairs_written_twice_are_copies_and_refused():
    frame = write_pairs(113, 400)
    poor = pd.concat([frame, frame, frame.head(6)], ignore_index=True)
    poor["event_key"] = np.arange(len(poor))
    check = checks_of(poor)["duplicate_share"]
    assert (check.value, check.verdict) == (pytest.approx(119 / 232), "refuse")
    assert "--outcomes last" in check.remedy


def test_two_people_about_each_other_are_no_copies():
    there = write_pairs(400, 60)
    back = there.rename(columns={"user_id": "partner_id", "partner_id": "user_id"})
    frame = pd.concat([there, back.assign(label=1 - back["label"])], ignore_index=True)
    report = report_quality(frame, TIERED)
    assert report.duplicate_share < 0.05  # by lot some pairs were drawn in both directions already
    assert report.repeats.of_one_pair == pytest.approx(0.5, abs=0.05)
    assert report.repeats.of_different_pairs < report.repeats.share / 2


@pytest.mark.parametrize("names", [[], ["user_id"], ["user_id", "partner_id"]])
def test_without_anybody_named_the_vector_alone_tells_copies(names):
    frame = write_pairs(200, 60)
    twice = pd.concat([frame, frame], ignore_index=True)
    twice[["user_id", "partner_id"]] = pd.NA
    twice = twice.drop(columns=[name for name in ("user_id", "partner_id") if name not in names])
    assert report_quality(twice, TIERED).duplicate_share >= 0.5


def test_rows_under_other_names_beyond_chance_are_told_to_be_looked_at():
    frame = write_pairs(300, 60).assign(
        **{name: np.random.default_rng(1).random(300) for name in TIERS}
    )
    again = frame.assign(user_id=frame["user_id"] + 1_000, partner_id=frame["partner_id"] + 1_000)
    found = checks_of(pd.concat([frame, again], ignore_index=True))
    assert found["duplicate_share"].verdict == "pass"
    assert found["repeated_vectors"].verdict == "warn"
    assert "under other names" in found["repeated_vectors"].remedy


def test_generated_rows_are_held_to_the_vector_alone():
    frame = write_pairs(5_000, 400).assign(personality_score=0.7, lifestyle_score=0.75)
    found = checks_of(frame, generated=np.ones(5_000, bool))
    assert found["generated_vectors"].verdict == "refuse"
    assert "smooth-1" in found["generated_vectors"].remedy
    assert "repeated_vectors" not in found
    # Beside a log each part is asked for itself.
    found = checks_of(frame, generated=np.arange(5_000) < 200)
    assert found["generated_vectors"].value < found["repeated_vectors"].value


def test_chance_is_drawn_within_a_match_type_and_without_products():
    frame = write_pairs(2_000, 400)
    groups = write_pairs(2_000, 400, seed=1).assign(match_type="user_group", partner_id=-7)
    groups["user_id"] = np.arange(2_000)
    groups[list(GROUP_ONLY)] = np.float32(0.8)
    both = measure_repeats(pd.concat([frame, groups], ignore_index=True), TIERED)
    alone = [measure_repeats(part, TIERED) for part in (frame, groups)]
    assert both.by_chance == pytest.approx(sum(one.by_chance for one in alone) / 2, abs=0.02)


@pytest.mark.parametrize("how", ["time", "user", "pair", "random"])
def test_a_split_keeps_copies_apart_and_drops_no_honest_row(how):
    kind = get_kind(DEFAULT_KIND)
    columns = kind.splits[how]
    frame = write_pairs(1_000, 400)
    frame = pd.concat(
        [frame, frame.head(50).assign(occurred_at=frame["occurred_at"].max())], ignore_index=True
    )
    split = split_rows(
        frame,
        columns.rule,
        seed=0,
        group_columns=columns.groups,
        partner_column=columns.partner,
        copy_columns=copied_by(TIERED),
    )
    # Only a split by time cannot put a later copy beside its first: that one is dropped.
    assert split.dropped.get("copy", 0) <= (50 if how == "time" else 0)
    keys = [tuple(row) for row in frame[["user_id", "partner_id"]].to_numpy()]
    sides = [
        {key for key, is_there in zip(keys, side, strict=True) if is_there}
        for side in (split.train, split.validation)
    ]
    assert not sides[0] & sides[1]


def test_only_copies_are_taken_as_seen_when_two_models_are_compared():
    told_apart_by = _told_apart_by(get_kind(DEFAULT_KIND))
    seen = write_pairs(100, 60)
    back = seen.rename(columns={"user_id": "partner_id", "partner_id": "user_id"})
    rows = pd.concat([back, seen], ignore_index=True)
    assert _stands_in(told_apart_by, rows, seen).sum() <= 110
    assert _stands_in(told_apart_by, seen, seen).all()


def several_outcomes() -> pd.DataFrame:
    frame = write_pairs(4, 60).iloc[[0, 0, 0, 1, 2, 3]].reset_index(drop=True)
    frame["occurred_at"] = pd.to_datetime([3, 1, 2, 1, 1, 1], unit="D", utc=True)
    return frame.assign(label=[0, 1, 1, 0, 1, 0])


@pytest.mark.parametrize(
    ("which", "kept"), [("each", range(6)), ("", range(6)), ("last", [0, 3, 4, 5]),
                        ("best", [2, 3, 4, 5])],
)  # fmt: skip
def test_of_several_outcomes_of_a_pair_the_recipe_chooses(which, kept):
    frame = several_outcomes().assign(event_key=range(6))
    assert list(choose_outcomes(frame, which)["event_key"]) == list(kept)


@pytest.mark.parametrize("which", ["last", "best"])
def test_a_synthetic_answer_takes_the_place_of_no_real_one(which):
    real = several_outcomes().assign(**{ORIGIN_COLUMN: "real"})
    later = real.assign(
        occurred_at=real["occurred_at"] + pd.Timedelta(days=30),
        label=1,
        **{ORIGIN_COLUMN: "synthetic"},
    )
    kept = choose_outcomes(pd.concat([real, later], ignore_index=True), which)
    assert kept[ORIGIN_COLUMN].value_counts().to_dict() == {"real": 4, "synthetic": 4}
    alone = choose_outcomes(real, which)
    assert kept[kept[ORIGIN_COLUMN] == "real"].reset_index(drop=True).equals(alone)


def test_where_nobody_is_named_one_row_of_each_vector_is_kept():
    frame = several_outcomes().assign(event_key=range(6), user_id=pd.NA)
    assert len(choose_outcomes(frame, "last")) == 4
    assert len(choose_outcomes(frame.drop(columns=["user_id", "partner_id"]), "last")) == 4


def test_contradictions_are_named_and_gone_once_one_outcome_counts():
    rows = pd.concat([write_pairs(300, 60), several_outcomes()], ignore_index=True)
    check = checks_of(rows)["contradictions"]
    assert (check.value >= 1, check.verdict) == (True, "warn")
    assert checks_of(choose_outcomes(rows, "last"))["contradictions"].verdict == "pass"


def test_a_remedy_that_leaves_too_few_rows_says_so():
    frame = write_pairs(200, 60).iloc[np.arange(200) % 50].reset_index(drop=True)
    frame = frame.assign(label=np.arange(200) // 50 % 2, age_score=np.arange(200) / 200)
    check = checks_of(frame)["contradictions"]
    assert "One of each pair would leave 50 rows of the 100 that are needed" in check.remedy
    assert "Build with" not in check.remedy
    copies = write_pairs(200, 60).iloc[np.arange(200) % 50].reset_index(drop=True)
    check = checks_of(copies)["duplicate_share"]
    assert "That leaves at most 55 rows of the 100 that are needed" in check.remedy
    enough = write_pairs(400, 60).iloc[np.arange(800) % 400].reset_index(drop=True)
    assert "That leaves" not in checks_of(enough)["duplicate_share"].remedy


def test_a_dataset_says_how_many_other_outcomes_it_left_out(db):
    events = draw_events(400)
    again = events.iloc[:50].assign(
        occurred_at=events["occurred_at"].max() + np.timedelta64(1, "D")
    )
    batch = make_batch(
        pd.concat([events, again], ignore_index=True),
        method=EventBatch.Method.IMPORTED,
        origin=Origin.REAL,
    )
    dataset = make_dataset(batch, outcomes="last")
    assert dataset.rows == 450
    assert dataset.dropped["other_outcome"] == 50
    assert dataset.report["rows"] == 400
    assert Recipe.from_dict(dataset.recipe).outcomes == "last"
