"""Lines whose event is known with other content."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from django.db import connection

from matching.domain.features.names import FEATURE_NAMES
from matching.models import EventBatch, EventChange, MatchEvent

_EVENTS: Final = MatchEvent._meta.db_table
_CHANGES: Final = EventChange._meta.db_table
# What a line says of an event beside its features, and so what a later one of its id may change.
SAID: Final = ("match_type", "outcome", "label", "preset", "occurred_at")


@dataclass(frozen=True)
class Differing:
    """Lines of known events whose content is another: parallel columns of n lines.

    lines : int64 (n,), numbers in the file, ascending
    events : int64 (n,), ids of the events that are known
    is_other : bool (n,), False of a line that has what the event has, among others that have not
    """

    lines: npt.NDArray[np.int64]
    events: npt.NDArray[np.int64]
    is_other: npt.NDArray[np.bool_]

    def those(self, mask: npt.NDArray[np.bool_]) -> "Differing":
        """Return the lines of a mask."""
        return Differing(self.lines[mask], self.events[mask], self.is_other[mask])

    @property
    def batches(self) -> npt.NDArray[np.int64]:
        """Ids of the batches whose events they are."""
        return self.events >> EventBatch.ROW_BITS


def find_differing(
    table: str, batch: EventBatch, *, is_own: bool = False, has_features: bool = True
) -> Differing:
    """Compare the rows of a temporary table with the events that are known under their names.

    Only lines with an eventId are compared: without one the content is the name. Where one
    line differs, or differed before in this import, every line of its event is named, so that the
    last one counts. Events of batches that nobody can read yet are left alone.

    Parameters
    ----------
    table : has the columns of an event; with `is_own` also `twin`, the id of the event that an
        export of ours named, else the event is the one of the same key.
    batch : the import that the lines are of
    has_features : whether the lines say features; those that were computed here are no content
    """
    join = "e.id = i.twin" if is_own else "e.event_key = i.event_key AND e.id <> i.id"
    names = [name for name in SAID if name != "occurred_at"]
    names += [*FEATURE_NAMES] if has_features else []
    differs = [f"i.{name} IS DISTINCT FROM e.{name}" for name in names]
    # A log has whole milliseconds; what was drawn here may be finer.
    differs.append("i.occurred_at <> date_trunc('milliseconds', e.occurred_at)")
    if not is_own:  # an export of ours gives ids of its own
        differs.append("i.external IS DISTINCT FROM e.external")
    is_other = f"({' OR '.join(differs)})"
    with connection.cursor() as cursor:
        # One line that differs makes the others of its event matter: the last of them counts.
        cursor.execute(
            "SELECT id, event, is_other::int FROM (SELECT i.id - %s + 1 AS id, e.id AS event, "  # noqa: S608 - own names
            f"{is_other} AS is_other, bool_or({is_other} OR EXISTS (SELECT FROM {_CHANGES} c "
            "WHERE c.batch_id = %s AND c.event_id = e.id)) OVER (PARTITION BY e.id) AS matters "
            f"FROM {table} i JOIN {_EVENTS} e ON {join} "
            "WHERE i.external ->> 'eventId' IS NOT NULL AND (e.id >> %s = %s OR EXISTS "
            f"(SELECT FROM {EventBatch._meta.db_table} b WHERE b.id = e.id >> %s "
            "AND b.state = %s))) found WHERE matters ORDER BY id",
            [
                *(batch.first_event_id, batch.pk),
                *(EventBatch.ROW_BITS, batch.pk),
                *(EventBatch.ROW_BITS, EventBatch.State.COMPLETE.value),
            ],
        )
        found = np.array(cursor.fetchall(), np.int64).reshape(-1, 3)
    return Differing(found[:, 0], found[:, 1], found[:, 2] == 1)
