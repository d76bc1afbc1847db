"""What differs between two datasets of one kind."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from matching.models import EventBatch
from project import words
from project.refusal import Refusal
from project.storage.failures import ArtifactCorrupt
from training.domain.drift import Histogram, Stability, stability
from training.kinds import get_kind
from training.models import Dataset
from training.queries.datasets import read_part

ROW_KEYS: Final = ("event_key", "row_id")  # what names a row of a kind, in its files
# Of both datasets: beyond, reading the names of all rows would keep a page waiting.
COMPARED_ROWS: Final = 2_000_000
PARAMETERS: Final = (
    *("origin", "feature_set", "feature_revision", "split", "seed"),
    *("outcomes", "train_share", "without", "vocabulary"),
)


@dataclass(frozen=True)
class RowsDiffer:
    """Rows that stand in both, in one of them, and on the other side of the split.

    Attributes
    ----------
    shared, added, left : rows in both; in this one only; in the other only.
    crossed : of the shared ones, those that are trained on in one and validated on in the other.
    """

    shared: int
    added: int
    left: int
    crossed: int


@dataclass(frozen=True)
class ColumnDiffers:
    """A column in both, and how far it moved."""

    name: str
    now: Histogram
    before: Histogram
    stability: Stability


@dataclass(frozen=True)
class Differences:
    """What differs between a dataset and another of its kind.

    Attributes
    ----------
    rows : None where rows were not compared one by one; `note` says why.
    figures, parameters : label, of this one, of the other.
    checks : name, verdict here, verdict there; of those that differ.
    columns : those with numbers in both, the farthest moved first.
    only_here, only_there : columns with numbers in one of them.
    batches_in, batches_out : batches in this one only, and in the other only.
    """

    rows: RowsDiffer | None
    note: str
    figures: list[tuple[str, str, str]]
    parameters: list[tuple[str, str, str]]
    checks: list[tuple[str, str, str]]
    columns: list[ColumnDiffers]
    only_here: list[str]
    only_there: list[str]
    batches_in: list[EventBatch]
    batches_out: list[EventBatch]


def differences(dataset: Dataset, other: Dataset) -> Differences:
    """Say what differs between a dataset and another one of its kind.

    Raises
    ------
    Refusal
        When they are of different kinds.
    """
    if dataset.kind != other.kind:
        raise Refusal(
            f"{dataset} and {other} are of different kinds.",
            remedy="Compare two versions of one kind.",
        )
    rows, note = _rows(dataset, other)
    mine, theirs = dataset.histograms, other.histograms
    both = [name for name in mine if name in theirs]
    columns = [
        ColumnDiffers(
            name, mine[name], theirs[name], stability(mine[name], theirs[name], columns=len(both))
        )
        for name in both
    ]
    columns.sort(key=lambda one: (-np.nan_to_num(one.stability.psi, nan=-1.0), one.name))
    batches = [
        {batch.pk: batch for batch in one.batches.only("pk", "method", "made").order_by("pk")}
        for one in (dataset, other)
    ]
    return Differences(
        rows=rows,
        note=note,
        figures=list(_figures(dataset, other)),
        parameters=[
            (name.replace("_", " "), *told)
            for name in PARAMETERS
            if (told := (_parameter(dataset, name), _parameter(other, name))) and told[0] != told[1]
        ],
        checks=list(_checks(dataset, other)),
        columns=columns,
        only_here=sorted(mine.keys() - theirs.keys()),
        only_there=sorted(theirs.keys() - mine.keys()),
        batches_in=[batch for pk, batch in batches[0].items() if pk not in batches[1]],
        batches_out=[batch for pk, batch in batches[1].items() if pk not in batches[0]],
    )


def _figures(dataset: Dataset, other: Dataset) -> Iterator[tuple[str, str, str]]:
    pair = (dataset, other)

    def told(label: str, *values: str) -> tuple[str, str, str]:
        return label, values[0], values[1]

    yield told("Verdict", *(one.verdict for one in pair))
    yield told("Rows read", *(words.number(one.rows) for one in pair))
    yield told("Training rows", *(words.number(one.train_rows) for one in pair))
    yield told("Validation rows", *(words.number(one.validation_rows) for one in pair))
    yield told("Copies", *(words.share(one.report["duplicate_share"]) for one in pair))
    balance = [dict(get_kind(one.kind).figures.describe_target(one.report)) for one in pair]
    for label in balance[0]:
        yield told(label, *(words.share(one.get(label)) for one in balance))


def _parameter(dataset: Dataset, name: str) -> str:
    value: Any = getattr(dataset, name, None)
    if name not in {field.name for field in dataset._meta.fields}:
        value = dataset.recipe.get(name)
    if name == "vocabulary" and isinstance(value, dict):
        value = value.get("version")
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    if isinstance(value, float):
        return words.number(value)
    return str(value) if value not in (None, "") else words.NONE


def _checks(dataset: Dataset, other: Dataset) -> Iterator[tuple[str, str, str]]:
    now, before = ({c["name"]: c["verdict"] for c in one.checks} for one in (dataset, other))
    for name in [*now, *(name for name in before if name not in now)]:
        here, there = now.get(name, ""), before.get(name, "")
        if here != there:
            yield name.replace("_", " ").replace(":", ": "), str(here), str(there)


def _rows(dataset: Dataset, other: Dataset) -> tuple[RowsDiffer | None, str]:
    total = sum(one.train_rows + one.validation_rows for one in (dataset, other))
    if total > COMPARED_ROWS:
        most = words.number(COMPARED_ROWS)
        return None, f"Rows are not compared one by one beyond {most}; their batches are, below."
    try:
        (train, val), (train_before, val_before) = (
            [_keys(one, part) for part in ("train", "val")] for one in (dataset, other)
        )
    except (ArtifactCorrupt, Refusal) as error:
        return None, f"Rows were not compared one by one: {error}"
    if any(keys is None for keys in (train, val, train_before, val_before)):
        return None, "Rows were not compared one by one: these files do not name them."
    crossed = int(train.isin(val_before).sum() + val.isin(train_before).sum())
    stayed = int(train.isin(train_before).sum() + val.isin(val_before).sum())
    shared = stayed + crossed
    return (
        RowsDiffer(
            shared=shared,
            added=len(train) + len(val) - shared,
            left=len(train_before) + len(val_before) - shared,
            crossed=crossed,
        ),
        "",
    )


def _keys(dataset: Dataset, part: str) -> Any:
    """Return the names of the rows of a part; None where its file has none."""
    frame = read_part(dataset, part, columns=list(ROW_KEYS))
    return pd.Index(frame.iloc[:, 0]) if frame.shape[1] else None
