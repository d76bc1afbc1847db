"""What a model is asked for: a label, a number. One package each; nothing else asks which it is.

A task is found by its name: `task.py` of its package says what is fitted, measured and gated, and
`figures.py` what people are shown, which loads neither pandas nor scikit-learn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.domain.tasks.base import Task
    from training.domain.tasks.figures import Figures


class UnknownTask(LookupError):
    """No package of this folder has that name."""


def get_task(name: str) -> Task[Any]:
    """Return the task of a name."""
    task: Task[Any] = _part(name, "task").TASK
    return task


def get_figures(name: str) -> Figures:
    """Return what people are shown of the models of a task."""
    figures: Figures = _part(name, "figures").FIGURES
    return figures


def _part(name: str, part: str) -> Any:
    try:
        return import_module(f"{__name__}.{name}.{part}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise UnknownTask(f"There is no task {name!r}.") from error
