"""What the page of the design shows: an example of every component."""

from collections.abc import Sequence
from typing import Any, Final

from project.pages.badges import TONES
from project.pages.tabs import tabs_of

SURFACES: Final = (
    *("bg", "surface", "sunken", "hover", "line", "control", "ink", "ink-2", "ink-3", "accent"),
    *("accent-soft", "good", "good-bg", "warn", "warn-bg", "bad", "bad-bg", "synthetic"),
    *("synthetic-bg", "plain-bg", "danger", "chart", "chart-soft", "chart-2"),
)


def examples() -> dict[str, Any]:
    """Return values for the template of the page, one for each component."""
    days = [(f"2026-11-{day:02}", 0.6 + day % 5 / 50, 0.55, 0.72) for day in range(1, 21)]
    return {
        "tabs": tabs_of({"overview": "Overview", "curves": "Curves", "data": "Data"}, "curves"),
        "surfaces": SURFACES,
        "tones": [(tone, sorted(words)[:4]) for tone, words in TONES.items()],
        "figures": [
            {"label": "ROC-AUC", "value": 0.807, "note": "0.738 to 0.863"},
            {"label": "Copies", "value": "0.0 %", "note": "limit < 10 %", "verdict": "pass"},
            {"label": "Trend", "value": "no figure", "note": "7 sessions are too few"},
        ],
        "checks": [
            {
                "name": "Both labels occur",
                "verdict": "refuse",
                "value": 0.0,
                "limit": "at least 5 %",
                "remedy": "Import the rows that were ignored, too.",
            },
            {"name": "No copies", "verdict": "pass", "value": 0.0, "limit": 0.1, "remedy": ""},
        ],
        "rows": [
            {"label": "accepted", "value": 41, "share": 0.41, "note": "41 %"},
            {"label": "ignored", "value": 59, "share": 0.59, "note": "59 %"},
        ],
        "curves": [
            _line("this model", "0.807", [(0, 0), (0.05, 0.3), (0.2, 0.65), (0.5, 0.9), (1, 1)]),
            _line("rule score", "0.744", [(0, 0), (0.1, 0.3), (0.3, 0.62), (0.6, 0.88), (1, 1)]),
            _line(
                "oracle ceiling", "0.850", [(0, 0), (0.04, 0.4), (0.2, 0.75), (0.4, 0.92), (1, 1)]
            ),
            _line("version 4", "0.700", [(0, 0), (0.2, 0.4), (0.5, 0.75), (1, 1)]),
            _line("version 5", "0.640", [(0, 0), (0.3, 0.45), (0.7, 0.84), (1, 1)]),
        ],
        "reliability": [
            {
                **_line("this model", "", [(0.1, 0.08), (0.3, 0.34), (0.5, 0.47), (0.8, 0.83)]),
                "low": [0.03, 0.22, 0.35, 0.72],
                "high": [0.17, 0.48, 0.6, 0.9],
            }
        ],
        "level": ("share of label 1", 0.45),
        "by_label": {
            "label 1": [0, 1, 3, 5, 8, 11, 14, 9],
            "label 0": [6, 9, 8, 7, 4, 2, 1, 0],
        },
        "counts": [2, 5, 9, 14, 11, 6, 3, 1],
        "days": days,
        "targets": {"target": 0.7},
        "means": [
            {"label": "google", "value": 0.67, "low": 0.654, "high": 0.687, "reference": 0.63},
            {"label": "other", "value": 0.6, "low": 0.45, "high": 0.74, "reference": 0.63},
        ],
    }


def _line(label: str, note: str, points: Sequence[tuple[float, float]]) -> dict[str, Any]:
    x, y = zip(*points, strict=True)
    return {"label": label, "note": note, "x": x, "y": y, "low": (), "high": ()}
