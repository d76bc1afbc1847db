"""The work of the job that makes one person of two."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from django.db.models import Max

from matching.jobs.arguments import MergePeople
from matching.models import EventBatch, MatchEvent, PersonAlias, live
from matching.models.live import Moved, ValkeyUnavailable
from matching.services.identity import follow_events
from matching.services.identity import merge_people as merge
from project.jobs.contract import Run
from project.refusal import Refusal

CHANGE: Final = "matching.change_seeduser"  # beside the right to delete one, to start it
STRETCH: Final = 250_000  # ids of events that are looked through in one transaction


def merge_people(run: Run, asked: MergePeople) -> dict[str, Any]:
    """Merge two people at once, then let the events follow, batch by batch.

    Whoever reads in between sees one person: the first step is all that there is to see of it.
    """
    if not run.by.may(CHANGE):
        raise Refusal(
            f"Merging changes a person, which {run.by} may not.",
            remedy=f"Ask somebody with the right to ({CHANGE}).",
        )
    merged = run.once(
        "merge_people.people",
        partial(merge, asked.keep, asked.gone, by=run.user, on_failure=_to_log(run)),
    )
    _bring_copies(run, asked.gone)
    planned = run.once("merge_people.batches", _stretches)
    stretches = [(int(first), int(last)) for first, last in planned["stretches"]]
    total = {"events": 0, "rewritten": 0, "of_one_person": 0}
    batches = set()
    for number, (first, last) in enumerate(stretches):
        found = run.once(
            "merge_people.events", partial(follow_events, asked.gone, first, last), number
        )
        for name in total:
            total[name] += found[name]
        if found["events"]:
            batches.add(first >> EventBatch.ROW_BITS)
        run.report(number + 1, len(stretches), "Looking through events")
    return {
        **merged,
        "batches": len(batches),
        "events": total["events"],
        "events_rewritten": total["rewritten"],
        "events_of_one_person": total["of_one_person"],
    }


def _stretches() -> Mapping[str, Any]:
    """Return the ids of all events there are, in stretches of one batch each."""
    stretches = []
    for batch in EventBatch.objects.order_by("pk").only("pk"):
        last = MatchEvent.objects.of_batch(batch).aggregate(last=Max("pk"))["last"]
        first = batch.first_event_id
        while last is not None and first <= last:
            stretches.append([first, min(first + STRETCH - 1, last)])
            first += STRETCH
    return {"stretches": stretches}


def _bring_copies(run: Run, gone: int) -> None:
    """Move what is left under the former name: a worker may have died before it did."""
    alias = PersonAlias.objects.select_related("person").filter(number=gone).first()
    if alias is None:
        return
    try:
        live.move({alias.external_id: Moved(alias.person.external_id, alias.since)})
    except ValkeyUnavailable as error:
        run.log(str(error), "warning")


def _to_log(run: Run) -> Any:
    return lambda said: run.log(said, "warning")
