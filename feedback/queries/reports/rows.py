"""The rows that reports are made of, with their clusters."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from feedback.domain.words import FACTORS
from feedback.models import Table, model_of
from feedback.queries.sources import Scope
from project.bulk import read_arrow

# Sessions that came where the table has no column for them, in columns or keys of the source's own.
OWN_SESSION = "COALESCE(extra->>'session_id', extra->>'sessionId', '') AS session_id"
SESSION_OF_METADATA = (
    "COALESCE(extra->>'session_id', extra->>'sessionId', metadata->>'session_id', "
    "metadata->>'sessionId', '') AS session_id"
)


def ratings_of(scope: Scope) -> pd.DataFrame:
    """Read ratings.

    Returns
    -------
    DataFrame with source_id, created_at (UTC), csat (0 to 1), response_id, session_id, provider,
    model, action_type (text, empty where missing) and cluster: ratings of one session.
    """
    rows = _read(scope, Table.QUALITY_FEEDBACK, ["csat", "response_id", "session_id", *FACTORS])
    return _with_clusters(rows, "session_id", "response_id")


def explanations_of(scope: Scope) -> pd.DataFrame:
    """Read judgements.

    Returns
    -------
    DataFrame with source_id, created_at (UTC), quality (0 to 1), response_id, scenario_id,
    provider, model, action_type (text, empty where missing) and cluster: those of one scenario;
    without one, of the session that the response leads to, or of the response.
    """
    columns = [
        "quality_score AS quality",
        "response_id",
        "scenario_id",
        SESSION_OF_METADATA,
        *FACTORS,
    ]
    rows = _with_sessions(_read(scope, Table.EXPLANATIONS, columns), scope)
    return _with_clusters(rows, "scenario_id", "session_id", "response_id")


def tests_of(scope: Scope) -> pd.DataFrame:
    """Read A/B test results.

    Returns
    -------
    DataFrame with source_id, created_at (UTC), actual, prediction (0 to 1; NaN where missing),
    response_id, session_id, experiment_name, variant (text, empty where missing) and cluster: those
    of one session. The table has none: it is one that came beside its columns, that of the
    response's rating or explanation; rows whose response leads to none are those of the response.
    """
    columns = ["actual", "prediction", "response_id", "experiment_name", "variant", OWN_SESSION]
    rows = _with_sessions(_read(scope, Table.AB_TESTING, columns), scope)
    return _with_clusters(rows, "session_id", "response_id")


def quality_of_responses(scope: Scope) -> pd.DataFrame:
    """Return the mean quality of each response: source_id, response_id, quality (0 to 1)."""
    # A response of the period may have been judged before it.
    whole = Scope(scope.origin, scope.sources)
    rows = _looked_up(whole, Table.EXPLANATIONS, ["quality_score AS quality", "response_id"])
    rows = rows[rows["response_id"] != ""]
    means = rows.groupby(["source_id", "response_id"], sort=False)["quality"].mean()
    return means.to_frame().reset_index()


def baseline_targets(scope: Scope) -> list[tuple[str, pd.DataFrame]]:
    """Return the rows of each target, under its column's name."""
    return [("quality", explanations_of(scope)), ("csat", ratings_of(scope))]


def _with_sessions(rows: pd.DataFrame, scope: Scope) -> pd.DataFrame:
    """Fill in session_id where it is empty, with the session that the response leads to.

    That is the session of the response's rating, or else the one that came with its explanation.
    """
    # A response of the period may have been rated before it.
    whole = Scope(scope.origin, scope.sources)
    keys = ["source_id", "response_id"]
    found = pd.concat(
        [
            _looked_up(whole, Table.QUALITY_FEEDBACK, ["response_id", "session_id"]).assign(rank=0),
            _looked_up(whole, Table.EXPLANATIONS, ["response_id", SESSION_OF_METADATA]).assign(
                rank=1
            ),
        ]
    )
    found = found[(found["session_id"] != "") & found["response_id"].isin(rows["response_id"])]
    # Several sessions may have rated one response: the same is taken whatever their order.
    found = found.sort_values(["rank", "session_id"]).drop_duplicates(keys)
    led = rows[keys].merge(found[found["response_id"] != ""], how="left", on=keys)["session_id"]
    own = rows["session_id"].to_numpy(dtype=object)
    other = led.fillna("").to_numpy(dtype=object)
    return rows.assign(session_id=np.where(own == "", other, own))


def _looked_up(scope: Scope, table: str, columns: Sequence[str]) -> pd.DataFrame:
    """Read columns of a table that rows of the same source look something up in.

    Of a row that two sources of the scope hold, both look it up in their own.
    """
    return _read(scope, table, columns, once=False)


def _read(scope: Scope, table: str, columns: Sequence[str], *, once: bool = True) -> pd.DataFrame:
    """Read columns of a table; texts are empty where there is none.

    Rows that are gone at their source are left out; with `once`, so are those that another source
    of the scope holds too.
    """
    name = model_of(table)._meta.db_table
    query = (
        f"SELECT source_id, created_at, {', '.join(columns)} FROM {name} "  # noqa: S608 - names of our own
        "WHERE source_id = ANY(%s) AND gone_at IS NULL"
    )
    ids = [source.pk for source in scope.sources]
    params: list[Any] = [ids]
    if once:
        query += " AND (also_in && %s::bigint[]) IS NOT TRUE"
        params.append(ids)
    if scope.since is not None:
        query += " AND created_at >= %s"
        params.append(scope.since)
    frame: pd.DataFrame = read_arrow(query, params).to_pandas(strings_to_categorical=True)
    for column in frame.columns[frame.dtypes == "category"]:
        frame[column] = frame[column].astype(object)
    return frame


def _with_clusters(rows: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Number the clusters: rows of one source that share the first of these that they have."""
    key = np.full(len(rows), "", dtype=object)
    for name in names:
        values = rows[name].to_numpy(dtype=object)
        key = np.where(key == "", np.where(values == "", "", name + ":" + values), key)
    codes, found = pd.factorize(key)
    shared = codes + (len(found) + 1) * rows["source_id"].to_numpy(dtype=np.int64)
    alone = key == ""
    shared[alone] = shared.max(initial=0) + 1 + np.arange(np.count_nonzero(alone))
    return rows.assign(cluster=shared)
