"""How satisfied people are: in all, by quality, provider, model, action, variant and day."""

from collections.abc import Sequence
from typing import Literal, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
from django.utils import timezone

from feedback.domain.comparisons import MINIMUM_SAMPLES, Best, best_group
from feedback.domain.csat import MINIMUM_WEEKS, range_labels, trend
from feedback.domain.means import GroupMeans, group_means
from feedback.domain.words import FACTORS, QUALITY_EDGES
from feedback.queries.reports.rows import quality_of_responses, ratings_of, tests_of
from feedback.queries.sources import Scope, ScopeFields
from project.measure.intervals import json_number


class MeanRow(TypedDict):
    """One group: its rows with a value, those without one, its clusters, its mean and interval."""

    label: str
    count: int
    missing: int
    clusters: int
    mean: float | None
    low: float | None
    high: float | None


class ComparisonRow(TypedDict):
    """The mean of `label` minus that of `other`."""

    label: str
    other: str
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_adjusted: float | None


class BestRow(TypedDict):
    """Which group is best, or why that cannot be said; see `feedback.domain.comparisons.Best`."""

    verdict: Literal["best", "not enough evidence"]
    label: str
    reason: str
    leading: list[str]
    comparisons: list[ComparisonRow]
    too_few: list[str]
    minimum: int


class Groups(TypedDict):
    """CSAT by group."""

    rows: list[MeanRow]


class ComparedGroups(Groups):
    """CSAT by group, and the best of them."""

    best: BestRow


class QualityRanges(ComparedGroups):
    """CSAT by the quality of the response; `best` is the optimal range."""

    edges: list[float]
    matched: int
    unmatched: int
    outside: int


class Variants(Groups):
    """CSAT by experiment and variant, or the ratings within the experiments where none matches."""

    measure: Literal["csat", "user_rating"]
    matched: int


class TrendRow(TypedDict):
    """Change of CSAT a day, over weekly means; see `feedback.domain.csat.Trend`."""

    slope: float | None
    low: float | None
    high: float | None
    p_value: float | None
    weeks: int
    minimum_weeks: int
    verdict: Literal["rising", "falling", "not enough evidence"]
    reason: str


class Satisfaction(TypedDict):
    """How satisfied people are in all and over time."""

    rows: int
    overall: MeanRow
    days: list[MeanRow]
    trend: TrendRow


class CsatReport(Satisfaction):
    """How satisfied people are, and by what they were given."""

    kind: Literal["csat"]
    scope: ScopeFields
    missing: dict[str, int]
    ranges: QualityRanges
    provider: ComparedGroups
    model: ComparedGroups
    action_type: Groups
    variant: Variants


def csat_report(scope: Scope, *, edges: Sequence[float] = QUALITY_EDGES) -> CsatReport:
    """Say how satisfied people are; `edges` cut the quality of responses into ranges."""
    rows = ratings_of(scope)
    csat = rows["csat"].to_numpy()
    clusters = rows["cluster"].to_numpy()
    groups = {name: group_means(csat, rows[name], clusters) for name in FACTORS}

    joined = rows.merge(quality_of_responses(scope), how="left", on=["source_id", "response_id"])
    quality = joined["quality"].to_numpy()
    labels, names = range_labels(quality, edges)

    return {
        "kind": "csat",
        "scope": scope.as_dict(),
        **satisfaction(rows),
        "missing": {
            name: int(np.count_nonzero(rows[name].to_numpy(dtype=object) == ""))
            for name in ("response_id", "session_id", *FACTORS)
        },
        "ranges": {
            "edges": [float(edge) for edge in edges],
            "matched": int(np.count_nonzero(~np.isnan(quality))),
            "unmatched": int(np.count_nonzero(np.isnan(quality))),
            "outside": int(np.count_nonzero(~np.isnan(quality) & (labels == ""))),
            **_compared(group_means(csat, labels, clusters, order=names)),
        },
        "provider": _compared(groups["provider"]),
        "model": _compared(groups["model"]),
        "action_type": {"rows": mean_rows(groups["action_type"])},
        "variant": _by_variant(scope, rows),
    }


def satisfaction(rows: pd.DataFrame) -> Satisfaction:
    """Say how satisfied people are in all, by day and in their trend, from `ratings_of`."""
    csat, clusters = rows["csat"].to_numpy(), rows["cluster"].to_numpy()
    local = rows["created_at"].dt.tz_convert(timezone.get_current_timezone())
    day = local.dt.strftime("%Y-%m-%d")
    line = trend(csat, _days(local))
    return {
        "rows": len(rows),
        "overall": mean_rows(group_means(csat, None, clusters))[0],
        "days": mean_rows(group_means(csat, day.to_numpy(dtype=object), clusters)),
        "trend": {
            "slope": json_number(line.slope),
            "low": json_number(line.low),
            "high": json_number(line.high),
            "p_value": json_number(line.p_value),
            "weeks": line.weeks,
            "minimum_weeks": MINIMUM_WEEKS,
            "verdict": line.verdict,
            "reason": line.reason,
        },
    }


def mean_rows(means: GroupMeans) -> list[MeanRow]:
    """Return one row for each group, in its order."""
    return [
        {
            "label": label,
            "count": int(means.count[index]),
            "missing": int(means.missing[index]),
            "clusters": int(means.clusters[index]),
            "mean": json_number(means.mean[index]),
            "low": json_number(means.low[index]),
            "high": json_number(means.high[index]),
        }
        for index, label in enumerate(means.labels)
    ]


def _compared(means: GroupMeans) -> ComparedGroups:
    return {"rows": mean_rows(means), "best": _best(best_group(means))}


def _best(best: Best) -> BestRow:
    return {
        "verdict": best.verdict,
        "label": best.label,
        "reason": best.reason,
        "leading": list(best.leading),
        "comparisons": [
            {
                "label": one.label,
                "other": one.other,
                "difference": json_number(one.difference),
                "low": json_number(one.low),
                "high": json_number(one.high),
                "p_value": json_number(one.p_value),
                "p_adjusted": json_number(one.p_adjusted),
            }
            for one in best.comparisons
        ],
        "too_few": list(best.too_few),
        "minimum": MINIMUM_SAMPLES,
    }


def _by_variant(scope: Scope, ratings: pd.DataFrame) -> Variants:
    """Group CSAT by the variant that the rated response was of, found through response_id.

    Where no rating finds its variant, the ratings within the experiments stand in.
    """
    tests = tests_of(Scope(scope.origin, scope.sources))
    tests = tests[(tests["experiment_name"] != "") & (tests["variant"] != "")]
    tests = tests.assign(group=tests["experiment_name"] + ": " + tests["variant"])
    arms = tests.loc[tests["response_id"] != "", ["source_id", "response_id", "group"]]
    joined = ratings.merge(arms.drop_duplicates(), on=["source_id", "response_id"])
    values = joined
    if joined.empty:
        values = tests.rename(columns={"actual": "csat"})
        if scope.since is not None:
            values = values[values["created_at"] >= scope.since]
    means = group_means(
        values["csat"].to_numpy(), values["group"].to_numpy(dtype=object), values["cluster"]
    )
    return {
        "measure": "user_rating" if joined.empty else "csat",
        "matched": len(joined),
        "rows": mean_rows(means),
    }


def _days(moments: "pd.Series[pd.Timestamp]") -> npt.NDArray[np.float64]:
    """Number of the day of each local moment."""
    days = moments.dt.tz_localize(None).to_numpy(dtype="datetime64[D]")
    return days.astype(np.int64).astype(np.float64)
