"""The work of jobs that write a part of a dataset into a file."""

from typing import Any

from project.exporting.making import Chunk, Rows, write_export
from project.jobs.contract import Run
from training.jobs.arguments import ExportDataset
from training.kinds import get_kind
from training.queries.datasets import find_dataset
from training.queries.exports import count_rows, part_chunk, part_path

PERMISSION = "training.download_dataset"


def export_dataset(run: Run, asked: ExportDataset) -> dict[str, Any]:
    """Write the training or the validation rows of a dataset."""
    kind = get_kind(asked.model_kind)
    # The newest stays the one that it was when the job began.
    chosen = run.once(
        "export.dataset", lambda: {"version": find_dataset(kind, asked.dataset).version}
    )
    dataset = find_dataset(kind, chosen["version"])
    path = part_path(dataset, asked.part)

    def chunk(after: Any) -> Chunk:
        table, following = part_chunk(path, after or 0)
        return Chunk(table, table.num_rows, following)

    what = f"{dataset.kind.replace('_', '-')}-dataset-{dataset.version}-{asked.part}"
    return write_export(run, Rows(what, PERMISSION, chunk, count_rows(path)), asked.format)
