"""How a job writes rows into a file that expires: chunk by chunk, each a step that stays done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from project import words
from project.exports.models import ENDINGS, KEPT, Export, Format
from project.exports.services import (
    begin_export,
    complete_export,
    join_parts,
    keep_part,
    remove_exports,
)
from project.exports.writing import write_rows
from project.jobs.contract import Run
from project.refusal import Refusal
from project.storage.artifacts import require_own_folder
from project.storage.blobs import the_store
from project.storage.staging import staged


class Chunk(NamedTuple):
    """Some rows.

    content : the rows, or the very bytes of them.
    rows : how many.
    after : what the next chunk is asked with, as JSON; None where none follows.
    """

    content: pa.Table | bytes
    rows: int
    after: Any = None


@dataclass(frozen=True)
class Rows:
    """What is exported.

    what : in the name of the file and on its page: letters, digits and hyphens.
    permission : the right to it.
    read : gives the chunk behind another; asked twice, it gives the same.
    total : rows there will be; None where nobody has counted.
    """

    what: str
    permission: str
    read: Callable[[Any], Chunk]
    total: int | None = None


def write_export(run: Run, rows: Rows, form: Format) -> dict[str, Any]:
    """Write rows into a file of the store, and say which it is."""
    require_own_folder()
    export = _begun(run, rows, form)
    done, number, after = 0, 0, None
    while True:
        step = run.result_of("export.chunk", number)
        if step is None:
            chunk = rows.read(after)
            with staged(the_store().staging_root) as folder:
                path = folder / "part"
                if isinstance(chunk.content, bytes):
                    path.write_bytes(chunk.content)
                else:
                    write_rows(chunk.content, form, path, is_first=not number)
                with run.transaction("export.chunk", number) as step:
                    keep_part(export, number, path)
                    step.update(rows=chunk.rows, after=chunk.after)
        done += step["rows"]
        number, after = number + 1, step["after"]
        run.report(done, rows.total, f"{words.counted(done, 'row')} written")
        if after is None:
            break
    result = run.result_of("export.done") or _complete(run, export, done)
    run.add_record(export)
    return result


def _begun(run: Run, rows: Rows, form: Format) -> Export:
    def begin() -> dict[str, Any]:
        stem = f"{rows.what}-{run.asked_at:%Y%m%d-%H%M%S}"
        export = begin_export(
            what=rows.what,
            form=form,
            name=f"{stem}{ENDINGS[form]}",
            permission=rows.permission,
            job_id=run.job_id,
            by=run.by,
        )
        return {"export": str(export.pk)}

    export = Export.objects.filter(pk=run.once("export.begin", begin)["export"]).first()
    if export is None:
        raise Refusal(
            f"What this job has written is gone: exports are kept for {KEPT.days} days.",
            remedy="Export again.",
        )
    return export


def _complete(run: Run, export: Export, rows: int) -> dict[str, Any]:
    with staged(the_store().staging_root) as folder:
        path = folder / "whole"
        sha256 = join_parts(export, path)
        with run.transaction("export.done") as result:
            complete_export(export, path, sha256, rows=rows)
            result.update(
                export=str(export.pk),
                what=export.what,
                format=export.format,
                file=export.name,
                rows=rows,
                bytes=export.size,
                sha256=sha256,
                expires_at=export.expires_at.isoformat(),
            )
    return result


def discard_export(run: Run) -> None:
    """Remove what a stopped job has written."""
    begun = run.result_of("export.begin")
    if begun is not None and run.result_of("export.done") is None:
        remove_exports([begun["export"]])
