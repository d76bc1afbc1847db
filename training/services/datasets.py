"""Building and analysing datasets."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from django.contrib.auth.models import User

from matching.domain.words import revision_of
from project.jobs.contract import Run
from project.refusal import Refusal
from project.storage.artifacts import ArtifactCorrupt, read_verified, verify, write_folder
from training.domain.checks import Verdict
from training.domain.foreign_csv import read_foreign_csv
from training.domain.quality import QualityReport, report_quality
from training.domain.splits import Split, SplitError, split_rows
from training.kinds import LoadedRows, ModelKind, Recipe
from training.models import Dataset
from training.services.versions import claim_version, library_versions

HISTOGRAM_BINS = 20
PARQUET_ROWS = 131_072  # rows of a row group, at most
CSV_ROWS = 32_768  # rows turned into text at a time
CSV_THREADS = 2  # Arrow uses one for a file, at 0.7 million rows a second
MANIFEST = "manifest.json"
REPORT = "quality_report.json"
PARTS = ("train", "val")


@dataclass(frozen=True)
class PreparedDataset:
    """Rows that are split and measured, ready to be written."""

    kind: ModelKind
    loaded: LoadedRows
    split: Split
    report: QualityReport
    histograms: dict[str, dict[str, Any]]


def prepare_dataset(kind: ModelKind, recipe: Recipe) -> PreparedDataset:
    """Read, split and measure the rows of a recipe; nothing is written."""
    recipe = replace(recipe, split=recipe.split or kind.default_split)
    if recipe.split not in kind.splits:
        raise Refusal(
            f"{kind.title} is not split by {recipe.split!r}.",
            remedy=f"Choose one of {', '.join(kind.splits)}.",
        )
    loaded = kind.load(recipe)
    if not len(loaded.frame):
        raise Refusal("The recipe gives no rows.", remedy="Choose other batches or another source.")
    spec = kind.quality_of(loaded.recipe)
    split, measured = _split(kind, loaded, spec.copied_by)
    frame, defaulted, train = loaded.frame, loaded.defaulted, ~split.validation
    left_out = ~split.kept
    if not measured.all():
        frame, train, left_out = frame[measured], train[measured], left_out[measured]
        if defaulted is not None:
            defaulted = {name: mask[measured] for name, mask in defaulted.items()}
    report = report_quality(frame, spec, train_mask=train, defaulted=defaulted, left_out=left_out)
    return PreparedDataset(kind, loaded, split, report, _histograms(kind, frame))


def write_dataset(prepared: PreparedDataset, *, by: User | None = None) -> Dataset:
    """Write folder and row under the next version; call it inside a transaction.

    Both or neither: a folder whose transaction did not commit is removed by the next writer.
    """
    kind, loaded = prepared.kind, prepared.loaded
    dataset = claim_version(Dataset, kind.name)
    dataset.source = loaded.recipe.source
    dataset.feature_set = loaded.recipe.feature_set
    dataset.feature_revision = revision_of(loaded.recipe.feature_set)
    dataset.split = loaded.recipe.split
    dataset.seed = loaded.recipe.seed
    dataset.recipe = loaded.recipe.as_dict()
    dataset.lineage = list(loaded.lineage)
    dataset.rows = len(loaded.frame)
    dataset.train_rows = int(prepared.split.train.sum())
    dataset.validation_rows = int(prepared.split.validation.sum())
    dataset.dropped = {name: count for name, count in prepared.split.dropped.items() if count}
    dataset.verdict = prepared.report.verdict
    dataset.report = prepared.report.as_dict()
    dataset.histograms = prepared.histograms
    dataset.created_by = by
    dataset.files = write_folder(dataset.folder, _files(dataset, prepared))
    dataset.save(force_insert=True)
    if loaded.batches:
        dataset.batches.set(loaded.batches)
    return dataset


def build(run: Run, kind: ModelKind, recipe: Recipe) -> Dataset:
    """Build a dataset inside a job; a resumed run returns the one it has made."""
    done = run.result_of("build_dataset")
    if done is None:
        with run.stage("Build the dataset"):
            run.report(0, 2, "Reading, splitting and measuring the rows")
            prepared = prepare_dataset(kind, recipe)
            run.report(1, 2, "Writing the files")
            with run.transaction("build_dataset") as done:
                done["dataset"] = write_dataset(prepared, by=run.user).pk
    dataset = Dataset.objects.get(pk=done["dataset"])
    run.add_record(dataset)
    return dataset


def summarise(dataset: Dataset) -> dict[str, Any]:
    """Return a dataset as commands and jobs report it."""
    return {
        "kind": dataset.kind,
        "version": dataset.version,
        "verdict": dataset.verdict,
        "source": dataset.source,
        "feature_set": dataset.feature_set,
        "feature_revision": dataset.feature_revision,
        "split": dataset.split,
        "rows": dataset.rows,
        "train_rows": dataset.train_rows,
        "validation_rows": dataset.validation_rows,
        "dropped": dataset.dropped,
        "batches": dataset.recipe.get("batches", []),
        "duplicate_share": dataset.report["duplicate_share"],
        "label_share": dataset.report["label_share"],
        "checks": dataset.checks,
        "folder": dataset.folder,
    }


def find_dataset(kind: ModelKind, version: int | None = None) -> Dataset:
    """Return a dataset by version, or the newest; a Refusal says how to make one."""
    datasets = Dataset.objects.of_kind(kind.name)
    dataset = datasets.first() if version is None else datasets.filter(version=version).first()
    if dataset is not None:
        return dataset
    versions = [str(number) for number in datasets.values_list("version", flat=True)[:20]]
    if not versions:
        raise Refusal(
            f"There is no dataset of {kind.name} yet.",
            remedy=f"Run `manage.py build_dataset --kind {kind.name}`.",
        )
    raise Refusal(
        f"There is no dataset {version} of {kind.name}.",
        remedy=f"The newest are {', '.join(versions)}.",
    )


def verify_dataset(dataset: Dataset) -> None:
    """Compare the files of a dataset with its record; a Refusal names what differs."""
    try:
        verify(dataset.folder, dataset.files)
    except ArtifactCorrupt as error:
        raise Refusal(
            f"The files of {dataset} are not those that were written: {error}",
            remedy="Build the dataset again.",
        ) from error


def read_part(dataset: Dataset, part: str, columns: list[str] | None = None) -> pd.DataFrame:
    """Read `train` or `val` of a dataset, after its bytes were verified."""
    name = f"{part}.parquet"
    content = read_verified(dataset.folder, name, dataset.files[name])
    table = pq.read_table(pa.BufferReader(content), columns=columns)
    frame: pd.DataFrame = table.to_pandas(self_destruct=True, split_blocks=True)
    return frame


def analyze_csv(kind: ModelKind, path: Path) -> QualityReport:
    """Measure any CSV file against the expectations of a kind; ForeignCsvError if unreadable."""
    spec = kind.quality_of(Recipe())
    return report_quality(read_foreign_csv(path, spec), spec)


def _split(
    kind: ModelKind, loaded: LoadedRows, copied_by: tuple[str, ...]
) -> tuple[Split, npt.NDArray[np.bool_]]:
    """Return the split, and which rows the report is about.

    Copies of training rows that the split drops from validation are still part of what is
    measured, though they share nothing with either part; rows that a split by user drops because
    both sides know one of the users are not.
    """
    columns = kind.splits[loaded.recipe.split]
    options: dict[str, Any] = {
        "seed": loaded.recipe.seed,
        "train_share": loaded.recipe.train_share,
        "time_column": columns.time,
        "group_columns": columns.groups,
        "partner_column": columns.partner,
    }
    copy_columns = [name for name in copied_by if name in loaded.frame]
    try:
        split = split_rows(loaded.frame, columns.rule, copy_columns=copy_columns, **options)
        measured = np.ones(len(loaded.frame), dtype=np.bool_)
        if split.dropped.get("partner"):
            measured = split_rows(loaded.frame, columns.rule, **options).kept
    except SplitError as error:
        raise Refusal(str(error), remedy="Change --split or --train-share.") from error
    return split, measured


def _histograms(kind: ModelKind, frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    found = {}
    for name in kind.numeric:
        if name not in frame:
            continue
        values = frame[name].to_numpy(dtype=np.float32, na_value=np.nan)
        values = values[np.isfinite(values)]
        if not len(values):
            continue
        low, high = float(values.min()), float(values.max())
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        width = (high - low) / HISTOGRAM_BINS or 1.0
        bins = np.minimum(((values - low) / width).astype(np.int64), HISTOGRAM_BINS - 1)
        counts = np.bincount(bins, minlength=HISTOGRAM_BINS)
        found[name] = {"low": low, "high": high, "counts": counts.tolist()}
    return found


def _files(dataset: Dataset, prepared: PreparedDataset) -> dict[str, Any]:
    table = pa.Table.from_pandas(prepared.loaded.frame, preserve_index=False)
    table = table.replace_schema_metadata()
    files: dict[str, Any] = {}
    for part, mask in zip(PARTS, (prepared.split.train, prepared.split.validation), strict=True):
        files[f"{part}.parquet"] = partial(_write_parquet, table, mask)
        files[f"{part}.csv"] = partial(_write_csv, table, mask)
    files[REPORT] = _json(dataset.report)
    files[MANIFEST] = _manifest_writer(_manifest(dataset, prepared))
    return files


def _write_parquet(table: pa.Table, mask: npt.NDArray[np.bool_], path: Path) -> None:
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


def _write_csv(table: pa.Table, mask: npt.NDArray[np.bool_], path: Path) -> None:
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
    """Turn categories and moments into text; Arrow's own text of a moment in UTC is slow to make."""
    for position, column in enumerate(table.schema):
        values = table[column.name]
        if pa.types.is_dictionary(column.type):
            values = values.cast(column.type.value_type)
        elif pa.types.is_timestamp(column.type) and column.type.tz == "UTC":
            moments = values.cast(pa.timestamp(column.type.unit)).cast(pa.string())
            values = pc.binary_join_element_wise(moments, "Z", "")
        else:
            continue
        table = table.set_column(position, column.name, values)
    return table


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
        "features": list(kind.features),
        "columns": list(prepared.loaded.frame.columns),
        "recipe": dataset.recipe,
        "source": dataset.source,
        "feature_revision": dataset.feature_revision,
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


def verdict_sentence(report: Mapping[str, Any]) -> str:
    """Say in one sentence what was refused; the numbers and limits stand in the checks."""
    refused = [check for check in report["checks"] if check["verdict"] == "refuse"]
    verdict: Verdict = report["verdict"]
    if verdict != "refuse":
        return f"The dataset passes ({verdict})."
    first = "; ".join(check["remedy"] for check in refused[:3])
    more = f" ({len(refused) - 3} more)" if len(refused) > 3 else ""
    return f"The dataset is refused on {len(refused)} checks: {first}{more}"
