"""What is taken away: people, groups, trips, events and refused rows, chunk by chunk."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from matching.domain.features.names import FEATURE_NAMES, LOG_NAMES
from matching.domain.limits import LOG_PREFIX
from matching.domain.log.format import ID_FIELDS, SOURCE_CODES, EventColumns
from matching.domain.log.writer import write_log
from matching.domain.words import MatchType, Outcome, Preset
from matching.models import EventBatch, MatchEvent, RefusedProfile, RejectedEvent
from matching.queries.frozen import frozen_population
from project.bulk import read_arrow, read_batches
from project.origin import ROW_ORIGINS
from project.output import written
from project.refusal import Refusal
from project.tabular.mend import Came, corrected_row, row_of

_EVENTS = MatchEvent._meta.db_table
_COLUMNS = ", ".join(("id", "match_type", "outcome", "preset", "origin", *FEATURE_NAMES))
_SELECT = (
    f"SELECT {_COLUMNS}, user_id, target_id, group_id, external, "  # noqa: S608 - our own names
    f"(extract(epoch FROM occurred_at) * 1000)::bigint AS occurred_ms FROM {_EVENTS}"
)

EVENT_ROWS: Final = 65_536  # of a chunk
PEOPLE_ROWS: Final = 16_384
REFUSED_ROWS: Final = 1_024  # each may have 64 KiB

# What a door keeps of each, as its fields are called.
_PEOPLE: Final = """
SELECT id, external_id, name, archetype, age, gender, personality, extraversion,
    to_json(interests)::text AS interests, to_json(languages)::text AS languages,
    home_city, home_lat, home_lon, smoking, drinking, religion, nationality, profession, origin
FROM matching_seeduser WHERE id > %s ORDER BY id LIMIT %s
"""
_GROUPS: Final = """
SELECT g.id, g.external_id, g.name, coalesce((
        SELECT json_agg(u.external_id ORDER BY u.external_id)
        FROM matching_travelgroup_members m JOIN matching_seeduser u ON u.id = m.seeduser_id
        WHERE m.travelgroup_id = g.id
    )::text, '[]') AS members, g.origin
FROM matching_travelgroup g WHERE g.id > %s ORDER BY g.id LIMIT %s
"""
_TRIPS: Final = """
SELECT id, external_id, destination_name, destination_lat, destination_lon, start_date, end_date,
    budget, to_json(interests)::text AS interests, origin
FROM matching_travelsession WHERE id > %s ORDER BY id LIMIT %s
"""
_TABLES: Final = {"people": _PEOPLE, "groups": _GROUPS, "sessions": _TRIPS}
_LISTS: Final = ("interests", "languages", "members")


def export_batches(batches: Sequence[EventBatch]) -> Iterator[bytes]:
    """Write the events of complete batches as lines, batch after batch, the same bytes each time.

    An event without an eventId of its own is named `seedbed:<uid of the batch>:<row>`.
    """
    require_one_origin(batches)
    for batch in batches:
        require_complete(batch)
        users, groups = _names_of(batch)
        for rows in read_batches(
            f"{_SELECT} WHERE id BETWEEN %s AND %s ORDER BY id",
            [batch.first_event_id, batch.last_event_id],
        ):
            yield write_log(_as_events(batch, rows, users, groups), batch.feature_set)


def require_complete(batch: EventBatch) -> None:
    """Let only a batch through whose events are all there."""
    if batch.state != EventBatch.State.COMPLETE:
        raise Refusal(
            f"Batch {batch.pk} is {batch.get_state_display().lower()}; only a complete one is "
            "exported.",
            remedy="Wait for its job, or retry it.",
        )


def require_one_origin(batches: Iterable[EventBatch]) -> None:
    """Refuse real and synthetic batches in one file: an import takes a log of one origin alone."""
    named: dict[str, list[str]] = {}
    for batch in batches:
        named.setdefault(batch.get_origin_display(), []).append(str(batch.pk))
    if len(named) > 1:
        said = "; ".join(f"{origin}: {', '.join(numbers)}" for origin, numbers in named.items())
        ways = " and ".join(f"--batch {' '.join(numbers)}" for numbers in named.values())
        raise Refusal(
            f"One file holds events of one origin, and these batches are of both ({said}): an "
            "import would refuse the lines of one of them.",
            remedy=f"Export each origin into a file of its own: {ways}.",
        )


def write_log_file(path: Path, batches: Sequence[EventBatch]) -> int:
    """Export batches to a file, packed when its name ends in .gz; returns the number of events.

    The file is there whole or not at all.
    """
    events = 0

    def counted() -> Iterator[bytes]:
        nonlocal events
        for block in export_batches(batches):
            events += block.count(b"\n")
            yield block

    with written(path) as target:
        for block in pack(counted()) if path.suffix == ".gz" else counted():
            target.write(block)
    return events


def pack(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Pack blocks as one gzip file without time and name, so that the bytes stay the same."""
    packer = zlib.compressobj(level=6, wbits=31)
    for block in blocks:
        yield packer.compress(block)
    yield packer.flush()


