"""Medians, ratios, fresh processes and their peak memory."""

import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Found = TypeVar("Found")


def seconds(work: Callable[[], Any]) -> float:
    """Return how long one call took."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def rate(rows: int, work: Callable[[], Any]) -> float:
    """Return rows a second of one call."""
    return rows / seconds(work)


def alternate(runs: int, *works: Callable[[], float]) -> list[list[float]]:
    """Call the works in turn, A B A B ..., so that a drift of the machine hits all of them."""
    results: list[list[float]] = [[] for _ in works]
    for _ in range(runs):
        for place, work in enumerate(works):
            results[place].append(work())
    return results


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the ratios of runs that stood side by side."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


def in_fresh_process(
    work: Callable[Given, Found], *args: Given.args, **kwargs: Given.kwargs
) -> Found:
    """Call a function of a module in a new process: its peak of memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *args, **kwargs).result()


def peak_memory_mb() -> float:
    """Return the largest resident size of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
