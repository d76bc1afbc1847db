"""Writing a dataset: its files and its row."""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from django.contrib.auth.models import User
from django.db import transaction

from matching.domain.words import revision_of
from matching.models import EventBatch
from project import words
from project.origin import Origin
from project.outside import MARKED
from project.refusal import Refusal
from project.storage.artifacts import write_files
from training.domain.libraries import library_versions
from training.models import Dataset
from training.queries.datasets import inputs_of
from training.queries.preparing import PreparedDataset
from training.services.versions import claim_version

PARQUET_ROWS = 131_072  # rows of a row group, at most
CSV_ROWS = 32_768  # rows turned into text at a time
CSV_THREADS = 2  # Arrow uses one for a file, at 0.7 million rows a second
MANIFEST = "manifest.json"
REPORT = "quality_report.json"
PARTS = ("train", "val")


@transaction.atomic
def write_dataset(prepared: PreparedDataset, *, by: User | None = None) -> Dataset:
    """Write files and row under the next version; files whose row is not committed count for
    nothing."""
    kind, loaded = prepared.kind, prepared.loaded
    _require_there(loaded.batches)
    dataset = claim_version(Dataset, kind.name)
    dataset.origin = loaded.recipe.origin
    dataset.real_rows, dataset.synthetic_rows = _rows_by_origin(prepared)
    dataset.feature_set = loaded.recipe.feature_set
    dataset.feature_revision = revision_of(loaded.recipe.feature_set)
    dataset.vocabulary = dict(loaded.vocabulary)
    dataset.split = loaded.recipe.split
    dataset.seed = loaded.recipe.seed
    dataset.recipe = loaded.recipe.as_dict()
    dataset.lineage = list(loaded.lineage)
    dataset.rows = len(loaded.frame) + sum(loaded.left_out.values())
    dataset.train_rows = int(prepared.split.train.sum())
    dataset.validation_rows = int(prepared.split.validation.sum())
    dropped = {**loaded.left_out, **prepared.split.dropped}
    dataset.dropped = {name: count for name, count in dropped.items() if count}
    dataset.verdict = prepared.report.verdict
    dataset.report = {**prepared.report.as_dict()}
    if prepared.mixture is not None:
        dataset.report["mixture"] = prepared.mixture
    people = _people_known(loaded.lineage)
    if people:
        dataset.report["people_known"] = people
    dataset.histograms = prepared.histograms
    dataset.created_by = by
    dataset.files = write_files(dataset.folder, _files(dataset, prepared))
    dataset.save(force_insert=True)
    if loaded.batches:
        dataset.batches.set(loaded.batches)
    return dataset


def _require_there(named: Sequence[int]) -> None:
    """Refuse rows that were read while a batch of theirs was being removed.

    Until the end of the transaction nobody begins to remove one.
    """
    rows = EventBatch.objects.complete().select_for_update(of=("self",), no_key=True)
    there = set(rows.filter(pk__in=named).values_list("pk", flat=True))
    gone = [str(pk) for pk in named if pk not in there]
    if gone:
        raise Refusal(
            f"Batch {words.listed(gone)} was removed while its events were read.",
            remedy="Build the dataset from other batches.",
        )


