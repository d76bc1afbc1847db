"""Importing event logs chunk by chunk."""

from typing import Any

from matching.domain.log.account import Account, summarise_files
from matching.domain.log.reader import read_log
from matching.domain.words import FeatureSet
from matching.models import EventBatch
from matching.services.batches import abandon_batch
from matching.services.imports import complete_import, land_chunk, open_import
from matching.services.stored_logs import StoredLog, open_log
from project.ahead import ahead
from project.jobs.contract import Run
from project.origin import Origin

CHUNK_LINES = 32_768  # lines that land together: a fraction of a second of work


def discard_import(run: Run) -> None:
    """Remove the events of an import that was stopped; its batches stay, marked abandoned."""
    for number in range(len(run.arguments.get("files", []))):
        opened = run.result_of("import.prepare", number)
        if opened and "batch" in opened and not run.result_of("import.complete", number):
            abandon_batch(EventBatch.objects.get(pk=opened["batch"]))


def import_logs(
    run: Run,
    *,
    files: list[dict[str, str]],
    origin: str | None = None,
    feature_set: str = FeatureSet.TIERED,
    source: str | None = None,
) -> dict[str, Any]:
    """Import logs, a batch each: good lines land once, the others are kept with their reason.

    A batch can be read once all of its file is there. Without `origin` it is what the first line
    that says so tells, else real. Missing features stay missing, logged ones as they were logged.
    `source` is what the first edition called the origin; its jobs and schedules still say so.
    """
    origin = origin or source
    results = []
    for number, given in enumerate(files):
        stored = StoredLog(given["sha256"], given["name"])
        results.append(_import_log(run, number, stored, origin, feature_set))
    return summarise_files(results)


def _import_log(
    run: Run, number: int, stored: StoredLog, origin: str | None, feature_set: str
) -> dict[str, Any]:
    done = run.result_of("import.complete", number)
    if done is not None:
        return done
    opened = run.once(
        "import.prepare",
        lambda: open_import(stored, origin=origin, feature_set=feature_set, by=run.user),
        number,
    )
    if "batch" not in opened:
        return run.once("import.complete", lambda: opened["known_file"], number)
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
    with open_log(stored) as stream:
        size = stored.path.stat().st_size
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
    _warn_of_unfinished(run, account)
    stored.path.unlink(missing_ok=True)
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
