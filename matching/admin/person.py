"""Cards above a person's page: how complete, where to, what events say."""

from typing import Any

from django.http import HttpRequest

from matching.admin.people import label
from matching.models import SeedUser
from matching.queries.identity import numbers_of
from matching.queries.person import events_of
from project import clock, words
from project.pages.links import record_url
from project.pages.registry import record_panel


@record_panel(
    "matching.seeduser",
    template="matching/person_profile.html",
    permission="matching.view_seeduser",
    order=10,
)
def profile_card(request: HttpRequest, user: SeedUser) -> dict[str, Any]:
    """Say how much of the profile is there, and what is not."""
    missing = [label(name) for name in user.missing_fields]
    return {"share": user.completeness, "missing": missing, "origin": user.get_origin_display()}


@record_panel(
    "matching.seeduser",
    template="matching/person_trip.html",
    permission="matching.view_travelsession",
    order=20,
)
def trip_card(request: HttpRequest, user: SeedUser) -> dict[str, Any]:
    """Say where the person travels, and when."""
    session = getattr(user, "session", None)
    if session is None:
        return {"trip": None, "may_create": request.user.has_perm("matching.add_travelsession")}
    return {
        "trip": session,
        "trip_url": record_url(session),
        "stay": words.stay(session.start_date, session.end_date),
        "is_expired": session.expires_at <= clock.now(),
    }


@record_panel(
    "matching.seeduser",
    template="matching/person_events.html",
    permission="matching.view_matchevent",
    order=30,
)
def events_card(request: HttpRequest, user: SeedUser) -> dict[str, Any]:
    """Say how often the person said yes, and was said yes to."""
    return {"events": events_of(numbers_of(user))}
