"""Waiting for other processes and threads.

A wait has no limit of its own. How long something takes tells how busy the machine is; a test that
waits for what never comes is ended by pytest-timeout, for all tests alike.
"""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
PAUSE_SECONDS = 0.05  # between two looks


def until(condition: Callable[[], Found]) -> Found:
    """Look until the condition holds, and return what it gave."""
    while not (found := condition()):
        time.sleep(PAUSE_SECONDS)
    return found
