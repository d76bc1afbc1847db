"""What the jobs that span the apps say of their results."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from project import words
from project.jobs.said import Figure, Outcome, Said
from project.removal.contract import figures_of as figures_of_counts
from project.removal.contract import said_of
from training.jobs.sayings import figures_of, measured_in_words, say_model


def say_rebuilt(result: Mapping[str, Any]) -> Said:
    """The model that is live now, or the one that waits as a candidate."""
    model = result["model"]
    if result["promotion"] is None:
        waiting = say_model(model)
        return replace(waiting, text=f"{waiting.text[:-1]}. What is live stays live.")
    previous = result["promotion"]["previous"]
    text = f"Version {model['version']} is live: {measured_in_words(model)}."
    if previous is not None:
        text += f" Before it was version {previous}."
    is_warned = model["verdict"] != "pass"
    return Said(text, Outcome.TO_LOOK_AT if is_warned else Outcome.REACHED, figures_of(model))


def say_backed_up(result: Mapping[str, Any]) -> Said:
    """Where the backup is, how large it is and how long it took."""
    figures = (
        Figure("Size", words.size(result["bytes"])),
        Figure("Files", words.number(result["files"])),
        Figure("Rows", words.number(result["rows"])),
        Figure("Took", words.duration(result["seconds"])),
    )
    text = f"Backup {result['name']} stands"
    if result["removed"]:
        text += f"; removed: {words.counted(len(result['removed']), 'older one')}"
    return Said(f"{text}.", Outcome.REACHED, figures)


def say_tidied(result: Mapping[str, Any]) -> Said:
    """What was older than it is kept, and went."""
    gone = said_of(result["counts"])
    if not gone:
        return Said("Nothing was older than it is kept.", Outcome.UNCHANGED)
    figures = tuple(Figure(label, value) for label, value in figures_of_counts(result["counts"]))
    return Said(f"Removed: {words.listed(gone)}.", Outcome.REACHED, figures)
