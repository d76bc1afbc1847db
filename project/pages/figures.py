"""Measured figures as pages show them: the value, and its interval quieter beside it."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from django.utils.html import format_html
from django.utils.safestring import SafeString

from project import words


class KeyFigure(TypedDict):
    """One figure of a row of key figures."""

    label: str
    value: Any
    note: NotRequired[str]
    verdict: NotRequired[str]
    url: NotRequired[str]


class BarRow(TypedDict):
    """One labelled bar; `share` in [0, 1] is its length, `value` what is written beside it."""

    label: str
    value: float | str | None
    share: NotRequired[float | None]
    note: NotRequired[str]
    tone: NotRequired[str]


class IntervalRow(TypedDict):
    """A point with its interval; `reference` is what it is held to, `is_other` stands beside."""

    label: str
    value: float | None
    low: NotRequired[float | None]
    high: NotRequired[float | None]
    reference: NotRequired[float | None]
    is_other: NotRequired[bool]


def figure(metric: Mapping[str, Any] | None) -> SafeString | str:
    """Show a metric {value, low, high} with its interval; a dash where there is none."""
    if not metric or metric.get("value") is None:
        return words.NONE
    ends = words.interval(metric.get("low"), metric.get("high"))
    value = words.number(metric["value"])
    if ends == words.NONE:
        return value
    return format_html('{} <span class="sb-quiet">{}</span>', value, ends)
