"""The job kinds of training. Their work is imported when it is done: it loads scikit-learn."""

from typing import Any

from project.jobs.contract import Run, job


@job("training.build_dataset", title="Build a dataset", permission="training.build_dataset")
def build_dataset(run: Run) -> dict[str, Any]:
    """Build a dataset of `model_kind` from the recipe in the arguments."""
    from training.jobs import datasets

    return datasets.build_dataset(run)


@job("training.train_model", title="Train a model", permission="training.train_model")
def train_model(run: Run) -> dict[str, Any]:
    """Train on the dataset version in the arguments, or on the newest."""
    from training.jobs import models

    return models.train_model(run)
