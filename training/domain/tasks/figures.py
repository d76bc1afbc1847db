"""What every task shows to people; pages and commands load this and no pandas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypedDict

from project import words

MODEL_LINE: Final = "model"  # the name of a model's own line among what is drawn


class Line(TypedDict):
    """One line of a chart, as the component that draws it takes it.

    Attributes
    ----------
    label, note : what it is called, and its figure.
    x, y : its points, from left to right.
    low, high : ends of the interval of each point; empty where there are none.
    """

    label: str
    note: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True)
class Chart:
    """A figure of a page that only this task has.

    Attributes
    ----------
    title, caption : words above and below it.
    lines : for a square chart of lines, ours first.
    x_title, y_title : what its axes are.
    is_share : both axes go from 0 to 1, whatever the lines are.
    diagonal : where x and y are equal, dotted.
    level : a level line, and what it is called.
    counts, low, high : name to rows in each of equal bins from low to high, for a histogram; of two
        names the first stands above the second.
    """

    title: str
    caption: str
    lines: tuple[Line, ...] = ()
    x_title: str = ""
    y_title: str = ""
    is_share: bool = True
    diagonal: bool = False
    level: tuple[str, float] | None = None
    counts: Mapping[str, Sequence[int]] = field(default_factory=dict)
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

    def charts(self, report: Mapping[str, Any], curves: Mapping[str, Any]) -> list[Chart]:
        """Return the charts of validation rows that only this task has.

        `curves` are empty of a model that was trained before they were kept: what needs them is
        left out, and the rest is drawn.
        """

    def compared_charts(self, curves: Mapping[str, Mapping[str, Any]]) -> list[Chart]:
        """Return charts of several models, by what each is called; of those that kept curves."""

    def describe_target(self, report: Mapping[str, Any]) -> list[tuple[str, float]]:
        """Return named shares of the target in a quality report, for a dataset's key figures."""

    def describe_balance(self, counts: Sequence[int]) -> list[tuple[str, float]]:
        """Return named shares of the target in rows, from its histogram; none of a number."""


def lines_of(curves: Mapping[str, Any], chart: str) -> tuple[Line, ...]:
    """Return the lines of a chart: the model, its baselines and ceilings, each with its figure."""
    return tuple(
        as_line(
            "this model" if line["name"] == MODEL_LINE else line["name"].replace("_", " "),
            line,
            # A baseline that is not known of every row is of fewer.
            f", {words.tally(line['rows'], 'row')}" if line["rows"] != curves["rows"] else "",
        )
        for line in curves.get("lines", {}).get(chart, [])
    )


def model_lines(curves: Mapping[str, Mapping[str, Any]], chart: str) -> tuple[Line, ...]:
    """Return a model's own line of each of several models, by what each is called."""
    return tuple(
        as_line(label, line)
        for label, kept in curves.items()
        for line in kept.get("lines", {}).get(chart, [])
        if line["name"] == MODEL_LINE
    )


def as_line(label: str, line: Mapping[str, Any], more: str = "") -> Line:
    """Return a kept line under a name."""
    known = "" if line["value"] is None else words.number(line["value"])
    note = f"{known}{more}".lstrip(", ")
    return {"label": label, "note": note, "x": line["x"], "y": line["y"], "low": (), "high": ()}
