"""What the variants of each A/B experiment change, and whether chance explains it."""

from typing import Literal, TypedDict

import pandas as pd

from feedback.domain.comparisons import MINIMUM_SAMPLES
from feedback.domain.experiments import VariantEffect, control_variant, variant_effects
from feedback.domain.means import group_means
from feedback.queries.reports.csat import ComparisonRow, MeanRow, mean_rows
from feedback.queries.reports.rows import tests_of
from feedback.queries.sources import Scope, ScopeFields
from project.measure.intervals import json_number


class EffectRow(ComparisonRow):
    """What one variant changes; see `feedback.domain.experiments.VariantEffect`."""

    variant: str
    verdict: Literal["better", "worse", "not enough evidence"]
    reason: str
    rows_to_decide: int | None
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
    """The experiments with most rows first; rows that name none are counted as unnamed."""

    kind: Literal["experiments"]
    scope: ScopeFields
    rows: int
    unnamed: int
    minimum: int
    experiments: list[Experiment]


def experiments_report(scope: Scope) -> ExperimentsReport:
    """Say of each A/B experiment what its variants change, and whether chance explains it."""
    rows = tests_of(scope)
    named = rows[(rows["experiment_name"] != "") & (rows["variant"] != "")]
    experiments = [
        _experiment(str(name), own) for name, own in named.groupby("experiment_name", observed=True)
    ]
    experiments.sort(key=lambda one: (-one["rows"], one["experiment"]))
    return {
        "kind": "experiments",
        "scope": scope.as_dict(),
        "rows": len(rows),
        "unnamed": len(rows) - len(named),
        "minimum": MINIMUM_SAMPLES,
        "experiments": experiments,
    }


def _experiment(name: str, rows: pd.DataFrame) -> Experiment:
    means = group_means(
        rows["actual"].to_numpy(), rows["variant"].to_numpy(dtype=object), rows["cluster"]
    )
    control = control_variant(means.labels)
    effects = variant_effects(means, control)
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
        "verdict": effect.verdict,
        "reason": effect.reason,
        "label": one.label,
        "other": one.other,
        "difference": json_number(one.difference),
        "low": json_number(one.low),
        "high": json_number(one.high),
        "p_value": json_number(one.p_value),
        "p_adjusted": json_number(one.p_adjusted),
        "rows_to_decide": effect.rows_to_decide,
        "detectable": json_number(effect.detectable),
    }
