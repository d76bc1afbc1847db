"""The files of datasets and models: whether they are there, and what to do where they are not."""

from collections.abc import Iterator
from contextlib import contextmanager

from project.storage.artifacts import glance, verify
from project.storage.failures import (
    ArtifactCorrupt,
    ArtifactMissing,
    ArtifactUnreadable,
    StoreAway,
    StoreRefused,
)
from training.domain.kind import Recipe
from training.models import Dataset, ModelVersion
from training.queries.promotions import line_of_champions

FileRecord = Dataset | ModelVersion


def verify_files(record: FileRecord) -> None:
    """Compare every file of a record with what was kept about it.

    Raises
    ------
    ArtifactCorrupt
        Names what differs, and what to do about this record.
    """
    with naming(record):
        verify(record.folder, record.files)


def file_problem(record: FileRecord) -> ArtifactCorrupt | None:
    """Look at the files without reading them, and say what is wrong with them."""
    try:
        with naming(record):
            glance(record.folder, record.files)
    except ArtifactCorrupt as error:
        return error
    return None


def file_word(record: FileRecord) -> str:
    """Return what lists show of the files: there, gone, unreadable or changed. Asks no database."""
    try:
        glance(record.folder, record.files)
    except ArtifactMissing:
        return "gone"
    except ArtifactUnreadable:
        return "unreadable"
    except ArtifactCorrupt:
        return "changed"
    return "there"


def restorable_before(kind: str) -> int | None:
    """Return the version that a rollback makes live; None where its files are not there."""
    line = line_of_champions(kind)
    before = ModelVersion.objects.filter(pk=line[-2]).first() if len(line) > 1 else None
    return before.version if before is not None and file_word(before) == "there" else None


def build_command(dataset: Dataset) -> str:
    """Return the command that builds another dataset from the recipe of this one."""
    recipe, plain = Recipe.from_dict(dataset.recipe), Recipe()
    words = ["build_dataset", "--kind", dataset.kind]
    if recipe.batches:
        words += ["--batch", *map(str, recipe.batches)]
    if recipe.without:
        words += ["--without", *recipe.without]
    for name in ("origin", "feature_set", "outcomes", "split", "train_share", "seed"):
        value = getattr(recipe, name)
        # Batches that are named tell their origin themselves.
        if value != getattr(plain, name) and not (name == "origin" and recipe.batches):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return " ".join(words)


def retrain_command(model: ModelVersion) -> str:
    """Return the command that leads to another model on the rows of this one.

    Where their dataset is gone as well, it is built again first.
    """
    if file_problem(model.dataset) is not None:
        return build_command(model.dataset)
    seed = f" --seed {model.seed}" if model.seed else ""
    return f"train_model --kind {model.kind} --dataset {model.dataset.version}{seed}"


@contextmanager
def naming(record: FileRecord) -> Iterator[None]:
    """Say of what is wrong with a file which record it belongs to, and what can be done."""
    try:
        yield
    except (StoreAway, StoreRefused):
        raise  # nothing is wrong with the record
    except ArtifactCorrupt as error:
        remedies = [error.remedy]
        if isinstance(record, Dataset):
            remedies.append(f"Or build it again: `manage.py {build_command(record)}`.")
        else:
            line = line_of_champions(record.kind)
            if record.stage == ModelVersion.Stage.CHAMPION and len(line) > 1:
                remedies.append(
                    "Or return to the champion before it: "
                    f"`manage.py models rollback --kind {record.kind} --reason REASON`."
                )
            remedies.append(f"Or make another: `manage.py {retrain_command(record)}`.")
        raise type(error)(f"{record}: {error.message}", remedy=" ".join(remedies)) from error
