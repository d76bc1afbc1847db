"""Makes the next thing ready while this one is worked on."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(things: Iterator[T]) -> Generator[T, None, None]:
    """Yield what an iterator yields, each made in a thread while the one before is worked on.

    Two are in memory at most. It pays where the caller waits for a server meanwhile.
    """
    nothing = object()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as maker:
        following = maker.submit(next, things, nothing)
        while (thing := following.result()) is not nothing:
            following = maker.submit(next, things, nothing)
            yield thing  # type: ignore[misc]
