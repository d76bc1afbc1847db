"""The work of jobs on models."""

from typing import Any

from project.jobs.contract import Run
from training.kinds import DEFAULT_KIND, get_kind
from training.services.datasets import find_dataset
from training.services.training import summarise, train


def train_model(run: Run) -> dict[str, Any]:
    """Train on the dataset version in the arguments, or on the newest."""
    arguments = run.arguments
    kind = get_kind(arguments.get("model_kind", DEFAULT_KIND))
    # The newest is chosen once: a resumed run must not find another one.
    chosen = run.once(
        "train_choose",
        lambda: {"version": find_dataset(kind, arguments.get("dataset")).version},
    )
    model = train(
        run,
        find_dataset(kind, chosen["version"]),
        seed=int(arguments.get("seed", 0)),
        override_reason=arguments.get("override_reason", ""),
    )
    return summarise(model)
