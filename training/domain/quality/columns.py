"""Single columns: how often they are missing, how many values they have, what they give away."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from project import words
from project.measure.intervals import json_number
from training.domain.checks import Check, Gate, Verdict
from training.domain.expectations import (
    CONSTANT_BELOW,
    DISTINCT_DEFAULT,
    DISTINCT_REFUSE,
    FeatureSpec,
    QualitySpec,
)
from training.domain.tasks import get_task
from training.domain.tasks.base import BoolArray, FloatArray

MISSING_WARN_SHARE = 0.05
MISSING_REFUSE_SHARE = 0.20

DISTINCT = Gate("distinct:", target=f">= {DISTINCT_DEFAULT}", limit=DISTINCT_REFUSE)
MISSING = Gate("missing:", target=f"< {MISSING_WARN_SHARE:.0%}", limit=MISSING_REFUSE_SHARE)
RANGE = Gate("range", target="every value in its range", limit=0)


@dataclass(frozen=True)
class MeasuredColumn:
    """The figures of one feature over the rows to which it applies."""

    rows: int
    unique: int | None
    default_share: float | None
    missing_share: float | None
    summary: dict[str, float | None]
    outside: int = 0
    giveaway: float | None = None
    is_estimate: bool = False
    is_on_grid: bool = False

    def as_dict(self) -> dict[str, float | None]:
        return {
            "rows": self.rows,
            "unique": self.unique,
            "default_share": json_number(self.default_share),
            "missing_share": json_number(self.missing_share),
            **self.summary,
        }


def measure_feature(
    frame: pd.DataFrame,
    feature: FeatureSpec,
    spec: QualitySpec,
    target: FloatArray,
    mask: BoolArray | None,
) -> MeasuredColumn:
    """Measure one input of a frame; `mask` is True where a value stands in for a missing input."""
    nothing = summarise(np.empty(0))
    applies = _applies(frame, feature, spec)
    if feature.name not in frame.columns:
        expected = feature.applies_to is None or applies is not None
        rows = len(frame) if applies is None else int(applies.sum())
        if not expected or rows == 0:
            return MeasuredColumn(0, None, None, None, nothing)
        return MeasuredColumn(rows, 0, 0.0, 1.0, nothing)
    if feature.is_categorical:
        return _measure_categorical(frame[feature.name], applies, nothing, spec, target)
    values = frame[feature.name].to_numpy(dtype=np.float32)
    if applies is not None and not applies.all():
        values, target = values[applies], target[applies]
        mask = None if mask is None else mask[applies]
    if not len(values):
        return MeasuredColumn(0, None, None, None, nothing)
    missing = np.isnan(values)
    n_missing = int(missing.sum())
    known, known_target = (values[~missing], target[~missing]) if n_missing else (values, target)
    if mask is not None:
        n_defaulted = int((mask & ~missing).sum())
    elif spec.default_value is not None:
        n_defaulted = int((known == np.float32(spec.default_value)).sum())
    else:
        n_defaulted = 0
    # A feature of another match type, in a file that does not name the match type.
    is_foreign = applies is None and feature.applies_to is not None and mask is None
    if is_foreign and n_missing + n_defaulted == len(values):
        return MeasuredColumn(0, None, None, None, nothing)
    unique, giveaway = get_task(spec.task).measure_column(known, known_target, missing, target)
    low = -np.inf if feature.minimum is None else feature.minimum
    high = np.inf if feature.maximum is None else feature.maximum
    # Limits are compared in float32 like the values, so that a range of [0, 0.1] admits 0.1.
    outside = (known < np.float32(low)) | (known > np.float32(high)) | np.isinf(known)
    return MeasuredColumn(
        rows=len(values),
        unique=unique,
        default_share=n_defaulted / len(values),
        missing_share=n_missing / len(values),
        summary=summarise(known),
        outside=int(outside.sum()),
        giveaway=giveaway,
        is_on_grid=bool(feature.grid)
        and bool(np.isin(known, np.array(feature.grid, np.float32)).all()),
        is_estimate=mask is None and feature.half_is_legitimate,
    )


def _applies(frame: pd.DataFrame, feature: FeatureSpec, spec: QualitySpec) -> BoolArray | None:
    """Rows to which a feature applies; None for all, or where the match type is not known."""
    if feature.applies_to is None or spec.match_type_column not in frame.columns:
        return None
    return frame[spec.match_type_column].isin(list(feature.applies_to)).to_numpy(dtype=np.bool_)


def _measure_categorical(
    column: pd.Series,
    applies: BoolArray | None,
    nothing: dict[str, float | None],
    spec: QualitySpec,
    target: FloatArray,
) -> MeasuredColumn:
    if applies is not None:
        column, target = column[applies], target[applies]
    if not len(column):
        return MeasuredColumn(0, None, None, None, nothing)
    missing_share = float(column.isna().mean())
    giveaway = get_task(spec.task).measure_names(column, target)
    return MeasuredColumn(
        len(column), int(column.nunique()), 0.0, missing_share, nothing, giveaway=giveaway
    )


def check_feature(
    feature: FeatureSpec, measured: MeasuredColumn, *, made_here: bool = False
) -> list[Check]:
    """Hold one input to its gates; `made_here` says that all rows can be generated anew."""
    if feature.is_optional and (measured.missing_share or 0) >= 1:
        return []
    is_unknown = feature.may_be_missing and (measured.missing_share or 0) >= 1
    checks = [] if is_unknown else [_check_distinct(feature, measured, made_here)]
    if not feature.is_optional:
        checks.append(_check_missing(feature, measured, made_here))
    return checks


def _without(feature: FeatureSpec) -> str:
    return f"or build with --without {feature.name}"


def _check_distinct(feature: FeatureSpec, measured: MeasuredColumn, made_here: bool) -> Check:
    unique = measured.unique or 0
    wanted, needed = feature.distinct_pass, feature.distinct_refuse
    if measured.is_on_grid:
        wanted = needed = len(feature.grid)
    if not made_here:
        needed = min(needed, CONSTANT_BELOW)
    verdict: Verdict = "pass"
    remedy = ""
    if unique < wanted:
        verdict = "warn"
        if unique < needed and not (feature.is_categorical or feature.is_optional):
            verdict = "refuse"
        advice = feature.made_variety_remedy if made_here else ""
        if not (advice or unique < CONSTANT_BELOW):
            advice = "it can be learnt from as it is, finer ones would tell more rows apart"
        remedy = (
            f"{feature.name} has {unique} distinct values in {words.tally(measured.rows, 'row')}, "
            f"{wanted} are wanted: {advice or feature.variety_remedy}, {_without(feature)}."
        )
    return DISTINCT.check(
        unique, verdict, remedy, of=feature.name, limit=needed, target=f">= {wanted}"
    )


def _check_missing(feature: FeatureSpec, measured: MeasuredColumn, made_here: bool) -> Check:
    missing, default = measured.missing_share or 0.0, measured.default_share or 0.0
    rows = round((missing + default) * measured.rows)
    share = rows / max(measured.rows, 1)
    verdict: Verdict = "pass"
    remedy = ""
    if share >= MISSING_WARN_SHARE:
        # Where 0.5 is also an honest result, only the missing share can be held against the rows.
        proven = missing if measured.is_estimate else share
        is_refused = proven >= MISSING_REFUSE_SHARE and not feature.may_be_missing
        verdict = "refuse" if is_refused else "warn"
        if measured.is_estimate:
            remedy = (
                f"{rows} of {measured.rows} values of {feature.name} are missing or exactly 0.5, "
                "which its formula can also give: write nothing where it is missing and import the "
                f"log again, {_without(feature)}."
            )
        else:
            advice = feature.made_missing_remedy if made_here else ""
            advice = advice or feature.missing_remedy
            remedy = (
                f"{rows} of {measured.rows} values of {feature.name} are missing or stand in for "
                f"a missing input: {advice}, {_without(feature)}."
            )
    return MISSING.check(share, verdict, remedy, of=feature.name)


def check_range(out_of_range: dict[str, int], spec: QualitySpec) -> Check:
    """Hold all inputs to their ranges, by the number of values outside of each."""
    total = sum(out_of_range.values())
    limits = {
        feature.name: f"[{feature.minimum:g}, {feature.maximum:g}]"
        for feature in spec.features
        if feature.minimum is not None and feature.maximum is not None
    }
    named = ", ".join(
        f"{name} ({count} outside {limits.get(name, 'its range')})"
        for name, count in out_of_range.items()
    )
    return RANGE.check(
        total,
        "refuse" if total else "pass",
        f"Out of range: {named}. Correct the values or their unit, or build with --without "
        f"{' '.join(out_of_range)}.",
    )


def mask_of(
    defaulted: Mapping[str, npt.ArrayLike] | npt.ArrayLike | None,
    name: str,
    position: int,
    n_rows: int,
) -> BoolArray | None:
    """Return where the values of one feature stand in for a missing input; None if nobody knows."""
    if defaulted is None:
        return None
    if isinstance(defaulted, Mapping):
        if name not in defaulted:
            return np.zeros(n_rows, dtype=np.bool_)
        mask = np.asarray(defaulted[name], dtype=np.bool_)
    else:
        mask = np.asarray(defaulted, dtype=np.bool_)[:, position]
    if mask.shape != (n_rows,):
        raise ValueError(
            f"Expected a mask of defaults of {n_rows} rows for {name}, got {mask.shape}."
        )
    return mask


def summarise(values: npt.NDArray[Any]) -> dict[str, float | None]:
    """Minimum, maximum, mean and standard deviation of the finite values; None without any."""
    known = values[np.isfinite(values)]
    if not len(known):
        return {"min": None, "max": None, "mean": None, "std": None}
    return {
        "min": float(known.min()),
        "max": float(known.max()),
        "mean": float(known.mean(dtype=np.float64)),
        "std": float(known.std(dtype=np.float64)),
    }
