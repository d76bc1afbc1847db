"""Whether a model can serve and a dataset can be trained on, as their files and formulas are now.

What lists and shows asks this too, so nothing here loads a model.
"""

import orjson

from matching.domain.words import COMPUTED_SETS, revision_of
from matching.queries.words import vocabulary_version
from project.origin import Origin
from project.storage.artifacts import read_verified
from project.storage.failures import ArtifactCorrupt, StoreAway, StoreRefused
from training.domain.libraries import SKLEARN, library_versions
from training.domain.model_files import (
    FEATURES_FILE,
    METADATA_FILE,
    MODEL_FORMAT,
    ModelMetadata,
)
from training.kinds import get_kind
from training.models import Dataset, ModelVersion
from training.queries.files import naming, retrain_command, verify_files


class ModelOutdated(ArtifactCorrupt):
    """The files are those that were written, but for other formulas, libraries or classes."""


def require_current(model: ModelVersion, words_now: int | None = None) -> ModelMetadata:
    """Return the metadata of a model that can serve, without loading it.

    `words_now` is the version of the vocabulary, where it is known already.

    Raises
    ------
    ArtifactCorrupt
        When its metadata is not what was written, or a file has no record; as ModelOutdated, for a
        model of an earlier format, of another scikit-learn, of another revision of its feature set,
        or of another vocabulary.
    """
    for name in (f"{get_kind(model.kind).file_stem}.pkl", FEATURES_FILE, METADATA_FILE):
        if name not in model.files:
            raise ArtifactCorrupt(f"{model} has no record of {name}.", remedy=train_again(model))
    with naming(model):
        content = read_verified(model.folder, METADATA_FILE, model.files[METADATA_FILE])
    metadata: ModelMetadata = orjson.loads(content)
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
    require_same_words(model, feature_set, words_now)
    return metadata


def require_same_words(model: ModelVersion, feature_set: str, words_now: int | None = None) -> None:
    """Let no model serve whose words meant something else: people teach words while it serves.

    Raises
    ------
    ModelOutdated
    """
    said = _why_other_words(model, feature_set, words_now)
    if said:
        raise ModelOutdated(f"{model} was trained {said}.", remedy=train_again(model))


def verify_model(model: ModelVersion, words_now: int | None = None) -> None:
    """Compare every file of a model with its record, and see that it can serve.

    Raises
    ------
    ArtifactCorrupt
        Names what differs; as ModelOutdated, why it cannot serve.
    """
    verify_files(model)
    require_current(model, words_now)


def why_not_serving(model: ModelVersion, words_now: int | None = None) -> str:
    """Say why a model cannot serve, empty when it can; its files themselves are looked at."""
    try:
        verify_model(model, words_now)
    except ArtifactCorrupt as error:
        return str(error)
    return ""


def is_out_of_reach(model: ModelVersion) -> bool:
    """Whether the store of its files does not answer, or lets nobody in: then nothing is wrong with
    the model, and training another one would help nobody."""
    try:
        verify_files(model)
    except (StoreAway, StoreRefused):
        return True
    except ArtifactCorrupt:
        return False
    return False


def why_outdated(dataset: Dataset) -> str:
    """Say by which formulas or words a dataset was built when they changed since; else empty."""
    now = revision_of(dataset.feature_set)
    if dataset.feature_revision != now:
        return (
            f"Dataset {dataset.version} was built by revision {dataset.feature_revision} of "
            f"{dataset.feature_set}, which is at revision {now} now"
        )
    said = _why_other_words(dataset, dataset.feature_set)
    return said and f"Dataset {dataset.version} was built {said}"


def _why_other_words(
    record: Dataset | ModelVersion, feature_set: str, words_now: int | None = None
) -> str:
    if feature_set not in COMPUTED_SETS:
        return ""
    then = record.vocabulary.get("version", 0)
    now = vocabulary_version() if words_now is None else words_now
    if then == now:
        return ""
    return (
        f"with version {then} of the vocabulary; words were taught since, and it is at version "
        f"{now} now"
    )


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
