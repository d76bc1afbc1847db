"""Exporting batches as event logs."""

import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.log.format import EventColumns
from matching.domain.log.writer import write_log
from matching.models import EventBatch, MatchEvent
from matching.queries.frozen import frozen_population
from project.bulk import read_batches
from project.refusal import Refusal

_EVENTS = MatchEvent._meta.db_table


def export_batches(batches: Iterable[EventBatch]) -> Iterator[bytes]:
    """Write the events of complete batches as lines, batch after batch, the same bytes each time.

    An event without an eventId of its own is named `seedbed:<uid of the batch>:<row>`.
    """
    for batch in batches:
        if batch.state != EventBatch.State.COMPLETE:
            raise Refusal(
                f"Batch {batch.pk} is {batch.get_state_display().lower()}; only a complete one is "
                "exported.",
                remedy="Wait for its job, or retry it.",
            )
        users, groups = _names_of(batch)
        columns = ", ".join(("id", "match_type", "outcome", "preset", "origin", *FEATURE_NAMES))
        for rows in read_batches(
            f"SELECT {columns}, user_id, target_id, group_id, external, "  # noqa: S608 - own names
            "(extract(epoch FROM occurred_at) * 1000)::bigint AS occurred_ms "
            f"FROM {_EVENTS} WHERE id BETWEEN %s AND %s ORDER BY id",
            [batch.first_event_id, batch.last_event_id],
        ):
            yield write_log(_as_events(batch, rows, users, groups), batch.feature_set)


def write_log_file(path: Path, batches: Iterable[EventBatch]) -> int:
    """Export batches to a file, packed when its name ends in .gz; returns the number of events.

    The file is there whole or not at all.
    """
    events = 0
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as target:
        try:

            def counted() -> Iterator[bytes]:
                nonlocal events
                for block in export_batches(batches):
                    events += block.count(b"\n")
                    yield block

            for block in pack(counted()) if path.suffix == ".gz" else counted():
                target.write(block)
            target.flush()
            os.fsync(target.fileno())
            Path(target.name).replace(path)
        finally:
            Path(target.name).unlink(missing_ok=True)
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
    known: dict[str, list[str | None]] = {
        "eventId": [f"seedbed:{batch.uid}:{number}" for number in numbers],
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