def _people_known(lineage: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say how many events of logs without features are of people who are known."""
    logs = [entry for entry in lineage if "people_known" in entry]
    events = sum(entry["events"] for entry in logs)
    if not events:
        return {}
    known = sum(entry["people_known"] for entry in logs)
    days = sorted({entry["features_of_profiles_of"] for entry in logs})
    return {
        "events": events,
        "known": known,
        "share": known / events,
        "features_of_profiles_of": days,
    }


def _rows_by_origin(prepared: PreparedDataset) -> tuple[int, int]:
    if prepared.mixture is not None:
        return prepared.mixture["real_rows"], prepared.mixture["synthetic_rows"]
    rows = len(prepared.loaded.frame)
    return (rows, 0) if prepared.loaded.recipe.origin == Origin.REAL else (0, rows)


def _files(dataset: Dataset, prepared: PreparedDataset) -> dict[str, Any]:
    table = pa.Table.from_pandas(prepared.loaded.frame, preserve_index=False)
    table = table.replace_schema_metadata()
    files: dict[str, Any] = {}
    for part, mask in zip(PARTS, (prepared.split.train, prepared.split.validation), strict=True):
        files[f"{part}.parquet"] = partial(write_parquet, table, mask)
        files[f"{part}.csv"] = partial(write_csv, table, mask)
    files[REPORT] = _json(dataset.report)
    files[MANIFEST] = _manifest_writer(_manifest(dataset, prepared))
    return files


def write_parquet(table: pa.Table, mask: npt.NDArray[np.bool_], path: Path) -> None:
    words = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    with pq.ParquetWriter(
        path,
        table.schema,
        compression="zstd",
        compression_level=1,
        # A dictionary of floats that hardly repeat is built in vain, at twice the time.
        use_dictionary=words or False,
    ) as writer:
        for start in range(0, len(table), PARQUET_ROWS):
            writer.write_table(_piece(table, mask, start, PARQUET_ROWS))


def write_csv(table: pa.Table, mask: npt.NDArray[np.bool_], path: Path) -> None:
    def text_of(start: int) -> pa.Buffer:
        text = pa.BufferOutputStream()
        piece = _plain(_piece(table, mask, start, CSV_ROWS))
        pa_csv.write_csv(piece, text, pa_csv.WriteOptions(include_header=False))
        return text.getvalue()

    with path.open("wb") as file, ThreadPoolExecutor(CSV_THREADS) as pool:
        pa_csv.write_csv(_plain(table.slice(0, 0)), file)
        # Few pieces at a time: all of the rows as text would take twice their memory.
        for start in range(0, len(table), CSV_ROWS * CSV_THREADS):
            stop = min(start + CSV_ROWS * CSV_THREADS, len(table))
            for text in pool.map(text_of, range(start, stop, CSV_ROWS)):
                file.write(text)


def _piece(table: pa.Table, mask: npt.NDArray[np.bool_], start: int, rows: int) -> pa.Table:
    """Return those of some rows that the mask names; a whole part would be a second copy."""
    return table.slice(start, rows).filter(pa.array(mask[start : start + rows]))


def _plain(table: pa.Table) -> pa.Table:
    """Turn categories and moments into text; Arrow's own text of a moment in UTC is slow.

    A person may open the file: a text from outside that a spreadsheet would take for a formula is
    written as `project.outside.csv_cell` writes it.
    """
    for position, column in enumerate(table.schema):
        values = table[column.name]
        if pa.types.is_dictionary(column.type):
            pieces = [
                pa.DictionaryArray.from_arrays(piece.indices, _harmless(piece.dictionary))
                for piece in values.chunks
            ]
            values = pa.chunked_array(pieces, column.type).cast(column.type.value_type)
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            values = _harmless(values)
        elif pa.types.is_timestamp(column.type) and column.type.tz == "UTC":
            moments = values.cast(pa.timestamp(column.type.unit)).cast(pa.string())
            values = pc.binary_join_element_wise(moments, "Z", "")
        else:
            continue
        table = table.set_column(position, column.name, values)
    return table


def _harmless(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Put an apostrophe before texts that begin like a formula; anything but text stays."""
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return values
    mark, nothing = pa.scalar("'", values.type), pa.scalar("", values.type)
    quoted = pc.binary_join_element_wise(mark, values, nothing)
    return pc.if_else(pc.match_substring_regex(values, MARKED), quoted, values)


def _manifest_writer(manifest: dict[str, Any]) -> Any:
    def write(path: Path) -> None:
        # Written last: the files beside it are there, and their digests belong in it.
        digests = {}
        for file in sorted(path.parent.iterdir()):
            if file != path:
                with file.open("rb") as content:
                    digests[file.name] = hashlib.file_digest(content, "sha256").hexdigest()
        path.write_bytes(_json({**manifest, "sha256": digests}))

    return write


def _manifest(dataset: Dataset, prepared: PreparedDataset) -> dict[str, Any]:
    kind = prepared.kind
    return {
        "kind": dataset.kind,
        "version": dataset.version,
        "created_at": dataset.created_at.isoformat(),
        "task": kind.task,
        "target": kind.target,
        "features": inputs_of(kind, dataset),
        "columns": list(prepared.loaded.frame.columns),
        "recipe": dataset.recipe,
        "origin": dataset.origin,
        "real_rows": dataset.real_rows,
        "synthetic_rows": dataset.synthetic_rows,
        "feature_revision": dataset.feature_revision,
        "vocabulary": dataset.vocabulary,
        "lineage": dataset.lineage,
        "rows": dataset.rows,
        "train_rows": dataset.train_rows,
        "validation_rows": dataset.validation_rows,
        "dropped": dataset.dropped,
        "verdict": dataset.verdict,
        "libraries": library_versions(),
    }


def _json(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)
