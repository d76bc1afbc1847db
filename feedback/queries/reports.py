"""What the collected feedback says: CSAT, baselines, calibration, experiments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from django.utils import timezone

from feedback.domain.statistics import (
    MINIMUM_SAMPLES,
    QUALITY_EDGES,
    Baseline,
    Best,
    Calibration,
    GroupMeans,
    best_group,
    calibration,
    check_edges,
    control_variant,
    fit_baseline,
    group_means,
    range_labels,
    trend,
    variant_effects,
)
from feedback.models import FeedbackSource, Table, model_of
from feedback.services.sources import sources_named
from project.bulk import read_arrow
from project.measure.intervals import CONFIDENCE
from project.refusal import Refusal

REPORT_KINDS = ("csat", "baselines", "calibration", "experiments")
ORIGINS = ("real", "synthetic", "combined")
FACTORS = ("provider", "model", "action_type")
HELD_OUT_SHARE = 0.2  # newest rows, on which the baselines' predictions are held against what came
SYNTHETIC_LABEL = "Synthetic: these rows were generated; nobody left them."
COMBINED_LABEL = "Combined: real and generated rows together, because it was asked for."
REAL_LABEL = "Real: what people left."


@dataclass(frozen=True)
class Scope:
    """Which rows a report is about."""

    origin: str
    sources: tuple[FeedbackSource, ...]
    days: int | None = None
    since: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """Say it in words; every report carries this."""
        labels = {"synthetic": SYNTHETIC_LABEL, "combined": COMBINED_LABEL, "real": REAL_LABEL}
        return {
            "origin": self.origin,
            "label": labels[self.origin],
            "sources": [source.name for source in self.sources],
            "days": self.days,
            "since": None if self.since is None else self.since.isoformat(),
        }


def choose_scope(source: str = "", *, days: int | None = None) -> Scope:
    """Choose rows by origin or by the name of a source; real ones wherever a real source is set up.

    Generated rows stand in only while there is no real source, and are mixed in only for `combined`.
    """
    since = None if days is None else timezone.now() - timedelta(days=days)
    if source and source not in ORIGINS:
        named = sources_named([source])[0]
        return Scope("synthetic" if named.is_synthetic else "real", (named,), days, since)
    every = list(FeedbackSource.objects.all())
    real = [one for one in every if not one.is_synthetic]
    origin = source or ("real" if real else "synthetic")
    chosen = {
        "real": real,
        "synthetic": [one for one in every if one.is_synthetic],
        "combined": every,
    }[origin]
    return Scope(origin, tuple(chosen), days, since)


def read_edges(text: str) -> tuple[float, ...]:
    """Read the edges of quality ranges from text such as "0, .5, .7, 1"; refuses unusable ones."""
    try:
        return check_edges([float(part) for part in text.replace(",", " ").split()])
    except ValueError as error:
        raise Refusal(
            f"The edges {text!r} cannot be used. {error}",
            remedy='Give rising numbers from 0 to 1, such as "0,.5,.7,.85,1".',
        ) from error


def build_report(
    kind: str,
    scope: Scope,
    *,
    edges: Sequence[float] = QUALITY_EDGES,
    levels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Build one kind of report, JSON-serialisable; a figure that does not exist is None."""
    if kind == "csat":
        return csat_report(scope, edges=edges)
    if kind == "baselines":
        return baselines_report(scope, levels=levels)
    if kind == "calibration":
        return calibration_report(scope)
    if kind == "experiments":
        return experiments_report(scope)
    raise Refusal(
        f"There is no report {kind!r}.", remedy=f"Expected one of {', '.join(REPORT_KINDS)}."
    )


# --- The reports ---------------------------------------------------------------------------------


