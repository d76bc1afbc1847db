"""The work of jobs on batches of match events."""

from typing import Any

from matching.services.generation import discard_generation, generate
from project.jobs.kinds import job
from project.jobs.runner import JobRun


@job(
    "matching.generate_events",
    title="Generate match events",
    permission="matching.generate_events",
    cleanup=discard_generation,
)
def generate_events(run: JobRun) -> dict[str, Any]:
    """Generate one batch of synthetic events."""
    return generate(run, **run.arguments)
