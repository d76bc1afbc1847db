"""Reading a table of which nothing is known but that it has a label and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from project import words
from project.tabular.own import MARK
from training.domain.checks import Check
from training.domain.expectations import FeatureSpec, QualitySpec
from training.domain.foreign_csv import (
    LABEL_NAMES,
    ForeignCsvError,
    explain_arrow,
    nulls_of,
    read_header,
    say_no_label,
)

MINIMUM_ROWS: Final = 100
NOTHING_IS_BUILT: Final = (
    "Of a file that is only measured nothing is built: where a remedy says so, leave the column or "
    "the rows out of it, or import its events and build then."
)


class TookFields(TypedDict):
    """A `Took` as JSON."""

    label: str
    label_said: str
    label_values: list[float] | None
    features: list[str]
    left: dict[str, str]


@dataclass(frozen=True)
class Took:
    """What was taken of a table.

    Attributes
    ----------
    label : the column that is to be predicted.
    features : the columns that are measured.
    left : every other column, with the reason.
    label_values : the two numbers of a label that were read as 0 and 1, where they are others.
    """

    label: str
    features: tuple[str, ...]
    left: dict[str, str]
    label_values: tuple[float, float] | None = None

    @property
    def label_said(self) -> str:
        """The label, with what its numbers were read as where they are not 0 and 1."""
        if self.label_values is None:
            return self.label
        no, yes = map(words.number, self.label_values)
        return f"{self.label} ({yes} as 1, {no} as 0)"

    def as_dict(self) -> TookFields:
        return {
            "label": self.label,
            "label_said": self.label_said,
            "label_values": None if self.label_values is None else list(self.label_values),
            "features": list(self.features),
            "left": self.left,
        }


def read_any_table(path: Path, label: str = "") -> tuple[pd.DataFrame, QualitySpec, Took]:
    """Read a label and every column of numbers from a CSV file with a header.

    Parameters
    ----------
    path : UTF-8 file.
    label : the column to be predicted; empty takes the first of LABEL_NAMES that is there.

    Returns
    -------
    The rows, what is expected of them (no range of a number is known), and what was taken. A label
    of two values (0 and 1, true and false, else the larger one is 1) makes a classification, other
    numbers a regression. Numbers
    that name a row (a column called id or ending in it) are left.

    Raises
    ------
    ForeignCsvError
        If the file is no CSV, has no such label, or no column of numbers beside it.
    """
    names = read_header(path)
    places = [f"{number}" for number in range(len(names))]
    try:
        table = pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(column_names=places, skip_rows=1),
            convert_options=pa_csv.ConvertOptions(
                strings_can_be_null=True, null_values=nulls_of(names)
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise ForeignCsvError(explain_arrow(str(error), names)) from error
    target = _label_of(names, label)
    frame = pd.DataFrame(index=pd.RangeIndex(table.num_rows))
    left: dict[str, str] = {}
    features = []
    for place, name in zip(places, names, strict=True):
        column = table.column(place)
        is_number = (
            pa.types.is_integer(column.type)
            or pa.types.is_floating(column.type)
            or pa.types.is_boolean(column.type)
        )
        values = column.to_pandas().astype(np.float64) if is_number else None
        if name in frame:
            if values is None or not values.equals(frame[name]):
                raise ForeignCsvError(
                    f"Column {name} stands twice with different values. Remove one of them."
                )
            left[f"{name} (again)"] = "stands twice with equal values"
        elif name == MARK:
            continue  # it names the file, and is no column of the table
        elif name == target:
            if values is None:
                words = column.to_pandas().dropna().astype(str).unique().tolist()
                raise ForeignCsvError(say_no_label(name, words))
            frame[name] = values
        elif values is None:
            left[name] = "no numbers" if column.null_count < len(column) else "empty"
        elif name.lower() == "id" or name.lower().endswith(("_id", " id")) or name.endswith("Id"):
            left[name] = "names a row"
        else:
            frame[name] = values
            features.append(name)
    if not features:
        raise ForeignCsvError(f"Expected columns of numbers beside {target}, got none.")
    known = set(frame[target].dropna().unique())
    two = None
    if len(known) == 2 and known != {0.0, 1.0}:
        two = (float(min(known)), float(max(known)))
        frame[target] = frame[target].map({two[0]: 0.0, two[1]: 1.0})
        known = {0.0, 1.0}
    spec = QualitySpec(
        features=tuple(FeatureSpec(name, None, None, 2, 2) for name in features),
        target=target,
        task="classification" if known <= {0.0, 1.0} else "regression",
        minimum_rows=MINIMUM_ROWS,
    )
    return frame, spec, Took(target, tuple(features), left, two)


def asks_to_build(checks: Sequence[Check]) -> bool:
    """Whether a remedy asks for what can only be done where rows were imported."""
    return any(check.verdict != "pass" and "uild with" in check.remedy for check in checks)


def _label_of(names: list[str], label: str) -> str:
    if label:
        if label not in names:
            raise ForeignCsvError(f"Expected a column {label}, got {', '.join(names[:20])}.")
        return label
    by_lower = {name.lower(): name for name in reversed(names)}
    for name in LABEL_NAMES:
        if name in by_lower:
            return by_lower[name]
    raise ForeignCsvError(
        f"Expected a label named {', '.join(LABEL_NAMES)}, got {', '.join(names[:20])}. Name it "
        "with --label."
    )


def has_any(path: Path, spec: QualitySpec) -> bool:
    """Whether a file has a column that is a feature of a kind, in either spelling."""
    wanted = {name.replace("_", "").lower() for name in spec.feature_names}
    return any(name.replace("_", "").lower() in wanted for name in read_header(path))
