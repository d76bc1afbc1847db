"""A split never shares what it promised to keep apart."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.domain.splits import SplitError, split_rows


def make_rows(rows=600, users=40, seed=0):
    rng = np.random.default_rng(seed)
    user = rng.integers(0, users, rows)
    return pd.DataFrame(
        {
            "x": (rng.integers(0, 300, rows) / 300).astype(np.float32),
            "y": (rng.integers(0, 3, rows) / 3).astype(np.float32),
            "occurred_at": pd.to_datetime(rng.integers(0, 200, rows), unit="D"),
            "user_id": [f"user_{number:03}" for number in user],
            "target_id": [
                f"user_{number:03}" for number in (user + rng.integers(1, users, rows)) % users
            ],
        }
    )


ARGUMENTS = {
    "time": {},
    "user": {"group_columns": ["user_id"], "partner_column": "target_id"},
    "pair": {"group_columns": ["user_id", "target_id"]},
    "random": {},
}


def keys(frame, mask, columns):
    return set(frame.loc[mask, columns].itertuples(index=False, name=None))


@given(
    how=st.sampled_from(list(ARGUMENTS)),
    seed=st.integers(0, 1000),
    train_share=st.floats(0.3, 0.9),
)
def test_no_split_shares_a_row_or_a_vector(how, seed, train_share):
    frame = make_rows(200, seed=seed)
    split = split_rows(
        frame, how, seed=seed, train_share=train_share, copy_columns=["x", "y"], **ARGUMENTS[how]
    )
    assert not (split.train & split.validation).any()
    assert not keys(frame, split.train, ["x", "y"]) & keys(frame, split.validation, ["x", "y"])
    assert len(frame) == split.kept.sum() + sum(split.dropped.values())


@pytest.mark.parametrize("how", list(ARGUMENTS))
def test_training_share_is_near_what_was_asked(how):
    frame = make_rows(4000)
    split = split_rows(frame, how, seed=1, **ARGUMENTS[how])
    assert split.validation.mean() == pytest.approx(0.2, abs=0.03)


def test_training_lies_before_validation_and_ties_stay_together():
    frame = make_rows()
    split = split_rows(frame, "time", seed=0)
    assert frame["occurred_at"][split.train].max() < frame["occurred_at"][split.validation].min()


def test_later_copy_of_a_training_row_is_dropped_and_counted():
    frame = make_rows(100)
    frame["x"] = np.linspace(0, 1, 100, dtype=np.float32)
    frame["occurred_at"] = np.arange(100)
    frame.loc[95, ["x", "y"]] = frame.loc[3, ["x", "y"]]
    split = split_rows(frame, "time", seed=0, copy_columns=["x", "y"])
    assert split.dropped == {"copy": 1}
    assert not split.kept[95]


def test_held_out_user_is_unknown_to_training_in_either_role():
    frame = make_rows()
    split = split_rows(frame, "user", seed=2, **ARGUMENTS["user"])
    held_out = set(frame["user_id"][split.validation])
    seen = set(frame["user_id"][split.train]) | set(frame["target_id"][split.train])
    assert not held_out & seen
    assert split.dropped["partner"] > 0


def test_pair_stands_on_one_side_in_either_order():
    frame = make_rows(800, users=15)
    split = split_rows(frame, "pair", seed=2, **ARGUMENTS["pair"])
    pair = pd.Series(
        [frozenset(ids) for ids in zip(frame["user_id"], frame["target_id"], strict=True)]
    )
    assert not set(pair[split.train]) & set(pair[split.validation])


def test_same_seed_gives_the_same_split_and_another_seed_another():
    frame = make_rows()
    first, again, other = (split_rows(frame, "random", seed=seed) for seed in (5, 5, 6))
    assert (first.train == again.train).all()
    assert (first.train != other.train).any()


@pytest.mark.parametrize("how", ["time", "user", "pair"])
def test_split_by_content_does_not_depend_on_the_order_of_the_rows(how):
    frame = make_rows()
    order = np.random.default_rng(0).permutation(len(frame))
    split = split_rows(frame, how, seed=3, **ARGUMENTS[how])
    shuffled = split_rows(frame.iloc[order], how, seed=3, **ARGUMENTS[how])
    if how == "pair":  # which pairs are drawn hangs on their codes; the promise does not
        assert shuffled.train.sum() == pytest.approx(split.train.sum(), abs=5)
    else:
        assert (split.train[order] == shuffled.train).all()


def test_all_copies_leave_validation_empty_rather_than_leak():
    frame = make_rows(50).assign(x=np.float32(0.5), y=np.float32(0.5), occurred_at=range(50))
    split = split_rows(frame, "time", seed=0, copy_columns=["x", "y"])
    assert split.validation.sum() == 0
    assert split.dropped["copy"] == 10


@pytest.mark.parametrize(
    ("change", "how", "message"),
    [
        ({"occurred_at": pd.Timestamp("2026-01-01")}, "time", "same|timestamp"),
        ({"occurred_at": pd.NaT}, "time", "occurred_at"),
        ({"user_id": "one"}, "user", "only one user"),
        ({"user_id": None}, "user", "user_id"),
    ],
)
def test_rule_that_cannot_make_two_parts_says_what_to_choose(change, how, message):
    with pytest.raises(SplitError, match=message):
        split_rows(make_rows(50).assign(**change), how, seed=0, **ARGUMENTS[how])


def test_unusable_arguments_are_refused():
    frame = make_rows(50)
    with pytest.raises(SplitError, match="one of"):
        split_rows(frame, "moon", seed=0)
    with pytest.raises(SplitError, match="between 0 and 1"):
        split_rows(frame, "time", seed=0, train_share=1.0)
    with pytest.raises(SplitError, match="at least 2 rows"):
        split_rows(frame.head(1), "random", seed=0)
    with pytest.raises(SplitError, match="'session_id'"):
        split_rows(frame, "group", seed=0, group_columns=["session_id"])
