"""Waiting for other processes and threads.

A wait has no limit that a busy machine could reach: how long something takes tells how busy it is.
What never comes ends after a great many looks, with words about what was awaited.
"""

import inspect
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Found = TypeVar("Found")
PAUSE_SECONDS = 0.05  # between two looks
LOOKS_AT_MOST = 12_000  # 600 s of pauses, and as long as the looks themselves take
WORDS_AT_MOST = 300  # characters of a value that is told


class NeverCame(AssertionError):
    """What a test waited for did not come in a time in which it would have, however busy."""


def until(
    condition: Callable[[], Found], *, awaited: Callable[[], str] | str = "", looks: int = 0
) -> Found:
    """Look until the condition holds, and return what it gave.

    Parameters
    ----------
    awaited : what it is, for who reads that it never came; without it the condition is told. A
        function is asked then, so that it can say what was there instead.
    looks : how often is looked at most; 0 means LOOKS_AT_MOST.

    Raises
    ------
    NeverCame
        After so many looks.
    """
    for _ in range(looks or LOOKS_AT_MOST):
        if found := condition():
            return found
        time.sleep(PAUSE_SECONDS)
    said = awaited() if callable(awaited) else awaited
    raise NeverCame(f"Waited in vain for {said or _told(condition)}.")


def _told(condition: Callable[[], Any]) -> str:
    """Return the source of a condition, and what stands in its names."""
    try:
        source = " ".join(inspect.getsource(condition).split())
        values = inspect.getclosurevars(condition).nonlocals
    except (OSError, TypeError):  # of what is written in no file, or in no Python
        return repr(condition)
    told = [f"{name}={value!r}"[:WORDS_AT_MOST] for name, value in values.items()]
    return " | ".join([source[: 2 * WORDS_AT_MOST], *told])


def until_removed(folder: Path) -> None:
    """Remove a folder in which a server may still be writing."""

    def is_gone() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    until(is_gone, awaited=f"{folder} to be removable")
