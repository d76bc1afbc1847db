"""Where datasets and models stand in the navigation."""

from collections.abc import Iterator

from django.http import HttpRequest

from project.pages.links import record_url
from project.pages.navigation import Entry, Found, add_entries, finder
from training.models import Dataset, ModelVersion

FOUND = 5

add_entries(
    Entry(
        section="Matching",
        label="Datasets",
        url_name="training_dataset_changelist",
        order=40,
        permissions=("training.view_dataset",),
        icon="datasets",
        rows=Dataset.objects.all,
    ),
    Entry(
        section="Matching",
        label="Models",
        url_name="training_modelversion_changelist",
        order=41,
        permissions=("training.view_modelversion",),
        icon="models",
        rows=lambda: ModelVersion.objects.filter(stage=ModelVersion.Stage.CHAMPION),
        noun="live",
    ),
    Entry(
        section="Matching",
        label="Promotions",
        url_name="training_promotion_changelist",
        order=42,
        permissions=("training.view_promotion",),
    ),
)


@finder("training.view_dataset")
def find_datasets(request: HttpRequest, text: str) -> Iterator[Found]:
    """Find datasets by kind and version, as `match 2`."""
    for dataset in Dataset.objects.order_by("-pk").only("kind", "version", "verdict")[:200]:
        if _names(text, str(dataset), "dataset"):
            yield Found(str(dataset), dataset.verdict, record_url(dataset), "datasets")


@finder("training.view_modelversion")
def find_models(request: HttpRequest, text: str) -> Iterator[Found]:
    """Find models by kind and version, as `csat 3`."""
    for model in ModelVersion.objects.order_by("-pk").only("kind", "version", "stage")[:200]:
        if _names(text, str(model), "model version"):
            yield Found(str(model), model.stage, record_url(model), "models")


def _names(text: str, title: str, what: str) -> bool:
    """Whether each word of a text begins a word of what a record is called."""
    known = f"{title} {what}".lower().replace("_", " ").split()
    return all(any(word.startswith(asked) for word in known) for asked in text.lower().split())
