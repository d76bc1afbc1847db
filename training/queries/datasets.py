"""Datasets that are there: finding, verifying, reading and describing them."""

from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import pandas as pd
import pyarrow.parquet as pq

from feedback.models import FeedbackSource
from feedback.queries.caveats import partial_of
from matching.domain.features.columns import fill_products
from project import words
from project.refusal import Refusal
from project.storage.artifacts import verified_path
from project.tabular.own import MARK
from project.tabular.plain import as_plain_csv
from project.tabular.sniff import FileRefused
from training.domain.any_table import Took, has_any, read_any_table
from training.domain.checks import CheckFields
from training.domain.foreign_csv import (
    CONTEXT_NAMES,
    ForeignCsvError,
    camel_case,
    label_column,
    read_foreign_csv,
    read_header,
)
from training.domain.kind import ModelKind, Recipe
from training.domain.mixing.measuring import MixtureFields
from training.domain.quality import QualityReport, report_quality
from training.domain.suspicion import check_inputs
from training.kinds import get_kind
from training.models import Dataset
from training.queries.files import naming
from training.queries.staleness import why_stale


class DatasetSummary(TypedDict):
    """A dataset as commands and jobs report it."""

    kind: str
    version: int
    verdict: str
    origin: str
    feature_set: str
    feature_revision: int
    split: str
    rows: int
    real_rows: int | None
    synthetic_rows: int | None
    mixture: MixtureFields | None
    train_rows: int
    validation_rows: int
    dropped: dict[str, int]
    batches: list[int]
    not_in_log: list[str]
    duplicate_share: float | None
    label_share: float | None
    checks: list[CheckFields]
    expectation: str
    stale: str
    partial: list[str]
    folder: str


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


def read_part(dataset: Dataset, part: str, columns: list[str] | None = None) -> pd.DataFrame:
    """Read `train` or `val` of a dataset, after its bytes were verified.

    `columns` are those that are wanted; which of them the dataset has not are absent.
    """
    name = f"{part}.parquet"
    with naming(dataset):
        path = verified_path(dataset.folder, name, dataset.files[name])
    file = pq.ParquetFile(path)
    if columns is not None:
        there = set(file.schema_arrow.names)
        columns = [column for column in columns if column in there]
    table = file.read(columns=columns)
    frame: pd.DataFrame = table.to_pandas(self_destruct=True, split_blocks=True)
    return frame


def inputs_of(kind: ModelKind, dataset: Dataset) -> list[str]:
    """Return the inputs that a model of a dataset reads, in the order of its kind.

    Neither those that no row of the log carries nor those that the recipe leaves out are among
    them; datasets of before have a value or a gap for each.
    """
    spec = kind.quality_of(Recipe.from_dict(dataset.recipe))
    absent = dataset.report.get("not_in_log", ())
    asked = set(spec.feature_names).difference(absent)
    return [name for name in kind.features if name in asked]


def describe_dataset(dataset: Dataset) -> DatasetSummary:
    """Return a dataset as commands and jobs report it."""
    return {
        "kind": dataset.kind,
        "version": dataset.version,
        "verdict": dataset.verdict,
        "origin": dataset.origin,
        "feature_set": dataset.feature_set,
        "feature_revision": dataset.feature_revision,
        "split": dataset.split,
        "rows": dataset.rows,
        "real_rows": dataset.real_rows,
        "synthetic_rows": dataset.synthetic_rows,
        "mixture": dataset.report.get("mixture"),
        "train_rows": dataset.train_rows,
        "validation_rows": dataset.validation_rows,
        "dropped": dataset.dropped,
        "batches": dataset.recipe.get("batches", []),
        "not_in_log": dataset.report.get("not_in_log", []),
        "duplicate_share": dataset.report["duplicate_share"],
        "label_share": dataset.report["label_share"],
        "checks": dataset.checks,
        "expectation": get_kind(dataset.kind).expectation_of(dataset.origin),
        "stale": why_stale(dataset),
        "partial": taken_in_part(dataset),
        "folder": dataset.folder,
    }


def taken_in_part(dataset: Dataset) -> list[str]:
    """Say of the logs and files behind a dataset that landed in part how much is not in it."""
    parameters = dataset.batches.values_list("parameters", flat=True).order_by("pk")
    sources = [
        entry["id"] for entry in dataset.lineage if entry.get("model") == "feedback.feedbacksource"
    ]
    return [
        *(one["partial"] for one in parameters if one.get("partial")),
        *partial_of(list(FeedbackSource.objects.filter(pk__in=sources))),
    ]


def analyze_csv(
    kind: ModelKind, path: Path, label: str = "", name: str = ""
) -> tuple[QualityReport, Took]:
    """Measure any table, and say what was taken of it; ForeignCsvError if unreadable.

    `name` is what people call the file.

    One that has inputs of the kind is held to its expectations. Any other, and every file whose
    label is named, is a table of numbers of which no range is known.
    """
    try:
        with as_plain_csv(path, name) as plain:
            return _analyze_plain(kind, plain, label)
    except FileRefused as error:
        raise ForeignCsvError(str(error)) from error


def _analyze_plain(kind: ModelKind, path: Path, label: str) -> tuple[QualityReport, Took]:
    spec = kind.quality_of(Recipe())
    if label or not has_any(path, spec):
        frame, spec, took = read_any_table(path, label)
        return report_quality(frame, spec), took
    frame = read_foreign_csv(path, spec)
    names = read_header(path)
    target = label_column(names, spec) or spec.target
    features = tuple(name for name in spec.feature_names if name in frame)
    read = (*features, spec.target, target, *CONTEXT_NAMES, "outcome")
    known = {given for name in read for given in (name, camel_case(name))}
    known.add(MARK)
    left = {name: f"no input of {kind.name}" for name in names if name not in known}
    if spec.pair and "partner_id" not in frame and {"target_id", "group_id"} & set(frame):
        frame = frame.assign(partner_id=_partner(frame))
    fill_products(frame)
    report = report_quality(frame, spec)
    suspicion = check_inputs(kind.reading(features), frame)
    report = replace(report, checks=(*report.checks, *suspicion))
    return report, Took(target, features, left)


def _partner(frame: pd.DataFrame) -> pd.Series:
    """About whom a row is, one column for users and groups."""
    nobody = pd.Series(None, index=frame.index, dtype=object)
    target, group = (frame.get(name, nobody) for name in ("target_id", "group_id"))
    partner: pd.Series = target.astype(object).where(target.notna(), "group " + group.astype(str))
    return partner.where(target.notna() | group.notna(), None)


def say_refused(dataset: Dataset) -> str:
    """Say in one sentence what was refused; the numbers and limits stand in the checks."""
    refused = [check for check in dataset.checks if check["verdict"] == "refuse"]
    first = "; ".join(check["remedy"] for check in refused[:3])
    more = f" ({len(refused) - 3} more)" if len(refused) > 3 else ""
    return f"The dataset is refused on {words.counted(len(refused), 'check')}: {first}{more}"
