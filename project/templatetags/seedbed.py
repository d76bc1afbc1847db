"""The look that all pages share: badges, tables of checks, charts, empty states."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import template
from django.contrib.admin.views.main import PAGE_VAR
from django.utils.safestring import SafeString

from project import clock, words
from project.pages.badges import badge, icon
from project.pages.charts import (
    histogram_bars,
    interval_marks,
    line_marks,
    mirrored_bars,
    overlaid_bars,
    spark_line,
    square_chart,
)
from project.pages.figures import BarRow, IntervalRow, KeyFigure
from project.pages.remedies import in_pages

register = template.Library()

CHECKS_SHOWN = 12  # passed checks beyond this many are folded away: what fails must be seen


@register.simple_tag
def list_filters(cl: Any) -> dict[str, Any]:
    """Return a list's filters for its drawer, and what is asked now as chips that take it back.

    Each filter is asked once: with facets a question costs a query.
    """
    specs, chips = [], []
    for spec in cl.filter_specs:
        choices = list(spec.choices(cl))
        ends = getattr(spec, "ends", None)
        shown = {"title": spec.title, "choices": choices, "ends": ends}
        if ends is not None:
            ours = spec.expected_parameters()
            shown |= {
                "kept": [(name, said) for name, said in cl.params.items() if name not in ours],
                "input": spec.input,
                "step": spec.step,
                "unit": spec.unit,
            }
        specs.append(shown)
        asked = [c for c in choices[1:] if c["selected"]]
        chips += [
            {
                "title": str(spec.title).capitalize(),
                "words": choice["display"],
                "clear": choices[0]["query_string"],
            }
            for choice in asked
        ]
    return {"specs": specs, "chips": chips}


@register.simple_tag
def page_url(cl: Any, number: int) -> str:
    """Return the address of a page of a list."""
    address: str = cl.get_query_string({PAGE_VAR: number})
    return address


register.simple_tag(icon)


@register.simple_tag
def verdict(word: Any, tone: str = "") -> SafeString:
    """Show a verdict, a state or a stage as a badge; words that hold a number name their tone."""
    return badge(word, tone=tone)


@register.inclusion_tag("components/checks_table.html")
def checks_table(
    checks: Sequence[Mapping[str, Any]] | None, folds_passed: bool = False
) -> dict[str, Any]:
    """Show checks with value, limit, verdict and remedy; those that passed fold away when many, or
    always where a page is about what did not.

    The limit is shown in words where a check says it in words (`target`).
    """
    order = {"refuse": 0, "warn": 1, "pass": 2}
    shown = [
        {
            **check,
            "title": str(check["name"]).replace("_", " "),
            "value": _plain(check["value"]),
            "limit": check.get("target") or _plain(check["limit"]),
        }
        for check in sorted(checks or [], key=lambda check: order.get(check["verdict"], 3))
    ]
    passed = [check for check in shown if check["verdict"] == "pass"]
    folds = bool(passed) and (folds_passed or len(passed) > CHECKS_SHOWN)
    return {
        "groups": [
            {"checks": [c for c in shown if c not in passed] if folds else shown, "folds": False},
            {"checks": passed if folds else [], "folds": True},
        ]
    }


def _plain(value: Any) -> str:
    if value is None or isinstance(value, int | float):
        return words.number(value)
    return str(value)


@register.inclusion_tag("components/progress_bar.html")
def progress_bar(share: float | None, label: str = "") -> dict[str, Any]:
    """Show a share in [0, 1]; None shows work whose end is not known."""
    done = None if share is None else max(0.0, min(1.0, float(share)))
    percent = None if done is None else round(100 * done, 1)
    return {"percent": percent, "text": words.share(done), "label": label}


@register.inclusion_tag("components/progress_line.html")
def progress_line(share: float | None) -> dict[str, Any]:
    """Show a share in [0, 1] as one bar across; None shows work whose end is not known."""
    return progress_bar(share)


@register.inclusion_tag("components/histogram.html")
def histogram(
    counts: Sequence[float] | None, low: float = 0.0, high: float = 1.0, caption: str = ""
) -> dict[str, Any]:
    """Show counts of equally wide bins between low and high."""
    return {
        "bars": histogram_bars(counts or [], float(low), float(high)),
        "low": words.number(float(low)),
        "middle": words.number((float(low) + float(high)) / 2),
        "high": words.number(float(high)),
        "caption": caption,
    }


@register.inclusion_tag("components/overlaid_histogram.html")
def overlaid_histogram(
    first: Sequence[float],
    second: Sequence[float],
    low: float,
    high: float,
    names: tuple[str, str],
    label: str = "",
) -> dict[str, Any]:
    """Show two histograms of the same bins over each other, each as shares of its own rows."""
    bars, outline = overlaid_bars(first, second, float(low), float(high), names=names)
    return {
        "bars": bars,
        "outline": outline,
        "low": words.number(float(low)),
        "middle": words.number((float(low) + float(high)) / 2),
        "high": words.number(float(high)),
        "label": f"{label}: {names[0]} and {names[1]}",
    }


@register.inclusion_tag("components/sparkline.html")
def sparkline(values: Sequence[float], label: str) -> dict[str, str]:
    """Show numbers as a small line; `label` says what it shows."""
    line, area = spark_line(values)
    return {"line": line, "area": area, "label": label}


@register.inclusion_tag("components/line_chart.html")
def line_chart(
    points: Sequence[Sequence[Any]] | None,
    caption: str = "",
    low: float | None = None,
    high: float | None = None,
    diagonal: bool = False,
    references: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Show (label, value[, low, high]) from left to right, with intervals where given.

    `references` are level lines with their names; the names stand at different places of the lines,
    so that two that are close can both be read.
    """
    marks, ticks, lines = line_marks(points or [], low=low, high=high, references=references)
    places = itertools.cycle([(2, "start"), (638, "end"), (320, "middle")])
    return {
        "references": [
            {"at": line.at, "text": line.text, "x": x, "anchor": anchor}
            for line, (x, anchor) in zip(lines, places, strict=False)
        ],
        "marks": marks,
        "ticks": ticks,
        "path": " ".join(f"{mark.x},{mark.y}" for mark in marks),
        "first": marks[0] if marks else None,
        "last": marks[-1] if marks else None,
        "caption": caption,
        "diagonal": diagonal,
    }


