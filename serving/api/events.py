"""Match events: what people did about those whom they were shown."""

from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import ValidationError

from matching.domain.log.format import COMPUTED, LOGGED
from matching.domain.words import OnChange
from matching.jobs.arguments import ImportEvents
from matching.jobs.sent_rows import SentEvents, land_rows, open_sent
from project.mappings.door import OpenTable
from serving.api.access import Key
from serving.api.events_schemas import EventsSent, EventsTaken
from serving.api.schemas import Problem
from serving.api.sending import REFUSALS, IdempotencyKey, Unread, once, said_of, unusable
from serving.models import Scope

UNUSED: Final = UUID(int=0)  # of a file, which there is none of

router = Router(tags=["Events"])


@router.post(
    "",
    auth=Key(Scope.INGEST),
    response={200: EventsTaken, **REFUSALS, 409: Problem, 422: Unread},
    summary="Send 1 to 1,000 match events",
    operation_id="send_events",
)
def send(
    request: HttpRequest, asked: EventsSent, idempotency_key: IdempotencyKey = None
) -> HttpResponse:
    """Take what people did about those whom they were shown, each event once.

    Rows are read as a log of them would be: in the form of the event log they go the straight way,
    in any other fields are found by their names, and what would change values waits for a person
    (422, with the proposal). Events without features have them computed from the profiles and trips
    that are here. A row that cannot be used is refused with the reason and kept, to be corrected in
    the admin. An event is known by its eventId, else by its content. All are real.
    """
    try:
        reading = ImportEvents(
            files=[UNUSED],
            columns=asked.columns,
            mapping=asked.mapping,
            time_zone=asked.time_zone,
            accept_partial=asked.accept_partial,
            on_change=OnChange(asked.on_change),
            feature_set=asked.feature_set or "",
            origin="real",
        )
    except ValidationError as error:
        return unusable(said_of(error))

    def work(opened: OpenTable | None) -> dict[str, Any]:
        return _taken(land_rows(asked.rows, opened, reading))

    return once(request, idempotency_key, lambda: open_sent(asked.rows, reading), work)


def _taken(sent: SentEvents) -> dict[str, Any]:
    account, features = sent.account, sent.batch.parameters.get("features", LOGGED)
    return {
        "batch": sent.batch.pk,
        "found": account.found,
        "new": account.new,
        "known": account.known,
        "changed": account.changed,
        "views": account.exposures,
        "refused": [
            {"row": place, "reason": one.reason, "detail": one.message}
            for place, one in sent.refused
        ],
        "features": features,
        "feature_set": sent.batch.feature_set,
        "people_not_known": account.new - account.people_known if features == COMPUTED else 0,
        "mapping": sent.mapping,
        "notes": sent.notes,
    }
