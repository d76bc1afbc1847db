"""Importing event logs chunk by chunk."""

from itertools import count
from typing import cast
from uuid import UUID

from matching.domain.doors import EVENTS
from matching.domain.log.account import Account, ImportedLog, ImportedLogs, summarise_files
from matching.domain.log.reader import read_log
from matching.jobs.arguments import ImportEvents
from matching.jobs.foreign import foreign_chunks, open_foreign, origin_of_table
from matching.models import EventBatch
from matching.services.batches import abandon_batch, discard_batch
from matching.services.imports import (
    complete_import,
    land_chunk,
    not_in_it,
    open_import,
    require_origins,
)
from project import clock, words
from project.ahead import Reins, ahead
from project.jobs.contract import Run
from project.mappings.arguments import offer_in_part
from project.mappings.door import OpenTable
from project.origin import Origin
from project.refusal import Refusal
from project.tabular.proposing import UNUSABLE_ROWS, UNUSABLE_SHARE
from project.uploads.services import get_upload, open_upload, release_upload

# Reasons that are a fault of a field, and not of a line.
OF_A_COLUMN = frozenset(
    {"unknown_value", "wrong_type", "missing_field", "impossible_timestamp", "out_of_range"}
)
CHUNK_LINES = 32_768  # lines that land together: a fraction of a second of work


def discard_import(run: Run) -> None:
    """Remove the events of an import that was stopped; its batches stay, marked abandoned."""
    for number in count():
        opened = run.result_of("import.prepare", number)
        if opened is None:  # they are opened in order
            return
        if "batch" in opened and not run.result_of("import.complete", number):
            abandon_batch(EventBatch.objects.get(pk=opened["batch"]))


def import_logs(run: Run, asked: ImportEvents) -> ImportedLogs:
    """Import logs, a batch each: good lines land once, the others are kept with their reason.

    A batch can be read once all of its file is there. Without `origin` it is what the first line
    that says so tells; a log that does not say it is refused. Missing features stay missing, logged
    ones as they were logged.
    """
    tables = [
        open_foreign(run, number, get_upload(upload), asked)
        if run.result_of("import.complete", number) is None
        else None
        for number, upload in enumerate(asked.files)
    ]
    if not asked.origin:
        native = [upload for upload, table in zip(asked.files, tables, strict=True) if not table]
        run.once("import.origins", lambda: require_origins(native))
    results = [
        _import_log(run, number, upload, asked, table)
        for number, (upload, table) in enumerate(zip(asked.files, tables, strict=True))
    ]
    summary = summarise_files(results)
    unusable = [one for one in results if one.get("nothing_usable")]
    if unusable and len(unusable) == len(results):
        told = "; ".join(f"{one['file']}: {one['nothing_usable']}" for one in unusable[:3])
        are_strangers = all(one.get("people_known") == 0 for one in unusable)
        first = (
            "Bring in its people first, with the ids that it has (`manage.py seed_users --file`)"
            if are_strangers
            else "Mend the log by docs/formats.md"
        )
        raise Refusal(
            f"Nothing could be taken: {told}.",
            remedy=f"{first}, and import it again; nothing was kept of it.",
            details=dict(summary),
        )
    for one in unusable:
        run.log(f"{one['file']}: {one['nothing_usable']}; nothing was kept of it.", "warning")
    return summary