@register.inclusion_tag("components/curve_chart.html")
def curve_chart(
    lines: Sequence[Mapping[str, Any]],
    caption: str = "",
    *,
    title: str = "Curves",
    x_title: str = "",
    y_title: str = "",
    is_share: bool = True,
    diagonal: bool = False,
    level: tuple[str, float] | None = None,
) -> dict[str, Any]:
    """Show lines {label, note, x, y, low, high} over a square, with a key and the same in words.

    The first line is ours. `title` is the name of the drawing for who does not see it; what it says
    is folded below as a table.
    """
    return {
        "square": square_chart(lines, is_share=is_share, diagonal=diagonal, level=level),
        "caption": caption,
        "title": title,
        "x_title": x_title,
        "y_title": y_title,
    }


@register.inclusion_tag("components/label_histogram.html")
def label_histogram(
    counts: Mapping[str, Sequence[int]], low: float = 0.0, high: float = 1.0, caption: str = ""
) -> dict[str, Any]:
    """Show two histograms over the same bins and one scale: the first above a line, the second
    below it."""
    (first, above), (second, below) = counts.items()
    bars = mirrored_bars(above, below, float(low), float(high))
    ends = (low, (low + high) / 2, high)
    return {
        "above": bars[0],
        "below": bars[1],
        "names": [(first, words.number(sum(above))), (second, words.number(sum(below)))],
        "ends": [words.number(float(end)) for end in ends],
        "caption": caption,
        "table": [
            (bar.title.rsplit(":", 1)[0], words.number(one), words.number(other))
            for bar, one, other in zip(bars[0], above, below, strict=True)
        ],
    }


