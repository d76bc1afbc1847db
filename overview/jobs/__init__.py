"""Job kinds that span the apps. Their work is imported when it is done: it loads pandas."""

from typing import Any

from matching.jobs import discard_generation
from overview.jobs.arguments import RebuildModel
from overview.jobs.sayings import say_rebuilt
from project.jobs.contract import Run, job


@job(
    "overview.rebuild_model",
    title="Rebuild the matching model",
    permission="training.rebuild_model",
    says=say_rebuilt,
    arguments=RebuildModel,
    cleanup=discard_generation,
)
def rebuild_matching_model(run: Run, asked: RebuildModel) -> dict[str, Any]:
    """Go every step from profiles to a model, and promote it where that is asked."""
    from overview.jobs.rebuild import rebuild

    return rebuild(run, asked)
