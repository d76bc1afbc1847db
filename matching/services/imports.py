"""Importing event logs, each event once."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
from django.db import connection, transaction
from django.utils import timezone

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.log.careful import sum_ignored
from matching.domain.log.format import ID_FIELDS, SOURCES
from matching.domain.log.reader import LogChunk, RejectedLine, read_log
from matching.domain.summaries import Summary, add_summaries, summarise_events
from matching.domain.words import revision_of
from matching.models import (
    EventBatch,
    FeatureSet,
    MatchEvent,
    RejectedEvent,
    SeedUser,
    Source,
    TravelGroup,
)
from matching.services.stored_logs import StoredLog, open_log
from project.bulk import copy_rows
from project.jobs.contract import Run

CHUNK_LINES = 32_768  # lines that land together: about half a second of work
ALREADY_KNOWN = "already_known"  # beside the reasons of rejected lines
EXAMPLES = 5  # lines named per reason in a result; the admin lists all

_OWN_EVENT = re.compile(r"seedbed:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(\d{1,10})")
_EVENTS = MatchEvent._meta.db_table


@dataclass
class Account:
    """What became of the lines of one file; blank lines are not counted."""

    found: int = 0
    new: int = 0
    known: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    known_in: dict[str, int] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, more: "Account") -> None:
        """Add what became of further lines."""
        self.found += more.found
        self.new += more.new
        self.known += more.known
        sum_ignored(self.ignored, more.ignored)
        for name in ("rejected", "known_in"):
            totals = getattr(self, name)
            for key, count in getattr(more, name).items():
                totals[key] = totals.get(key, 0) + count
        for example in more.examples:
            same = [one for one in self.examples if one["reason"] == example["reason"]]
            if len(same) < EXAMPLES:
                self.examples.append(example)

    def reject(self, lines: Sequence[RejectedLine]) -> None:
        """Count refused lines and name the first of each reason."""
        for line in lines:
            count = self.rejected.get(line.reason, 0)
            self.rejected[line.reason] = count + 1
            if count < EXAMPLES:
                self.examples.append(
                    {"line": line.line, "reason": line.reason, "message": line.message}
                )

    @property
    def rejected_count(self) -> int:
        """Lines refused, whatever the reason."""
        return sum(self.rejected.values())


def import_logs(
    run: Run,
    *,
    files: list[dict[str, str]],
    source: str | None = None,
    feature_set: str = FeatureSet.TIERED,
) -> dict[str, Any]:
    """Import logs, a batch each: good lines land once, the others are kept with their reason.

    A batch can be read once all of its file is there. Without `source` it is what the first line
    that says so tells, else real. Missing features stay missing, logged ones as they were logged.
    """
    results = []
    for number, given in enumerate(files):
        stored = StoredLog(given["sha256"], given["name"])
        results.append(_import_log(run, number, stored, source, feature_set))
    return summarise(results)


def summarise(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the accounts of files with their sums."""
    sums = {name: sum(result[name] for result in results) for name in ("found", "new", "known")}
    by_reason: dict[str, int] = {}
    for result in results:
        for reason, count in result["rejected_by_reason"].items():
            by_reason[reason] = by_reason.get(reason, 0) + count
    return {
        "batches": [result["batch"] for result in results if result["batch"] is not None],
        **sums,
        "rejected": sum(by_reason.values()),
        "rejected_by_reason": by_reason,
        "files": results,
    }


def preview_log(
    path: Path, name: str, *, source: str | None = None, max_lines: int | None = None
) -> dict[str, Any]:
    """Say what an import would find, without writing anything that stays.

    With `max_lines` only the beginning is read, and `is_whole` says whether that was all.
    """
    source = source or _source_said(path)
    account = Account()
    lines = 0
    with (
        path.open("rb") as stream,
        transaction.atomic(),
        _temporary_table("seen_event", "event_key uuid") as table,
    ):
        for chunk in read_log(stream, now=timezone.now(), source=source):
            fresh = np.flatnonzero(~_is_own(chunk.events.ids["eventId"], account))
            copy_rows(connection, table, {"event_key": chunk.keys[fresh]})
            account.found += len(chunk.events) + len(chunk.rejected)
            account.reject(chunk.rejected)
            sum_ignored(account.ignored, chunk.ignored)
            lines = chunk.next_line - 1
            if max_lines is not None and lines >= max_lines:
                break
        is_whole = chunk.next_offset == path.stat().st_size
        _count_known(table, account)
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(DISTINCT i.event_key) FROM {table} i WHERE NOT EXISTS "  # noqa: S608 - own names
                f"(SELECT FROM {_EVENTS} e WHERE e.event_key = i.event_key)"
            )
            account.new = cursor.fetchone()[0]
        account.known = account.found - account.rejected_count - account.new
    return {**_as_result(name, "", source, account), "lines": lines, "is_whole": is_whole}


