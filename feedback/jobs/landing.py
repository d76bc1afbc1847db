"""Lands chunks, of a job only while its run still owns it."""

from collections.abc import Sequence
from contextlib import nullcontext

from feedback.services.landing import Landing, ParsedChunk
from project.jobs.contract import Run

LAND_ROWS = 8_192  # in one transaction; twice as many decoded rows leave the cache of a core


def land_chunk(
    run: Run | None, landing: Landing, chunk: ParsedChunk, *, lines: Sequence[int] | None = None
) -> None:
    """Land one chunk in the run's transaction, or in one of its own without a run."""
    with nullcontext() if run is None else run.transaction():
        landing.land(chunk, lines=lines)
