"""Which events of a log are here already, and in which batch."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction

from matching.domain.features.names import FEATURE_NAMES, PRODUCTS
from matching.domain.features.tiers import TIER_VALUES
from matching.domain.log.account import Account, LogPreview
from matching.domain.log.careful import sum_ignored
from matching.domain.log.drawn import find_signs
from matching.domain.log.format import COMPUTED, with_products
from matching.domain.log.reader import LogChunk, read_log
from matching.models import EventBatch, MatchEvent
from matching.queries.differing import find_differing
from matching.queries.event_rows import as_rows, known_people
from project import clock
from project.bulk import copy_rows, read_arrow
from project.origin import Origin
from project.refusal import Refusal

_EVENTS = MatchEvent._meta.db_table
LOOKED_AT = 20_000  # events in which signs of drawing are looked for
_OWN_EVENT = re.compile(r"seedbed:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(\d{1,10})")


def preview_log(
    path: Path,
    name: str,
    *,
    origin: str | None = None,
    max_lines: int | None = None,
    chunks: Iterator[LogChunk] | None = None,
) -> LogPreview:
    """Say what an import would find, without writing anything that stays.

    With `max_lines` only the beginning is read, and `is_whole` says whether that was all. `chunks`
    are those of a table that is read by a mapping; its origin has to be said then.
    """
    origin = origin or require_origin_said(path, name)
    account = Account()
    lines = people = 0
    with (
        path.open("rb") as stream,
        transaction.atomic(),
        temporary_table("seen_event", "event_key uuid") as table,
    ):
        if chunks is None:
            chunks = read_log(stream, now=clock.now(), origin=origin)
        for chunk in chunks:
            twins = find_own(chunk.events.ids["eventId"], account)
            fresh = np.flatnonzero(twins == 0)
            copy_rows(connection, table, {"event_key": chunk.keys[fresh]})
            _count_changed(chunk, twins, account)
            account.found += len(chunk.events) + len(chunk.rejected) + chunk.exposures
            account.exposures += chunk.exposures
            has = chunk.events.has_features
            account.with_features += int(has.sum())
            account.without_features += int((~has).sum())
            people += int(known_people(chunk.events).sum())
            account.reject(chunk.rejected)
            sum_ignored(account.ignored, chunk.ignored)
            lines = chunk.next_line - 1
            if max_lines is not None and lines >= max_lines:
                break
        is_whole = chunk.next_offset == path.stat().st_size
        count_known(table, account)
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(DISTINCT i.event_key) FROM {table} i WHERE NOT EXISTS "  # noqa: S608 - own names
                f"(SELECT FROM {_EVENTS} e WHERE e.event_key = i.event_key)"
            )
            account.new = cursor.fetchone()[0]
        account.known = account.found - account.rejected_count - account.new
        account.known -= account.changed + account.exposures
    result = account.as_result(name, "", origin)
    if account.without_features and not account.with_features:
        result["features"] = COMPUTED
        result["people_known"] = people / account.without_features
    return {**result, "lines": lines, "is_whole": is_whole}


def _count_changed(chunk: LogChunk, twins: npt.NDArray[np.int64], account: Account) -> None:
    """Count the events that are here with other content."""
    if not any(event_id is not None for event_id in chunk.events.ids["eventId"]):
        return
    nobody = EventBatch(pk=0)
    rows = as_rows(
        replace(chunk, events=with_products(chunk.events)),
        np.arange(len(twins)),
        first=nobody.first_event_id,
        origin=Origin.REAL.code,
    )
    with temporary_table("looked_at_event", f"LIKE {_EVENTS}, twin bigint") as table:
        copy_rows(connection, table, {**rows, "twin": twins})
        for is_own in (False, True):
            differing = find_differing(table, nobody, is_own=is_own)
            numbers = differing.batches[differing.is_other]
            for number, count in zip(*np.unique(numbers, return_counts=True), strict=True):
                account.changed += int(count)
                add_count(account.changed_in, int(number), int(count))
                add_count(account.known_in, int(number), -int(count))


def require_origin_said(path: Path, name: str) -> str:
    """Return the origin that the first good lines of a log tell; one without good lines is real.

    A Refusal asks for it where none of them tells.
    """
    with path.open("rb") as stream:
        for chunk in read_log(stream, now=clock.now()):
            said = chunk.events.source[chunk.events.source > 0]
            if len(said):
                return Origin.of_code(said[0])
            if len(chunk.events):
                raise Refusal(
                    f"{name} says neither that its events are real nor that they are synthetic; a "
                    "source such as rule-based names what scored them, not where they come from.",
                    remedy="Say it with --origin real or --origin synthetic.",
                    details={"asks": "origin"},
                )
    return Origin.REAL


def signs_of_drawing(batch: EventBatch) -> list[str]:
    """Say what in the first events of a batch looks drawn by a program if it is called real."""
    if Origin.of_code(batch.origin) is not Origin.REAL:
        return []
    moment = "(extract(epoch FROM occurred_at) * 1000)::bigint AS ms"
    table = read_arrow(
        f"SELECT {moment}, {', '.join(FEATURE_NAMES)} "  # noqa: S608 - own names
        f"FROM {_EVENTS} WHERE id BETWEEN %s AND %s ORDER BY id LIMIT {LOOKED_AT}",
        [batch.first_event_id, batch.last_event_id],
    )
    features = np.column_stack(
        [
            np.asarray(table.column(name).to_numpy(), np.float32)
            for name in FEATURE_NAMES
            if name not in PRODUCTS
        ]
    )
    if batch.parameters.get("features") == COMPUTED:
        features = features[:, :0]  # the log says nothing of them
    return find_signs(table.column("ms").to_numpy(), features)


def can_be_tiered(batch: EventBatch, lines: range | None = None) -> bool:
    """Whether every value of a batch, or of some of its lines, is one that the tiers of `tiered-1`
    give."""
    first, last = batch.first_event_id, batch.last_event_id
    if lines is not None:
        first, last = first + lines.start - 1, first + lines.stop - 2
    outside = []
    values: list[Any] = []
    for name, (tiers, match_type) in TIER_VALUES.items():
        only = "" if match_type is None else f"match_type = {match_type.code} AND "
        outside.append(f"({only}{name} IS NOT NULL AND NOT {name} = ANY(%s::real[]))")
        values.append(sorted(tiers))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT EXISTS (SELECT FROM {_EVENTS} WHERE id BETWEEN %s AND %s AND "  # noqa: S608 - own names
            f"({' OR '.join(outside)}))",
            [first, last, *values],
        )
        return not cursor.fetchone()[0]


@contextmanager
def temporary_table(name: str, columns: str) -> Iterator[str]:
    """Hold a table that only this transaction sees; name and columns are ours."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {name} ({columns}) ON COMMIT DROP")
    yield name
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {name}")


