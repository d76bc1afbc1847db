"""A learning curve as it is kept, and how it is told; what shows it loads no pandas."""

from typing import Final, TypedDict

from project import words

MORE: Final = 4  # times the rows that the forecast is for


class CurvePoint(TypedDict):
    """The metric of models trained on so many rows, with its 95 % interval where there is one."""

    rows: int
    value: float
    low: float | None
    high: float | None


class Forecast(TypedDict):
    """What MORE times the rows would buy: the metric there, and the gain over the model itself."""

    rows: int
    value: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float


class LearningCurve(TypedDict):
    """The learning curve of a model.

    Attributes
    ----------
    metric : name of the task's primary metric, on the validation rows.
    points : fewest rows first; the last one is the model itself.
    references : what the curve is seen against (rules, ceiling), name to the same metric.
    forecast : None where the curve cannot tell.
    note : why there is no forecast; empty with one.
    """

    metric: str
    points: list[CurvePoint]
    references: dict[str, float]
    forecast: Forecast | None
    note: str


def tell_forecast(curve: LearningCurve, metric_title: str) -> str:
    """Say in a sentence what more rows would buy, or why that cannot be told."""
    forecast = curve["forecast"]
    if forecast is None:
        return f"What {MORE} times the rows would buy cannot be told: {curve['note']}"
    gain = words.interval(forecast["gain_low"], forecast["gain_high"])
    return (
        f"{MORE} times the rows ({words.number(forecast['rows'])}) would buy "
        f"{words.signed(forecast['gain'])} of {metric_title} (95 % interval {gain}), and reach "
        f"{words.measured(forecast['value'], forecast['low'], forecast['high'])}."
    )


def curve_line(curve: LearningCurve) -> list[tuple[str, float | None, float | None, float | None]]:
    """Return the points of a chart: rows, value, low and high; a doubling is a step.

    Rows that nothing was trained on are a gap, so that the forecast stands where it belongs.
    """
    points: list[tuple[str, float | None, float | None, float | None]] = [
        (words.tally(point["rows"], "row"), point["value"], point["low"], point["high"])
        for point in curve["points"]
    ]
    forecast = curve["forecast"]
    if forecast is not None:
        rows = words.tally(forecast["rows"], "row")
        points.append(("", None, None, None))
        points.append((f"{rows}, forecast", forecast["value"], forecast["low"], forecast["high"]))
    return points
