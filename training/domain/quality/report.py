"""The quality report of a dataset: what its rows are worth before anything is trained on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from project import words
from project.measure.intervals import json_number
from training.domain.checks import Check, CheckFields, Gate, Verdict, verdict_of
from training.domain.expectations import QualitySpec
from training.domain.quality.columns import (
    check_feature,
    check_range,
    mask_of,
    measure_feature,
    summarise,
)
from training.domain.quality.copies import (
    RepeatFields,
    Repeats,
    check_contradictions,
    check_duplicates,
    check_generated_vectors,
    check_repeated_vectors,
    check_repeats,
    count_copies,
    count_vectors,
    fingerprint_rows,
    measure_repeats,
)
from training.domain.quality.sharing import LeakageFields, measure_sharing
from training.domain.tasks import get_task
from training.domain.tasks.base import BoolArray, FloatArray, Target, Task

ROWS = Gate("rows", target="as many as the kind asks for", limit=None)
INPUTS = Gate("inputs", target=">= 1 input that rows carry", limit=1)
TARGET_MISSING = Gate("target_missing", target="no row without a target", limit=0)


class QualityFields(TypedDict):
    """A `QualityReport` as JSON; a figure that does not exist is None."""

    verdict: Verdict
    rows: int
    duplicate_share: float | None
    duplicate_group_share: float | None
    repeats: RepeatFields | None
    label_share: float | None
    target: dict[str, float | None]
    features: dict[str, dict[str, float | None]]
    not_in_log: list[str]
    leakage: LeakageFields
    checks: list[CheckFields]


@dataclass(frozen=True)
class QualityReport:
    """Figures and checks of one dataset; `as_dict` is its JSON."""

    rows: int
    duplicate_share: float
    duplicate_group_share: float
    repeats: Repeats | None
    label_share: float | None
    target: dict[str, float | None]
    features: dict[str, dict[str, float | None]]
    not_in_log: tuple[str, ...]
    leakage: LeakageFields
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.checks)

    def as_dict(self) -> QualityFields:
        return {
            "verdict": self.verdict,
            "rows": self.rows,
            "duplicate_share": json_number(self.duplicate_share),
            "duplicate_group_share": json_number(self.duplicate_group_share),
            "repeats": None if self.repeats is None else self.repeats.as_dict(),
            "label_share": json_number(self.label_share),
            "target": self.target,
            "features": self.features,
            "not_in_log": list(self.not_in_log),
            "leakage": self.leakage,
            "checks": [check.as_dict() for check in self.checks],
        }


def report_quality(
    frame: pd.DataFrame,
    spec: QualitySpec,
    train_mask: npt.ArrayLike | None = None,
    defaulted: Mapping[str, npt.ArrayLike] | npt.ArrayLike | None = None,
    left_out: npt.ArrayLike | None = None,
    generated: npt.ArrayLike | None = None,
) -> QualityReport:
    """Measure a dataset and hold every figure to its limit.

    Parameters
    ----------
    frame : DataFrame of n_rows
        The columns of `spec`. An absent feature column is one that no row carries. Columns of
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
    generated : boolean array of shape (n_rows,), optional
        True for rows that were generated here, which can be generated anew; without it all rows
        came from elsewhere.

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
    task, n_rows = get_task(spec.task), len(frame)
    in_train = None if train_mask is None else np.asarray(train_mask, dtype=np.bool_)
    if in_train is not None and in_train.shape != (n_rows,):
        raise ValueError(f"Expected a train mask of {n_rows} rows, got {in_train.shape}.")
    target = frame[spec.target].to_numpy(dtype=np.float64)
    made_here = (
        np.zeros(n_rows, dtype=np.bool_)
        if generated is None
        else np.asarray(generated, dtype=np.bool_)
    )
    all_made_here = bool(n_rows and made_here.all())
    aim = Target(spec.target, spec.target_minimum, spec.target_maximum, all_made_here)
    checks = [_check_rows(n_rows, spec), *_check_target(target, in_train, aim, task)]

    copies = fingerprint_rows(frame, spec)
    unique, in_copies = count_copies(copies)
    # Not 1 - unique / n, whose rounding would put a share of exactly one tenth below the limit.
    duplicate_share = (n_rows - unique) / n_rows if n_rows else 0.0
    duplicate_group_share = in_copies / n_rows if n_rows else 0.0
    checks.append(check_duplicates(duplicate_share, unique, n_rows, spec))
    if spec.identity:
        checks.append(check_repeats(frame, target, spec))
    repeats = None
    if spec.pair:
        repeats = measure_repeats(frame, spec)
        if made_here.any():
            checks.append(check_generated_vectors(frame[made_here], spec))
        if not made_here.all():
            theirs = measure_repeats(frame[~made_here], spec) if made_here.any() else repeats
            checks.append(check_repeated_vectors(theirs))
            checks.append(check_contradictions(frame[~made_here], target[~made_here], spec))

    not_in_log = _not_in_log(frame, ~made_here, spec)
    features: dict[str, dict[str, float | None]] = {}
    giveaways: dict[str, float] = {}
    out_of_range: dict[str, int] = {}
    for position, feature in enumerate(spec.features):
        mask = mask_of(defaulted, feature.name, position, n_rows)
        measured = measure_feature(frame, feature, spec, target, mask)
        features[feature.name] = measured.as_dict()
        if measured.rows == 0 or feature.name in not_in_log:
            continue
        checks += check_feature(feature, measured, made_here=all_made_here)
        if measured.outside:
            out_of_range[feature.name] = measured.outside
        if measured.giveaway is not None:
            giveaways[feature.name] = measured.giveaway
    vectors = count_vectors(frame, spec) if repeats is None else repeats.vectors
    checks += task.check_inputs({name: each["unique"] for name, each in features.items()}, vectors)
    if spec.is_a_log:
        checks.append(_check_carried(len(spec.features) - len(not_in_log), spec))
    checks.append(check_range(out_of_range, spec))
    checks.append(task.check_giveaway(giveaways, target, aim))

    leakage: LeakageFields = {
        "giveaway": {name: json_number(value) for name, value in giveaways.items()}
    }
    if in_train is not None:
        kept = None if left_out is None else ~np.asarray(left_out, dtype=np.bool_)
        if kept is None or kept.all():
            shared, shared_checks = measure_sharing(frame, copies, in_train, spec)
        else:
            shared, shared_checks = measure_sharing(frame[kept], copies[kept], in_train[kept], spec)
        leakage |= shared
        checks += shared_checks
    return QualityReport(
        rows=n_rows,
        duplicate_share=duplicate_share,
        duplicate_group_share=duplicate_group_share,
        repeats=repeats,
        label_share=task.label_share(target),
        target=summarise(target),
        features=features,
        not_in_log=not_in_log,
        leakage=leakage,
        checks=tuple(checks),
    )