def discard_import(run: Run) -> None:
    """Remove the events of an import that was stopped; its batches stay, marked abandoned."""
    for number in range(len(run.arguments.get("files", []))):
        prepared = run.result_of("import.prepare", number)
        if not prepared or "batch" not in prepared or run.result_of("import.complete", number):
            continue
        batch = EventBatch.objects.get(pk=prepared["batch"])
        MatchEvent.objects.of_batch(batch).delete()
        batch.rejected.all().delete()
        batch.state = EventBatch.State.ABANDONED
        batch.save(update_fields=["state"])


def _import_log(
    run: Run, number: int, stored: StoredLog, source: str | None, feature_set: str
) -> dict[str, Any]:
    done = run.result_of("import.complete", number)
    if done is not None:
        return done
    prepared = run.once(
        "import.prepare", lambda: _prepare(run, stored, source, feature_set), number
    )
    if "batch" not in prepared:
        return run.once("import.complete", lambda: prepared["known_file"], number)
    batch = EventBatch.objects.get(pk=prepared["batch"])
    account = Account()
    summaries = []
    step = f"import.chunk.{number}"
    finished = 0
    line, offset = 1, 0
    while (chunk_done := run.result_of(step, finished)) is not None:
        account.add(Account(**chunk_done["account"]))
        summaries.append(chunk_done["summary"])
        line, offset = chunk_done["next_line"], chunk_done["next_offset"]
        finished += 1
    with open_log(stored) as stream:
        size = stored.path.stat().st_size
        stream.seek(offset)
        if offset < size or not finished:
            for chunk in read_log(
                stream,
                now=batch.created_at,
                source=SOURCES[batch.source - 1],
                line=line,
                offset=offset,
                chunk_lines=CHUNK_LINES,
            ):
                with run.transaction(step, finished) as result:
                    landed, result["summary"] = _land(batch, chunk)
                    result.update(
                        next_line=chunk.next_line,
                        next_offset=chunk.next_offset,
                        account=vars(landed),
                    )
                account.add(landed)
                summaries.append(result["summary"])
                finished += 1
                run.report(
                    chunk.next_offset,
                    size,
                    f"Importing {stored.name}, {chunk.next_line - 1:,} lines",
                )
    result = run.once(
        "import.complete", lambda: _complete(batch, stored, account, summaries), number
    )
    if result["batch"] is not None:
        run.add_record(batch)
    _warn_of_unfinished(run, account)
    stored.path.unlink(missing_ok=True)
    return result


def _prepare(run: Run, stored: StoredLog, source: str | None, feature_set: str) -> dict[str, Any]:
    earlier = EventBatch.objects.complete().filter(file_sha256=stored.sha256).first()
    if earlier is not None:
        return {"known_file": _known_file(earlier, stored)}
    with open_log(stored):
        source = source or _source_said(stored.path)
    batch = EventBatch.objects.create(
        uid=UUID(hex=stored.sha256[:32]),
        origin=EventBatch.Origin.IMPORTED,
        source=Source[source.upper()],
        feature_set=feature_set,
        feature_revision=revision_of(feature_set),
        parameters={"source": source, "feature_set": feature_set},
        file_name=stored.name,
        file_sha256=stored.sha256,
        created_by=run.user,
    )
    return {"batch": batch.pk}


def _known_file(earlier: EventBatch, stored: StoredLog) -> dict[str, Any]:
    """Return the account of a file whose every byte was imported before: nothing is new."""
    account = Account(found=earlier.asked)
    for reason, skipped in earlier.skipped.items():
        if reason != ALREADY_KNOWN:
            account.rejected[reason] = skipped["count"]
    account.known = account.found - account.rejected_count
    account.known_in = {str(earlier.pk): account.known}
    result = _as_result(stored.name, stored.sha256, SOURCES[earlier.source - 1], account)
    return {**result, "batch": earlier.pk, "is_known_file": True}


def _land(batch: EventBatch, chunk: LogChunk) -> tuple[Account, Summary]:
    """Write the events of a chunk that are new, and the lines that were refused."""
    account = Account(found=len(chunk.events) + len(chunk.rejected), ignored=chunk.ignored)
    account.reject(chunk.rejected)
    fresh = np.flatnonzero(~_is_own(chunk.events.ids["eventId"], account))
    with _temporary_table("incoming_event", f"LIKE {_EVENTS}") as table:
        copy_rows(connection, table, _as_rows(batch, chunk, fresh))
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {_EVENTS} SELECT * FROM {table} ORDER BY id "  # noqa: S608 - own names
                "ON CONFLICT (event_key) WHERE event_key IS NOT NULL DO NOTHING"
            )
            account.new = cursor.rowcount
        if account.new < len(fresh):
            _count_known(table, account, batch)
            fresh = np.flatnonzero(np.isin(chunk.lines, _landed_lines(batch, chunk)))
    account.known = len(chunk.events) - account.new
    rejected = chunk.rejected
    if rejected:
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
    events = chunk.events
    return account, summarise_events(events.outcome[fresh], events.features[fresh].T)


def _landed_lines(batch: EventBatch, chunk: LogChunk) -> npt.NDArray[np.int64]:
    ids = batch.first_event_id + chunk.lines[[0, -1]] - 1
    landed = MatchEvent.objects.filter(id__range=(int(ids[0]), int(ids[1])))
    return np.fromiter(landed.values_list("id", flat=True), np.int64) - batch.first_event_id + 1


