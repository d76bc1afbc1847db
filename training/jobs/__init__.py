"""The job kinds of training. Their work is imported when it is done: it loads scikit-learn."""

from typing import Any

from project.jobs.contract import Run, job
from training.jobs import arguments, erasing, removals, sayings

__all__ = ["erasing", "removals"]  # what declares kinds of its own


@job(
    "training.build_dataset",
    title="Build a dataset",
    permission="training.build_dataset",
    says=sayings.say_dataset,
    arguments=arguments.BuildDataset,
)
def build_dataset(run: Run, asked: arguments.BuildDataset) -> dict[str, Any]:
    """Build a dataset version from event batches or feedback, and measure its quality."""
    from training.jobs import datasets

    return datasets.build_dataset(run, asked)


@job(
    "training.train_model",
    title="Train a model",
    permission="training.train_model",
    says=sayings.say_model,
    arguments=arguments.TrainModel,
)
def train_model(run: Run, asked: arguments.TrainModel) -> dict[str, Any]:
    """Train on a dataset version, measure the model and hold it to its gates."""
    from training.jobs import models

    return models.train_model(run, asked)