def _names_of(batch: EventBatch) -> tuple[dict[int, str], dict[int, str]]:
    """External ids of users and groups, by the ids that the events have."""
    population = frozen_population(batch)
    if population is None:
        return {}, {}  # the log's own words are kept with each imported event
    users = population.users
    groups = population.groups
    return (
        dict(zip(users["user_id"].astype(int), users["external_id"], strict=True)),
        dict(zip(groups["group_id"].astype(int), groups["external_id"], strict=True))
        if len(groups)
        else {},
    )


def _as_events(
    batch: EventBatch, rows: pa.RecordBatch, users: dict[int, str], groups: dict[int, str]
) -> EventColumns:
    said = [
        {} if text is None else orjson.loads(text) for text in rows.column("external").to_pylist()
    ]
    numbers = rows.column("id").to_numpy() - batch.first_event_id
    named = f"seedbed:{batch.uid}:"
    known: dict[str, list[str | None]] = {
        "eventId": [f"{named}{number}" for number in numbers.tolist()],
        "userId": [users.get(pk) for pk in rows.column("user_id").to_pylist()],
        "targetId": [users.get(pk) for pk in rows.column("target_id").to_pylist()],
        "groupId": [groups.get(pk) for pk in rows.column("group_id").to_pylist()],
        "modelVersion": [None] * len(numbers),
    }
    return EventColumns(
        match_type=_small(rows, "match_type"),
        outcome=_small(rows, "outcome"),
        preset=_small(rows, "preset"),
        source=_small(rows, "origin"),
        occurred_ms=rows.column("occurred_ms").to_numpy(),
        features=np.column_stack(
            [rows.column(name).to_numpy(zero_copy_only=False) for name in FEATURE_NAMES]
        ).astype(np.float32, copy=False),
        ids={
            name: [words.get(name, value) for words, value in zip(said, values, strict=True)]
            for name, values in known.items()
        },
    )


def _small(rows: pa.RecordBatch, name: str) -> npt.NDArray[np.int16]:
    codes: npt.NDArray[np.int16] = rows.column(name).fill_null(0).to_numpy().astype(np.int16)
    return codes


# --- Chunk by chunk ------------------------------------------------------------------------------


def people_chunk(what: str, after: int) -> tuple[pa.Table, int | None]:
    """Read people, groups or sessions behind an id; returns them, and behind which more follow."""
    table = read_arrow(_TABLES[what], [after, PEOPLE_ROWS])
    last = table.column("id")[-1].as_py() if table.num_rows == PEOPLE_ROWS else None
    for name in _LISTS:
        if name in table.column_names:
            lists = [orjson.loads(text) for text in table.column(name).to_pylist()]
            table = _replaced(table, name, pa.array(lists, pa.list_(pa.string())))
    origins = {origin.code: origin.value for origin in ROW_ORIGINS}
    said = [origins[code] for code in table.column("origin").to_pylist()]
    return _replaced(table, "origin", pa.array(said, pa.string())).drop_columns("id"), last


