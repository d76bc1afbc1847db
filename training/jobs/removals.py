"""How datasets and models are taken out."""

from typing import TypeVar

from project.removal.contract import Counts, Plan, Removal, RemoveRecord
from project.removal.registry import removal
from training.models import Dataset, ModelVersion
from training.queries.removals import plan_of_dataset, plan_of_model
from training.services.removals import remove_dataset, remove_model

Record = TypeVar("Record", Dataset, ModelVersion)


def _named(records: type[Record], name: str) -> Record | None:
    """Return the record that KIND/VERSION names."""
    kind, slash, version = name.partition("/")
    if not slash or not (version.isascii() and version.isdecimal() and len(version) < 10):
        return None
    return records.objects.filter(kind=kind, version=int(version)).first()


@removal
class RemoveDataset(Removal[Dataset]):
    """A dataset and its files."""

    thing = "dataset"
    noun = "a dataset"
    called = "KIND/VERSION"
    listed = "Datasets"
    model = "training.dataset"
    kind = "training.remove_dataset"
    permission = "training.delete_dataset"

    def named(self, name: str) -> Dataset | None:
        return _named(Dataset, name)

    def plan(self, record: Dataset, asked: RemoveRecord) -> Plan:
        return plan_of_dataset(record)

    def finish(self, record: Dataset, asked: RemoveRecord) -> Counts:
        return remove_dataset(record)


@removal
class RemoveModel(Removal[ModelVersion]):
    """A model that is not live, and its files."""

    thing = "model"
    noun = "a model"
    called = "KIND/VERSION"
    listed = "Models"
    model = "training.modelversion"
    kind = "training.remove_model"
    permission = "training.delete_modelversion"

    def named(self, name: str) -> ModelVersion | None:
        return _named(ModelVersion, name)

    def plan(self, record: ModelVersion, asked: RemoveRecord) -> Plan:
        return plan_of_model(record)

    def finish(self, record: ModelVersion, asked: RemoveRecord) -> Counts:
        return remove_model(record)
