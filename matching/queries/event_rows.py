"""Events of a log as rows of their table."""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.log.format import ID_FIELDS, EventColumns
from matching.domain.log.reader import LogChunk
from matching.domain.strangers import stranger_number
from matching.domain.words import MatchType
from matching.models import PersonAlias, SeedUser, TravelGroup
from matching.queries.identity import numbers_of_former


class _External(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """The ids that a log gives an event, as they are kept beside it."""

    event_id: str | None = None
    user_id: str | None = None
    target_id: str | None = None
    group_id: str | None = None
    model_version: str | None = None


_encode_lines = msgspec.json.Encoder().encode_lines


def as_rows(
    chunk: LogChunk, rows: npt.NDArray[np.int64], *, first: int, origin: int
) -> dict[str, Any]:
    """Columns of the table for some events of a chunk; an event's row is its line, from 0.

    Parameters
    ----------
    rows : places among the events of the chunk
    first, origin : first id of the batch they land in, and the code of its origin
    """
    events = chunk.events
    count = len(rows)
    is_whole = count == len(events)
    ids = {
        name: values if is_whole else [values[row] for row in rows]
        for name, values in events.ids.items()
    }
    user, target = _numbers_of(SeedUser, ids["userId"], ids["targetId"])
    (group,) = _numbers_of(TravelGroup, ids["groupId"])
    columns = {
        "id": first + chunk.lines[rows] - 1,
        "match_type": events.match_type[rows],
        "origin": np.full(count, origin, np.int16),
        "preset": np.ma.masked_equal(events.preset[rows], 0),
        "outcome": events.outcome[rows],
        "label": events.label[rows],
        "occurred_at": events.occurred_ms[rows].astype("datetime64[ms]"),
        "user_id": user,
        "target_id": target,
        "group_id": group,
        "event_key": chunk.keys[rows],
        "external": _written(ids),
    }
    # What nobody says is null without being written.
    for column, name in enumerate(FEATURE_NAMES):
        values = events.features[rows, column]
        if not np.isnan(values).all():
            columns[name] = values
    for name in ("user_id", "target_id", "group_id", "external"):
        if columns[name].null_count == count:
            del columns[name]
    return columns


def _written(ids: dict[str, list[str | None]]) -> pa.Array:
    """Write what is kept of the ids of each event; null where there are none."""
    said = list(map(_External, *(ids[name] for name in ID_FIELDS)))
    texts = _encode_lines(said).decode().split("\n")[:-1]
    written = pa.array(texts, pa.string())
    return pc.if_else(pc.equal(written, "{}"), None, written)


def known_people(events: EventColumns) -> npt.NDArray[np.bool_]:
    """Whether both sides of events are known by id: bool (n,)."""
    user, target = _numbers_of(SeedUser, events.ids["userId"], events.ids["targetId"])
    (group,) = _numbers_of(TravelGroup, events.ids["groupId"])
    asked, whom, which = (column.fill_null(-1).to_numpy() > 0 for column in (user, target, group))
    is_group = events.match_type == MatchType.USER_GROUP.code
    return np.asarray(asked & np.where(is_group, which, whom))


def _numbers_of(
    model: type[SeedUser] | type[TravelGroup], *columns: list[str | None]
) -> list[pa.Array]:
    """Primary keys of names; who is not here gets a number below zero, the same in every log.

    So splits by user and the leakage meter work on logs of people who have no profile here.
    """
    coded = [pa.array(column, pa.string()).dictionary_encode() for column in columns]
    listed = [column.dictionary.to_pylist() for column in coded]
    names = set[str]().union(*listed)
    numbers = {name: stranger_number(name) for name in names}
    if names:
        table = model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT external_id, id FROM {table} WHERE external_id IN "  # noqa: S608 - own name
                "(SELECT jsonb_array_elements_text(%s::jsonb))",
                [msgspec.json.encode(sorted(names)).decode()],
            )
            numbers.update(cursor.fetchall())
            if model is SeedUser and PersonAlias.objects.exists():
                numbers.update(numbers_of_former(names))
    return [
        pa.array([numbers[name] for name in known], pa.int64()).take(column.indices)
        for known, column in zip(listed, coded, strict=True)
    ]
