"""What the variants of each A/B experiment change, and whether chance explains it."""

from typing import Literal, TypedDict

import pandas as pd

from feedback.domain.experiments import (
    VariantEffect,
    check_planned,
    control_variant,
    variant_effects,
)
from feedback.domain.means import group_means
from feedback.domain.words import PLANNED_SESSIONS
from feedback.queries.reports.csat import ComparisonRow, MeanRow, mean_rows
from feedback.queries.reports.rows import tests_of
from feedback.queries.sources import Scope, ScopeFields
from project.measure.intervals import json_number
from project.measure.sequential import FEWEST_CLUSTERS, FEWEST_FOR_ONE_LOOK


class OneLook(TypedDict):
    """The interval of a difference that holds if looked at once, at the planned end."""

    low: float
    high: float
    holds: str


class EffectRow(ComparisonRow):
    """What one variant changes; see `feedback.domain.experiments.VariantEffect`.

    Interval and p-values hold at every look; `one_look` does not, and is None with fewer sessions
    than it needs.
    """

    variant: str
    sessions: int
    control_sessions: int
    one_look: OneLook | None
    verdict: Literal["better", "worse", "not enough evidence"]
    reason: str
    sessions_to_decide: int | None
    detectable: float | None


class Experiment(TypedDict):
    """One experiment: its variants, and their effects against the control."""

    experiment: str
    control: str
    rows: int
    first: str
    last: str
    verdict: Literal["difference found", "not enough evidence"]
    variants: list[MeanRow]
    effects: list[EffectRow]


class ExperimentsReport(TypedDict):
    """The experiments with most rows first.

    Rows that name none are counted as unnamed, those whose response leads to no session as
    sessionless. `minimum_sessions` of each arm give a verdict, `one_look_sessions` the interval of
    one look.
    """

    kind: Literal["experiments"]
    scope: ScopeFields
    rows: int
    unnamed: int
    sessionless: int
    planned_sessions: int
    minimum_sessions: int
    one_look_sessions: int
    experiments: list[Experiment]


def experiments_report(
    scope: Scope, *, planned_sessions: int = PLANNED_SESSIONS
) -> ExperimentsReport:
    """Say of each A/B experiment what its variants change, and whether chance explains it.

    `planned_sessions` of the smaller arm are where verdicts come most easily; they are chosen
    before an experiment begins.
    """
    check_planned(planned_sessions)
    everything = tests_of(Scope(scope.origin, scope.sources))
    rows = everything
    if scope.since is not None:
        rows = everything[everything["created_at"] >= scope.since]
    named = rows[_is_named(rows)]
    began = everything[_is_named(everything)].groupby("experiment_name")["created_at"].min()
    experiments = [
        _experiment(
            str(name),
            own,
            planned_sessions,
            is_whole=scope.since is None or bool(began[name] >= scope.since),
        )
        for name, own in named.groupby("experiment_name", observed=True)
    ]
    experiments.sort(key=lambda one: (-one["rows"], one["experiment"]))
    return {
        "kind": "experiments",
        "scope": scope.as_dict(),
        "rows": len(rows),
        "unnamed": len(rows) - len(named),
        "sessionless": int((named["session_id"] == "").sum()),
        "planned_sessions": planned_sessions,
        "minimum_sessions": FEWEST_CLUSTERS,
        "one_look_sessions": FEWEST_FOR_ONE_LOOK,
        "experiments": experiments,
    }


def _is_named(rows: pd.DataFrame) -> "pd.Series[bool]":
    return (rows["experiment_name"] != "") & (rows["variant"] != "")


def _experiment(name: str, rows: pd.DataFrame, planned: int, *, is_whole: bool) -> Experiment:
    actual, variant = rows["actual"].to_numpy(), rows["variant"].to_numpy(dtype=object)
    cluster = rows["cluster"].to_numpy()
    means = group_means(actual, variant, cluster)
    control = control_variant(means.labels)
    effects = variant_effects(actual, variant, cluster, control, planned=planned, is_whole=is_whole)
    is_found = any(one.verdict != "not enough evidence" for one in effects)
    return {
        "experiment": name,
        "control": control,
        "rows": len(rows),
        "first": rows["created_at"].min().isoformat(),
        "last": rows["created_at"].max().isoformat(),
        "verdict": "difference found" if is_found else "not enough evidence",
        "variants": mean_rows(means),
        "effects": [_effect(one) for one in effects],
    }


def _effect(effect: VariantEffect) -> EffectRow:
    one = effect.difference
    return {
        "variant": one.label,
        "sessions": effect.sessions,
        "control_sessions": effect.control_sessions,
        "one_look": _one_look(effect),
        "verdict": effect.verdict,
        "reason": effect.reason,
        "label": one.label,
        "other": one.other,
        "difference": json_number(one.difference),
        "low": json_number(one.low),
        "high": json_number(one.high),
        "p_value": json_number(one.p_value),
        "p_adjusted": json_number(one.p_adjusted),
        "sessions_to_decide": effect.sessions_to_decide,
        "detectable": json_number(effect.detectable),
    }


def _one_look(effect: VariantEffect) -> OneLook | None:
    low, high = json_number(effect.one_look_low), json_number(effect.one_look_high)
    if low is None or high is None:
        return None
    return {"low": low, "high": high, "holds": "if looked at once, at the planned end"}
