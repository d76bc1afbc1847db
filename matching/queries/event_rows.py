"""Events of a log as rows of their table."""

from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from django.db import connection

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.log.format import ID_FIELDS, EventColumns
from matching.domain.log.reader import LogChunk
from matching.domain.words import MatchType
from matching.models import SeedUser, TravelGroup


class _External(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """The ids that a log gives an event, as they are kept beside it."""

    event_id: str | None = None
    user_id: str | None = None
    target_id: str | None = None
    group_id: str | None = None
    model_version: str | None = None


_encode = msgspec.json.Encoder().encode


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
    users = _numbers_of(SeedUser, ids["userId"], ids["targetId"])
    groups = _numbers_of(TravelGroup, ids["groupId"])
    nothing = _encode(_External())
    said = [
        None if (text := _encode(_External(*values))) == nothing else text.decode()
        for values in zip(*(ids[name] for name in ID_FIELDS), strict=True)
    ]
    return {
        "id": first + chunk.lines[rows] - 1,
        "match_type": events.match_type[rows],
        "origin": np.full(count, origin, np.int16),
        "preset": np.ma.masked_equal(events.preset[rows], 0),
        "outcome": events.outcome[rows],
        "label": events.label[rows],
        "occurred_at": events.occurred_ms[rows].astype("datetime64[ms]"),
        "user_id": pa.array(map(users.get, ids["userId"]), pa.int64()),
        "target_id": pa.array(map(users.get, ids["targetId"]), pa.int64()),
        "group_id": pa.array(map(groups.get, ids["groupId"]), pa.int64()),
        **{name: events.features[rows, column] for column, name in enumerate(FEATURE_NAMES)},
        "event_key": chunk.keys[rows],
        "external": pa.array(said, pa.string()),
    }


def known_people(events: EventColumns) -> npt.NDArray[np.bool_]:
    """Whether both sides of events are known by id: bool (n,)."""
    users = _numbers_of(SeedUser, events.ids["userId"], events.ids["targetId"])
    groups = _numbers_of(TravelGroup, events.ids["groupId"])
    is_group = events.match_type == MatchType.USER_GROUP.code
    asked, target, group = (
        np.array([numbers.get(name, -1) > 0 for name in events.ids[field]], np.bool_)
        for numbers, field in ((users, "userId"), (users, "targetId"), (groups, "groupId"))
    )
    return asked & np.where(is_group, group, target)


def _numbers_of(
    model: type[SeedUser] | type[TravelGroup], *columns: list[str | None]
) -> dict[str | None, int]:
    """Primary keys of names; who is not here gets a number below zero, the same in every log.

    So splits by user and the leakage meter work on logs of people who have no profile here.
    """
    names = set[str | None]().union(*columns) - {None}
    numbers: dict[str | None, int] = {name: _stranger(str(name)) for name in names}
    if names:
        table = model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT external_id, id FROM {table} WHERE external_id = ANY(%s)",  # noqa: S608 - own name
                [list(names)],
            )
            numbers.update(cursor.fetchall())
    return numbers


@lru_cache(maxsize=65_536)
def _stranger(name: str) -> int:
    digest = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
    return -1 - (digest >> 1)
