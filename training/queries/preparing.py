"""Reading, splitting and measuring the rows of a recipe; nothing is written."""

from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from project.refusal import Refusal
from training.domain.kind import LoadedRows, ModelKind, Recipe
from training.domain.quality import QualityReport, copied_by, report_quality
from training.domain.splits import Split, SplitError, split_rows

HISTOGRAM_BINS = 20


class Histogram(TypedDict):
    """Rows in each of equal bins from low to high."""

    low: float
    high: float
    counts: list[int]


@dataclass(frozen=True)
class PreparedDataset:
    """Rows that are split and measured, ready to be written."""

    kind: ModelKind
    loaded: LoadedRows
    split: Split
    report: QualityReport
    histograms: dict[str, Histogram]


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
    split, measured = _split(kind, loaded, copied_by(spec))
    frame, defaulted, train = loaded.frame, loaded.defaulted, ~split.validation
    left_out, generated = ~split.kept, loaded.generated
    if not measured.all():
        frame, train, left_out = frame[measured], train[measured], left_out[measured]
        if defaulted is not None:
            defaulted = {name: mask[measured] for name, mask in defaulted.items()}
        if generated is not None:
            generated = generated[measured]
    report = report_quality(
        frame,
        spec,
        train_mask=train,
        defaulted=defaulted,
        left_out=left_out,
        generated=generated,
    )
    return PreparedDataset(kind, loaded, split, report, _histograms(kind, frame))


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
    try:
        split = split_rows(loaded.frame, columns.rule, copy_columns=copy_columns, **options)
        measured = np.ones(len(loaded.frame), dtype=np.bool_)
        if split.dropped.get("partner"):
            measured = split_rows(loaded.frame, columns.rule, **options).kept
    except SplitError as error:
        raise Refusal(str(error), remedy="Change --split or --train-share.") from error
    return split, measured


def _histograms(kind: ModelKind, frame: pd.DataFrame) -> dict[str, Histogram]:
    found: dict[str, Histogram] = {}
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
