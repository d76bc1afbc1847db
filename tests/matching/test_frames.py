"""Rows become the frames that features are computed from."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from matching.domain.travellers import Travellers
from matching.queries.travellers import INCOMPLETE, NO_MEMBERS, NO_SESSION, load_travellers
from tests.factories import make_group, make_seed_user, make_session

pytestmark = pytest.mark.django_db


def test_nobody_gives_empty_frames_that_can_be_encoded() -> None:
    loaded = load_travellers("user_user")
    assert len(Travellers.from_frame(loaded.users)) == 0
    assert loaded.groups is None
    assert loaded.skipped() == {}
    loaded = load_travellers("user_group")
    assert loaded.groups is not None
    assert len(Travellers.from_frame(loaded.groups)) == 0


def test_unknown_match_type_is_named() -> None:
    with pytest.raises(ValueError, match="user_user, user_group, got 'solo'"):
        load_travellers("solo")


def test_complete_user_with_live_session_is_a_traveller() -> None:
    session = make_session(budget=900.0)
    users = load_travellers("user_user").users
    assert list(users["external_id"]) == [session.external_id]
    assert users["user_id"].tolist() == [session.user_id]
    travellers = Travellers.from_frame(users)
    assert travellers.budget.tolist() == [900.0]
    assert (travellers.end_day - travellers.start_day).tolist() == [7.0]
    assert not np.isnan(travellers.age).any()


def test_incomplete_user_is_left_out_and_named_with_what_is_missing() -> None:
    make_session(make_seed_user("lacks_two", age=None, interests=[]))
    make_session(make_seed_user("whole"))
    loaded = load_travellers("user_user")
    assert list(loaded.users["external_id"]) == ["whole"]
    assert loaded.skipped() == {
        INCOMPLETE: {
            "count": 1,
            "examples": [{"external_id": "lacks_two", "missing": ["age", "interests"]}],
        }
    }


def test_completed_user_is_used() -> None:
    user = make_seed_user(age=None)
    make_session(user)
    assert load_travellers("user_user").users.empty
    user.age = 40
    user.save()
    assert list(load_travellers("user_user").users["age"]) == [40.0]


def test_expired_session_counts_as_none() -> None:
    make_session(make_seed_user("late"), expires_at=timezone.now() - timedelta(seconds=1))
    assert load_travellers("user_user").skipped() == {
        NO_SESSION: {"count": 1, "examples": [{"external_id": "late"}]}
    }


def test_session_interests_go_before_those_of_the_profile() -> None:
    make_session(make_seed_user("a", interests=["wine"]), interests=["diving"])
    make_session(make_seed_user("b", interests=["wine"]), interests=[])
    users = load_travellers("user_user").users
    assert users["interests"].tolist() == [["diving"], ["wine"]]


def test_group_is_described_by_its_complete_members() -> None:
    young, old = make_seed_user("young", age=20), make_seed_user("old", age=40)
    unknown = make_seed_user("unknown", age=None)
    group = make_group("group_a", [young, old, unknown])
    make_session(group, budget=None)
    make_session(young, budget=1000.0)
    loaded = load_travellers("user_group")
    assert loaded.groups is not None
    row = loaded.groups.iloc[0]
    assert (row["group_id"], row["member_ids"]) == (group.pk, ["old", "young"])
    assert (row["age"], row["group_size"], row["budget"]) == (30.0, 3.0, 1000.0)


def test_group_without_usable_members_is_left_out() -> None:
    make_session(make_group("empty", []))
    make_group("waiting")
    loaded = load_travellers("user_group")
    assert loaded.groups is not None
    assert loaded.groups.empty
    skipped = loaded.skipped()
    assert skipped[NO_MEMBERS]["examples"] == [{"external_id": "empty"}]
    assert {"external_id": "waiting"} in skipped[NO_SESSION]["examples"]


def test_number_of_queries_does_not_grow(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    for _ in range(3):
        make_session(make_group())
    with django_assert_num_queries(8):
        load_travellers("user_group")
