"""Where people, trips and events stand in the navigation, and how the palette finds them."""

from collections.abc import Iterator

from django.db.models import Q
from django.http import HttpRequest

from matching.models import EventBatch, RejectedEvent, SeedUser, TravelGroup, TravelSession
from project.pages.links import record_url
from project.pages.navigation import Entry, Found, State, add_entries, finder

FOUND = 5  # of each kind of record

add_entries(
    Entry(
        section="Matching",
        label="People",
        url_name="matching_seeduser_changelist",
        order=10,
        permissions=("matching.view_seeduser", "matching.change_seeduser"),
        icon="people",
        rows=SeedUser.objects.all,
        state=State("warn", "some profiles are incomplete", SeedUser.objects.incomplete),
    ),
    Entry(
        section="Matching",
        label="Groups",
        url_name="matching_travelgroup_changelist",
        order=11,
        permissions=("matching.view_travelgroup", "matching.change_travelgroup"),
        rows=TravelGroup.objects.all,
    ),
    Entry(
        section="Matching",
        label="Trips",
        url_name="matching_travelsession_changelist",
        order=20,
        permissions=("matching.view_travelsession", "matching.change_travelsession"),
        icon="trips",
        rows=TravelSession.objects.live,
        noun="live",
    ),
    Entry(
        section="Matching",
        label="Events",
        url_name="matching_matchevent_changelist",
        order=30,
        permissions=("matching.view_matchevent",),
        icon="events",
        rows=EventBatch.objects.complete,
        weight="made",  # counting millions of rows on each page would be felt
    ),
    Entry(
        section="Matching",
        label="Batches",
        url_name="matching_eventbatch_changelist",
        order=31,
        permissions=("matching.view_eventbatch",),
        rows=EventBatch.objects.all,
    ),
    Entry(
        section="Matching",
        label="Rejected lines",
        url_name="matching_rejectedevent_changelist",
        order=32,
        permissions=("matching.view_rejectedevent",),
        rows=RejectedEvent.objects.all,
        state=State("warn", "of imports", RejectedEvent.objects.all),
    ),
)


@finder("matching.view_seeduser")
def find_people(request: HttpRequest, text: str) -> Iterator[Found]:
    """Find people by id, name or home town."""
    named = (
        Q(external_id__icontains=text) | Q(name__icontains=text) | Q(home_city__istartswith=text)
    )
    for user in SeedUser.objects.filter(named).order_by("external_id")[:FOUND]:
        yield Found(f"{user.title} · {user.external_id}", "person", record_url(user), "people")


@finder("matching.view_travelgroup")
def find_groups(request: HttpRequest, text: str) -> Iterator[Found]:
    """Find groups by id or name."""
    named = Q(external_id__icontains=text) | Q(name__icontains=text)
    for group in TravelGroup.objects.filter(named).order_by("external_id")[:FOUND]:
        yield Found(f"{group.title} · {group.external_id}", "group", record_url(group), "people")


@finder("matching.view_eventbatch")
def find_batches(request: HttpRequest, text: str) -> Iterator[Found]:
    """Find a batch by its number, with or without the word."""
    number = text.lower().removeprefix("batch").strip()
    if number.isascii() and number.isdigit() and len(number) < 10:
        for batch in EventBatch.objects.filter(pk=int(number)).only("pk"):
            yield Found(f"Batch {batch.pk}", "batch", record_url(batch), "events")
