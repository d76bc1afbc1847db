"""The three kinds that learn from feedback: quality, CSAT, and what a model's answers are worth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from feedback.frames import (
    METRIC_COLUMNS,
    choose_sources,
    load_csat,
    load_model_performance,
    load_quality,
    origin_of,
)
from feedback.models import FeedbackSource, Table, model_of
from feedback.requirements import MINIMUM_SAMPLES
from project.refusal import Refusal
from training.kinds.base import LoadedRows, ModelKind, Recipe, SplitColumns
from training.quality import FeatureSpec, QualitySpec

FloatArray = npt.NDArray[np.float64]
Loader = Callable[[Sequence[FeedbackSource]], pd.DataFrame]

TABLE_OF: Mapping[str, str] = {
    "quality": Table.EXPLANATIONS,
    "csat": Table.QUALITY_FEEDBACK,
    "model_performance": Table.AB_TESTING,
}
# Votes and ratings on a coarse scale repeat: with the same inputs they are evidence, not copies.
# Only a row that is the same in its inputs, its target and its time was written twice.
GROUPS = {
    "session": ("session_id",),
    "response": ("response_id",),
    "scenario": ("scenario_id",),
    "model": ("model",),
}


def _load(kind: str, load: Loader) -> Callable[[Recipe], LoadedRows]:
    table = TABLE_OF[kind]

    def loaded(recipe: Recipe) -> LoadedRows:
        if recipe.source not in ("", "real", "synthetic", "combined"):
            raise Refusal(
                f"There is no source {recipe.source!r}.",
                remedy="Choose real, synthetic or combined.",
            )
        sources = choose_sources(table, recipe.source)  # type: ignore[arg-type]
        if not sources:
            raise Refusal(
                f"There is no {recipe.source or 'collected'} feedback in {table} yet.",
                remedy="Run `manage.py collect_feedback`, or `manage.py import_feedback FILE`.",
            )
        frame = load(sources)
        counts = frame["source"].value_counts()
        lineage = tuple(
            {
                "model": "feedback.feedbacksource",
                "id": source.pk,
                "title": source.name,
                "source": "synthetic" if source.is_synthetic else "real",
                "table": model_of(table)._meta.db_table,
                "rows": int(counts.get(source.name, 0)),
            }
            for source in sources
        )
        return LoadedRows(frame, replace(recipe, source=origin_of(sources)), lineage)

    return loaded


def _groups(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    return {name: GROUPS[name] for name in names}


def _splits(names: Sequence[str]) -> dict[str, SplitColumns]:
    return {
        "time": SplitColumns("time"),
        **{name: SplitColumns("group", GROUPS[name]) for name in names},
    }


def _group_mean(columns: Sequence[str], target: str) -> Callable[..., dict[str, FloatArray]]:
    """Mean target of the training rows with the same values; NaN for values never seen."""

    def baseline(train: pd.DataFrame, rows: pd.DataFrame) -> dict[str, FloatArray]:
        by = list(columns)
        means = train.groupby(by, dropna=False, observed=True)[target].mean().rename("group_mean")
        found = rows[by].merge(means, how="left", left_on=by, right_index=True)["group_mean"]
        return {"group_mean": found.to_numpy(dtype=np.float64)}

    return baseline


def _quality_spec(recipe: Recipe) -> QualitySpec:
    return QualitySpec(
        features=(
            *(FeatureSpec(name, 0.0, 100.0) for name in METRIC_COLUMNS),
            FeatureSpec("csat", is_optional=True),
        ),
        target="quality",
        task="regression",
        minimum_rows=MINIMUM_SAMPLES["quality"],
        target_minimum=0.0,
        target_maximum=100.0,
        groups=_groups(("response", "scenario", "model")),
    )


def _csat_spec(recipe: Recipe) -> QualitySpec:
    return QualitySpec(
        features=(
            FeatureSpec("quality", is_optional=True),
            FeatureSpec("response_time_ms", 0.0, None, is_optional=True),
            *_categories("provider", "model", "action_type"),
        ),
        target="csat",
        task="regression",
        minimum_rows=MINIMUM_SAMPLES["csat"],
        target_minimum=0.0,
        target_maximum=1.0,
        groups=_groups(("session", "response", "model")),
        copy_columns=(
            "quality",
            "response_time_ms",
            "provider",
            "model",
            "action_type",
            "csat",
            "session_id",
            "occurred_at",
        ),
    )


def _performance_spec(recipe: Recipe) -> QualitySpec:
    return QualitySpec(
        features=(
            FeatureSpec("prediction"),
            *_categories("provider", "model", "experiment_name", "variant", "action_type"),
        ),
        target="actual",
        task="regression",
        minimum_rows=MINIMUM_SAMPLES["model_performance"],
        target_minimum=0.0,
        target_maximum=1.0,
        groups=_groups(("response", "model")),
    )


def _categories(*names: str) -> tuple[FeatureSpec, ...]:
    return tuple(
        FeatureSpec(name, None, None, is_categorical=True, is_optional=True) for name in names
    )


def _performance_baselines(train: pd.DataFrame, rows: pd.DataFrame) -> dict[str, FloatArray]:
    """The group's mean, and the prediction that came with the row."""
    by_group = _group_mean(("experiment_name", "variant", "model"), "actual")(train, rows)
    return {**by_group, "given": rows["prediction"].to_numpy(dtype=np.float64)}


QUALITY = ModelKind(
    name="quality",
    title="Quality",
    task="regression",
    numeric=(*METRIC_COLUMNS, "csat"),
    target="quality",
    quality=_quality_spec,
    load=_load("quality", load_quality),
    splits=_splits(("response", "scenario", "model")),
    default_split="time",
    file_stem="quality_model",
    baselines=_group_mean(("provider", "model", "action_type"), "quality"),
    ceilings={"oracle": "true_mean"},
    target_range=(0.0, 100.0),
)

CSAT = ModelKind(
    name="csat",
    title="CSAT",
    task="regression",
    numeric=("quality", "response_time_ms"),
    categorical=("provider", "model", "action_type"),
    target="csat",
    quality=_csat_spec,
    load=_load("csat", load_csat),
    splits=_splits(("session", "response", "model")),
    default_split="time",
    file_stem="csat_model",
    baselines=_group_mean(("provider", "model", "action_type"), "csat"),
    ceilings={"oracle": "true_mean"},
    target_range=(0.0, 1.0),
    resample_by="session_id",
)

MODEL_PERFORMANCE = ModelKind(
    name="model_performance",
    title="Model performance",
    task="regression",
    numeric=("prediction",),
    categorical=("provider", "model", "experiment_name", "variant", "action_type"),
    target="actual",
    quality=_performance_spec,
    load=_load("model_performance", load_model_performance),
    splits=_splits(("response", "model")),
    default_split="time",
    file_stem="model_performance_model",
    baselines=_performance_baselines,
    ceilings={"oracle": "true_mean"},
    target_range=(0.0, 1.0),
)
