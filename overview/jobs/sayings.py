"""What the jobs that span the apps say of their results."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from project.jobs.said import Outcome, Said
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
