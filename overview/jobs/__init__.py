"""Job kinds that span the apps. Their work is imported when it is done: it loads pandas."""

from typing import Any

from matching.jobs import discard_generation
from project.jobs.contract import Run, job


@job(
    "training.rebuild",
    title="Rebuild the matching model",
    permission="training.rebuild_model",
    cleanup=discard_generation,
)
def rebuild_matching_model(run: Run) -> dict[str, Any]:
    """Run every step from profiles to a champion."""
    from overview.jobs.rebuild import rebuild

    return rebuild(run, **run.arguments)
