"""Whether a model can serve and a dataset can be trained on, as their files and formulas are now.

What lists and shows asks this too, so nothing here loads a model.
"""

from typing import Any

import orjson

from matching.domain.words import revision_of
from project import words
from project.origin import Origin
from project.storage.artifacts import ArtifactCorrupt, read_verified
from training.domain.libraries import SKLEARN, library_versions
from training.domain.model_files import FEATURES_FILE, METADATA_FILE, MODEL_FORMAT
from training.kinds import get_kind
from training.models import Dataset, ModelVersion
from training.queries.files import naming, retrain_command, verify_files


class ModelOutdated(ArtifactCorrupt):
    """The files are those that were written, but for other formulas, libraries or classes."""


def require_current(model: ModelVersion) -> dict[str, Any]:
    """Return the metadata of a model that can serve, without loading it.

    Raises
    ------
    ArtifactCorrupt
        When its metadata is not what was written, or a file has no record; as ModelOutdated, for a
        model of an earlier format, of another scikit-learn, or of another revision of its feature
        set.
    """
    for name in (f"{get_kind(model.kind).file_stem}.pkl", FEATURES_FILE, METADATA_FILE):
        if name not in model.files:
            raise ArtifactCorrupt(f"{model} has no record of {name}.", remedy=train_again(model))
    with naming(model):
        content = read_verified(model.folder, METADATA_FILE, model.files[METADATA_FILE])
    metadata: dict[str, Any] = orjson.loads(content)
    if metadata.get("format", 1) != MODEL_FORMAT:
        raise ModelOutdated(
            f"{model} was written by an earlier edition, whose classes are gone.",
            remedy=train_again(model),
        )
    written_with = metadata["libraries"][SKLEARN]
    installed = library_versions()[SKLEARN]
    if written_with != installed:
        raise ModelOutdated(
            f"{model} was written with scikit-learn {written_with}, installed is "
            f"{installed}; a pickle of another release may score differently.",
            remedy=train_again(model),
        )
    feature_set = metadata["feature_set"]
    if model.feature_revision != revision_of(feature_set):
        raise ModelOutdated(
            f"{model} was trained on revision {model.feature_revision} of {feature_set}; its "
            f"formulas were corrected since, and are revision {revision_of(feature_set)} now.",
            remedy=train_again(model),
        )
    return metadata


def verify_model(model: ModelVersion) -> None:
    """Compare every file of a model with its record, and see that it can serve.

    Raises
    ------
    ArtifactCorrupt
        Names what differs; as ModelOutdated, why it cannot serve.
    """
    verify_files(model)
    require_current(model)


def why_not_serving(model: ModelVersion) -> str:
    """Say why a model cannot serve, empty when it can; its files themselves are looked at."""
    try:
        verify_model(model)
    except ArtifactCorrupt as error:
        return str(error)
    return ""


def why_outdated(dataset: Dataset) -> str:
    """Say which formulas a dataset was built by when they were corrected since; else empty."""
    now = revision_of(dataset.feature_set)
    if dataset.feature_revision == now:
        return ""
    return (
        f"Dataset {dataset.version} was built by revision {dataset.feature_revision} of "
        f"{dataset.feature_set}, which is at revision {now} now"
    )


def why_stale(dataset: Dataset) -> str:
    """Say which events changed at their batch since a dataset was built of them; else empty.

    Nothing in the dataset changes. What was known of a batch when it was read stands in the
    lineage; datasets of before have batches that nothing had corrected.
    """
    read = {
        entry["id"]: entry.get("corrections", 0)
        for entry in dataset.lineage
        if entry.get("model") == "matching.eventbatch"
    }
    told = [
        f"{batch.corrections - read.get(batch.pk, 0):,} changes of events of batch {batch.pk} came "
        f"with later imports, the last on {words.moment(batch.corrected_at)}"
        for batch in dataset.batches.all()
        if batch.corrections > read.get(batch.pk, 0)
    ]
    return f"{dataset} is stale: {'; '.join(told)}" if told else ""


def train_again(model: ModelVersion) -> str:
    """Return the remedy for a model that cannot serve any more."""
    return f"Train it again: `manage.py {retrain_command(model)}`."


def why_mixed_up(dataset: Dataset) -> str:
    """Say why a mixture cannot be trained on: its validation is not of real rows alone.

    Empty where it can. Datasets of before do not know which of their rows are real.
    """
    if dataset.origin != Origin.COMBINED or "mixture" in dataset.report:
        return ""
    return f"{dataset} was built before validation was of real rows alone"
