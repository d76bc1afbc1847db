"""The work of jobs on datasets."""

from typing import Any

from project.jobs.contract import Run
from training.kinds import DEFAULT_KIND, Recipe, get_kind
from training.services.datasets import build, summarise


def build_dataset(run: Run) -> dict[str, Any]:
    """Build a dataset of `model_kind` from the recipe in the arguments."""
    arguments = run.arguments
    recipe = Recipe(
        source=arguments.get("source", ""),
        batches=tuple(arguments.get("batches", ())),
        feature_set=arguments.get("feature_set", ""),
        split=arguments.get("split", ""),
        train_share=float(arguments.get("train_share", 0.8)),
        seed=int(arguments.get("seed", 0)),
    )
    return summarise(build(run, get_kind(arguments.get("model_kind", DEFAULT_KIND)), recipe))