@contextmanager
def _temporary_table(name: str, columns: str) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {name} ({columns}) ON COMMIT DROP")
    yield name
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {name}")


def _count_known(table: str, account: Account, own: EventBatch | None = None) -> None:
    """Count the events that other batches than `own` brought before, by batch."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT e.id >> %s AS batch, count(*) FROM {table} i JOIN {_EVENTS} e USING (event_key) "  # noqa: S608 - own names
            "WHERE e.id >> %s IS DISTINCT FROM %s GROUP BY 1",
            [EventBatch.ROW_BITS, EventBatch.ROW_BITS, None if own is None else own.pk],
        )
        for batch, count in cursor.fetchall():
            account.known_in[str(batch)] = account.known_in.get(str(batch), 0) + count


def _is_own(event_ids: list[str | None], account: Account) -> npt.NDArray[np.bool_]:
    """Which events are those of a batch that is here, by the ids that an export gave them."""
    own = np.zeros(len(event_ids), bool)
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
        cursor.execute(f"SELECT id FROM {_EVENTS} WHERE id = ANY(%s)", [list(places)])  # noqa: S608 - own name
        for (pk,) in cursor.fetchall():
            own[places[pk]] = True
            name = str(pk >> EventBatch.ROW_BITS)
            account.known_in[name] = account.known_in.get(name, 0) + len(places[pk])
    return own


def _as_rows(batch: EventBatch, chunk: LogChunk, rows: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Columns of the table for some events of a chunk; an event's row is its line, from 0."""
    events = chunk.events
    count = len(rows)
    ids = {name: [events.ids[name][row] for row in rows] for name in ID_FIELDS}
    users = _numbers_of(SeedUser, ids["userId"], ids["targetId"])
    groups = _numbers_of(TravelGroup, ids["groupId"])
    said = [
        orjson.dumps(named).decode()
        if (named := {k: v for k, v in zip(ID_FIELDS, values, strict=True) if v is not None})
        else None
        for values in zip(*ids.values(), strict=True)
    ]
    return {
        "id": batch.first_event_id + chunk.lines[rows] - 1,
        "match_type": events.match_type[rows],
        "source": np.full(count, batch.source, np.int16),
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


def _numbers_of(
    model: type[SeedUser] | type[TravelGroup], *columns: list[str | None]
) -> dict[str | None, int]:
    """Primary keys of names; who is not here gets a number below zero, the same in every log.

    So splits by user and the leakage meter work on logs of people who have no profile here.
    """
    names = {name for column in columns for name in column if name is not None}
    numbers: dict[str | None, int] = {name: _stranger(name) for name in names}
    if names:
        found = model._default_manager.filter(external_id__in=names)
        numbers.update(found.values_list("external_id", "pk"))
    return numbers


def _stranger(name: str) -> int:
    digest = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
    return -1 - (digest >> 1)


def _complete(
    batch: EventBatch, stored: StoredLog, account: Account, summaries: list[Summary]
) -> dict[str, Any]:
    result = _as_result(stored.name, stored.sha256, SOURCES[batch.source - 1], account)
    if not account.new and not account.rejected:
        batch.delete()  # nothing was added and nothing is to be looked at
        return result
    batch.asked = account.found
    batch.made = account.new
    batch.summary = add_summaries(summaries)
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
    batch.parameters = {**batch.parameters, "ignored": account.ignored}
    batch.state = EventBatch.State.COMPLETE
    batch.completed_at = timezone.now()
    batch.save(
        update_fields=["asked", "made", "summary", "skipped", "parameters", "state", "completed_at"]
    )
    return {**result, "batch": batch.pk}


def _as_result(name: str, sha256: str, source: str, account: Account) -> dict[str, Any]:
    return {
        "file": name,
        "sha256": sha256,
        "source": source,
        "batch": None,
        "found": account.found,
        "new": account.new,
        "known": account.known,
        "known_in": account.known_in,
        "rejected": account.rejected_count,
        "rejected_by_reason": account.rejected,
        "ignored": account.ignored,
        "examples": account.examples,
        "is_known_file": False,
    }


def _warn_of_unfinished(run: Run, account: Account) -> None:
    """Say when events count as known only through a batch that nobody can read yet."""
    named = [int(pk) for pk in account.known_in]
    for batch in EventBatch.objects.filter(pk__in=named).exclude(state=EventBatch.State.COMPLETE):
        run.log(
            f"{account.known_in[str(batch.pk)]:,} events are already in batch {batch.pk}, which is "
            "not complete. Retry or delete that import, then import this file again.",
            "warning",
        )


def _source_said(path: Path) -> str:
    """The source that the first lines tell, or real."""
    with path.open("rb") as stream:
        chunk = next(read_log(stream, now=timezone.now()))
    said = chunk.events.source[chunk.events.source > 0]
    return SOURCES[int(said[0]) - 1] if len(said) else "real"