def csat_report(scope: Scope, *, edges: Sequence[float] = QUALITY_EDGES) -> dict[str, Any]:
    """Say how satisfied people are: in all, by quality, provider, model, action, variant and day."""
    rows = _ratings(scope)
    csat = rows["csat"].to_numpy()
    clusters = rows["cluster"].to_numpy()
    groups = {name: group_means(csat, rows[name], clusters) for name in FACTORS}

    joined = rows.merge(_quality_of_responses(scope), how="left", on=["source_id", "response_id"])
    quality = joined["quality"].to_numpy()
    labels, names = range_labels(quality, edges)
    ranges = group_means(csat, labels, clusters, order=names)

    day = rows["created_at"].dt.tz_convert(timezone.get_current_timezone()).dt.strftime("%Y-%m-%d")
    line = trend(csat, _days(rows["created_at"]), clusters)
    return {
        "kind": "csat",
        "scope": scope.as_dict(),
        "rows": len(rows),
        "overall": _mean_rows(group_means(csat, None, clusters))[0],
        "missing": {
            name: int(np.count_nonzero(rows[name].to_numpy(dtype=object) == ""))
            for name in ("response_id", "session_id", *FACTORS)
        },
        "ranges": {
            "edges": [float(edge) for edge in edges],
            "matched": int(np.count_nonzero(~np.isnan(quality))),
            "unmatched": int(np.count_nonzero(np.isnan(quality))),
            "outside": int(np.count_nonzero(~np.isnan(quality) & (labels == ""))),
            "rows": _mean_rows(ranges),
            "best": _best(best_group(ranges)),
        },
        "provider": {
            "rows": _mean_rows(groups["provider"]),
            "best": _best(best_group(groups["provider"])),
        },
        "model": {
            "rows": _mean_rows(groups["model"]),
            "best": _best(best_group(groups["model"])),
        },
        "action_type": {"rows": _mean_rows(groups["action_type"])},
        "variant": _csat_by_variant(scope, rows),
        "days": _mean_rows(group_means(csat, day.to_numpy(dtype=object), clusters)),
        "trend": _plain(vars(line)),
    }


