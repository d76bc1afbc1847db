"""Importing event logs chunk by chunk."""

from itertools import count
from typing import Any
from uuid import UUID

from matching.domain.log.account import Account, summarise_files
from matching.domain.log.reader import read_log
from matching.jobs.arguments import ImportEvents
from matching.models import EventBatch
from matching.services.batches import abandon_batch
from matching.services.imports import (
    complete_import,
    land_chunk,
    open_import,
    require_origins,
)
from project.ahead import ahead
from project.jobs.contract import Run
from project.origin import Origin
from project.refusal import Refusal
from project.uploads.services import get_upload, open_upload, release_upload

CHUNK_LINES = 32_768  # lines that land together: a fraction of a second of work


def discard_import(run: Run) -> None:
    """Remove the events of an import that was stopped; its batches stay, marked abandoned."""
    for number in count():
        opened = run.result_of("import.prepare", number)
        if opened is None:  # they are opened in order
            return
        if "batch" in opened and not run.result_of("import.complete", number):
            abandon_batch(EventBatch.objects.get(pk=opened["batch"]))


def import_logs(run: Run, asked: ImportEvents) -> dict[str, Any]:
    """Import logs, a batch each: good lines land once, the others are kept with their reason.

    A batch can be read once all of its file is there. Without `origin` it is what the first line
    that says so tells; a log that does not say it is refused. Missing features stay missing, logged
    ones as they were logged.
    """
    if not asked.origin:
        run.once("import.origins", lambda: require_origins(asked.files))
    results = [_import_log(run, number, upload, asked) for number, upload in enumerate(asked.files)]
    summary = summarise_files(results)
    unusable = [one for one in results if one.get("nothing_usable")]
    if unusable and len(unusable) == len(results):
        told = "; ".join(f"{one['file']}: {one['nothing_usable']}" for one in unusable[:3])
        raise Refusal(
            f"Nothing could be taken: {told}.",
            remedy="Mend the log by docs/formats.md and import it again; nothing was kept of it.",
            details=summary,
        )
    for one in unusable:
        run.log(f"{one['file']}: {one['nothing_usable']}; nothing was kept of it.", "warning")
    return summary


def _import_log(run: Run, number: int, upload: UUID, asked: ImportEvents) -> dict[str, Any]:
    done = run.result_of("import.complete", number)
    if done is not None:
        return done
    stored = get_upload(upload)
    origin, feature_set = asked.origin or None, asked.feature_set
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
        result = run.once("import.complete", lambda: opened["known_file"], number)
        release_upload(stored)
        return result
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
            chunks = read_log(
                stream,
                now=batch.created_at,
                origin=Origin.of_code(batch.origin),
                line=line,
                offset=offset,
                chunk_lines=CHUNK_LINES,
            )
            for chunk in ahead(chunks):
                with run.transaction(step, finished) as result:
                    landed, result["summary"] = land_chunk(
                        batch, chunk, may_be_known=account.known > 0
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
                    f"Importing {stored.name}, {chunk.next_line - 1:,} lines",
                )
    result = run.once(
        "import.complete", lambda: complete_import(batch, stored, account, summaries), number
    )
    if result["batch"] is not None:
        run.add_record(batch)
    for warning in result["warnings"]:
        run.log(warning, "warning")
    _warn_of_unfinished(run, account)
    release_upload(stored)
    return result


def _warn_of_unfinished(run: Run, account: Account) -> None:
    """Say when events count as known only through a batch that nobody can read yet."""
    named = [int(pk) for pk in account.known_in]
    for batch in EventBatch.objects.filter(pk__in=named).exclude(state=EventBatch.State.COMPLETE):
        run.log(
            f"{account.known_in[str(batch.pk)]:,} events are already in batch {batch.pk}, which is "
            "not complete. Retry or delete that import, then import this file again.",
            "warning",
        )
