"""One measured figure, the limit it is held to, and what follows from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from project.measure.intervals import json_number

Verdict = Literal["pass", "warn", "refuse"]
SEVERITY: dict[Verdict, int] = {"pass": 0, "warn": 1, "refuse": 2}


@dataclass(frozen=True)
class Check:
    """The outcome of one rule of a quality report or of a gate.

    Attributes
    ----------
    name : stable identifier, `rule` or `rule:column`.
    value : the measured figure; None where nothing could be measured.
    limit : the figure at which the check refuses, or warns if it never refuses.
    target : the rule in words, for the table of metrics against targets.
    verdict : pass, warn or refuse.
    remedy : what to do next, with numbers; empty for a pass.
    """

    name: str
    value: float | None
    limit: float | None
    target: str
    verdict: Verdict
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": json_number(self.value),
            "limit": json_number(self.limit),
            "target": self.target,
            "verdict": self.verdict,
            "remedy": self.remedy,
        }


def verdict_of(checks: Iterable[Check]) -> Verdict:
    """The most severe verdict among the checks; pass when there are none."""
    return max((check.verdict for check in checks), key=SEVERITY.__getitem__, default="pass")
