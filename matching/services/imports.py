"""Landing the events of a log, each once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction
from django.utils import timezone
from psycopg.errors import UniqueViolation

from matching.domain.log.account import ALREADY_KNOWN, Account
from matching.domain.log.format import CHANGED_EVENT, with_products
from matching.domain.log.reader import LogChunk, RejectedLine, excerpt_of
from matching.domain.summaries import Summary, add_summaries, summarise_events
from matching.domain.words import FeatureSet, OnChange, revision_of
from matching.models import (
    EventBatch,
    MatchEvent,
    RejectedEvent,
)
from matching.queries.differing import find_differing
from matching.queries.event_rows import as_rows
from matching.queries.known_events import (
    add_count,
    can_be_tiered,
    count_known,
    find_own,
    require_origin_said,
    signs_of_drawing,
    temporary_table,
)
from matching.services.corrections import (
    RIGHT,
    apply_changes,
    keep_waiting,
    why_refused,
)
from project.acting import Actor, current_actor
from project.bulk import copy_rows
from project.origin import Origin
from project.uploads.models import Upload
from project.uploads.services import get_upload

_EVENTS = MatchEvent._meta.db_table


def open_import(
    stored: Upload,
    *,
    origin: str | None,
    feature_set: str,
    on_change: str = OnChange.REPLACE,
    actor: Actor,
) -> dict[str, Any]:
    """Open the batch of a log, or return the account of a file that was imported before.

    Who may not change events has the lines that would do so refused.
    """
    earlier = EventBatch.objects.complete().filter(file_sha256=stored.sha256).first()
    if earlier is not None:
        return {"known_file": _known_file(earlier, stored)}
    origin = origin or require_origin_said(stored.path, stored.name)
    asked, feature_set = feature_set, feature_set or FeatureSet.LOGGED.value
    parameters = {"origin": origin, "feature_set": asked, "on_change": on_change}
    if on_change == OnChange.REPLACE and not actor.may(RIGHT):
        parameters.update(on_change=OnChange.REFUSE.value, may_not_change=actor.name)
    batch = EventBatch.objects.create(
        uid=UUID(hex=stored.sha256[:32]),
        method=EventBatch.Method.IMPORTED,
        origin=Origin(origin).code,
        feature_set=feature_set,
        feature_revision=revision_of(feature_set),
        # What the log was made with is known once all of it is read.
        parameters=parameters,
        file_name=stored.name,
        file_sha256=stored.sha256,
        created_by=actor.user,
    )
    return {"batch": batch.pk}


def require_origins(uploads: Sequence[UUID]) -> dict[str, Any]:
    """Ask for the origin of logs that do not tell it, before one of them lands."""
    for upload in uploads:
        stored = get_upload(upload)
        if not EventBatch.objects.complete().filter(file_sha256=stored.sha256).exists():
            require_origin_said(stored.path, stored.name)
    return {}


def land_chunk(
    batch: EventBatch, chunk: LogChunk, *, may_be_known: bool = True
) -> tuple[Account, Summary]:
    """Write the events of a chunk that are new, and the lines that were refused.

    Where none is known, as in most logs, the rows go straight into their table: half the work of
    going by a table beside it. `may_be_known` says that it is not worth trying.
    """
    events = with_products(chunk.events)
    chunk = replace(chunk, events=events)
    account = Account(
        found=len(chunk.events) + len(chunk.rejected),
        ignored=chunk.ignored,
        feature_sets=chunk.feature_sets,
    )
    account.reject(chunk.rejected)
    twins = find_own(chunk.events.ids["eventId"], account)
    fresh = np.flatnonzero(twins == 0)
    refused: list[RejectedLine] = []
    if len(fresh) < len(twins):
        own = np.flatnonzero(twins)
        with temporary_table("own_event", f"LIKE {_EVENTS}, twin bigint") as table:
            rows = {
                **as_rows(chunk, own, first=batch.first_event_id, origin=batch.origin),
                "twin": twins[own],
            }
            copy_rows(connection, table, rows)
            refused += _correct(table, batch, chunk, account, is_own=True)
    rows = as_rows(chunk, fresh, first=batch.first_event_id, origin=batch.origin)
    if may_be_known or not _land_all(rows):
        with temporary_table("incoming_event", f"LIKE {_EVENTS}") as table:
            copy_rows(connection, table, rows)
            with connection.cursor() as cursor:
                cursor.execute(
                    f"INSERT INTO {_EVENTS} SELECT * FROM {table} ORDER BY id "  # noqa: S608 - own names
                    "ON CONFLICT (event_key) WHERE event_key IS NOT NULL DO NOTHING"
                )
                account.new = cursor.rowcount
            if account.new < len(fresh):
                count_known(table, account, batch)
                refused += _correct(table, batch, chunk, account)
                fresh = np.flatnonzero(np.isin(chunk.lines, _landed_lines(batch, chunk)))
    else:
        account.new = len(fresh)
    account.known = len(chunk.events) - account.new - account.changed - len(refused)
    account.reject(refused)
    _keep_rejected(batch, [*chunk.rejected, *refused])
    return account, summarise_events(events.outcome[fresh], events.features[fresh].T)


def _correct(
    table: str, batch: EventBatch, chunk: LogChunk, account: Account, *, is_own: bool = False
) -> list[RejectedLine]:
    """Keep what the lines of known events say otherwise until the import is complete.

    Returns those that may not change what is here, with the reason.
    """
    differing = find_differing(table, batch, is_own=is_own)
    if batch.parameters["on_change"] != OnChange.REPLACE:
        differing = differing.those(differing.is_other)
    if not len(differing.lines):
        return []
    numbers = differing.batches
    for number, count in zip(*np.unique(numbers, return_counts=True), strict=True):
        if number != batch.pk:
            add_count(account.known_in, int(number), -int(count))
    reasons = why_refused(batch, numbers)
    taken = np.array([not reasons[int(number)] for number in numbers], bool)
    account.changed += int(taken.sum())
    keep_waiting(table, batch, differing.those(taken), current_actor().name)
    places = np.searchsorted(chunk.lines, differing.lines[~taken])
    return [
        RejectedLine(
            int(line), CHANGED_EVENT, reasons[int(number)], excerpt_of(chunk.originals[place])
        )
        for line, number, place in zip(
            differing.lines[~taken], numbers[~taken], places, strict=True
        )
    ]


def complete_import(
    batch: EventBatch, stored: Upload, account: Account, summaries: Sequence[Summary]
) -> dict[str, Any]:
    """Open a batch to readers; one that brought nothing and refused nothing goes again."""
    now = timezone.now()
    corrected = apply_changes(batch, account, now)
    result = account.as_result(stored.name, stored.sha256, Origin.of_code(batch.origin))
    result["on_change"] = batch.parameters["on_change"]
    if not account.new and not account.rejected and not account.changed:
        batch.delete()  # nothing was added and nothing is to be looked at
        return result
    batch.asked = account.found
    batch.made = account.new
    batch.summary = add_summaries([*summaries, *([] if corrected is None else [corrected])])
    batch.skipped = {
        reason: {
            "count": count,
            "examples": [
                {"line": example["line"]}
                for example in account.examples
                if example["reason"] == reason
            ],
        }
        for reason, count in account.rejected.items()
    }
    if account.known:
        batch.skipped[ALREADY_KNOWN] = {
            "count": account.known,
            "examples": [{"batch": int(pk), "count": n} for pk, n in account.known_in.items()],
        }
    batch.feature_set = batch.parameters["feature_set"] or _feature_set_of(batch, account)
    batch.feature_revision = revision_of(batch.feature_set)
    signs = signs_of_drawing(batch)
    batch.parameters = {
        **batch.parameters,
        "ignored": account.ignored,
        "changed_in": account.changed_in,
        "feature_sets_said": account.feature_sets,
        "looks_drawn": signs,
    }
    warnings = []
    if signs:
        warnings.append(
            f"The events are said to be real, but {' and '.join(signs)}. If a program drew them, "
            "they are synthetic: delete this batch and import the log again with --origin "
            "synthetic."
        )
    if len([name for name in account.feature_sets if name]) > 1:
        named = ", ".join(sorted(name for name in account.feature_sets if name))
        warnings.append(
            f"The lines name several feature sets ({named}), so that they are kept as "
            f"{batch.feature_set}; import each set by itself to keep its name."
        )
    batch.state = EventBatch.State.COMPLETE
    batch.completed_at = now
    batch.save(
        update_fields=[
            *("asked", "made", "summary", "skipped", "parameters", "state", "completed_at"),
            *("feature_set", "feature_revision"),
        ]
    )
    return {
        **result,
        "batch": batch.pk,
        "feature_set": batch.feature_set,
        "warnings": warnings,
    }


def _feature_set_of(batch: EventBatch, account: Account) -> str:
    """The one set that all lines name; else tiered-1 if its tiers can give all values."""
    said = set(account.feature_sets)
    if len(said) == 1 and "" not in said:
        return said.pop()
    is_tiered = said <= {"", FeatureSet.TIERED} and can_be_tiered(batch)
    return FeatureSet.TIERED.value if is_tiered else FeatureSet.LOGGED.value


def _known_file(earlier: EventBatch, stored: Upload) -> dict[str, Any]:
    """Return the account of a file whose every byte was imported before: nothing is new."""
    account = Account(found=earlier.asked)
    for reason, skipped in earlier.skipped.items():
        if reason != ALREADY_KNOWN:
            account.rejected[reason] = skipped["count"]
    account.known = account.found - account.rejected_count
    account.known_in = {str(earlier.pk): account.known}
    result = account.as_result(stored.name, stored.sha256, Origin.of_code(earlier.origin))
    return {**result, "batch": earlier.pk, "is_known_file": True}


def _land_all(rows: dict[str, Any]) -> bool:
    """Write rows that are all new; False, and nothing is written, when one of them is known."""
    try:
        with transaction.atomic():
            copy_rows(connection, _EVENTS, rows)
    except Exception as error:
        if isinstance(error, UniqueViolation) or isinstance(error.__cause__, UniqueViolation):
            return False
        raise
    return True


def _landed_lines(batch: EventBatch, chunk: LogChunk) -> npt.NDArray[np.int64]:
    ids = batch.first_event_id + chunk.lines[[0, -1]] - 1
    landed = MatchEvent.objects.filter(id__range=(int(ids[0]), int(ids[1])))
    return np.fromiter(landed.values_list("id", flat=True), np.int64) - batch.first_event_id + 1


def _keep_rejected(batch: EventBatch, rejected: Sequence[RejectedLine]) -> None:
    if not rejected:
        return
    copy_rows(
        connection,
        RejectedEvent._meta.db_table,
        {
            "batch_id": np.full(len(rejected), batch.pk, np.int64),
            "line": np.array([line.line for line in rejected], np.int64),
            "reason": [line.reason for line in rejected],
            "message": [line.message for line in rejected],
            "excerpt": [line.excerpt for line in rejected],
        },
    )
