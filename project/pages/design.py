"""What the page of the design shows: an example of every component."""

from typing import Any, Final

from project.pages.badges import TONES

SURFACES: Final = (
    *("bg", "surface", "sunken", "hover", "line", "control", "ink", "ink-2", "ink-3", "accent"),
    *("accent-soft", "good", "good-bg", "warn", "warn-bg", "bad", "bad-bg", "synthetic"),
    *("synthetic-bg", "plain-bg", "danger", "chart", "chart-soft", "chart-2"),
)


def examples() -> dict[str, Any]:
    """Return values for the template of the page, one for each component."""
    days = [(f"2026-11-{day:02}", 0.6 + day % 5 / 50, 0.55, 0.72) for day in range(1, 21)]
    return {
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
        "counts": [2, 5, 9, 14, 11, 6, 3, 1],
        "days": days,
        "targets": {"target": 0.7},
        "means": [
            {"label": "google", "value": 0.67, "low": 0.654, "high": 0.687, "reference": 0.63},
            {"label": "other", "value": 0.6, "low": 0.45, "high": 0.74, "reference": 0.63},
        ],
    }
