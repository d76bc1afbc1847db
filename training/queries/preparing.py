"""Reading, splitting and measuring the rows of a recipe; nothing is written."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from project.origin import Origin
from project.refusal import Refusal
from training.domain.drift import Histogram
from training.domain.expectations import QualitySpec
from training.domain.kind import (
    ORIGIN_COLUMN,
    LoadedRows,
    ModelKind,
    Recipe,
    real_rows,
)
from training.domain.mixing.measuring import MixtureFields, report_mixture
from training.domain.quality import QualityReport, copied_by, report_quality
from training.domain.splits import Split, SplitError, split_mixture, split_rows
from training.domain.suspicion import check_inputs

HISTOGRAM_BINS = 20


class PartHistogram(Histogram):
    """A histogram of all measured rows, and of those of each part, in the same bins."""

    train: list[int]
    validation: list[int]


@dataclass(frozen=True)
class PreparedDataset:
    """Rows that are split and measured, ready to be written."""

    kind: ModelKind
    loaded: LoadedRows
    split: Split
    report: QualityReport
    histograms: dict[str, PartHistogram]
    mixture: MixtureFields | None = None


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
        raise Refusal("The recipe gives no rows.", remedy="Choose other batches or another origin.")
    spec = kind.quality_of(loaded.recipe)
    if not spec.features:
        raise Refusal("Nothing is left to learn from.", remedy="Leave fewer inputs out.")
    loaded = _require_origins(kind, loaded)
    split, measured = _split(kind, loaded, copied_by(spec))
    is_real = real_rows(loaded.frame)
    if is_real is None:
        report = _report(kind, loaded, spec, measured, split)
        histograms = _histograms(kind, loaded.frame, measured, split)
        return PreparedDataset(kind, loaded, split, report, histograms)
    # What a mixture is judged by are its real rows; the synthetic ones are held to their own
    # expectations beside. How many real rows are enough is asked of validation.
    real_spec = replace(spec, minimum_rows=1)
    trains_on_real = bool((split.train & is_real).any())
    report = _report(kind, loaded, real_spec, measured & is_real, split if trains_on_real else None)
    synthetic = _report(kind, loaded, spec, split.train & ~is_real, None)
    generated = loaded.generated
    is_foreign = np.ones(len(is_real), np.bool_) if generated is None else ~generated
    mixture = report_mixture(kind, spec, loaded.frame, is_real, split, synthetic, is_foreign)
    report = replace(report, checks=(*report.checks, *mixture.checks))
    histograms = _histograms(kind, loaded.frame, measured & is_real, split)
    return PreparedDataset(kind, loaded, split, report, histograms, mixture.fields)


def _require_origins(kind: ModelKind, loaded: LoadedRows) -> LoadedRows:
    """Refuse rows of both origins that do not say which are which.

    Where none of one origin could be used, the rows are of the other, and called so.
    """
    if loaded.recipe.origin != Origin.COMBINED:
        return loaded
    if ORIGIN_COLUMN not in loaded.frame:
        raise Refusal(
            f"{kind.title} reads real and synthetic rows together, and its rows do not say which "
            f"are which: they have no column {ORIGIN_COLUMN!r}.",
            remedy="Build with --origin real or --origin synthetic.",
        )
    there = Origin.of(Origin(word) for word in loaded.frame[ORIGIN_COLUMN].unique())
    return replace(loaded, recipe=replace(loaded.recipe, origin=there.value))


def _report(
    kind: ModelKind,
    loaded: LoadedRows,
    spec: QualitySpec,
    about: npt.NDArray[np.bool_],
    split: Split | None,
) -> QualityReport:
    """Report the quality of some of the rows; without a split nothing is said of its parts."""

    def of(mask: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_] | None:
        return None if mask is None else mask[about]

    frame = loaded.frame if about.all() else loaded.frame[about]
    report = report_quality(
        frame,
        spec,
        train_mask=None if split is None else of(~split.validation),
        defaulted=None
        if loaded.defaulted is None
        else {name: mask[about] for name, mask in loaded.defaulted.items()},
        left_out=None if split is None else of(~split.kept),
        generated=of(loaded.generated),
    )
    suspicion = check_inputs(kind.reading(spec.feature_names), frame, of(loaded.generated))
    return replace(report, checks=(*report.checks, *suspicion))


def _split(
    kind: ModelKind, loaded: LoadedRows, copied: tuple[str, ...]
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
    copy_columns = [name for name in copied if name in loaded.frame]
    is_real = real_rows(loaded.frame)
    divide = split_rows if is_real is None else partial(split_mixture, is_real=is_real)
    try:
        split = divide(loaded.frame, how=columns.rule, copy_columns=copy_columns, **options)
        measured = np.ones(len(loaded.frame), dtype=np.bool_)
        if split.dropped.get("partner"):
            measured = divide(loaded.frame, how=columns.rule, **options).kept
    except SplitError as error:
        raise Refusal(str(error), remedy=error.remedy) from error
    return split, measured


def _histograms(
    kind: ModelKind, frame: pd.DataFrame, about: npt.NDArray[np.bool_], split: Split
) -> dict[str, PartHistogram]:
    """Count inputs and target in bins: of the rows that the report is about, and of each part."""
    found: dict[str, PartHistogram] = {}
    for name in (*kind.numeric, kind.target):
        if name not in frame:
            continue
        values = frame[name].to_numpy(dtype=np.float32, na_value=np.nan)
        known = np.isfinite(values) & about
        if not known.any():
            continue
        low, high = float(values[known].min()), float(values[known].max())
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        width = (high - low) / HISTOGRAM_BINS or 1.0
        bins = np.minimum((np.where(known, values, low) - low) / width, HISTOGRAM_BINS - 1)
        bins = bins.astype(np.int64)
        together, train, validation = (
            np.bincount(bins[known & part], minlength=HISTOGRAM_BINS).tolist()
            for part in (about, split.train, split.validation)
        )
        found[name] = {
            "low": low, "high": high, "counts": together, "train": train, "validation": validation
        }  # fmt: skip
    return found