def _import_log(
    run: Run, number: int, upload: UUID, asked: ImportEvents, table: OpenTable | None
) -> ImportedLog:
    done = run.result_of("import.complete", number)
    if done is not None:
        return cast(ImportedLog, done)
    stored = get_upload(upload)
    origin: str | None = asked.origin or None
    feature_set = asked.feature_set
    if table is not None and origin is None and run.result_of("import.prepare", number) is None:
        origin = origin_of_table(table, clock.now())
    opened = run.once(
        "import.prepare",
        lambda: open_import(
            stored,
            origin=origin,
            feature_set=feature_set,
            on_change=asked.on_change,
            actor=run.by,
        ),
        number,
    )
    if "batch" not in opened:
        known = run.once("import.complete", lambda: opened["known_file"], number)
        release_upload(stored)
        return cast(ImportedLog, known)
    batch = EventBatch.objects.get(pk=opened["batch"])
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
    with open_upload(stored) as stream:
        size = stored.size
        stream.seek(offset)
        if offset < size or not finished:
            said = Origin.of_code(batch.origin)
            reins = Reins(run.check)
            if table is None:
                chunks = read_log(
                    stream,
                    now=batch.created_at,
                    origin=said,
                    line=line,
                    offset=offset,
                    chunk_lines=CHUNK_LINES,
                )
            else:
                chunks = foreign_chunks(
                    table, now=batch.created_at, origin=said, skipped=finished, told=reins.told
                )
            for chunk in ahead(chunks, reins):
                with run.transaction(step, finished) as result:
                    landed, result["summary"] = land_chunk(
                        batch,
                        chunk,
                        may_be_known=account.known > 0,
                        kept_bytes=account.kept_bytes,
                    )
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
                    f"Importing {stored.name}, {words.tally(chunk.next_line - 1, 'line')}",
                )
    if table is not None:
        batch.parameters["reading"] = {
            "mapping": table.decision["mapping"],
            "format": table.file.found.format,
        }
    refusal = unusable_lines(stored.name, account) if table is None else None
    if refusal is not None and not asked.accept_partial:
        with run.transaction():
            discard_batch(batch)
        raise refusal
    if refusal is not None or (table is not None and table.decision["partial"]):
        batch.parameters["partial"] = not_in_it(account.rejected_count, account.found, stored.name)
    completed = run.once(
        "import.complete", lambda: complete_import(batch, stored, account, summaries), number
    )
    imported = cast(ImportedLog, completed)
    if imported["batch"] is not None:
        run.add_record(batch)
    if table is not None:
        notes = [*table.decision["notes"], *table.decision["unusable"]]
        imported["mapping"], imported["notes"] = table.decision["mapping_name"], notes
    for warning in imported["warnings"]:
        run.log(warning, "warning")
    _warn_of_unfinished(run, account)
    release_upload(stored)
    return imported


def unusable_lines(name: str, account: Account) -> Refusal | None:
    """Say no to a log of which too much of a field cannot be used; None where that is not so."""
    unusable = {
        reason: count for reason, count in account.rejected.items() if reason in OF_A_COLUMN
    }
    count = sum(unusable.values())
    if count <= UNUSABLE_ROWS or count <= UNUSABLE_SHARE * account.found:
        return None
    example = next(one for one in account.examples if one["reason"] in unusable)
    return Refusal(
        f"{count:,} of {account.found:,} lines of {name} hold values that cannot be used, "
        f"such as line {example['line']:,}: {example['message']} That is more than 1 %, and the "
        "rest does not stand for all of them. Nothing has landed.",
        remedy="Mend the log, or import it with --mapping proposed, which looks at all of its "
        "values and says how they can be read; with --accept-partial the other lines land.",
        details={
            **offer_in_part(
                f"{count:,} of {account.found:,} lines ({words.share(count / account.found)}) are "
                "left out.",
                EVENTS.title,
            ),
            "found": account.found,
            "rejected_by_reason": account.rejected,
            "examples": account.examples,
        },
    )


def _warn_of_unfinished(run: Run, account: Account) -> None:
    """Say when events count as known only through a batch that nobody can read yet."""
    named = [int(pk) for pk in account.known_in]
    for batch in EventBatch.objects.filter(pk__in=named).exclude(state=EventBatch.State.COMPLETE):
        run.log(
            f"{words.tally(account.known_in[str(batch.pk)], 'event')} "
            f"{words.bend(account.known_in[str(batch.pk)], 'is', 'are')} already in batch "
            f"{batch.pk}, which is "
            "not complete. Retry or delete that import, then import this file again.",
            "warning",
        )
