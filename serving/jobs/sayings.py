"""What the jobs of serving say of their results."""

from collections.abc import Mapping
from typing import Any

from project import words
from project.jobs.said import Figure, Outcome, Said

Result = Mapping[str, Any]


def say_monitored(result: Result) -> Said:
    """What a look at the answers opened, closed and left open."""
    opened, closed = result["opened"], result["closed"]
    figures = (
        Figure("Visits read", words.number(result["visits"])),
        Figure("Outcomes found", words.number(result["outcomes"]), "among imported events"),
        Figure("Alarms open", words.number(result["open"])),
    )
    parts = [f"{words.counted(result['visits'], 'visit')} read"]
    parts += [f"opened: {'; '.join(opened)}"] if opened else []
    parts += [f"closed: {'; '.join(closed)}"] if closed else []
    if result["open"] and not opened:
        parts.append(f"{words.counted(result['open'], 'alarm')} still open")
    text = f"{', '.join(parts)}."
    if result["open"]:
        return Said(text, Outcome.TO_LOOK_AT, figures)
    is_idle = not result["visits"] and not result["outcomes"] and not closed
    return Said(text, Outcome.UNCHANGED if is_idle else Outcome.REACHED, figures)


def say_told(result: Result) -> Said:
    """An alarm that was posted."""
    return Said(f"Posted that “{result['title']}” is {result['state']}.")