def _not_in_log(
    frame: pd.DataFrame, from_elsewhere: BoolArray, spec: QualitySpec
) -> tuple[str, ...]:
    """The inputs that no row from elsewhere carries; none where all rows were generated here."""
    if not spec.is_a_log or not from_elsewhere.any():
        return ()
    return tuple(
        name
        for name in spec.feature_names
        if name not in frame.columns or not frame[name].notna().to_numpy()[from_elsewhere].any()
    )


def _check_carried(carried: int, spec: QualitySpec) -> Check:
    return INPUTS.check(
        carried,
        "pass" if carried else "refuse",
        f"No row carries any of {', '.join(spec.feature_names)}: there is nothing to learn from. "
        "Import a log that has at least one of them, or choose a batch that does with --batch.",
    )


def _check_rows(n_rows: int, spec: QualitySpec) -> Check:
    return ROWS.check(
        n_rows,
        "pass" if n_rows >= spec.minimum_rows else "refuse",
        f"{n_rows} usable rows, {spec.minimum_rows} are needed: collect, import or generate "
        f"{spec.minimum_rows - n_rows} more.",
        limit=spec.minimum_rows,
        target=f">= {spec.minimum_rows}",
    )


def _check_target(
    target: FloatArray, in_train: BoolArray | None, aim: Target, task: Task[Any]
) -> list[Check]:
    if not len(target):
        return []
    n_missing = int(np.isnan(target).sum())
    present = TARGET_MISSING.check(
        n_missing,
        "refuse" if n_missing else "pass",
        f"{words.tally(n_missing, 'row')} {words.bend(n_missing, 'has', 'have')} no {aim.name}: "
        "leave them out of what is brought in.",
    )
    return [present, *task.check_target(target, in_train, aim)]
