"""The work of jobs that write the score log into a file."""

from typing import Any

from project.exporting.making import Chunk, Rows, write_export
from project.jobs.contract import Run
from serving.jobs.arguments import ExportScores
from serving.queries.exports import count_pairs, pair_chunk

PERMISSION = "serving.export_scores"


def export_scores(run: Run, asked: ExportScores) -> dict[str, Any]:
    """Write the pairs that were scored in a window."""
    window = asked.start, asked.end

    def chunk(after: Any) -> Chunk:
        table, following = pair_chunk(window, after or 0)
        return Chunk(table, table.num_rows, following)

    return write_export(run, Rows("scores", PERMISSION, chunk, count_pairs(window)), asked.format)
