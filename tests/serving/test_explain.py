"""Why a score is what it is, and what would lift it: each change that is told is tried."""

import itertools
from datetime import date, timedelta

import pytest
from django.utils import timezone

from matching.models import SeedUser, TravelSession
from serving.api.schemas import ExplainAnswer
from tests.factories import make_seed_user, make_session
from training.queries.pairs import explain_match, score_pairs

pytestmark = pytest.mark.django_db
SORTS = ("dates", "budget", "interests")


@pytest.fixture
def two(db):
    """Two who could suit each other better: other days, another budget, other interests."""
    mine = make_seed_user("mine", age=30, interests=["food"])
    other = make_seed_user("other", age=33, interests=["hiking", "sailing", "food", "art"])
    start = timezone.localdate() + timedelta(days=20)
    make_session(
        mine, budget=700.0, interests=[], start_date=start, end_date=start + timedelta(days=9)
    )
    later = start + timedelta(days=6)
    make_session(
        other, budget=1200.0, interests=[], start_date=later, end_date=later + timedelta(days=8)
    )


def explained(ask, **asked):
    answer = ask("match/explain", {"left": "mine", "right": "other", **asked})
    assert answer.status_code == 200, answer.content
    told = answer.json()
    ExplainAnswer.model_validate(told)
    return told


def score_with(dates=None, budget=None, interests=None):
    """The score that the records give once these changes are made; then they are taken back."""
    user, trip = SeedUser.objects.get(external_id="mine"), TravelSession.objects.get(pk=_trip())
    kept = (user.interests, trip.budget, trip.start_date, trip.end_date)
    if dates:
        trip.start_date, trip.end_date = (
            date.fromisoformat(dates[name]) for name in ("start_date", "end_date")
        )
    if budget:
        trip.budget = budget["budget"]
    if interests:
        user.interests = [*user.interests, *interests["add"]]
    user.save()
    trip.save()
    score = float(score_pairs([("mine", "other")]).score[0])
    user.interests, trip.budget, trip.start_date, trip.end_date = kept
    user.save()
    trip.save()
    return score


def _trip():
    return TravelSession.objects.get(external_id="mine").pk


@pytest.mark.usefixtures("two")
def test_it_tells_what_led_to_a_score(ask):
    told = explained(ask, threshold=0.0)
    wanted = explain_match("mine", "other").as_dict()
    assert told["features"] == wanted["features"]
    assert told["score"] == wanted["score"]
    assert told["lift"]["is_above"] is True
    assert [told["lift"][sort] for sort in (*SORTS, "together")] == [None] * 4


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("above", [0.005, 0.02, 0.05])
def test_each_change_reaches_the_threshold_and_no_smaller_one_does(ask, above):
    now = score_with()
    threshold = now + above
    lift = explained(ask, threshold=threshold)["lift"]
    assert any(lift[sort] for sort in SORTS)
    for sort in SORTS:
        if lift[sort]:
            found = score_with(**{sort: lift[sort]})
            assert found == pytest.approx(lift[sort]["score"], abs=1e-6)
            assert found >= threshold
    if lift["dates"]:
        trip = TravelSession.objects.get(external_id="mine")
        fewer = range(-lift["dates"]["days"] + 1, lift["dates"]["days"])
        for at_start, at_end in itertools.product(fewer, fewer):
            if abs(at_start) + abs(at_end) < lift["dates"]["days"]:
                days = {
                    "start_date": str(trip.start_date + timedelta(days=at_start)),
                    "end_date": str(trip.end_date + timedelta(days=at_end)),
                }
                assert score_with(dates=days) < threshold
    if lift["budget"]:
        less = abs(lift["budget"]["share"]) - 0.05
        for share in (less, -less):
            assert score_with(budget={"budget": 700.0 * (1 + share)}) < threshold


@pytest.mark.usefixtures("two")
def test_where_none_suffices_alone_all_together_do_or_nothing_does(ask):
    alone = max(
        one["score"]
        for one in (explained(ask, threshold=0.01 * n)["lift"] for n in range(101))
        for one in [one[sort] for sort in SORTS]
        if one
    )
    lift = explained(ask, threshold=alone + 0.011)["lift"]
    assert [lift[sort] for sort in SORTS] == [None] * 3
    together = lift["together"]
    parts = {sort: together[sort] for sort in SORTS if together[sort]}
    assert len(parts) > 1
    assert score_with(**parts) == pytest.approx(together["score"], abs=1e-6)
    assert together["score"] == pytest.approx(lift["highest"])
    assert together["score"] >= alone + 0.011
    nothing = explained(ask, threshold=1.0)["lift"]
    assert [nothing[sort] for sort in (*SORTS, "together")] == [None] * 4
    assert nothing["highest"] == pytest.approx(together["score"])


def test_who_has_no_trip_cannot_move_one(ask, two):
    TravelSession.objects.get(external_id="mine").delete()
    lift = explained(ask, threshold=0.999)["lift"]
    assert (lift["dates"], lift["budget"]) == (None, None)
    assert lift["highest"] < 0.999


@pytest.mark.usefixtures("people")
def test_a_trip_is_moved_into_no_past_and_a_group_is_explained_too(ask):
    trip = TravelSession.objects.get(external_id="seed_0")
    trip.start_date = timezone.localdate()
    trip.save()
    for threshold in (0.5, 0.7, 0.8, 0.9):
        asked = {"left": "seed_0", "right": "group_1", "threshold": threshold}
        found = ask("match/explain", asked).json()["lift"]["dates"]
        if found:
            assert date.fromisoformat(found["start_date"]) >= timezone.localdate()
    for left, right, status in (
        ("seed_0", "seed_0", 422),
        ("group_1", "seed_0", 404),
        ("seed_0", "nobody", 404),
    ):
        assert ask("match/explain", {"left": left, "right": right}).status_code == status
