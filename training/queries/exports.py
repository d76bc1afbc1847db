"""Rows of datasets as they are taken away, chunk by chunk."""

from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from project.storage.artifacts import verified_path
from training.models import Dataset
from training.queries.files import naming

FILES: Final = {"train": "train.parquet", "validation": "val.parquet"}


def part_path(dataset: Dataset, part: str) -> Path:
    """Return the verified file of one part of a dataset."""
    name = FILES[part]
    with naming(dataset):
        return verified_path(dataset.folder, name, dataset.files[name])


def count_rows(path: Path) -> int:
    """Return how many rows a file of a dataset has."""
    with pq.ParquetFile(path) as file:
        count: int = file.metadata.num_rows
        return count


def part_chunk(path: Path, group: int) -> tuple[pa.Table, int | None]:
    """Read one group of rows, as the file has them; returns them and which follows."""
    with pq.ParquetFile(path) as file:
        if not file.num_row_groups:
            return _plain(file.schema_arrow.empty_table()), None
        following = group + 1 if group + 1 < file.num_row_groups else None
        return _plain(file.read_row_group(group)), following


def _plain(rows: pa.Table) -> pa.Table:
    """Words as texts: a column whose words are numbered elsewhere says the same."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_dictionary(field.type):
            values = rows.column(place).cast(field.type.value_type)
            rows = rows.set_column(place, field.name, values)
    return rows.replace_schema_metadata(None)
