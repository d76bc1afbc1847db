"""The job kinds of training. Their work is imported when it is done: it loads scikit-learn."""

from typing import Any

from project.exporting.arguments import say_exported
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


def _discard_export(run: Run) -> None:
    from project.exporting.making import discard_export

    discard_export(run)


@job(
    "training.export_dataset",
    title="Export a dataset",
    permission="training.download_dataset",
    says=say_exported,
    arguments=arguments.ExportDataset,
    cleanup=_discard_export,
)
def export_dataset(run: Run, asked: arguments.ExportDataset) -> dict[str, Any]:
    """Write one part of a dataset into a file that is kept for a week."""
    from training.jobs import exports

    return exports.export_dataset(run, asked)