NARROW, NARROW_ROW = 300, 46  # pixels of a chart of intervals on a phone, and of one of its rows


@register.inclusion_tag("components/interval_chart.html")
def interval_chart(rows: Sequence[IntervalRow] | None, caption: str = "") -> dict[str, Any]:
    """Show rows {label, value, low, high, reference, is_other} as points with whiskers.

    Drawn twice, and one is shown: where there is no room beside lines, labels stand above them.
    """
    marks, ticks = interval_marks(rows or [])
    narrow, few = interval_marks(rows or [], width=NARROW, row_height=NARROW_ROW)
    return {
        "marks": marks,
        "ticks": ticks,
        "height": 26 * len(marks),
        "narrow": narrow,
        "narrow_ticks": few[::2],
        "narrow_height": NARROW_ROW * len(narrow),
        "caption": caption,
    }


@register.inclusion_tag("components/bar_rows.html")
def bar_rows(rows: Sequence[BarRow] | None, caption: str = "") -> dict[str, Any]:
    """Show rows {label, value, share, note} as labelled horizontal bars; share in [0, 1]."""
    prepared = [
        {
            "label": row["label"],
            "value": row["value"] if isinstance(row["value"], str) else words.number(row["value"]),
            "width": round(200 * max(0.0, min(1.0, float(row.get("share") or 0.0))), 1),
            "note": row.get("note", ""),
            "tone": row.get("tone", ""),
        }
        for row in rows or []
    ]
    return {"rows": prepared, "caption": caption}


@register.inclusion_tag("components/key_figures.html")
def key_figures(figures: Sequence[KeyFigure] | None) -> dict[str, Any]:
    """Show figures {label, value, note, verdict, url} side by side."""
    return {
        "figures": [
            {
                **figure,
                # A word that is its own verdict is shown once, as the badge.
                "value": ""
                if figure["value"] == figure.get("verdict")
                else _plain(figure["value"]),
            }
            for figure in figures or []
        ]
    }


@register.inclusion_tag("components/empty_state.html")
def empty_state(title: str, text: str = "", url: str = "", action: str = "") -> dict[str, Any]:
    """Say that there is nothing yet, and what the next step is."""
    return {"title": title, "text": text, "url": url, "action": action}


@register.filter
def here(value: Any) -> Any:
    """Say a remedy as it is followed in the admin; what is markup of ours stays."""
    return value if isinstance(value, SafeString) else in_pages(str(value or ""))


@register.filter
def number(value: Any) -> str:
    """Write a number as people read it; a dash for none."""
    return words.number(None if value is None or value == "" else float(value))


@register.filter
def percent(value: Any) -> str:
    """Write a share in [0, 1] as a percentage; a dash for none."""
    return words.share(None if value is None or value == "" else float(value))


@register.filter
def moment(value: datetime | None) -> str:
    """Write a moment with its zone; a dash for none."""
    return words.moment(value)


@register.filter
def ago(value: datetime | None) -> str:
    """Write how long ago a moment is; a dash for none."""
    return words.ago(None if value is None else (clock.now() - value).total_seconds())


@register.filter
def signed(value: float | None) -> str:
    """Write a difference with its sign; a dash for none."""
    return words.signed(value)


@register.filter(name="clock")
def time_of_day(value: datetime) -> str:
    """Write the time of day of a log line."""
    return words.clock(value)


@register.filter
def size(value: float | None) -> str:
    """Write a number of bytes in its unit; a dash for none."""
    return words.size(value)


@register.filter
def duration(value: float | None) -> str:
    """Write a length of time in seconds as people say it; a dash for none."""
    return words.duration(value)
