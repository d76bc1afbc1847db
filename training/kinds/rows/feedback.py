"""The rows of the kinds that learn from feedback: read, and predicted by other means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from feedback.models import CollectionRun, FeedbackSource, Table
from feedback.queries.frames import load_csat, load_model_performance, load_quality
from feedback.queries.sources import choose_sources, origin_of
from project import clock, words
from project.origin import Origin
from project.refusal import Refusal
from training.domain.kind import (
    ORIGIN_COLUMN,
    LoadedRows,
    Recipe,
    origin_column,
    require_origin,
)

FloatArray = npt.NDArray[np.float64]

READERS: Mapping[str, Callable[[Sequence[FeedbackSource]], pd.DataFrame]] = {
    Table.EXPLANATIONS: load_quality,
    Table.QUALITY_FEEDBACK: load_csat,
    Table.AB_TESTING: load_model_performance,
}


def load(table: str, recipe: Recipe) -> LoadedRows:
    """Read the feedback of a recipe: real rows, or generated ones where there is no real source."""
    if recipe.batches or recipe.feature_set or recipe.outcomes:
        raise Refusal(
            "Feedback has neither batches nor feature sets nor outcomes of pairs.",
            remedy="Leave --batch, --feature-set and --outcomes out; choose rows with --origin.",
        )
    sources = choose_sources(table, require_origin(recipe))
    if not sources:
        raise Refusal(
            f"There is no {recipe.origin or 'collected'} feedback in {table} yet.",
            remedy="Run `manage.py collect_feedback`, or `manage.py import_feedback FILE --table "
            f"{table}`; --origin synthetic takes generated rows.",
        )
    _require_whole(sources)
    read_at = clock.now()
    frame, origin = READERS[table](sources), origin_of(sources)
    if origin is Origin.COMBINED:
        real = [source.name for source in sources if source.origin is Origin.REAL]
        frame[ORIGIN_COLUMN] = origin_column(frame["source"].isin(real))
    return LoadedRows(
        frame=frame,
        recipe=replace(recipe, origin=origin.value),
        lineage=tuple(_lineage(table, source, frame, read_at) for source in sources),
    )


def _require_whole(sources: Sequence[FeedbackSource]) -> None:
    """Refuse to read while a removal has taken a part of the rows."""
    going = CollectionRun.objects.filter(source__in=sources, state=CollectionRun.State.REMOVING)
    if names := sorted({run.source.name for run in going.select_related("source")}):
        raise Refusal(
            f"Rows of {words.listed(names)} are being removed.",
            remedy="Wait for the job that removes them, or retry it where it was stopped.",
        )


def _lineage(
    table: str, source: FeedbackSource, frame: pd.DataFrame, read_at: datetime
) -> dict[str, Any]:
    """Say what was read from a source, and which run had landed rows in it last."""
    moments = frame.loc[frame["source"] == source.name, "occurred_at"]
    run = CollectionRun.objects.filter(source=source, table=table).order_by("-pk").first()
    return {
        "model": "feedback.feedbacksource",
        "id": source.pk,
        "title": source.name,
        "origin": source.origin.value,
        "table": table,
        "rows": len(moments),
        "first": moments.min().isoformat() if len(moments) else None,
        "last": moments.max().isoformat() if len(moments) else None,
        "last_run": None if run is None else run.pk,
        "read_at": read_at.isoformat(),
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
    # A missing name is a name too; a column without any would be one of numbers for pandas.
    named = sorted({column for cell in cells for column in cell})
    train, rows = (
        frame.assign(**{name: frame[name].astype(object).fillna("") for name in named})
        for frame in (train, rows)
    )
    found = np.full(len(rows), np.nan)
    for cell in cells:
        columns = list(cell)
        means = train.groupby(columns, dropna=False)[target].mean().rename("group_mean")
        of_cell = rows[columns].merge(means, how="left", left_on=columns, right_index=True)
        found = np.where(np.isnan(found), of_cell["group_mean"].to_numpy(np.float64), found)
    return np.where(np.isnan(found), float(train[target].mean()), found)


def baselines(
    train: pd.DataFrame,
    rows: pd.DataFrame,
    *,
    cells: Sequence[tuple[str, ...]],
    target: str,
    given: str | None,
) -> dict[str, FloatArray]:
    """Predict by the means of groups, and by a prediction that the rows themselves carry."""
    found = {"group_mean": group_means(cells, target, train, rows)}
    if given is not None:
        found["given"] = rows[given].to_numpy(dtype=np.float64)
    return found
