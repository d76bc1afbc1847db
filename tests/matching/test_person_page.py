"""The page of a person: completeness, trip, events and scores above the form."""

import pytest
from django.urls import reverse

from matching.models import EventBatch, MatchEvent
from matching.queries import person
from tests.factories import make_seed_user, make_session, make_staff
from tests.training.batches import draw_events, make_batch
from training.queries.pairs import rank_partners

pytestmark = pytest.mark.django_db
SEES = (
    "matching.view_seeduser",
    "matching.view_travelsession",
    "matching.view_matchevent",
    "training.view_modelversion",
)


def page(client, user, *permissions):
    client.force_login(make_staff(*permissions))
    response = client.get(reverse("admin:matching_seeduser_change", args=[user.pk]))
    assert response.status_code == 200
    return response.content.decode()


def test_a_person_is_shown_with_trip_events_and_scores(client):
    users = [make_seed_user(f"seed_{n}", name=f"Person {n}", age=20 + 9 * n) for n in range(3)]
    for user in users:
        make_session(user, destination_name="Lisbon")
    shown = page(client, users[0], *SEES)
    assert "Complete." in shown
    assert "Lisbon" in shown
    best = rank_partners("seed_0", "user_user", 3)
    assert all(f"{score:.3f}" in shown for score in best.scores.score)
    assert "The best of 2 who could be met now, by the rule score" in shown
    assert f"/admin/scores/?tab=best&amp;left={users[0].pk}" in shown


def test_cards_are_for_who_may_see_what_stands_in_them(client):
    user = make_seed_user("seed_0", age=None)
    make_session(user, destination_name="Lisbon")
    shown = page(client, user, "matching.view_seeduser")
    assert "Missing: age" in shown
    assert "Lisbon" not in shown
    assert "<h2>Scores</h2>" not in shown
    assert "<h2>Events</h2>" not in shown


def test_who_has_no_trip_is_told_that_nobody_is_matched_without(client):
    shown = page(client, make_seed_user("seed_0"), *SEES)
    assert "Nobody is matched without" in shown
    assert "Nobody could be met now" in shown


def test_events_are_counted_on_both_sides_in_the_newest_batches(monkeypatch):
    batch = make_batch(draw_events(60))
    first = MatchEvent.objects.order_by("pk").first()
    events = MatchEvent.objects.all()
    found = person.events_of([first.user_id])
    assert found.asked == events.filter(user_id=first.user_id).count() > 0
    assert found.accepted == events.filter(user_id=first.user_id, label=True).count()
    assert found.met == events.filter(target_id=first.user_id).count()
    assert found.wanted == events.filter(target_id=first.user_id, label=True).count()
    assert (found.looked_at, found.is_all) == (60, True)
    monkeypatch.setattr(person, "LOOKED_AT", 70)
    EventBatch.objects.filter(pk=batch.pk).update(made=60)
    newer = make_batch(draw_events(20, seed=8))
    found = person.events_of([first.user_id])
    assert (found.looked_at, found.is_all) == (newer.made, False)
    in_newer = MatchEvent.objects.filter(pk__gte=newer.pk << EventBatch.ROW_BITS)
    assert found.asked == in_newer.filter(user_id=first.user_id).count()
