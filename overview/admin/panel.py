"""The front page: which models are live, how good the newest data is, what to do next."""

from typing import TypedDict

from django.http import HttpRequest
from django.urls import reverse

from overview.queries.status import (
    KindState,
    Step,
    StoreState,
    describe_kind,
    describe_store,
    next_step,
)
from project.pages.registry import panel
from training.kinds import all_kinds

# Where the admin does what a command of the next step does.
STEP_PAGES = {
    "build_dataset": ("admin:training_dataset_build", "training.build_dataset"),
    "generate_events": ("admin:training_modelversion_rebuild", "training.rebuild_model"),
}


class KindRow(TypedDict):
    """A kind as the front page shows it, with the pages of its champion and newest dataset."""

    state: KindState
    champion_url: str
    dataset_url: str
    retrain_url: str


class ModelsPanel(TypedDict):
    """The panel of models; an empty url where there is no page for it, or no right to it."""

    store: StoreState
    kinds: list[KindRow]
    step: Step
    step_url: str
    rebuild_url: str


@panel(
    "Models",
    template="overview/models_panel.html",
    permission="training.view_modelversion",
    order=30,
)
def models_panel(request: HttpRequest) -> ModelsPanel:
    """Return the champions and the newest datasets of each kind."""
    step = next_step()
    may_train = request.user.has_perm("training.train_model")
    name, permission = STEP_PAGES.get(step["command"].split()[0], ("", ""))
    return {
        "store": describe_store(),
        "kinds": [_row(describe_kind(kind), may_train) for kind in all_kinds()],
        "step": step,
        "step_url": reverse(name) if name and request.user.has_perm(permission) else "",
        "rebuild_url": reverse("admin:training_modelversion_rebuild")
        if request.user.has_perm("training.rebuild_model")
        else "",
    }


def _row(state: KindState, may_train: bool) -> KindRow:
    champion, dataset = state["champion"], state["dataset"]
    # Where the dataset is gone as well, a button that trains on it would only be refused.
    retrains = champion is not None and (champion["command"] or "").startswith("train_model")
    return {
        "state": state,
        "champion_url": reverse("admin:training_modelversion_change", args=[champion["id"]])
        if champion
        else "",
        "dataset_url": reverse("admin:training_dataset_change", args=[dataset["id"]])
        if dataset
        else "",
        "retrain_url": reverse("admin:training_modelversion_retrain", args=[champion["id"]])
        if champion and retrains and may_train
        else "",
    }
