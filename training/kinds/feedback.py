"""The three kinds that learn from feedback: quality, CSAT, and what a model's answers are worth.

What lists kinds loads this module, so pandas is loaded by the functions that compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from feedback.domain.requirements import MINIMUM_SAMPLES
from feedback.domain.tables import METRIC_COLUMNS
from feedback.models import Table
from training.domain.expectations import FeatureSpec, QualitySpec
from training.domain.kind import LoadedRows, ModelKind, Recipe, SplitColumns

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

# Splits by group, and the columns that say which group a row is of.
GROUPS = {
    "session": ("session_id",),
    "response": ("response_id",),
    "scenario": ("scenario_id",),
    "model": ("model",),
}
COMPLETE_METRICS = (
    "let the source write them into the metadata of its explanations, or leave out the rows "
    "without them; nothing is made up for a missing metric"
)
JOIN_EXPLANATIONS = (
    "they come from the explanation with the same response_id, so let the source write that id "
    "into both tables"
)


def declare(
    *,
    name: str,
    title: str,
    table: str,
    features: Sequence[FeatureSpec],
    target: str,
    target_maximum: float,
    groups: Sequence[str],
    cells: Sequence[tuple[str, ...]],
    identity: tuple[str, ...] = (),
    clusters: tuple[str, ...] = (),
    given: str | None = None,
) -> ModelKind:
    """Declare a kind that learns a number from one table of feedback.

    Its splits go by time or by one of `groups`, never by lot: rows of one conversation or one model
    resemble one another, and a random split would test on what was learnt. With an identity a row
    is a copy when that and its time are equal too: people who say the same are no copies.
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

    def load(recipe: Recipe) -> LoadedRows:
        from training.kinds.rows import feedback

        return feedback.load(table, recipe)

    def baselines(train: pd.DataFrame, rows: pd.DataFrame) -> dict[str, npt.NDArray[np.float64]]:
        from training.kinds.rows import feedback

        return feedback.baselines(train, rows, cells=cells, target=target, given=given)

    return ModelKind(
        name=name,
        title=title,
        task="regression",
        numeric=tuple(feature.name for feature in features if not feature.is_categorical),
        categorical=tuple(feature.name for feature in features if feature.is_categorical),
        target=target,
        quality=lambda recipe: spec,
        load=load,
        splits={
            "time": SplitColumns("time"),
            **{group: SplitColumns("group", GROUPS[group]) for group in groups},
            "origin": SplitColumns("origin"),
        },
        default_split="time",
        file_stem=f"{name}_model",
        baselines=baselines,
        ceilings={"oracle": "true_mean"},
        target_range=(0.0, target_maximum),
        clusters=clusters,
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
    identity=("response_id",),
    clusters=("scenario_id",),
)

CSAT = declare(
    name="csat",
    title="CSAT",
    table=Table.QUALITY_FEEDBACK,
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
    clusters=("session_id",),
)

MODEL_PERFORMANCE = declare(
    name="model_performance",
    title="Model performance",
    table=Table.AB_TESTING,
    features=(
        FeatureSpec(
            "prediction",
            is_given=True,
            missing_remedy="let the source write predicted_quality",
        ),
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
