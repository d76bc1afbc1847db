"""Waiting for other processes and threads.

A wait has no limit of its own. How long something takes tells how busy the machine is; a test that
waits for what never comes is ended by pytest-timeout, for all tests alike.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")
PAUSE_SECONDS = 0.05  # between two looks


def until(condition: Callable[[], Found]) -> Found:
    """Look until the condition holds, and return what it gave."""
    while not (found := condition()):
        time.sleep(PAUSE_SECONDS)
    return found


def until_removed(folder: Path) -> None:
    """Remove a folder in which a server may still be writing."""

    def is_gone() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    until(is_gone)
