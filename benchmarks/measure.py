"""Medians, ratios and peak memory of whole runs."""

import resource
import statistics
import time
from collections.abc import Callable
from typing import Any


def rate(rows: int, work: Callable[[], Any]) -> float:
    """Return rows a second of one call."""
    started = time.perf_counter()
    work()
    return rows / (time.perf_counter() - started)


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


def peak_memory_mb() -> float:
    """Return the largest resident size of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
