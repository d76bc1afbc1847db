"""Takes datasets and models out; their files go when no row names them any more."""

from project.refusal import Refusal
from project.removal.contract import Counts
from training.models import Dataset, ModelVersion
from training.queries.removals import plan_of_dataset, plan_of_model
from training.services.versions import lock_kind


def remove_dataset(dataset: Dataset) -> Counts:
    """Remove a dataset that no model was trained on; returns what went.

    The caller is in a transaction and has locked the row.
    """
    plan = plan_of_dataset(dataset)
    if plan.blocked:
        raise Refusal(f"{plan.title} stays: {' '.join(plan.blocked)}", remedy=plan.remedy)
    dataset.delete()
    return plan.goes


def remove_model(model: ModelVersion) -> Counts:
    """Remove a model that is not live; returns what went.

    The caller is in a transaction. Nobody makes it live meanwhile: that takes the same lock.
    """
    lock_kind("champion", model.kind)
    model.refresh_from_db()
    plan = plan_of_model(model)
    if plan.blocked:
        raise Refusal(f"{plan.title} stays: {' '.join(plan.blocked)}", remedy=plan.remedy)
    model.delete()
    return plan.goes
