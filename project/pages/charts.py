"""Geometry of the charts: numbers in, SVG coordinates out. Knows neither Django nor HTML."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from project import words


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram, in the units of the view box; `title` is what a pointer shows."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Mark:
    """One point with its interval, in the units of the view box; `reference` is what it is held
    to, and `is_other` says that it stands there for ours to be read against."""

    x: float
    y: float
    low: float
    high: float
    label: str
    title: str
    reference: float | None = None
    is_other: bool = False


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    text: str


def histogram_bars(
    counts: Sequence[float], low: float, high: float, *, width: float = 320, height: float = 80
) -> list[Bar]:
    """Lay out the bars of a histogram.

    Parameters
    ----------
    counts : sequence of n_bins numbers >= 0
    low, high : float
        Left edge of the first and right edge of the last bin.
    width, height : float
        Size of the plot in view-box units.

    Returns
    -------
    list of n_bins `Bar`; a count above zero is at least one unit high, so that it is seen.
    """
    top = max(counts, default=0) or 1
    step = width / max(len(counts), 1)
    span = (high - low) / max(len(counts), 1)
    bars = []
    for index, count in enumerate(counts):
        bar_height = max(height * count / top, 1.0) if count else 0.0
        left = low + index * span
        bars.append(
            Bar(
                x=round(index * step, 2),
                y=round(height - bar_height, 2),
                width=round(max(step - 1, 0.5), 2),
                height=round(bar_height, 2),
                title=f"{words.number(left)} to {words.number(left + span)}: {words.number(count)}",
            )
        )
    return bars


def overlaid_bars(
    first: Sequence[float],
    second: Sequence[float],
    low: float,
    high: float,
    *,
    names: tuple[str, str],
    width: float = 320,
    height: float = 80,
) -> tuple[list[Bar], str]:
    """Lay out two histograms over each other: bars, and the outline of the second.

    Parameters
    ----------
    first, second : sequences of n_bins numbers >= 0, in the same bins
        Each is drawn as shares of its own sum, on one scale.
    names : what they are of.

    Returns
    -------
    The bars of the first, and the outline of the second as points of a line, empty without any.
    """
    a, b = ([count / (sum(side) or 1) for count in side] for side in (first, second))
    top = max([*a, *b], default=0) or 1
    step = width / max(len(a), 1)
    span = (high - low) / max(len(a), 1)
    bars = []
    for index, (one, other) in enumerate(zip(a, b, strict=True)):
        bar_height = max(height * one / top, 1.0) if one else 0.0
        left = low + index * span
        told = f"{names[0]} {words.share(one)}, {names[1]} {words.share(other)}"
        bars.append(
            Bar(
                x=round(index * step, 2),
                y=round(height - bar_height, 2),
                width=round(max(step - 1, 0.5), 2),
                height=round(bar_height, 2),
                title=f"{words.number(left)} to {words.number(left + span)}: {told}",
            )
        )
    if not any(second):
        return bars, ""
    points = [(0.0, height)]
    for index, share in enumerate(b):
        level = height * (1 - share / top)
        points += [(index * step, level), ((index + 1) * step, level)]
    points.append((width, height))
    return bars, " ".join(f"{x:.2f},{y:.2f}" for x, y in points)


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Return about `count` round numbers that span [low, high]."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    raw = (high - low) / max(count, 1)
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def line_marks(
    points: Iterable[Sequence[Any]],
    *,
    width: float = 640,
    height: float = 160,
    low: float | None = None,
    high: float | None = None,
    references: Mapping[str, float] | None = None,
) -> tuple[list[Mark], list[Tick], list[Tick]]:
    """Lay out points (label, value) or (label, value, low, high) from left to right.

    Points whose value is None leave a gap. `low` and `high` fix the vertical axis; otherwise it
    fits the values, intervals and references: what the line is seen against, by name.

    Returns
    -------
    Marks, ticks of the vertical axis, and the references as ticks.
    """
    against = references or {}
    rows = [tuple(point) for point in points]
    numbers = [
        float(number)
        for row in rows
        for number in row[1:4]
        if number is not None and math.isfinite(float(number))
    ]
    if not numbers:
        return [], [], []
    numbers += against.values()
    bottom = min(numbers) if low is None else low
    top = max(numbers) if high is None else high
    if top <= bottom:
        bottom, top = bottom - 0.5, top + 0.5
    step = width / max(len(rows) - 1, 1)

    def vertical(number: float) -> float:
        return round(height * (1 - (number - bottom) / (top - bottom)), 2)

    marks = []
    for index, (label, value, *interval) in enumerate(rows):
        if value is None or not math.isfinite(float(value)):
            continue
        ends = [end for end in interval if end is not None]
        lower, upper = (ends[0], ends[1]) if len(ends) == 2 else (value, value)
        text = f"{label}: {words.number(float(value))}"
        if len(ends) == 2:
            text += f" ({words.number(float(lower))} to {words.number(float(upper))})"
        marks.append(
            Mark(
                x=round(index * step, 2),
                y=vertical(float(value)),
                low=vertical(float(lower)),
                high=vertical(float(upper)),
                label=str(label),
                title=text,
            )
        )
    ticks = [Tick(vertical(at), words.number(at)) for at in nice_ticks(bottom, top)]
    lines = [Tick(vertical(at), f"{name} {words.number(at)}") for name, at in against.items()]
    return marks, ticks, lines


def interval_marks(
    rows: Sequence[Mapping[str, Any]], *, width: float = 420, row_height: float = 26
) -> tuple[list[Mark], list[Tick]]:
    """Lay out rows {label, value, low, high, reference, is_other} one below the other."""
    known = [row for row in rows if row.get("value") is not None]
    numbers = [
        float(number)
        for row in known
        for number in (row["value"], row.get("low"), row.get("high"), row.get("reference"))
        if number is not None
    ]
    if not numbers:
        return [], []
    pad = (max(numbers) - min(numbers)) * 0.08 or 0.05
    left, right = min(numbers) - pad, max(numbers) + pad

    def horizontal(number: float) -> float:
        return round(width * (number - left) / (right - left), 2)

    marks = []
    for index, row in enumerate(known):
        value = float(row["value"])
        low = row.get("low")
        high = row.get("high")
        reference = row.get("reference")
        text = f"{row['label']}: {words.number(value)}"
        if low is not None and high is not None:
            text += f" ({words.number(float(low))} to {words.number(float(high))})"
        if reference is not None:
            text += f", held to {words.number(float(reference))}"
        marks.append(
            Mark(
                x=horizontal(value),
                y=row_height * index + row_height / 2,
                low=horizontal(float(value if low is None else low)),
                high=horizontal(float(value if high is None else high)),
                label=str(row["label"]),
                title=text,
                reference=None if reference is None else horizontal(float(reference)),
                is_other=bool(row.get("is_other")),
            )
        )
    ticks = [Tick(horizontal(at), words.number(at)) for at in nice_ticks(left, right)]
    return marks, ticks


@dataclass(frozen=True)
class SquareLine:
    """One line of a square chart; `style` is its place among the styles, from 1."""

    path: str
    marks: tuple[Mark, ...]
    label: str
    note: str
    style: int


@dataclass(frozen=True)
class Square:
    """A square chart: lines over two axes of their own, and the same as rows of a table.

    Attributes
    ----------
    lines, across, up : the lines, and the ticks of both axes.
    diagonal : where x and y are equal, as an SVG path; empty outside the axes.
    level : a level line with its name.
    table : x in words, and the y of each line there in words.
    """

    lines: tuple[SquareLine, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    diagonal: str
    level: Tick | None
    table: tuple[tuple[str, tuple[str, ...]], ...]


def square_chart(
    lines: Iterable[Mapping[str, Any]],
    *,
    size: float = 300,
    is_share: bool = True,
    diagonal: bool = False,
    level: tuple[str, float] | None = None,
) -> Square | None:
    """Lay out lines over a square.

    Parameters
    ----------
    lines : mappings of label, note, x and y (equally many numbers, x not falling), and low and high
        where each point has an interval; those are drawn as points, the others as lines alone.
    size : of the square in view-box units.
    is_share : both axes go from 0 to 1; otherwise they fit the lines, and with a diagonal both go
        over the same numbers.
    diagonal : show where x and y are equal.
    level : name and height of a level line.

    Returns
    -------
    Square, or None where no line has a point.
    """
    shown = [line for line in lines if len(line["x"])]
    if not shown:
        return None
    wide = [float(x) for line in shown for x in line["x"]]
    tall = [float(y) for line in shown for y in (*line["y"], *line["low"], *line["high"])]
    if diagonal:
        wide = tall = [*wide, *tall]
    left, right = (0.0, 1.0) if is_share else _ends(wide)
    bottom, top = (0.0, 1.0) if is_share else _ends(tall)

    def across(x: float) -> float:
        return round(size * (x - left) / (right - left), 2)

    def up(y: float) -> float:
        return round(size * (1 - (y - bottom) / (top - bottom)), 2)

    drawn = []
    for number, line in enumerate(shown, 1):
        points = list(zip(line["x"], line["y"], strict=True))
        marks = [
            Mark(
                x=across(x),
                y=up(y),
                low=up(low),
                high=up(high),
                label=line["label"],
                title=f"{words.number(x)}: {words.measured(y, low, high)}",
            )
            for (x, y), low, high in zip(
                points, line["low"], line["high"], strict=bool(line["low"])
            )
        ]
        drawn.append(
            SquareLine(
                path=" ".join(f"{across(x)},{up(y)}" for x, y in points),
                marks=tuple(marks),
                label=line["label"],
                note=line["note"],
                style=number,
            )
        )
    ends = max(left, bottom), min(right, top)
    return Square(
        lines=tuple(drawn),
        across=tuple(Tick(across(at), words.number(at)) for at in nice_ticks(left, right)),
        up=tuple(Tick(up(at), words.number(at)) for at in nice_ticks(bottom, top)),
        diagonal=f"M{across(ends[0])} {up(ends[0])}L{across(ends[1])} {up(ends[1])}"
        if diagonal
        else "",
        level=None if level is None else Tick(up(level[1]), level[0]),
        table=tuple(
            (words.number(at), tuple(words.number(_height(line, at)) for line in shown))
            for at in (left + (right - left) * tenth / 10 for tenth in range(11))
        ),
    )


def _ends(numbers: Sequence[float]) -> tuple[float, float]:
    low, high = min(numbers), max(numbers)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _height(line: Mapping[str, Any], at: float) -> float | None:
    """The height of a line at a place, of an upright part its upper end; None beside the line."""
    x, y = line["x"], line["y"]
    if at < x[0] or at > x[-1]:
        return None
    behind = bisect_right(x, at)
    if behind == len(x) or x[behind - 1] == at:
        return float(max(y[bisect_left(x, at) : behind]))
    share = (at - x[behind - 1]) / (x[behind] - x[behind - 1])
    return float(y[behind - 1] + share * (y[behind] - y[behind - 1]))


def mirrored_bars(
    above: Sequence[float],
    below: Sequence[float],
    low: float,
    high: float,
    *,
    width: float = 320,
    height: float = 120,
) -> tuple[list[Bar], list[Bar]]:
    """Lay out two histograms over the same bins and one scale: one above a line, one below it.

    Parameters
    ----------
    above, below : sequences of n_bins numbers >= 0
    low, high, width : as in `histogram_bars`.
    height : of both together, in view-box units.

    Returns
    -------
    The bars above the line in the middle, and those below it.
    """
    top = max((*above, *below), default=0) or 1
    sides = []
    for counts, is_above in ((above, True), (below, False)):
        # Each side has the share of the height that its highest bin has of the highest of all.
        own = (height / 2) * (max(counts, default=0) / top)
        bars = histogram_bars(counts, low, high, width=width, height=own)
        middle = height / 2
        sides.append(
            [replace(bar, y=round(middle - bar.height if is_above else middle, 2)) for bar in bars]
        )
    return sides[0], sides[1]


def spark_line(
    values: Sequence[float], *, width: float = 100, height: float = 28, pad: float = 2
) -> tuple[str, str]:
    """Lay out numbers from left to right as a small line without axes.

    Parameters
    ----------
    values : at least one number; a single one, and equal ones, lie level.
    width, height, pad : size of the drawing in view-box units, and its distance to the edges.

    Returns
    -------
    Points of the line, and of the area below it, as SVG writes them. What never is below 0 and
    begins at 0 stands on the lower edge; anything else fills the height between its ends.
    """
    shown = list(values) if len(values) > 1 else [*values, *values]
    low, high = min(shown), max(shown)
    room = height - 2 * pad
    step = width / (len(shown) - 1)
    points = []
    for number, value in enumerate(shown):
        share = (value - low) / (high - low) if high > low else 0.5
        points.append(f"{round(number * step, 1)},{round(pad + room * (1 - share), 1)}")
    line = " ".join(points)
    return line, f"0,{height:g} {line} {width:g},{height:g}"
