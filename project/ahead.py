"""Makes the next thing ready while this one is worked on."""

import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillAtWork
from contextlib import ExitStack
from threading import Event
from typing import Final, TypeVar

T = TypeVar("T")

PATIENCE_SECONDS: Final = 0.5  # between two looks whether to go on
# How long a thread that computes may keep one waiting that only hands bytes to a server. Python's
# own 5 ms, some ten times a chunk, cost a tenth of an import.
SWITCH_SECONDS: Final = 0.0005


class Abandoned(Exception):
    """Whoever waits for this does not want it any more."""


class Reins:
    """Holds a maker in another thread back, which may not ask a database itself.

    `look` is called by who waits, and raises when the work has to end; `told` is given to the
    maker, and ends it then.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._is_over = Event()

    def look(self) -> None:
        """Go on, or raise; called where the database may be asked."""
        try:
            self._look()
        except BaseException:
            self._is_over.set()
            raise

    def told(self, _done: int) -> None:
        """End the maker once the work has to end; called in its thread."""
        if self._is_over.is_set():
            raise Abandoned


def ahead(things: Iterator[T], reins: Reins | None = None) -> Generator[T, None, None]:
    """Yield what an iterator yields, each made in a thread while the one before is worked on.

    Two are in memory at most. It pays where the caller waits for a server meanwhile. With `reins`
    it is looked now and then, while the next thing is waited for, whether to go on.
    """
    nothing = object()
    with ExitStack() as stack:
        stack.callback(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(SWITCH_SECONDS)
        maker = stack.enter_context(ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead"))
        following = maker.submit(next, things, nothing)
        while True:
            try:
                thing = following.result(None if reins is None else PATIENCE_SECONDS)
            except StillAtWork:
                if following.done():  # its own work ran out of time
                    raise
                if reins is not None:
                    reins.look()
                continue
            if thing is nothing:
                return
            following = maker.submit(next, things, nothing)
            yield thing  # type: ignore[misc]
