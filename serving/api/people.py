"""People and their trips, as applications know them."""

from typing import Annotated, Any, Final, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query, Router

from matching.domain.lexicon.teaching import close_words
from matching.models import TravelSession
from matching.queries.erasing import (
    ASKED_BY_APPLICATION,
    ERASE_KIND,
    active_erasure,
    person_called,
)
from matching.queries.words import unknown_in
from matching.services.applications import (
    Drawn,
    Taken,
    Unusable,
    end_trip,
    is_traveller,
    put_profile,
    put_trip,
)
from matching.services.people import WRITABLE
from project import clock
from project.jobs.services import enqueue
from project.origin import Origin
from project.problems import problem
from serving.api.access import Key
from serving.api.people_schemas import (
    ErasureAsked,
    Person,
    PersonStored,
    Trip,
    TripRemoved,
    TripStored,
)
from serving.api.schemas import Problem
from serving.api.sending import REFUSALS, answer, sent_by, unusable
from serving.models import Scope

people = Router(tags=["People and trips"])
sessions = Router(tags=["People and trips"])

PersonId = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$",
        description="1 to 100 letters, digits, '_', '.', ':' or '-', a letter or digit first.",
    ),
]

DRAWN: Final = (
    "Real and synthetic people are never one: send the person under another id, or remove the "
    "drawn one first with `manage.py remove person ID --why TEXT`."
)
# What a key of the scope may beyond what others may: start an erasure, and nothing else.
ERASES: Final = frozenset({"matching.delete_seeduser"})


@people.put(
    "/{external_id}",
    auth=Key(Scope.INGEST),
    response={200: PersonStored, 201: PersonStored, 409: Problem, **REFUSALS},
    summary="Store the profile of a person",
    operation_id="put_person",
)
def put_person(request: HttpRequest, external_id: PersonId, asked: Person) -> HttpResponse:
    """Create a profile or replace it: what is left out is not set afterwards.

    Words are folded to the vocabulary as everywhere; those that nobody knows are kept as they were
    written, and named. Of `personality` and `extraversion` one is enough, the other follows. People
    who are sent are real: an id of somebody who was drawn is refused (409).
    """
    warnings: list[str] = []
    with sent_by(request):
        try:
            stored = put_profile(
                external_id, asked.model_dump(exclude_none=True), on_failure=warnings.append
            )
        except Unusable as error:
            return unusable(error.problems)
        except Drawn as error:
            return problem(409, str(error), remedy=DRAWN)
        except Taken as error:
            return problem(409, str(error), remedy="Send the person under another id.")
    user = stored.user
    return answer(
        {
            "external_id": user.external_id,
            "is_new": stored.is_new,
            "is_changed": stored.is_changed,
            "origin": Origin.of_code(user.origin).value,
            "profile": {name: _told(getattr(user, name)) for name in WRITABLE},
            "completeness": user.completeness,
            "missing": user.missing_fields,
            "unknown_words": _unknown({name: getattr(user, name) for name in WRITABLE}),
            "warning": " ".join(warnings),
        },
        201 if stored.is_new else 200,
    )


@people.delete(
    "/{external_id}",
    auth=Key(Scope.ERASE),
    response={202: ErasureAsked, 404: Problem, **REFUSALS},
    summary="Erase a person",
    operation_id="delete_person",
)
def delete_person(
    request: HttpRequest,
    external_id: PersonId,
    features: Annotated[
        Literal["keep", "drop"],
        Query(description="Of the person's events: keep the features, or drop them too."),
    ] = "keep",
) -> HttpResponse:
    """Erase a person wherever this installation speaks of them; a job does it, named in the answer.

    Asked again while that job waits or works, the answer is the same; once it is done, nobody is
    called so (404), and until then it is worth asking again: a job that writes of people goes
    first. The person's events and answers stay as those of nobody, so that figures do; backups
    of before erase them again when one is restored. It cannot be taken back. The id may be sent
    again afterwards, and is somebody new then.
    """
    person = person_called(external_id)
    if person is None:
        return problem(
            404,
            f"Nobody here is called {external_id}.",
            remedy="There is nothing to erase; see that the id is the person's.",
        )
    with sent_by(request, rights=ERASES):
        job = active_erasure(person.pk) or enqueue(
            ERASE_KIND, number=person.pk, why=ASKED_BY_APPLICATION, features=features
        )
    return answer({"job": str(job.pk), "number": person.pk, "state": job.state}, 202)


@sessions.put(
    "/{external_id}",
    auth=Key(Scope.INGEST),
    response={200: TripStored, 201: TripStored, 404: Problem, **REFUSALS},
    summary="Store the trip of a person or a group",
    operation_id="put_session",
)
def put_session(request: HttpRequest, external_id: PersonId, asked: Trip) -> HttpResponse:
    """Create a trip or replace the one that its traveller has: everybody has one at a time.

    It is live until the day after its last, and its live copy in Valkey follows at once. The id is
    that of a person or a group that is here.
    """
    if not is_traveller(external_id):
        return _nobody(external_id)
    warnings: list[str] = []
    with sent_by(request):
        try:
            stored = put_trip(
                external_id, asked.model_dump(mode="json"), on_failure=warnings.append
            )
        except Unusable as error:
            return unusable(error.problems)
    trip = stored.trip
    body = {
        **_trip(trip),
        "is_new": stored.is_new,
        "is_changed": stored.is_changed,
        "unknown_words": _unknown({"interests": trip.interests}),
        "warning": " ".join(warnings),
    }
    return answer(body, 201 if stored.is_new else 200)


@sessions.delete(
    "/{external_id}",
    auth=Key(Scope.INGEST),
    response={200: TripRemoved, 404: Problem, **REFUSALS},
    summary="Remove the trip of a person or a group",
    operation_id="delete_session",
)
def delete_session(request: HttpRequest, external_id: PersonId) -> HttpResponse:
    """Remove a trip and its live copy, and answer what it was; its history stays."""
    warnings: list[str] = []
    with sent_by(request):
        trip = end_trip(external_id, on_failure=warnings.append)
    if trip is None:
        return problem(
            404,
            f"{external_id} has no trip here.",
            remedy="There is nothing to remove; see that the id is the traveller's.",
        )
    return answer({**_trip(trip), "is_live": False, "warning": " ".join(warnings)})


def _nobody(external_id: str) -> HttpResponse:
    return problem(
        404,
        f"Neither a person nor a group here is {external_id}.",
        remedy="Send the person first: PUT /api/v1/people/{external_id}. Groups are imported or "
        "made in the admin.",
    )


def _trip(trip: TravelSession) -> dict[str, Any]:
    return {
        "external_id": trip.external_id,
        "traveller": "person" if trip.user_id else "group",
        "origin": Origin.of_code(trip.origin).value,
        "destination_name": trip.destination_name,
        "destination_lat": trip.destination_lat,
        "destination_lon": trip.destination_lon,
        "start_date": trip.start_date,
        "end_date": trip.end_date,
        "budget": trip.budget,
        "interests": trip.interests,
        "is_live": trip.expires_at > clock.now(),
        "expires_at": trip.expires_at.isoformat(),
    }


def _unknown(profile: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"kind": kind, "word": word, "close": close_words(kind, word)}
        for kind, word in unknown_in(profile)
    ]


def _told(value: Any) -> Any:
    """Return a field as the API says it: what is not set is null."""
    return None if value in ("", []) else value