def baselines_report(scope: Scope, *, levels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Give shrunken means by provider, model and action type, and expect a combination of them."""
    report: dict[str, Any] = {"kind": "baselines", "scope": scope.as_dict()}
    for name, rows, target in _baseline_targets(scope):
        values, clusters = rows[target].to_numpy(), rows["cluster"].to_numpy()
        factors = {factor: rows[factor].to_numpy(dtype=object) for factor in FACTORS}
        together = fit_baseline(values, factors, clusters)
        entry: dict[str, Any] = {"rows": len(rows), "factors": {}, "prediction": None}
        if together is not None:
            for factor in FACTORS:
                fitted = fit_baseline(values, {factor: factors[factor]}, clusters)
                entry["factors"][factor] = _shrunken(fitted, factor)
            entry["grand_mean"] = together.grand_mean
            entry["residual_sd"] = together.residual**0.5
            entry["design_effect"] = together.design
            if levels:
                entry["prediction"] = _plain(vars(together.predict(**levels)))
        report[name] = _plain(entry)
    report["levels"] = dict(levels or {})
    return report


def calibration_report(scope: Scope) -> dict[str, Any]:
    """Hold predictions against what came: the given ones, and the baselines' of the newest rows."""
    tests = _tests(scope)
    report: dict[str, Any] = {
        "kind": "calibration",
        "scope": scope.as_dict(),
        "given": _calibration(
            calibration(
                tests["prediction"].to_numpy(),
                tests["actual"].to_numpy(),
                tests["cluster"].to_numpy(),
            )
        ),
    }
    for name, rows, target in _baseline_targets(scope):
        ordered = rows.sort_values("created_at", kind="stable")
        start = len(ordered) - int(len(ordered) * HELD_OUT_SHARE)
        older, newest = ordered.iloc[:start], ordered.iloc[start:]
        fitted = fit_baseline(
            older[target].to_numpy(),
            {factor: older[factor].to_numpy(dtype=object) for factor in FACTORS},
        )
        expected = (
            np.full(len(newest), np.nan)
            if fitted is None
            else fitted.predict_rows(
                {factor: newest[factor].to_numpy(dtype=object) for factor in FACTORS}
            )
        )
        report[name] = _calibration(
            calibration(expected, newest[target].to_numpy(), newest["cluster"].to_numpy())
        )
        report[name]["learned_from"] = len(older)
    return report


def experiments_report(scope: Scope) -> dict[str, Any]:
    """Say of each A/B experiment what its variants change, and whether chance explains it."""
    rows = _tests(scope)
    named = rows[(rows["experiment_name"] != "") & (rows["variant"] != "")]
    experiments = []
    for name, own in named.groupby("experiment_name", observed=True):
        means = group_means(
            own["actual"].to_numpy(), own["variant"].to_numpy(dtype=object), own["cluster"]
        )
        control = control_variant(means.labels)
        effects = variant_effects(means, control)
        found = [one for one in effects if one.verdict != "not enough evidence"]
        experiments.append(
            {
                "experiment": str(name),
                "control": control,
                "rows": len(own),
                "first": own["created_at"].min().isoformat(),
                "last": own["created_at"].max().isoformat(),
                "verdict": "difference found" if found else "not enough evidence",
                "variants": _mean_rows(means),
                "effects": [
                    _plain(
                        {
                            "variant": one.difference.label,
                            "verdict": one.verdict,
                            "reason": one.reason,
                            **vars(one.difference),
                            "rows_to_decide": one.rows_to_decide,
                            "detectable": one.detectable,
                        }
                    )
                    for one in effects
                ],
            }
        )
    experiments.sort(key=lambda one: (-one["rows"], one["experiment"]))
    return {
        "kind": "experiments",
        "scope": scope.as_dict(),
        "rows": len(rows),
        "unnamed": len(rows) - len(named),
        "minimum": MINIMUM_SAMPLES,
        "experiments": experiments,
    }


# --- Rows ----------------------------------------------------------------------------------------


def _read(scope: Scope, table: str, columns: Sequence[str]) -> pd.DataFrame:
    """Read columns of a table; texts come as categories, empty where there is none."""
    name = model_of(table)._meta.db_table
    query = (
        f"SELECT source_id, created_at, {', '.join(columns)} FROM {name} "  # noqa: S608 - names of our own
        "WHERE source_id = ANY(%s)"
    )
    params: list[Any] = [[source.pk for source in scope.sources]]
    if scope.since is not None:
        query += " AND created_at >= %s"
        params.append(scope.since)
    frame: pd.DataFrame = read_arrow(query, params).to_pandas(strings_to_categorical=True)
    for column in frame.columns[frame.dtypes == "category"]:
        frame[column] = frame[column].astype(object)
    return frame


def _with_clusters(rows: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Number the clusters: rows that share the first of these that they have, at the same source."""
    key = np.full(len(rows), "", dtype=object)
    for name in names:
        values = rows[name].to_numpy(dtype=object)
        key = np.where(key == "", np.where(values == "", "", name + ":" + values), key)
    codes, found = pd.factorize(key)
    shared = codes + (len(found) + 1) * rows["source_id"].to_numpy(dtype=np.int64)
    alone = key == ""
    shared[alone] = shared.max(initial=0) + 1 + np.arange(np.count_nonzero(alone))
    return rows.assign(cluster=shared)


def _ratings(scope: Scope) -> pd.DataFrame:
    rows = _read(scope, Table.QUALITY_FEEDBACK, ["csat", "response_id", "session_id", *FACTORS])
    return _with_clusters(rows, "session_id", "response_id")


def _explanations(scope: Scope) -> pd.DataFrame:
    columns = ["quality_score AS quality", "response_id", "scenario_id", *FACTORS]
    return _with_clusters(_read(scope, Table.EXPLANATIONS, columns), "scenario_id", "response_id")


def _tests(scope: Scope) -> pd.DataFrame:
    columns = ["actual", "prediction", "response_id", "experiment_name", "variant"]
    return _with_clusters(_read(scope, Table.AB_TESTING, columns), "response_id")


def _quality_of_responses(scope: Scope) -> pd.DataFrame:
    """Return the mean quality of each response of each source."""
    # A response of the period may have been judged before it.
    whole = Scope(scope.origin, scope.sources)
    rows = _read(whole, Table.EXPLANATIONS, ["quality_score AS quality", "response_id"])
    rows = rows[rows["response_id"] != ""]
    means = rows.groupby(["source_id", "response_id"], sort=False)["quality"].mean()
    return means.to_frame().reset_index()


def _csat_by_variant(scope: Scope, ratings: pd.DataFrame) -> dict[str, Any]:
    """Group CSAT by the variant that the rated response was of, found through response_id.

    Where no rating finds its variant, the ratings within the experiments stand in, and it says so.
    """
    tests = _tests(Scope(scope.origin, scope.sources))
    tests = tests[(tests["experiment_name"] != "") & (tests["variant"] != "")]
    tests = tests.assign(group=tests["experiment_name"] + ": " + tests["variant"])
    arms = tests.loc[tests["response_id"] != "", ["source_id", "response_id", "group"]]
    joined = ratings.merge(arms.drop_duplicates(), on=["source_id", "response_id"])
    measure, values = "csat", joined
    if joined.empty:
        measure, values = "user_rating", tests.rename(columns={"actual": "csat"})
        if scope.since is not None:
            values = values[values["created_at"] >= scope.since]
    means = group_means(
        values["csat"].to_numpy(), values["group"].to_numpy(dtype=object), values["cluster"]
    )
    return {"measure": measure, "matched": len(joined), "rows": _mean_rows(means)}


def _baseline_targets(scope: Scope) -> list[tuple[str, pd.DataFrame, str]]:
    return [("quality", _explanations(scope), "quality"), ("csat", _ratings(scope), "csat")]


def _days(moments: "pd.Series[pd.Timestamp]") -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Days since the first moment."""
    if moments.empty:
        return np.empty(0)
    seconds = (moments - moments.min()).dt.total_seconds()
    return np.asarray(seconds / 86_400.0, dtype=np.float64)


# --- JSON ----------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """Return plain JSON values; NaN becomes None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _mean_rows(means: GroupMeans) -> list[dict[str, Any]]:
    columns = zip(
        means.labels,
        means.count,
        means.missing,
        means.clusters,
        means.mean,
        means.low,
        means.high,
        strict=True,
    )
    names = ("label", "count", "missing", "clusters", "mean", "low", "high")
    return [_plain(dict(zip(names, row, strict=True))) for row in columns]


def _best(best: Best) -> dict[str, Any]:
    comparisons = [_plain(vars(one)) for one in best.comparisons]
    return {**_plain(vars(best)), "comparisons": comparisons, "minimum": MINIMUM_SAMPLES}


def _shrunken(fitted: Baseline | None, factor: str) -> dict[str, Any]:
    if fitted is None:
        return {"rows": [], "between_sd": None, "unseen": None}
    rows = []
    for index, label in enumerate(fitted.levels[factor]):
        expected = fitted.predict(**{factor: label})
        rows.append(
            {
                "label": label,
                "count": fitted.count[factor][index],
                "raw_mean": fitted.raw_mean[factor][index],
                "mean": expected.value,
                "low": expected.low,
                "high": expected.high,
                "confidence": expected.confidence,
            }
        )
    return {
        "rows": rows,
        "between_sd": fitted.variance[factor] ** 0.5,
        "unseen": vars(fitted.predict()),
    }


def _calibration(result: Calibration) -> dict[str, Any]:
    buckets = [
        {
            "bucket": index + 1,
            "from": result.lower[index],
            "to": result.upper[index],
            "predicted": result.predicted[index],
            **row,
            "is_off": index in result.off,
        }
        for index, row in enumerate(_mean_rows(result.actual))
    ]
    return dict(
        _plain(
            {
                "verdict": result.verdict,
                "rows": result.rows,
                "left_out": result.left_out,
                "error": result.error,
                "bias": result.bias,
                "bias_low": result.bias_low,
                "bias_high": result.bias_high,
                "confidence_level": CONFIDENCE,
                "buckets": buckets,
            }
        )
    )
