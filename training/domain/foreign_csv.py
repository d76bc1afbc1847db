"""Reading somebody else's train.csv strictly enough to judge it."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from project.tabular.own import MARK
from training.domain.expectations import QualitySpec

MOST_WORDS = 5  # of a label that are named
# Names that a label commonly has, the likeliest first.
LABEL_NAMES = (
    "label", "target", "y", "class", "outcome", "accepted", "liked", "match", "matched", "decision",
)  # fmt: skip
LABEL_OF_OUTCOME = {"accept": 1, "chat": 1, "ignore": 0, "unmatch": 0}
# Columns that are kept where the file has them, beside features and target.
CONTEXT_NAMES = ("match_type", "user_id", "target_id", "group_id", "event_id", "timestamp")
CONTEXT_ALIASES = {"event_id": "event_key", "timestamp": "occurred_at"}


class ForeignCsvError(ValueError):
    """The file cannot be read as rows of features; the message names the column or line."""


def read_foreign_csv(path: Path | str, spec: QualitySpec) -> pd.DataFrame:
    """Read features and target from a CSV file with a header.

    Parameters
    ----------
    path : UTF-8 file, with or without a byte order mark.
    spec : the features and the target to look for. Names are accepted in snake_case and in
        camelCase; a target named `label` may also be given as an `outcome` of accept, chat,
        ignore or unmatch, or under another name that labels have (LABEL_NAMES). Labels may be true
        and false. Columns of neither kind are ignored.

    Returns
    -------
    DataFrame
        Numeric features as float32 in the order of the spec (those the file lacks are absent, and
        the quality report then says so), categorical ones as text, the target as float64, and
        whichever of match_type, user_id, target_id, group_id, event_key and occurred_at it has.

    Raises
    ------
    ForeignCsvError
        If the file is no CSV, a column stands twice with different values, a value is not a
        number, no feature or no target is found, a label is a word, or label and outcome
        contradict each other.
    """
    path = Path(path)
    names = read_header(path)
    places = [str(number) for number in range(len(names))]
    columns = _recognised(names, spec)
    categorical = {feature.name for feature in spec.features if feature.is_categorical}
    numeric = {*spec.feature_names} - categorical
    text = pa.string()
    types = {
        place: pa.float64() if name in numeric else text
        for name, found in columns.items()
        for place in found
    }
    try:
        table = pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(column_names=places, skip_rows=1),
            convert_options=pa_csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                strings_can_be_null=True,
                null_values=nulls_of(names),
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise ForeignCsvError(explain_arrow(str(error), names)) from error
    frame = pd.DataFrame(index=pd.RangeIndex(table.num_rows))
    for name, (place, *again) in columns.items():
        values = table.column(place).to_pandas()
        for other in again:
            if not table.column(other).to_pandas().equals(values):
                raise ForeignCsvError(
                    f"Expected one column for {name}, got {1 + len(again)} with different values: "
                    f"{', '.join(names[int(found)] for found in (place, *again))}. Remove all but "
                    "one."
                )
        if name == spec.target:
            values = _numbers_of(values, names[int(place)])
        elif name in spec.feature_names and name not in categorical:
            values = values.astype(np.float32)
        frame[CONTEXT_ALIASES.get(name, name)] = values
    return _with_label(frame, spec)


def nulls_of(names: Sequence[str]) -> list[str] | None:
    """Return what stands for nothing: in an export of ours nothing does, elsewhere "NULL" too."""
    return [""] if MARK in names else None


def camel_case(name: str) -> str:
    """`distance_score` as `distanceScore`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def read_header(path: Path) -> list[str]:
    """Return the column names of a CSV file; ForeignCsvError where there are none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline()
    except UnicodeDecodeError as error:
        raise ForeignCsvError(f"Expected UTF-8 text in {path.name}: {error}.") from error
    if not line.strip():
        raise ForeignCsvError(f"Expected a header line of column names in {path.name}, got none.")
    return [name.strip() for name in next(csv.reader([line.rstrip("\r\n")]))]


def _numbers_of(written: pd.Series, name: str) -> pd.Series:
    """The numbers of a target, as float64; true is 1 and false is 0."""
    text = written.str.strip().str.lower().replace({"true": "1", "false": "0"})
    numbers: pd.Series = pd.to_numeric(text, errors="coerce").astype(np.float64)
    words = written[numbers.isna() & text.notna() & (text != "")].unique().tolist()
    if words:
        raise ForeignCsvError(say_no_label(name, words))
    return numbers


def say_no_label(name: str, words: Sequence[str]) -> str:
    """Say that a label is written in words, and what to do."""
    said = ", ".join(map(repr, words[:MOST_WORDS])) + (" and more" * (len(words) > MOST_WORDS))
    return (
        f"Expected 0 and 1, true and false or numbers in {name}, got {said}. Write its words as 0 "
        "and 1, or name another label with --label."
    )


def _recognised(names: list[str], spec: QualitySpec) -> dict[str, list[str]]:
    """Our name -> places of the file's columns, for every column that means something to us."""
    wanted = [*spec.feature_names, spec.target, *CONTEXT_NAMES]
    if spec.target == "label":
        wanted.append("outcome")
    columns: dict[str, list[str]] = {}
    for name in dict.fromkeys(wanted):
        spellings = {name, camel_case(name)}
        found = [str(place) for place, given in enumerate(names) if given in spellings]
        if found:
            columns[name] = found
    other = label_column(names, spec)
    if other is not None and spec.target not in columns and "outcome" not in columns:
        columns[spec.target] = [str(names.index(other))]
    if not any(name in columns for name in spec.feature_names):
        raise ForeignCsvError(
            f"Expected columns such as {', '.join(spec.feature_names[:3])}, got "
            f"{', '.join(names[:12])}: not one feature among them."
        )
    if spec.target not in columns and "outcome" not in columns:
        raise ForeignCsvError(
            f"Expected a column {spec.target}"
            + (" or outcome" if spec.target == "label" else "")
            + f", got {', '.join(names[:20])}. Name it with --label."
        )
    return columns


