"""Rows of feedback as the frames that models and reports are made of: names, order and dtypes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from feedback.domain.tables import METRIC_COLUMNS
from feedback.models import FeedbackSource, Table, model_of
from project.bulk import read_arrow

# Texts that are empty are missing; the true mean is known of generated rows only.
_TRUTH = "CASE WHEN s.kind = 'synthetic' THEN (t.extra->>'true_mean')::float8 END AS true_mean"
_COMMON = "t.uid::text AS row_id, t.created_at AS occurred_at, s.name AS source, "
# Several ratings of one response, and several judgements of it, become their mean.
_RATINGS = (
    "LEFT JOIN (SELECT source_id, response_id, avg(csat) AS csat, "
    "min(nullif(action_type, '')) AS action_type "
    "FROM feedback_qualityfeedback WHERE response_id <> '' AND gone_at IS NULL GROUP BY 1, 2) f "
    "ON f.source_id = t.source_id AND f.response_id = t.response_id "
)
_JUDGEMENTS = (
    "LEFT JOIN (SELECT source_id, response_id, avg(quality_score) AS quality, "
    "avg(response_time_ms) AS response_time_ms, min(nullif(scenario_id, '')) AS scenario_id, "
    "min(nullif(action_type, '')) AS action_type "
    "FROM feedback_explanation WHERE response_id <> '' AND gone_at IS NULL GROUP BY 1, 2) e "
    "ON e.source_id = t.source_id AND e.response_id = t.response_id "
)
_PREDICTIONS = (
    "LEFT JOIN (SELECT source_id, response_id, avg(prediction) AS predicted_quality, "
    "min(experiment_name) AS experiment_name, min(variant) AS variant "
    "FROM feedback_abtestresult WHERE response_id <> '' AND gone_at IS NULL GROUP BY 1, 2) a "
    "ON a.source_id = t.source_id AND a.response_id = t.response_id "
)


def load_quality(sources: Sequence[FeedbackSource]) -> pd.DataFrame:
    """Read explanations, oldest first.

    Returns
    -------
    DataFrame with row_id, occurred_at (UTC), source, response_id, provider, model, action_type,
    scenario_id (text, None where missing), the six metrics (0 to 100), response_time_ms, csat (mean
    rating of the response, 0 to 1), quality (the target, 0 to 100), true_mean (0 to 100); NaN where
    missing.
    """
    metrics = ", ".join(f"t.{name}" for name in METRIC_COLUMNS)
    frame = _read(
        f"{_COMMON} t.response_id, t.provider, t.model, t.action_type, t.scenario_id, "
        f"{metrics}, t.response_time_ms, f.csat, t.quality, {_TRUTH}",
        Table.EXPLANATIONS,
        _RATINGS,
        sources,
    )
    return frame.assign(true_mean=100.0 * frame["true_mean"])


def load_csat(sources: Sequence[FeedbackSource]) -> pd.DataFrame:
    """Read ratings, oldest first, with what is known of the response.

    Returns
    -------
    DataFrame with row_id, occurred_at (UTC), source, response_id, session_id, user_id, scenario_id,
    provider, model, action_type, experiment_name, variant (text, None where missing), quality (0 to
    1), response_time_ms, predicted_quality (0 to 1), csat (the target, 0 to 1), true_mean (0 to 1);
    NaN where missing.
    """
    return _read(
        f"{_COMMON} t.response_id, t.session_id, t.user_id, e.scenario_id, t.provider, t.model, "
        "coalesce(nullif(t.action_type, ''), e.action_type) AS action_type, "
        "a.experiment_name, a.variant, e.quality, e.response_time_ms, a.predicted_quality, t.csat, "
        f"{_TRUTH}",
        Table.QUALITY_FEEDBACK,
        _JUDGEMENTS + _PREDICTIONS,
        sources,
    )


def load_model_performance(sources: Sequence[FeedbackSource]) -> pd.DataFrame:
    """Read A/B test results, oldest first.

    Returns
    -------
    DataFrame with row_id, occurred_at (UTC), source, response_id, scenario_id, provider, model,
    experiment_name, variant, action_type (its own, else that of the rating or the explanation of
    the response; text, None where missing), prediction (0 to 1), actual (the target, 0 to 1),
    true_mean (0 to 1); NaN where missing.
    """
    return _read(
        f"{_COMMON} t.response_id, e.scenario_id, t.provider, t.model, t.experiment_name, "
        "t.variant, coalesce(nullif(t.action_type, ''), f.action_type, e.action_type) "
        f"AS action_type, t.prediction, t.actual, {_TRUTH}",
        Table.AB_TESTING,
        _RATINGS + _JUDGEMENTS,
        sources,
    )


def _read(columns: str, table: str, joins: str, sources: Sequence[FeedbackSource]) -> pd.DataFrame:
    name = model_of(table)._meta.db_table
    ids = ", ".join(str(int(source.pk)) for source in sources) or "NULL"
    rows = read_arrow(
        f"SELECT {columns} FROM {name} t JOIN feedback_feedbacksource s ON s.id = t.source_id "  # noqa: S608 - constants of this module, and integers
        f"{joins} WHERE t.source_id IN ({ids}) AND t.gone_at IS NULL "
        # A row that two of the sources hold is one row.
        f"AND (t.also_in && ARRAY[{ids}]::bigint[]) IS NOT TRUE ORDER BY t.created_at, t.uid"
    )
    frame: pd.DataFrame = rows.to_pandas()
    for column in frame.columns:
        if pd.api.types.is_string_dtype(frame[column].dtype) or frame[column].dtype == object:
            texts = frame[column].astype(object)
            frame[column] = texts.where(texts.notna() & (texts != ""), None)
        elif pd.api.types.is_numeric_dtype(frame[column].dtype):
            frame[column] = frame[column].astype(np.float64)
    return frame
