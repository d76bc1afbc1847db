"""Every way to take something out, by its word: declared once, each is a job kind too."""

from collections.abc import Mapping
from typing import Any

from project import words
from project.jobs.contract import Run, job
from project.jobs.said import Figure, Outcome, Said
from project.removal.contract import Removal, RemoveRecord, figures_of, said_of
from project.removal.work import remove


def say_removed(result: Mapping[str, Any]) -> Said:
    """What is gone, and whether something that stood on it is to be looked at."""
    how = _removals.get(result.get("thing", ""))
    counts = how.beside(result["counts"]) if how is not None else result["counts"]
    gone = said_of(counts)
    figures = tuple(Figure(label, value) for label, value in figures_of(counts))
    if not any(result["counts"].values()):
        return Said(f"There was nothing to remove of {result['title']}.", Outcome.UNCHANGED)
    told = f": {words.listed(gone)}" if gone else ""
    text = f"{result['title']} is removed{told}."
    if not result["stale"]:
        return Said(text, Outcome.REACHED, figures)
    return Said(
        f"{text} Look at what stood on it: {result['stale'][0]}", Outcome.TO_LOOK_AT, figures
    )


_removals: dict[str, Removal[Any]] = {}


def removal(declared: type[Removal[Any]]) -> type[Removal[Any]]:
    """Declare a way to take something out: a job kind, a word of the command, a page."""
    one = declared()
    if one.thing in _removals:
        raise ValueError(f"Two removals are called {one.thing}.")
    _removals[one.thing] = one

    def work(run: Run, asked: RemoveRecord) -> dict[str, Any]:
        return remove(one, run, asked)

    work.__doc__ = f"Remove {one.noun} and what belongs to it, and keep a receipt."
    work.__module__ = declared.__module__
    job(
        one.kind,
        title=f"Remove {one.noun}",
        permission=one.permission,
        says=say_removed,
        arguments=one.arguments,
        happens_once=True,
    )(work)
    return declared


def all_removals() -> list[Removal[Any]]:
    """Return every one, by its word."""
    return [_removals[thing] for thing in sorted(_removals)]


def removal_of(thing: str) -> Removal[Any] | None:
    """Return the one of a word."""
    return _removals.get(thing)
