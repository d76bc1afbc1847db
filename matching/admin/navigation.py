"""Where people, trips and events stand in the navigation, and how the palette finds them."""

from collections.abc import Iterator
from functools import partial

from django.db.models import Q

from matching.domain.doors import EVENTS, GROUPS, PEOPLE, TRIPS
from matching.models import (
    EventBatch,
    EventChange,
    MatchEvent,
    PersonAlias,
    ProfileImport,
    RefusedProfile,
    RejectedEvent,
    SeedUser,
    TravelGroup,
    TravelSession,
    Word,
)
from project.mappings.registry import add_doors
from project.pages.links import record_url
from project.pages.navigation import FOUND, Entry, Found, State, add_entries, finder

add_doors(EVENTS, GROUPS, PEOPLE, TRIPS)
_entry = partial(Entry.of, section="Matching")

add_entries(
    _entry(
        SeedUser,
        label="People",
        order=10,
        icon="people",
        rows=SeedUser.objects.all,
        state=State("warn", "some profiles are incomplete", SeedUser.objects.incomplete),
    ),
    _entry(
        RefusedProfile,
        label="Refused rows",
        order=11,
        rows=RefusedProfile.objects.open,
        state=State("warn", "wait for a correction"),
    ),
    _entry(ProfileImport, label="Imported files", order=14),
    _entry(TravelGroup, label="Groups", order=12, rows=TravelGroup.objects.all),
    _entry(Word, label="Words", order=13, rows=Word.objects.all),
    _entry(
        TravelSession,
        label="Trips",
        order=20,
        icon="trips",
        rows=TravelSession.objects.live,
        noun="live",
    ),
    # Summed by batch: counting millions of rows on each page would be felt.
    _entry(
        MatchEvent,
        label="Events",
        order=30,
        icon="events",
        rows=EventBatch.objects.complete,
        weight="made",
    ),
    _entry(EventBatch, label="Batches", order=31, rows=EventBatch.objects.all),
    _entry(RejectedEvent, label="Rejected lines", order=32, rows=RejectedEvent.objects.open),
    _entry(EventChange, label="Changed events", order=33, rows=EventChange.objects.all),
)


@finder(SeedUser)
def find_people(text: str) -> Iterator[Found]:
    """Find people by id, also a former one, name or home town."""
    had = PersonAlias.objects.filter(external_id__icontains=text).values("person")
    named = Q(external_id__icontains=text) | Q(name__icontains=text) | Q(pk__in=had)
    named |= Q(home_city__istartswith=text)
    for user in SeedUser.objects.filter(named).order_by("external_id")[:FOUND]:
        yield Found(f"{user.title} · {user.external_id}", "person", record_url(user), "people")


@finder(TravelGroup)
def find_groups(text: str) -> Iterator[Found]:
    """Find groups by id or name."""
    named = Q(external_id__icontains=text) | Q(name__icontains=text)
    for group in TravelGroup.objects.filter(named).order_by("external_id")[:FOUND]:
        yield Found(f"{group.title} · {group.external_id}", "group", record_url(group), "people")


@finder(EventBatch)
def find_batches(text: str) -> Iterator[Found]:
    """Find a batch by its number, with or without the word."""
    number = text.lower().removeprefix("batch").strip()
    if number.isascii() and number.isdigit() and len(number) < 10:
        for batch in EventBatch.objects.filter(pk=int(number)).only("pk"):
            yield Found(f"Batch {batch.pk}", "batch", record_url(batch), "events")