def count_known(table: str, account: Account, own: EventBatch | None = None) -> None:
    """Count the events that other batches than `own` brought before, by batch."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT e.id >> %s AS batch, count(*) FROM {table} i "  # noqa: S608 - own names
            f"JOIN {_EVENTS} e USING (event_key) WHERE e.id >> %s IS DISTINCT FROM %s GROUP BY 1",
            [EventBatch.ROW_BITS, EventBatch.ROW_BITS, None if own is None else own.pk],
        )
        for batch, count in cursor.fetchall():
            add_count(account.known_in, batch, count)


def add_count(counts: dict[str, int], batch: int, count: int) -> None:
    """Count more events of a batch, or fewer; one without any is not named."""
    total = counts.pop(str(batch), 0) + count
    if total:
        counts[str(batch)] = total


def find_own(event_ids: Sequence[str | None], account: Account) -> npt.NDArray[np.int64]:
    """Return the ids of events that are here, by the names that an export gave them; else 0."""
    own = np.zeros(len(event_ids), np.int64)
    matches = [
        (place, match)
        for place, event_id in enumerate(event_ids)
        if event_id is not None
        and event_id.startswith("seedbed:")
        and (match := _OWN_EVENT.fullmatch(event_id))
    ]
    if not matches:
        return own
    uids = {match[1] for _, match in matches}
    batches: dict[str, list[int]] = {}
    for pk, uid in EventBatch.objects.complete().filter(uid__in=uids).values_list("pk", "uid"):
        batches.setdefault(str(uid), []).append(pk)
    places: dict[int, list[int]] = {}
    for place, match in matches:
        row = int(match[2])
        for pk in batches.get(match[1], ()):
            if row < 1 << EventBatch.ROW_BITS:
                places.setdefault((pk << EventBatch.ROW_BITS) + row, []).append(place)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {_EVENTS} WHERE id = ANY(%s) ORDER BY id",  # noqa: S608 - own name
            [list(places)],
        )
        for (pk,) in cursor.fetchall():
            own[places[pk]] = pk
            add_count(account.known_in, pk >> EventBatch.ROW_BITS, len(places[pk]))
    return own