def label_column(names: Sequence[str], spec: QualitySpec) -> str | None:
    """Return the column of a file that is its target: of our name, else one that labels have."""
    ours = [spec.target, camel_case(spec.target)]
    if spec.target == "label":
        by_lower = {name.lower(): name for name in reversed(names)}
        ours += ["outcome", *(by_lower[name] for name in LABEL_NAMES if name in by_lower)]
    return next((name for name in ours if name in names), None)


def explain_arrow(message: str, names: list[str]) -> str:
    """Arrow's message, with the number of the column replaced by its name."""
    for number, name in sorted(enumerate(names), reverse=True):
        message = message.replace(f"column #{number}:", f"column {name}:")
    return f"{message}. Correct the file and try again."


def _with_label(frame: pd.DataFrame, spec: QualitySpec) -> pd.DataFrame:
    if "outcome" not in frame.columns:
        return frame
    outcome = frame["outcome"].str.strip().str.lower()
    label = outcome.map(LABEL_OF_OUTCOME)
    strange = outcome[label.isna() & outcome.notna()]
    if len(strange):
        raise ForeignCsvError(
            f"Expected outcome {', '.join(LABEL_OF_OUTCOME)}, got {strange.iloc[0]!r} in row "
            f"{strange.index[0] + 2} ({len(strange)} such rows)."
        )
    if spec.target in frame.columns:
        differs = label.notna() & frame[spec.target].notna() & (label != frame[spec.target])
        if differs.any():
            row = int(np.flatnonzero(differs.to_numpy())[0])
            raise ForeignCsvError(
                f"Label {frame[spec.target].iloc[row]:g} contradicts outcome "
                f"{outcome.iloc[row]!r} in row {row + 2} ({int(differs.sum())} such rows)."
            )
        return frame
    return frame.assign(**{spec.target: label.astype(np.float64)})
