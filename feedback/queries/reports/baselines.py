"""Shrunken means by provider, model and action type, and what they expect of a combination."""

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict

import pandas as pd

from feedback.domain.baselines import Baseline, BaselinePrediction, fit_baseline
from feedback.domain.words import FACTORS
from feedback.queries.reports.rows import baseline_targets
from feedback.queries.sources import Scope, ScopeFields
from project.measure.intervals import json_number


class ExpectedMean(TypedDict):
    """What a baseline expects; see `feedback.domain.baselines.BaselinePrediction`."""

    value: float | None
    low: float | None
    high: float | None
    rating_low: float | None
    rating_high: float | None
    confidence: float | None
    unseen: list[str]


class LevelRow(TypedDict):
    """One level of a factor: its rows, plain mean, shrunken mean and interval."""

    label: str
    count: int
    raw_mean: float | None
    mean: float | None
    low: float | None
    high: float | None
    confidence: float | None


class FactorBaseline(TypedDict):
    """The levels of one factor, how much they differ, and what is expected of an unseen one."""

    rows: list[LevelRow]
    between_sd: float | None
    unseen: ExpectedMean | None


class TargetBaseline(TypedDict):
    """The baseline of one target; without factors where there is nothing to learn from."""

    rows: int
    factors: dict[str, FactorBaseline]
    prediction: ExpectedMean | None
    grand_mean: NotRequired[float | None]
    residual_sd: NotRequired[float | None]
    design_effect: NotRequired[float | None]


class BaselinesReport(TypedDict):
    """Baselines of the quality of responses and of CSAT, and the levels that were asked for."""

    kind: Literal["baselines"]
    scope: ScopeFields
    quality: TargetBaseline
    csat: TargetBaseline
    levels: dict[str, str]


def baselines_report(scope: Scope, *, levels: Mapping[str, str] | None = None) -> BaselinesReport:
    """Give shrunken means, and expect a combination of `levels`: factor to level."""
    asked = dict(levels or {})
    targets = {name: _target(rows, name, asked) for name, rows in baseline_targets(scope)}
    return {
        "kind": "baselines",
        "scope": scope.as_dict(),
        "quality": targets["quality"],
        "csat": targets["csat"],
        "levels": asked,
    }


def _target(rows: pd.DataFrame, target: str, levels: Mapping[str, str]) -> TargetBaseline:
    values, clusters = rows[target].to_numpy(), rows["cluster"].to_numpy()
    factors = {factor: rows[factor].to_numpy(dtype=object) for factor in FACTORS}
    together = fit_baseline(values, factors, clusters)
    if together is None:
        return {"rows": len(rows), "factors": {}, "prediction": None}
    return {
        "rows": len(rows),
        "factors": {
            factor: _factor(fit_baseline(values, {factor: factors[factor]}, clusters), factor)
            for factor in FACTORS
        },
        "prediction": _expected(together.predict(**levels)) if levels else None,
        "grand_mean": json_number(together.grand_mean),
        "residual_sd": json_number(together.residual**0.5),
        "design_effect": json_number(together.design),
    }


def _factor(fitted: Baseline | None, factor: str) -> FactorBaseline:
    if fitted is None:
        return {"rows": [], "between_sd": None, "unseen": None}
    rows: list[LevelRow] = []
    for index, label in enumerate(fitted.levels[factor]):
        expected = fitted.predict(**{factor: label})
        rows.append(
            {
                "label": label,
                "count": int(fitted.count[factor][index]),
                "raw_mean": json_number(fitted.raw_mean[factor][index]),
                "mean": json_number(expected.value),
                "low": json_number(expected.low),
                "high": json_number(expected.high),
                "confidence": json_number(expected.confidence),
            }
        )
    return {
        "rows": rows,
        "between_sd": json_number(fitted.variance[factor] ** 0.5),
        "unseen": _expected(fitted.predict()),
    }


def _expected(expected: BaselinePrediction) -> ExpectedMean:
    return {
        "value": json_number(expected.value),
        "low": json_number(expected.low),
        "high": json_number(expected.high),
        "rating_low": json_number(expected.rating_low),
        "rating_high": json_number(expected.rating_high),
        "confidence": json_number(expected.confidence),
        "unseen": list(expected.unseen),
    }
