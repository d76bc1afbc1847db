"""The work of jobs that write feedback, or rows of it that were refused, into files."""

from functools import partial
from typing import Any

from feedback.jobs.arguments import ExportFeedback
from feedback.models import FeedbackSource
from feedback.queries.exports import count_records, record_chunk, refused_chunk
from project.exporting.making import Chunk, Rows, write_export
from project.exporting.refused import refused_rows
from project.jobs.contract import Run
from project.refusal import Refusal

PERMISSION = "feedback.export_feedback"


def export_feedback(run: Run, asked: ExportFeedback) -> dict[str, Any]:
    """Write the records of one table, or its refused rows, of one source or of all real ones."""
    sources = _sources(asked.source)
    if asked.what == "refused":
        read = partial(refused_chunk, asked.table, sources)
        what = f"refused-{asked.table.replace('_', '-')}"
        rows = refused_rows(run, what, PERMISSION, read, asked.format)
        return write_export(run, rows, asked.format)

    def chunk(after: Any) -> Chunk:
        table, following = record_chunk(asked.table, sources, after or "")
        return Chunk(table, table.num_rows, following)

    total = count_records(asked.table, sources)
    rows = Rows(asked.table.replace("_", "-"), PERMISSION, chunk, total)
    return write_export(run, rows, asked.format)


def _sources(name: str) -> list[FeedbackSource]:
    if not name:
        return list(FeedbackSource.objects.real().order_by("pk"))
    found = FeedbackSource.objects.filter(name=name).first()
    if found is None:
        raise Refusal(
            f"There is no source {name[:80]!r}.", remedy="`manage.py feedback_status` lists them."
        )
    return [found]
