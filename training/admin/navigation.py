"""Where datasets and models stand in the navigation, and how the palette finds them."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.db.models import QuerySet

from project.pages.links import record_url
from project.pages.navigation import FOUND, Entry, Found, add_entries, finder
from training.kinds import all_kinds
from training.models import Dataset, ModelVersion, Promotion

_entry = partial(Entry.of, section="Matching")

add_entries(
    _entry(Dataset, label="Datasets", order=40, icon="datasets", rows=Dataset.objects.all),
    _entry(
        ModelVersion,
        label="Models",
        order=41,
        icon="models",
        rows=lambda: ModelVersion.objects.filter(stage=ModelVersion.Stage.CHAMPION),
        noun="live",
    ),
    _entry(Promotion, label="Promotions", order=42),
    Entry(
        section="Matching",
        label="Scores",
        url_name="training_scores",
        order=43,
        permissions=("training.view_modelversion",),
        icon="scores",
    ),
)


@finder(Dataset)
def find_datasets(text: str) -> Iterator[Found]:
    """Find datasets by kind and version, as `match 2`."""
    for dataset in _named(Dataset.objects.only("kind", "version", "verdict"), text, "dataset"):
        yield Found(str(dataset), dataset.verdict, record_url(dataset), "datasets")


@finder(ModelVersion)
def find_models(text: str) -> Iterator[Found]:
    """Find models by kind and version, as `csat 3`."""
    for model in _named(ModelVersion.objects.only("kind", "version", "stage"), text, "model"):
        yield Found(str(model), model.stage, record_url(model), "models")


def _named(rows: QuerySet[Any], text: str, noun: str) -> QuerySet[Any]:
    """Return the newest rows of a version, where a number is said, and of the kinds of the words.

    Each word has to begin one of a kind's name or title, or the noun itself.
    """
    asked = text.lower().replace("_", " ").split()
    said = [word for word in asked if word.isascii() and word.isdigit() and len(word) < 10]
    kinds = [
        kind.name
        for kind in all_kinds()
        if all(
            any(known.startswith(word) for known in _words_of(kind.name, kind.title, noun))
            for word in asked
            if word not in said
        )
    ]
    for number in said:
        rows = rows.filter(version=int(number))
    return rows.filter(kind__in=kinds).order_by("-pk")[:FOUND]


def _words_of(*names: str) -> list[str]:
    return " ".join(names).lower().replace("_", " ").split()
