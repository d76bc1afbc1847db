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


def figure(metric: Mapping[str, Any] | None) -> SafeString | str:
    """Show a metric {value, low, high} with its interval; a dash where there is none."""
    if not metric or metric.get("value") is None:
        return words.NONE
    ends = words.interval(metric.get("low"), metric.get("high"))
    value = words.number(metric["value"])
    if ends == words.NONE:
        return value
    return format_html('{} <span class="sb-quiet">{}</span>', value, ends)
