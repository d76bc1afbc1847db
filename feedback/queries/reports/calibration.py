"""Predictions held against what came: the given ones, and the baselines' of the newest rows."""

from typing import Literal, NotRequired, TypedDict

import numpy as np
import pandas as pd

from feedback.domain.baselines import fit_baseline
from feedback.domain.calibration import Calibration, calibration
from feedback.domain.words import FACTORS
from feedback.queries.reports.csat import MeanRow, mean_rows
from feedback.queries.reports.rows import baseline_targets, tests_of
from feedback.queries.sources import Scope, ScopeFields
from project.measure.intervals import CONFIDENCE, json_number

HELD_OUT_SHARE = 0.2  # newest rows, on which the baselines' predictions are held to what came

# Functional, for `from` is a word of Python.
_BucketEdges = TypedDict("_BucketEdges", {"from": float | None, "to": float | None})


class Bucket(_BucketEdges, MeanRow):
    """Predictions of about the same value, and what came of them."""

    bucket: int
    predicted: float | None
    is_off: bool


class CalibrationPart(TypedDict):
    """One set of predictions; see `feedback.domain.calibration.Calibration`."""

    verdict: Literal["calibrated", "off", "not enough evidence"]
    rows: int
    left_out: int
    error: float | None
    bias: float | None
    bias_low: float | None
    bias_high: float | None
    confidence_level: float
    buckets: list[Bucket]
    learned_from: NotRequired[int]


class CalibrationReport(TypedDict):
    """The predictions that came with A/B results, and those of the two baselines."""

    kind: Literal["calibration"]
    scope: ScopeFields
    given: CalibrationPart
    quality: CalibrationPart
    csat: CalibrationPart


def calibration_report(scope: Scope) -> CalibrationReport:
    """Hold predictions against what came."""
    tests = tests_of(scope)
    given = calibration(
        tests["prediction"].to_numpy(), tests["actual"].to_numpy(), tests["cluster"].to_numpy()
    )
    parts = {name: _newest_part(rows, name) for name, rows in baseline_targets(scope)}
    return {
        "kind": "calibration",
        "scope": scope.as_dict(),
        "given": _part(given),
        "quality": parts["quality"],
        "csat": parts["csat"],
    }


def _newest_part(rows: pd.DataFrame, target: str) -> CalibrationPart:
    """Hold a baseline that learned from the older rows to the newest ones."""
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
    found = calibration(expected, newest[target].to_numpy(), newest["cluster"].to_numpy())
    return {**_part(found), "learned_from": len(older)}


def _part(result: Calibration) -> CalibrationPart:
    buckets: list[Bucket] = [
        {
            "bucket": index + 1,
            "from": json_number(result.lower[index]),
            "to": json_number(result.upper[index]),
            "predicted": json_number(result.predicted[index]),
            **row,
            "is_off": index in result.off,
        }
        for index, row in enumerate(mean_rows(result.actual))
    ]
    return {
        "verdict": result.verdict,
        "rows": result.rows,
        "left_out": result.left_out,
        "error": json_number(result.error),
        "bias": json_number(result.bias),
        "bias_low": json_number(result.bias_low),
        "bias_high": json_number(result.bias_high),
        "confidence_level": CONFIDENCE,
        "buckets": buckets,
    }
