"""What becomes of a line whose event is known with other content."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from django.db import connection
from django.db.models import Count, F

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.log.account import Account
from matching.domain.log.format import LOGGED
from matching.domain.summaries import Summary, add_summaries, subtract_summary, summarise_events
from matching.domain.words import FeatureSet, OnChange
from matching.models import EventBatch, EventChange, MatchEvent
from matching.queries.differing import SAID, Differing
from matching.queries.known_events import can_be_tiered
from project.bulk import read_batches

_EVENTS: Final = MatchEvent._meta.db_table
_CHANGES: Final = EventChange._meta.db_table
# The numbers of people follow from `external`: who got a profile since has another number, which is
# no change, but goes along with one.
NUMBERS: Final = ("user_id", "target_id", "group_id")
REPLACED: Final = (*SAID, *NUMBERS, *FEATURE_NAMES, "external")
RIGHT: Final = "matching.change_matchevent"


def why_refused(batch: EventBatch, numbers: npt.NDArray[np.int64]) -> dict[int, str]:
    """Say of each batch by number why its events are not changed by an import; empty where they
    are."""
    found = EventBatch.objects.defer("population", "summary").in_bulk(
        [int(number) for number in np.unique(numbers)]
    )
    return {number: _why_refused(batch, known) for number, known in found.items()}


def _why_refused(batch: EventBatch, known: EventBatch) -> str:
    here = f"Expected what batch {known.pk} has under this eventId; got other content"
    mode = batch.parameters.get("on_change", OnChange.REPLACE)
    if mode == OnChange.REFUSE:
        asker = batch.parameters.get("may_not_change", "")
        if asker:
            return f"{here}, and {asker} has no right to change events ({RIGHT})."
        return f"{here}. Import with --on-change replace to take it."
    if mode == OnChange.KEEP:
        return ""
    if known.method == EventBatch.Method.GENERATED:
        return f"{here}. That event was generated here, and follows from its seed."
    if known.origin != batch.origin:
        return (
            f"{here}. That event is {known.get_origin_display().lower()}, this import "
            f"{batch.get_origin_display().lower()}."
        )
    features, known_features = (one.parameters.get("features", LOGGED) for one in (batch, known))
    if features != known_features:
        return f"{here}. Its features are {known_features}, those of this import {features}."
    asked = batch.parameters.get("feature_set") or known.feature_set
    if asked != known.feature_set and known.pk != batch.pk:
        return f"{here}. Its features are {known.feature_set}, those of this import {asked}."
    return ""


def keep_waiting(table: str, batch: EventBatch, differing: Differing, by: str) -> None:
    """Keep what lines say of known events until their import is complete."""
    state = EventChange.State.WAITING
    if batch.parameters.get("on_change") == OnChange.KEEP:
        state = EventChange.State.KEPT
    columns = ", ".join(f"'{name}', i.{name}" for name in REPLACED)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_CHANGES} (event_id, batch_id, line, state, before, after, by, at) "  # noqa: S608 - own names
            f"SELECT d.event, %s, d.line, %s, '{{}}', jsonb_build_object({columns}), %s, now() "
            f"FROM unnest(%s::bigint[], %s::bigint[]) AS d (line, event) "
            f"JOIN {table} i ON i.id = %s + d.line - 1",
            [
                *(batch.pk, state.value, by),
                *(differing.lines.tolist(), differing.events.tolist(), batch.first_event_id),
            ],
        )


def apply_changes(
    batch: EventBatch, account: Account, now: datetime, *, lines: Sequence[int] | None = None
) -> Summary | None:
    """Replace what waits for an import that is complete, and keep what stood there.

    Several lines of one event count as the last of them. Returns what the batch's own summary has
    to be lessened and raised by, where it corrected itself; the account is told what was replaced.
    Of an import that was complete before, only `lines` that were tried again are looked at.
    """
    changes = batch.changes.all() if lines is None else batch.changes.filter(line__in=lines)
    if not changes.exclude(state=EventChange.State.REPLACED).exists():
        return None
    _settle(batch, lines)
    replaced = batch.changes.filter(state=EventChange.State.WAITING)
    touched = _count_by_batch(replaced)
    named = _count_by_batch(changes.all())
    account.known += account.changed - sum(named.values())
    account.changed = sum(named.values())
    account.changed_in = {str(pk): count for pk, count in named.items()}
    own: Summary | None = None
    before = {pk: _summary_of_changed(batch, pk) for pk in touched}
    _replace(batch)
    for pk, count in touched.items():
        after = _summary_of_changed(batch, pk)
        if pk == batch.pk:
            own = subtract_summary(after, before[pk])
            continue
        known = EventBatch.objects.select_for_update().get(pk=pk)
        known.summary = subtract_summary(add_summaries([known.summary, after]), before[pk])
        EventBatch.objects.filter(pk=pk).update(
            summary=known.summary,
            corrections=F("corrections") + count,
            corrected_at=now,
            feature_set=_feature_set_of(known),
        )
    replaced.update(state=EventChange.State.REPLACED, at=now)
    return own


def _feature_set_of(known: EventBatch) -> str:
    """A set that was only read off the values may hold no more."""
    was_read_off = not known.parameters.get("feature_set") and set(
        known.parameters.get("feature_sets_said", {"": 0})
    ) == {""}
    if known.feature_set == FeatureSet.TIERED and was_read_off and not can_be_tiered(known):
        return FeatureSet.LOGGED.value
    return known.feature_set


def _count_by_batch(changes: Any) -> dict[int, int]:
    number = F("event_id").bitrightshift(EventBatch.ROW_BITS)
    rows = changes.order_by().annotate(number=number).values_list("number").annotate(Count("pk"))
    return {int(pk): count for pk, count in rows}


def _settle(batch: EventBatch, lines: Sequence[int] | None) -> None:
    """Keep of each event the last line, and of each line only what differs."""
    among = "AND (%s::bigint[] IS NULL OR c.line = ANY(%s))"
    listed = None if lines is None else list(lines)
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {_CHANGES} c WHERE c.batch_id = %s AND (EXISTS (SELECT FROM {_CHANGES} o "  # noqa: S608 - own names
            "WHERE o.batch_id = c.batch_id AND o.event_id = c.event_id AND o.line > c.line) "
            f"OR NOT EXISTS (SELECT FROM {_EVENTS} e WHERE e.id = c.event_id)) {among}",
            [batch.pk, listed, listed],
        )
        cursor.execute(
            f"UPDATE {_CHANGES} c SET before = d.before, after = d.after FROM ("  # noqa: S608 - own names
            "SELECT c.id, coalesce(jsonb_object_agg(k, b -> k) FILTER (WHERE differs), '{}') "
            "AS before, coalesce(jsonb_object_agg(k, c.after -> k) FILTER (WHERE differs), '{}') "
            f"AS after FROM {_CHANGES} c JOIN {_EVENTS} e ON e.id = c.event_id, "
            "LATERAL (SELECT to_jsonb(e) AS b) row, LATERAL jsonb_object_keys(c.after) k, "
            "LATERAL (SELECT b -> k IS DISTINCT FROM c.after -> k AS differs) said "
            f"WHERE c.batch_id = %s {among} GROUP BY c.id) d WHERE d.id = c.id",
            [batch.pk, listed, listed],
        )
        cursor.execute(
            f"DELETE FROM {_CHANGES} c WHERE batch_id = %s AND after = '{{}}' {among}",  # noqa: S608 - own name
            [batch.pk, listed, listed],
        )


def _replace(batch: EventBatch) -> None:
    columns = ", ".join(REPLACED)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {_EVENTS} e SET ({columns}) = (SELECT {columns} "  # noqa: S608 - own names
            f"FROM jsonb_populate_record(e, c.after)) FROM {_CHANGES} c "
            "WHERE c.batch_id = %s AND c.state = %s AND e.id = c.event_id",
            [batch.pk, EventChange.State.WAITING.value],
        )


def _summary_of_changed(batch: EventBatch, number: int) -> Summary:
    """Summarise the events of one batch that an import changes, as they stand now."""
    known = EventBatch(pk=number)
    return add_summaries(
        summarise_events(
            rows.column("outcome").to_numpy(),
            [
                np.asarray(rows.column(name).to_numpy(zero_copy_only=False), np.float32)
                for name in FEATURE_NAMES
            ],
        )
        for rows in read_batches(
            f"SELECT e.outcome, {', '.join(f'e.{name}' for name in FEATURE_NAMES)} "  # noqa: S608 - own names
            f"FROM {_EVENTS} e JOIN {_CHANGES} c ON c.event_id = e.id WHERE c.batch_id = %s "
            "AND c.state = %s AND e.id BETWEEN %s AND %s",
            [
                *(batch.pk, EventChange.State.WAITING.value),
                *(known.first_event_id, known.last_event_id),
            ],
        )
    )
