"""What every task shows to people; pages and commands load this and no pandas."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Chart:
    """A figure of a page that only this task has.

    Attributes
    ----------
    title, caption : words above and below it.
    line : points of name, value, low and high; for a chart of lines.
    counts, low, high : rows in each of equal bins from low to high; for a histogram.
    """

    title: str
    caption: str
    line: tuple[tuple[str, float, float, float], ...] = ()
    counts: tuple[int, ...] = ()
    low: float = 0.0
    high: float = 1.0


class Figures(Protocol):
    """What pages and commands show of the models of one sort of target."""

    @property
    def primary_metric(self) -> str:
        """The metric that lists show."""

    @property
    def metric_titles(self) -> Mapping[str, str]:
        """What the metrics are called in front of people, in the order in which they are shown."""

    def describe_calibration(self, calibration: Mapping[str, Any]) -> str:
        """Say in words how the model was calibrated."""

    def charts(self, report: Mapping[str, Any]) -> list[Chart]:
        """Return the charts of validation rows that only this task has."""

    def describe_target(self, report: Mapping[str, Any]) -> list[tuple[str, float]]:
        """Return named shares of the target in a quality report, for a dataset's key figures."""
