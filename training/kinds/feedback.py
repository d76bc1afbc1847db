"""The three kinds that learn from feedback: quality, CSAT, and what a model's answers are worth."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from feedback.domain.requirements import MINIMUM_SAMPLES
from feedback.models import CollectionRun, FeedbackSource, Table
from feedback.queries.frames import (
    METRIC_COLUMNS,
    load_csat,
    load_model_performance,
    load_quality,
)
from feedback.queries.sources import Origin, choose_sources, origin_of
from project.refusal import Refusal
from training.domain.quality import FeatureSpec, QualitySpec
from training.kinds.base import LoadedRows, ModelKind, Recipe, SplitColumns

FloatArray = npt.NDArray[np.float64]
Load = Callable[[Sequence[FeedbackSource]], pd.DataFrame]

# Splits by group, and the columns that say which group a row is of.
GROUPS = {
    "session": ("session_id",),
    "response": ("response_id",),
    "scenario": ("scenario_id",),
    "model": ("model",),
}
COMPLETE_METRICS = (
    "let the source write them into the metadata of its explanations, or leave out the rows without "
    "them; nothing is made up for a missing metric"
)
JOIN_EXPLANATIONS = (
    "they come from the explanation with the same response_id, so let the source write that id into "
    "both tables"
)


def load_rows(table: str, load: Load, recipe: Recipe) -> LoadedRows:
    """Read the feedback of a recipe: real rows, or generated ones where no real source is set up."""
    if recipe.batches or recipe.feature_set:
        raise Refusal(
            "Feedback has neither batches nor feature sets.",
            remedy="Leave --batch and --feature-set out; choose rows with --source.",
        )
    if recipe.source not in ("", "real", "synthetic", "combined"):
        raise Refusal(
            f"There is no source {recipe.source!r}.", remedy="Choose real, synthetic or combined."
        )
    sources = choose_sources(table, cast(Origin, recipe.source))
    if not sources:
        raise Refusal(
            f"There is no {recipe.source or 'collected'} feedback in {table} yet.",
            remedy="Run `manage.py collect_feedback`, or `manage.py import_feedback FILE --table "
            f"{table}`; --source synthetic takes generated rows.",
        )
    frame = load(sources)
    return LoadedRows(
        frame=frame,
        recipe=replace(recipe, source=origin_of(sources)),
        lineage=tuple(_lineage(table, source, frame) for source in sources),
    )


def _lineage(table: str, source: FeedbackSource, frame: pd.DataFrame) -> dict[str, Any]:
    """Say what was read from a source, and which run had landed rows in it last."""
    moments = frame.loc[frame["source"] == source.name, "occurred_at"]
    run = CollectionRun.objects.filter(source=source, table=table).order_by("-pk").first()
    return {
        "model": "feedback.feedbacksource",
        "id": source.pk,
        "title": source.name,
        "source": "synthetic" if source.is_synthetic else "real",
        "table": table,
        "rows": len(moments),
        "first": moments.min().isoformat() if len(moments) else None,
        "last": moments.max().isoformat() if len(moments) else None,
        "last_run": None if run is None else run.pk,
    }


def group_means(
    cells: Sequence[tuple[str, ...]], target: str, train: pd.DataFrame, rows: pd.DataFrame
) -> FloatArray:
    """Return the training mean of each row's group.

    Parameters
    ----------
    cells : columns that make a group, the narrowest first; a row whose group training has not seen
        takes the mean of the next, and at last that of all training rows.
    target : column that is averaged.
    train, rows : frames with those columns.

    Returns
    -------
    array of shape (n_rows,), float64 in the unit of the target.
    """
    found = np.full(len(rows), np.nan)
    for cell in cells:
        columns = list(cell)
        means = train.groupby(columns, dropna=False)[target].mean().rename("group_mean")
        of_cell = rows[columns].merge(means, how="left", left_on=columns, right_index=True)
        found = np.where(np.isnan(found), of_cell["group_mean"].to_numpy(np.float64), found)
    return np.where(np.isnan(found), float(train[target].mean()), found)


def declare(
    *,
    name: str,
    title: str,
    table: str,
    load: Load,
    features: Sequence[FeatureSpec],
    target: str,
    target_maximum: float,
    groups: Sequence[str],
    cells: Sequence[tuple[str, ...]],
    identity: tuple[str, ...] = (),
    resample_by: str | None = None,
    given: str | None = None,
) -> ModelKind:
    """Declare a kind that learns a number from one table of feedback.

    Its splits go by time or by one of `groups`, never by lot: rows of one conversation or one model
    resemble one another, and a random split would test on what was learnt. With an identity a row is
    a copy when that and its time are equal too: people who say the same are no copies.
    """
    inputs = tuple(feature.name for feature in features)
    spec = QualitySpec(
        features=tuple(features),
        target=target,
        task="regression",
        minimum_rows=MINIMUM_SAMPLES[name],
        target_minimum=0.0,
        target_maximum=target_maximum,
        copy_columns=(*inputs, target, *identity, "occurred_at") if identity else None,
        identity=identity,
        groups={group: GROUPS[group] for group in groups},
    )

    def baselines(train: pd.DataFrame, rows: pd.DataFrame) -> dict[str, FloatArray]:
        found = {"group_mean": group_means(cells, target, train, rows)}
        if given is not None:
            found["given"] = rows[given].to_numpy(dtype=np.float64)
        return found

    return ModelKind(
        name=name,
        title=title,
        task="regression",
        numeric=tuple(feature.name for feature in features if not feature.is_categorical),
        categorical=tuple(feature.name for feature in features if feature.is_categorical),
        target=target,
        quality=lambda recipe: spec,
        load=lambda recipe: load_rows(table, load, recipe),
        splits={
            "time": SplitColumns("time"),
            **{group: SplitColumns("group", GROUPS[group]) for group in groups},
        },
        default_split="time",
        file_stem=f"{name}_model",
        baselines=baselines,
        ceilings={"oracle": "true_mean"},
        target_range=(0.0, target_maximum),
        resample_by=resample_by,
        slices=("provider",),
    )


def label(name: str, *, is_optional: bool = False) -> FeatureSpec:
    """Expect a column of names; one that is everywhere the same is warned of."""
    return FeatureSpec(
        name,
        None,
        None,
        distinct_pass=2,
        is_categorical=True,
        is_optional=is_optional,
        missing_remedy="let the source write it, or leave out the rows without it",
    )


QUALITY = declare(
    name="quality",
    title="Quality",
    table=Table.EXPLANATIONS,
    load=load_quality,
    features=(
        *(
            FeatureSpec(name, 0.0, 100.0, missing_remedy=COMPLETE_METRICS)
            for name in METRIC_COLUMNS
        ),
        FeatureSpec("csat", is_optional=True),
    ),
    target="quality",
    target_maximum=100.0,
    groups=("response", "scenario", "model"),
    cells=(("provider", "model", "action_type"), ("model",)),
    resample_by="scenario_id",
)

CSAT = declare(
    name="csat",
    title="CSAT",
    table=Table.QUALITY_FEEDBACK,
    load=load_csat,
    features=(
        FeatureSpec("quality", may_be_missing=True, missing_remedy=JOIN_EXPLANATIONS),
        FeatureSpec("response_time_ms", 0.0, None, is_optional=True),
        label("provider"),
        label("model"),
        label("action_type"),
    ),
    target="csat",
    target_maximum=1.0,
    groups=("session", "response", "scenario", "model"),
    cells=(("provider", "model", "action_type"), ("model",)),
    identity=("response_id", "session_id", "user_id"),
    resample_by="session_id",
)

MODEL_PERFORMANCE = declare(
    name="model_performance",
    title="Model performance",
    table=Table.AB_TESTING,
    load=load_model_performance,
    features=(
        FeatureSpec("prediction", missing_remedy="let the source write predicted_quality"),
        label("provider"),
        label("model"),
        label("experiment_name"),
        label("variant"),
        # The table has no such column at most sources: it comes from the response, where known.
        label("action_type", is_optional=True),
    ),
    target="actual",
    target_maximum=1.0,
    groups=("response", "scenario", "model"),
    cells=(("experiment_name", "variant", "model"), ("model",)),
    identity=("response_id",),
    given="prediction",
)