def event_rows(batches: Sequence[EventBatch]) -> "EventRows":
    """Prepare to read the events of complete batches of one origin, batch after batch."""
    require_one_origin(batches)
    for batch in batches:
        require_complete(batch)
    return EventRows(batches)


class EventRows:
    """The events of batches, chunk by chunk."""

    def __init__(self, batches: Sequence[EventBatch]) -> None:
        self._batches = batches
        self._names = lru_cache(maxsize=1)(lambda place: _names_of(batches[place]))

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(batch.made for batch in self._batches)

    def chunk(self, place: int, after: int) -> tuple[EventColumns, EventBatch, list[int] | None]:
        """Read events of the batch at a place behind an id; returns them, and where to go on."""
        batch = self._batches[place]
        rows = read_arrow(
            f"{_SELECT} WHERE id > %s AND id <= %s ORDER BY id LIMIT %s",
            [max(after, batch.first_event_id - 1), batch.last_event_id, EVENT_ROWS],
        )
        following: list[int] | None = None
        if rows.num_rows == EVENT_ROWS:
            following = [place, rows.column("id")[-1].as_py()]
        elif place + 1 < len(self._batches):
            following = [place + 1, 0]
        whole = rows.combine_chunks().to_batches()
        one = whole[0] if whole else pa.RecordBatch.from_pylist([], schema=rows.schema)
        return _as_events(batch, one, *self._names(place)), batch, following


def events_table(events: EventColumns, feature_set: str) -> pa.Table:
    """Return events as a table whose columns are called as the fields of the log."""
    columns: dict[str, Any] = {
        "matchType": _words(MatchType.codes(), events.match_type),
        **{
            name: pa.array(events.ids[name], pa.string()) for name in ID_FIELDS if name != "eventId"
        },
        "outcome": _words(Outcome.codes(), events.outcome),
        "label": pa.array(events.label.astype(np.int8)),
        "timestamp": pa.array(events.occurred_ms, pa.int64()),
        "eventId": pa.array(events.ids["eventId"], pa.string()),
        "preset": _words(Preset.codes(), events.preset),
        "source": _words(SOURCE_CODES, events.source),
        "featureSet": pa.array([feature_set or None] * len(events), pa.string()),
    }
    for place, name in enumerate(LOG_NAMES):
        values = pa.array(events.features[:, place], pa.float32(), from_pandas=True)
        columns[f"features.{name}"] = values
    return pa.table(columns)


def refused_chunk(
    what: str, keys: Sequence[int], after: int
) -> tuple[list[tuple[Came, str]], int | None]:
    """Read rows that are still refused, of batches or of a file, behind an id.

    Each is as it came, with its correction, and why it was refused.
    """
    model, column = (
        (RejectedEvent, "batch_id") if what == "events" else (RefusedProfile, "source_id")
    )
    table = read_arrow(
        "SELECT id, text, message, is_whole, correction::text AS correction "  # noqa: S608 - own
        f"FROM {model._meta.db_table} WHERE {column} = ANY(%s) AND resolved_at IS NULL "
        "AND id > %s ORDER BY id LIMIT %s",
        [list(keys), after, REFUSED_ROWS],
    )
    rows = [
        (
            corrected_row(
                row_of(row["text"].strip().removeprefix(LOG_PREFIX)),
                orjson.loads(row["correction"]),
                is_whole=row["is_whole"],
            ),
            row["message"],
        )
        for row in table.to_pylist()
    ]
    full = table.num_rows == REFUSED_ROWS
    return rows, table.column("id")[-1].as_py() if full else None


def _replaced(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def _words(codes: Any, given: npt.NDArray[np.int16]) -> pa.Array:
    """Words of codes; null for NOT_SAID."""
    words: list[str | None] = [None] * (1 + max(codes.values()))
    for word, code in codes.items():
        words[code] = str(word)
    return pa.array(words, pa.string()).take(pa.array(given))
