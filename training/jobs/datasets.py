"""The work of jobs on datasets."""

from typing import Final

from matching.services.sent import close_sent_batches
from project.jobs.contract import Result, Run
from project.storage.artifacts import require_own_folder
from training.domain.kind import ModelKind, Recipe
from training.jobs.arguments import BuildDataset
from training.kinds import get_kind
from training.models import Dataset
from training.queries.datasets import describe_dataset
from training.queries.preparing import prepare_dataset
from training.services.datasets import write_dataset

BUILD_STAGE: Final = "Build the dataset"


def build_dataset(run: Run, asked: BuildDataset) -> Result:
    """Build a dataset of a kind of model from the recipe that is asked for."""
    recipe = Recipe(
        origin=asked.origin,
        batches=tuple(asked.batches),
        feature_set=asked.feature_set,
        outcomes=asked.outcomes,
        without=tuple(asked.without),
        split=asked.split,
        train_share=asked.train_share,
        seed=asked.seed,
    )
    return {**describe_dataset(build(run, get_kind(asked.model_kind), recipe))}


def build(run: Run, kind: ModelKind, recipe: Recipe) -> Dataset:
    """Build a dataset inside a job; a resumed run returns the one it has made."""
    done = run.result_of("build_dataset")
    if done is None:
        require_own_folder()  # before hours of work for a folder that takes nothing
        close_sent_batches()  # an event that comes while they are read joins another batch
        with run.stage(BUILD_STAGE):
            run.report(0, 2, "Reading, splitting and measuring the rows")
            prepared = prepare_dataset(kind, recipe)
            run.report(1, 2, "Writing the files")
            with run.transaction("build_dataset") as done:
                dataset = write_dataset(prepared, by=run.user)
                done["dataset"] = dataset.pk
    dataset = Dataset.objects.get(pk=done["dataset"])
    run.add_record(dataset)
    return dataset
