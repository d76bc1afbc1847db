"""The work of jobs on datasets."""

from project.jobs.contract import Result, Run
from training.domain.kind import ModelKind, Recipe
from training.kinds import DEFAULT_KIND, get_kind
from training.models import Dataset
from training.queries.datasets import describe_dataset
from training.queries.preparing import prepare_dataset
from training.services.datasets import write_dataset


def build_dataset(run: Run) -> Result:
    """Build a dataset of `model_kind` from the recipe in the arguments."""
    arguments = run.arguments
    kind = get_kind(arguments.get("model_kind", DEFAULT_KIND))
    return {**describe_dataset(build(run, kind, Recipe.from_dict(arguments)))}


def build(run: Run, kind: ModelKind, recipe: Recipe) -> Dataset:
    """Build a dataset inside a job; a resumed run returns the one it has made."""
    done = run.result_of("build_dataset")
    if done is None:
        with run.stage("Build the dataset"):
            run.report(0, 2, "Reading, splitting and measuring the rows")
            prepared = prepare_dataset(kind, recipe)
            run.report(1, 2, "Writing the files")
            with run.transaction("build_dataset") as done:
                done["dataset"] = write_dataset(prepared, by=run.user).pk
    dataset = Dataset.objects.get(pk=done["dataset"])
    run.add_record(dataset)
    return dataset
