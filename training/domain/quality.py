"""The quality report of a dataset: what its rows are worth before anything is trained on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from project.measure.auc import auc_of_counts, count_labels
from project.measure.hashing import hash_rows, hash_sets
from project.measure.intervals import json_number
from project.measure.ranks import rank_correlation
from training.domain.checks import Check, Verdict, verdict_of
from training.domain.expectations import FeatureSpec, QualitySpec

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating[Any]]

# Limits of the dataset gate (docs/gates.md). Shares are fractions of the rows.
DUPLICATE_WARN_SHARE = 0.10
DUPLICATE_REFUSE_SHARE = 0.20
MISSING_WARN_SHARE = 0.05
MISSING_REFUSE_SHARE = 0.20
# The best possible model of these labels reaches an AUC of about 0.88; a single column beyond 0.95
# has seen the answer.
GIVEAWAY_AUC = 0.95
# With fewer rows of a label than this, one column separates the labels by chance now and then.
GIVEAWAY_MINIMUM_ROWS = 30
# Absolute Spearman correlation of a single column with a numeric target. The strongest honest input
# of the quality formula (weight .25 of 1.05) stays below 0.7.
GIVEAWAY_CORRELATION = 0.98
MINORITY_WARN_SHARE = 0.05  # below it, precision and recall rest on a handful of rows
TARGET_DISTINCT_WARN = 5  # a numeric target with fewer values is a class in disguise
SHUFFLE_SEED = 20_260_101  # the same rows always measure alike
LEGACY_DEFAULT = 0.5  # what the tiered formulas write where an input is missing


@dataclass(frozen=True)
class QualityReport:
    """Figures and checks of one dataset; `as_dict` is its JSON."""

    rows: int
    duplicate_share: float
    duplicate_group_share: float
    label_share: float | None
    target: dict[str, float | None]
    features: dict[str, dict[str, float | None]]
    leakage: dict[str, Any]
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.checks)

    def as_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "rows": self.rows,
            "duplicate_share": json_number(self.duplicate_share),
            "duplicate_group_share": json_number(self.duplicate_group_share),
            "label_share": json_number(self.label_share),
            "target": self.target,
            "features": self.features,
            "leakage": self.leakage,
            "checks": [check.as_dict() for check in self.checks],
        }


def report_quality(
    frame: pd.DataFrame,
    spec: QualitySpec,
    train_mask: npt.ArrayLike | None = None,
    defaulted: Mapping[str, npt.ArrayLike] | npt.ArrayLike | None = None,
    left_out: npt.ArrayLike | None = None,
) -> QualityReport:
    """Measure a dataset and hold every figure to its limit.

    Parameters
    ----------
    frame : DataFrame of n_rows
        The columns of `spec`. An absent feature column counts as missing in every row. Columns of
        `spec.groups` and the match type may be absent: what rests on them is not measured.
    spec : QualitySpec
    train_mask : boolean array of shape (n_rows,), optional
        True for training rows, False for validation rows; without it nothing is said about what
        the two share.
    defaulted : mapping of feature name to boolean array of shape (n_rows,), or boolean array of
        shape (n_rows, n_features) in the order of `spec.features`, optional
        True where a value stands in for a missing input. Without it, values exactly equal to
        `spec.default_value` count as defaulted.
    left_out : boolean array of shape (n_rows,), optional
        True for rows that are measured but stand in neither part (copies that the split left out):
        they share nothing.

    Returns
    -------
    QualityReport

    Raises
    ------
    ValueError
        If the target column is absent or a mask has another length than the frame.
    """
    if spec.target not in frame.columns:
        raise ValueError(
            f"Expected a target column {spec.target!r}, got {sorted(map(str, frame.columns))}."
        )
    n_rows = len(frame)
    in_train = None if train_mask is None else np.asarray(train_mask, dtype=np.bool_)
    if in_train is not None and in_train.shape != (n_rows,):
        raise ValueError(f"Expected a train mask of {n_rows} rows, got {in_train.shape}.")
    target = frame[spec.target].to_numpy(dtype=np.float64)
    checks = [_check_rows(n_rows, spec), *_check_target(target, in_train, spec)]

    copies = _copy_hashes(frame, spec)
    unique, in_copies = _count_copies(copies)
    # Not 1 - unique / n, whose rounding would put a share of exactly one tenth below the limit.
    duplicate_share = (n_rows - unique) / n_rows if n_rows else 0.0
    duplicate_group_share = in_copies / n_rows if n_rows else 0.0
    checks.append(_check_duplicates(duplicate_share, unique, n_rows, spec))
    if spec.identity:
        checks.append(_check_repeats(frame, target, spec))

    features: dict[str, dict[str, float | None]] = {}
    giveaways: dict[str, float] = {}
    out_of_range: dict[str, int] = {}
    for position, feature in enumerate(spec.features):
        mask = _mask_of(defaulted, feature.name, position, n_rows)
        measured = _measure_feature(frame, feature, spec, target, mask)
        features[feature.name] = measured.as_dict()
        if measured.rows == 0 and not measured.is_absent:
            continue
        checks += _check_feature(feature, measured)
        if measured.outside:
            out_of_range[feature.name] = measured.outside
        if measured.giveaway is not None:
            giveaways[feature.name] = measured.giveaway
    if spec.task == "regression":
        checks.append(_check_inputs(features))
    checks.append(_check_range(out_of_range, spec))
    checks.append(_check_giveaway(giveaways, target, spec))

    leakage: dict[str, Any] = {
        "giveaway": {name: json_number(value) for name, value in giveaways.items()}
    }
    if in_train is not None:
        kept = None if left_out is None else ~np.asarray(left_out, dtype=np.bool_)
        if kept is None or kept.all():
            shared, shared_checks = _measure_sharing(frame, copies, in_train, spec)
        else:
            shared, shared_checks = _measure_sharing(
                frame[kept], copies[kept], in_train[kept], spec
            )
        leakage |= shared
        checks += shared_checks
    return QualityReport(
        rows=n_rows,
        duplicate_share=duplicate_share,
        duplicate_group_share=duplicate_group_share,
        label_share=_mean(target) if spec.task == "classification" else None,
        target=_summary(target),
        features=features,
        leakage=leakage,
        checks=tuple(checks),
    )


def _copy_hashes(frame: pd.DataFrame, spec: QualitySpec) -> npt.NDArray[np.uint64]:
    present = [frame[name] for name in spec.copied_by if name in frame.columns]
    return hash_rows(present) if present else np.zeros(len(frame), dtype=np.uint64)


def excess_repeats(inputs: npt.NDArray[np.uint64], target: FloatArray) -> float:
    """Share of rows that repeat another one's inputs and answer beyond what chance explains.

    Parameters
    ----------
    inputs : array of shape (n_rows,), uint64; equal where the inputs are equal.
    target : array of shape (n_rows,).

    Returns
    -------
    Between 0 and 1; 0 without rows. The share of repeated rows, times where their number lies between
        that after the answers were shuffled (0: ratings of few values repeat so by chance) and the
        largest that these inputs allow (1: equal inputs always have equal answers, as copies do).
    """
    if not len(inputs):
        return 0.0
    shuffled = target[np.random.default_rng(SHUFFLE_SEED).permutation(len(target))]
    repeats, by_chance = (
        len(inputs) - len(np.unique(hash_rows([inputs, answers]))) for answers in (target, shuffled)
    )
    largest = len(inputs) - len(np.unique(inputs))
    if repeats <= by_chance:
        return 0.0
    return (repeats - by_chance) / (largest - by_chance) * repeats / len(inputs)


def _count_copies(hashes: npt.NDArray[np.uint64]) -> tuple[int, int]:
    if not len(hashes):
        return 0, 0
    ordered = np.sort(hashes)
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    sizes = np.diff(np.append(starts, len(ordered)))
    return len(starts), int(sizes[sizes > 1].sum())


def _mean(values: FloatArray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _summary(values: FloatArray) -> dict[str, float | None]:
    known = values[np.isfinite(values)]
    if not len(known):
        return {"min": None, "max": None, "mean": None, "std": None}
    return {
        "min": float(known.min()),
        "max": float(known.max()),
        "mean": float(known.mean(dtype=np.float64)),
        "std": float(known.std(dtype=np.float64)),
    }


def _mask_of(
    defaulted: Mapping[str, npt.ArrayLike] | npt.ArrayLike | None,
    name: str,
    position: int,
    n_rows: int,
) -> BoolArray | None:
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


@dataclass(frozen=True)
class _Measured:
    """The figures of one feature over the rows to which it applies."""

    rows: int
    unique: int | None
    default_share: float | None
    missing_share: float | None
    summary: dict[str, float | None]
    outside: int = 0
    giveaway: float | None = None
    is_absent: bool = False
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


def _measure_feature(
    frame: pd.DataFrame,
    feature: FeatureSpec,
    spec: QualitySpec,
    target: FloatArray,
    mask: BoolArray | None,
) -> _Measured:
    nothing = _summary(np.empty(0))
    applies = _applies(frame, feature, spec)
    if feature.name not in frame.columns:
        expected = feature.applies_to is None or applies is not None
        rows = len(frame) if applies is None else int(applies.sum())
        if not expected or rows == 0:
            return _Measured(0, None, None, None, nothing)
        return _Measured(rows, 0, 0.0, 1.0, nothing, is_absent=True)
    if feature.is_categorical:
        return _measure_categorical(frame[feature.name], applies, nothing, spec, target)
    values = frame[feature.name].to_numpy(dtype=np.float32)
    if applies is not None and not applies.all():
        values, target = values[applies], target[applies]
        mask = None if mask is None else mask[applies]
    if not len(values):
        return _Measured(0, None, None, None, nothing)
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
        return _Measured(0, None, None, None, nothing)
    if spec.task == "classification":
        unique, giveaway = _label_giveaway(known, known_target, missing, target)
    else:
        unique = _distinct(known)
        giveaway = abs(_rank_correlation(known, known_target))
    low = -np.inf if feature.minimum is None else feature.minimum
    high = np.inf if feature.maximum is None else feature.maximum
    # Limits are compared in float32 like the values, so that a range of [0, 0.1] admits 0.1.
    outside = (known < np.float32(low)) | (known > np.float32(high)) | np.isinf(known)
    return _Measured(
        rows=len(values),
        unique=unique,
        default_share=n_defaulted / len(values),
        missing_share=n_missing / len(values),
        summary=_summary(known),
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
) -> _Measured:
    if applies is not None:
        column, target = column[applies], target[applies]
    if not len(column):
        return _Measured(0, None, None, None, nothing)
    missing_share = float(column.isna().mean())
    giveaway = _label_correlation(column, target) if spec.task == "regression" else None
    return _Measured(
        len(column), int(column.nunique()), 0.0, missing_share, nothing, giveaway=giveaway
    )


def _label_correlation(column: pd.Series, target: FloatArray) -> float:
    """Rank correlation of a number with the mean of the other rows of the same label, at least 0.

    Leaving the row itself out keeps a column of many labels from telling the answer by being one; it
    also makes the correlation within a label negative, which says nothing.
    """
    codes, labels = pd.factorize(column)
    usable = (codes >= 0) & np.isfinite(target)
    codes, y = codes[usable], target[usable]
    counts = np.bincount(codes, minlength=len(labels))
    others = counts[codes] - 1
    codes, y, others = codes[others > 0], y[others > 0], others[others > 0]
    sums = np.bincount(codes, weights=y, minlength=len(labels))
    return max(0.0, _rank_correlation((sums[codes] - y) / others, y))


def _distinct(values: npt.NDArray[np.float32]) -> int:
    ordered = np.sort(values)
    return int((ordered[1:] != ordered[:-1]).sum()) + min(len(ordered), 1)


def _label_giveaway(
    known: npt.NDArray[np.float32], known_target: FloatArray, missing: BoolArray, target: FloatArray
) -> tuple[int, float]:
    """Distinct values, and the ROC-AUC of one column alone or of its mere absence."""
    positive, negative = count_labels(known, known_target > 0.5)
    separates = _either_way(float(auc_of_counts(positive, negative)))
    if len(known) < len(missing):
        is_positive = target > 0.5
        absent = [np.bincount(missing[side], minlength=2) for side in (is_positive, ~is_positive)]
        separates = max(separates, _either_way(float(auc_of_counts(*absent))))
    return len(positive), separates


def _either_way(auc: float) -> float:
    """The ROC-AUC in whichever direction is better; a half where it does not exist."""
    return 0.5 if np.isnan(auc) else max(auc, 1 - auc)


def _rank_correlation(values: FloatArray, target: FloatArray) -> float:
    return float(np.nan_to_num(rank_correlation(values, target)))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _check_rows(n_rows: int, spec: QualitySpec) -> Check:
    enough = n_rows >= spec.minimum_rows
    return Check(
        "rows",
        n_rows,
        spec.minimum_rows,
        f">= {spec.minimum_rows}",
        "pass" if enough else "refuse",
        ""
        if enough
        else f"{n_rows} usable rows, {spec.minimum_rows} are needed: "
        f"collect or generate {spec.minimum_rows - n_rows} more.",
    )


def _check_target(target: FloatArray, in_train: BoolArray | None, spec: QualitySpec) -> list[Check]:
    if not len(target):
        return []
    n_missing = int(np.isnan(target).sum())
    checks = [
        Check(
            "target_missing",
            n_missing,
            0,
            "no row without a target",
            "refuse" if n_missing else "pass",
            f"{n_missing} rows have no {spec.target}: leave them out." if n_missing else "",
        )
    ]
    if spec.task == "classification":
        return checks + _check_labels(target, in_train, spec)
    return checks + _check_numeric_target(target, spec)


def _check_labels(target: FloatArray, in_train: BoolArray | None, spec: QualitySpec) -> list[Check]:
    known = target[~np.isnan(target)]
    strange = int(((known != 0) & (known != 1)).sum())
    checks = []
    if strange:
        checks.append(
            Check(
                "label_values",
                strange,
                0,
                "labels are 0 or 1",
                "refuse",
                f"{strange} values of {spec.target} are neither 0 nor 1: correct the file.",
            )
        )
    parts = {"labels": known}
    if in_train is not None:
        parts |= {"labels:train": target[in_train], "labels:validation": target[~in_train]}
    for name, labels in parts.items():
        share = _mean(labels)
        minority = 0.0 if share is None else min(share, 1 - share)
        verdict: Verdict = "pass"
        remedy = ""
        if minority <= 0:
            verdict = "refuse"
            remedy = (
                f"{len(labels)} rows and only one label among them: both outcomes are needed, "
                "change the preset or add batches, or split at another place."
            )
        elif minority < MINORITY_WARN_SHARE:
            verdict = "warn"
            remedy = (
                f"Only {_percent(minority)} of the rows have the rarer label: add events, or use "
                "a preset that is less one-sided."
            )
        checks.append(
            Check(
                name, share, 0.0, f"both, rarer one >= {MINORITY_WARN_SHARE:.0%}", verdict, remedy
            )
        )
    return checks


def _check_numeric_target(target: FloatArray, spec: QualitySpec) -> list[Check]:
    known = target[~np.isnan(target)]
    distinct = len(np.unique(known))
    verdict: Verdict = "pass"
    remedy = ""
    if distinct < 2:
        verdict = "refuse"
        remedy = f"{spec.target} has one value only: there is nothing to learn. Check the source."
    elif distinct < TARGET_DISTINCT_WARN:
        verdict = "warn"
        remedy = f"{spec.target} has only {distinct} values: check that it was not rounded away."
    checks = [
        Check("target_distinct", distinct, 2, f">= {TARGET_DISTINCT_WARN} values", verdict, remedy)
    ]
    low = -np.inf if spec.target_minimum is None else spec.target_minimum
    high = np.inf if spec.target_maximum is None else spec.target_maximum
    outside = int(((known < low) | (known > high) | np.isinf(known)).sum())
    checks.append(
        Check(
            "target_range",
            outside,
            0,
            f"in [{low:g}, {high:g}]",
            "refuse" if outside else "pass",
            f"{outside} values of {spec.target} are out of range: check the unit."
            if outside
            else "",
        )
    )
    return checks


def _check_duplicates(share: float, unique: int, n_rows: int, spec: QualitySpec) -> Check:
    verdict: Verdict = "pass"
    remedy = ""
    if share >= DUPLICATE_WARN_SHARE:
        verdict = "refuse" if share >= DUPLICATE_REFUSE_SHARE else "warn"
        excess = n_rows - int(unique / (1 - DUPLICATE_WARN_SHARE))
        remedy = (
            f"{n_rows - unique} of {n_rows} rows repeat an earlier one: remove at least {excess} "
            f"copies, or {spec.copies_remedy}."
        )
    return Check(
        "duplicate_share",
        share,
        DUPLICATE_REFUSE_SHARE,
        f"< {DUPLICATE_WARN_SHARE:.0%}",
        verdict,
        remedy,
    )


def _check_repeats(frame: pd.DataFrame, target: FloatArray, spec: QualitySpec) -> Check:
    share = 0.0
    # Copies may keep the identity of their row or have one of their own.
    for names in (spec.feature_names, (*spec.feature_names, *spec.identity)):
        present = [frame[name] for name in names if name in frame.columns]
        if present:
            share = max(share, excess_repeats(hash_rows(present), target))
    verdict: Verdict = "pass"
    remedy = ""
    if share >= DUPLICATE_WARN_SHARE:
        verdict = "refuse" if share >= DUPLICATE_REFUSE_SHARE else "warn"
        are = "are" if verdict == "refuse" else "may be"
        remedy = (
            f"{_percent(share)} of the rows repeat inputs and {spec.target} of another one where "
            f"chance would have given another {spec.target}: they {are} copies of a few rows. Look "
            "at where they were written twice, and leave the copies out."
        )
    return Check(
        "repeated_answers",
        share,
        DUPLICATE_REFUSE_SHARE,
        f"< {DUPLICATE_WARN_SHARE:.0%} beyond chance",
        verdict,
        remedy,
    )


def _check_inputs(features: Mapping[str, Mapping[str, float | None]]) -> Check:
    varied = sum((measured.get("unique") or 0) > 1 for measured in features.values())
    return Check(
        "varied_inputs",
        varied,
        1,
        ">= 1 input with two values",
        "pass" if varied else "refuse",
        ""
        if varied
        else "Every input is constant: nothing can be learnt from them. Check what the source writes.",
    )


def _check_feature(feature: FeatureSpec, measured: _Measured) -> list[Check]:
    if feature.is_optional and (measured.missing_share or 0) >= 1:
        return []
    is_unknown = feature.may_be_missing and (measured.missing_share or 0) >= 1
    checks = [] if measured.is_absent or is_unknown else [_check_distinct(feature, measured)]
    if not feature.is_optional:
        checks.append(_check_missing(feature, measured))
    return checks


def _check_distinct(feature: FeatureSpec, measured: _Measured) -> Check:
    unique = measured.unique or 0
    wanted, needed = feature.distinct_pass, feature.distinct_refuse
    if measured.is_on_grid:
        wanted = needed = len(feature.grid)
    verdict: Verdict = "pass"
    remedy = ""
    if unique < wanted:
        verdict = "warn"
        if unique < needed and not (feature.is_categorical or feature.is_optional):
            verdict = "refuse"
        remedy = (
            f"{feature.name} has {unique} distinct values in {measured.rows} rows, "
            f"{wanted} are wanted: {feature.variety_remedy}."
        )
    return Check(
        f"distinct:{feature.name}",
        unique,
        needed,
        f">= {wanted}",
        verdict,
        remedy,
    )


def _check_missing(feature: FeatureSpec, measured: _Measured) -> Check:
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
        if measured.is_absent:
            remedy = f"The column {feature.name} is absent: add it."
        elif measured.is_estimate:
            remedy = (
                f"{rows} of {measured.rows} values of {feature.name} are missing or exactly 0.5, "
                "which its formula can also give: import the log with its inputs to tell."
            )
        else:
            remedy = (
                f"{rows} of {measured.rows} values of {feature.name} are missing or stand in for "
                f"a missing input: {feature.missing_remedy}."
            )
    return Check(
        f"missing:{feature.name}",
        share,
        MISSING_REFUSE_SHARE,
        f"< {MISSING_WARN_SHARE:.0%}",
        verdict,
        remedy,
    )


def _check_range(out_of_range: dict[str, int], spec: QualitySpec) -> Check:
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
    return Check(
        "range",
        total,
        0,
        "every value in its range",
        "refuse" if total else "pass",
        f"Out of range: {named}. Correct the values or their unit." if total else "",
    )


def _check_giveaway(giveaways: dict[str, float], target: FloatArray, spec: QualitySpec) -> Check:
    is_label = spec.task == "classification"
    limit = GIVEAWAY_AUC if is_label else GIVEAWAY_CORRELATION
    worst = max(giveaways.values(), default=None)
    guilty = sorted(name for name, value in giveaways.items() if value > limit)
    verdict: Verdict = "pass"
    remedy = ""
    if guilty:
        rarer = min(int((target == 1).sum()), int((target == 0).sum())) if is_label else len(target)
        verdict = "refuse" if rarer >= GIVEAWAY_MINIMUM_ROWS else "warn"
        remedy = (
            f"{', '.join(guilty)} alone tells the {spec.target}: it was computed from the answer "
            "or after it. Leave it out, or compute it from what is known beforehand."
        )
    measure = "ROC-AUC" if is_label else "|Spearman|"
    return Check(
        "giveaway", worst, limit, f"{measure} of any one feature <= {limit:g}", verdict, remedy
    )


def _measure_sharing(
    frame: pd.DataFrame,
    copies: npt.NDArray[np.uint64],
    in_train: BoolArray,
    spec: QualitySpec,
) -> tuple[dict[str, Any], list[Check]]:
    n_validation = int((~in_train).sum())
    leakage: dict[str, Any] = {
        "train_rows": int(in_train.sum()),
        "validation_rows": n_validation,
    }
    hashes = {"vector": copies}
    sides = {"vector": in_train}
    for name, columns in spec.groups.items():
        if all(column in frame.columns for column in columns):
            # What nobody knows is no common thing: rows without an identifier share nothing.
            rows_of = [frame[column] for column in columns]
            known = np.logical_or.reduce([column.notna().to_numpy() for column in rows_of])
            if not known.all():
                rows_of = [column[known] for column in rows_of]
            hashes[name] = hash_sets(rows_of)
            sides[name] = in_train[known]
    checks = []
    for name, values in hashes.items():
        shared, rows = count_shared(values, sides[name])
        leakage[name] = {
            "shared": shared,
            "validation_rows": rows,
            "validation_share": rows / n_validation if n_validation else None,
        }
        if name != "vector" and name not in spec.disjoint:
            continue
        checks.append(
            Check(
                f"shared:{name}",
                shared,
                0,
                "none in both train and validation",
                "refuse" if shared else "pass",
                f"{shared} {name}s stand in train and in validation ({rows} validation rows): "
                "split again, keeping each on one side."
                if shared
                else "",
            )
        )
    return leakage, checks


def count_shared(hashes: npt.NDArray[np.uint64], in_train: BoolArray) -> tuple[int, int]:
    """How many fingerprints stand on both sides, and on how many validation rows.

    Parameters
    ----------
    hashes : array of shape (n_rows,), uint64
    in_train : boolean array of shape (n_rows,)

    Returns
    -------
    (distinct fingerprints on both sides, validation rows that carry one of them)
    """
    if not len(hashes):
        return 0, 0
    # The side takes the place of the lowest bit, so that one sort answers both questions.
    keys = np.sort((hashes & ~np.uint64(1)) | in_train.astype(np.uint64))
    starts = np.flatnonzero(
        np.append(True, (keys[1:] >> np.uint64(1)) != (keys[:-1] >> np.uint64(1)))
    )
    size = np.diff(np.append(starts, len(keys)))
    trained = np.add.reduceat((keys & np.uint64(1)).astype(np.int64), starts)
    is_shared = (trained > 0) & (trained < size)
    return int(is_shared.sum()), int((size - trained)[is_shared].sum())
