"""What training does about a person who is erased."""

from project.jobs.contract import Run
from project.removal.contract import Counts
from project.removal.erasing import Erasing, erases
from project.removal.sweep import leaves_out
from training.models import Dataset, ModelVersion

leaves_out("training.dataset")  # its texts stand in its files too


@erases("Datasets", order=70)
def erase_from_datasets(run: Run, erasing: Erasing) -> Counts:
    """Put numbers of nobody into datasets that had seen the person, and mark them."""
    from training.services import erasing as service

    marked = 0
    for dataset in Dataset.objects.order_by("pk").only("pk"):
        done = run.once(
            "dataset",
            lambda pk=dataset.pk: {"rows": service.rewrite_dataset(pk, erasing)},  # type: ignore[misc]
            dataset.pk,
        )
        if done["rows"]:
            marked += 1
            service.remove_earlier_places(Dataset.objects.get(pk=dataset.pk))
    return {"rewritten dataset": marked}


@erases("Models", order=80)
def erase_from_models(run: Run, erasing: Erasing) -> Counts:
    """Do the same to the texts beside models."""
    from training.services import erasing as service

    rewritten = 0
    for model in ModelVersion.objects.order_by("pk").only("pk"):
        done = run.once(
            "model",
            lambda pk=model.pk: {"rows": service.rewrite_model(pk, erasing)},  # type: ignore[misc]
            model.pk,
        )
        if done["rows"]:
            rewritten += 1
            service.remove_earlier_places(ModelVersion.objects.get(pk=model.pk))
    return {"rewritten model description": rewritten}
