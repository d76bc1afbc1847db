"""Gates, and the checks that they make: a figure, its limit, and what follows from it.

docs/gates.md tells each gate with its reason and remedy; a test holds the page to the code.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypedDict

from project.measure.intervals import json_number

Verdict = Literal["pass", "warn", "refuse"]
SEVERITY: dict[Verdict, int] = {"pass": 0, "warn": 1, "refuse": 2}


class CheckFields(TypedDict):
    """A `Check` as JSON; a figure that does not exist is None."""

    name: str
    value: float | None
    limit: float | None
    target: str
    verdict: Verdict
    remedy: str


@dataclass(frozen=True)
class Check:
    """The outcome of one gate.

    Attributes
    ----------
    name : stable identifier, `gate` or `gate:column`.
    value : the measured figure; None where nothing could be measured.
    limit : the figure at which the check refuses, or warns if it never refuses.
    target : the gate in words, for the table of metrics against targets.
    verdict : pass, warn or refuse.
    remedy : what to do next, with numbers; empty for a pass.
    """

    name: str
    value: float | None
    limit: float | None
    target: str
    verdict: Verdict
    remedy: str = ""

    def as_dict(self) -> CheckFields:
        return {
            "name": self.name,
            "value": json_number(self.value),
            "limit": json_number(self.limit),
            "target": self.target,
            "verdict": self.verdict,
            "remedy": self.remedy,
        }


@dataclass(frozen=True)
class Gate:
    """One rule; `check` makes a check of a measured figure.

    Attributes
    ----------
    name : stable identifier, as docs/gates.md has it; ends with a colon where there is a check for
        each column or group.
    target : what is wanted, in words.
    limit : the figure at which it refuses, or warns if it never refuses; None where the kind or the
        rows say it.
    """

    name: str
    target: str
    limit: float | None

    def check(
        self,
        value: float | None,
        verdict: Verdict,
        remedy: str = "",
        *,
        of: str = "",
        limit: float | None = None,
        target: str = "",
    ) -> Check:
        """Make the check of one figure; a passing one needs no remedy.

        Parameters
        ----------
        of : the column or group, for a gate whose name ends with a colon.
        limit, target : instead of the gate's own, where they hang on the kind.
        """
        return Check(
            name=f"{self.name}{of}" if of else self.name.removesuffix(":"),
            value=value,
            limit=self.limit if limit is None else limit,
            target=target or self.target,
            verdict=verdict,
            remedy="" if verdict == "pass" else remedy,
        )


def verdict_of(checks: Iterable[Check]) -> Verdict:
    """The most severe verdict among the checks; pass when there are none."""
    return max((check.verdict for check in checks), key=SEVERITY.__getitem__, default="pass")
