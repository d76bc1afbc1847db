"""Where a batch, dataset or model comes from and what came of it, in few questions."""

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Prefetch, QuerySet, prefetch_related_objects

from matching.models import EventBatch, SeedUser
from project import words
from training.models import Dataset, ModelVersion, Promotion
from training.queries.staleness import (
    changed_feedback,
    changes_by_batch,
    erased_people,
    removed_batches,
)

NODES: Final = 4  # shown of one stage; the others are counted
# What a drawing does not say, and may be megabytes.
OF_BATCH: Final = ("population", "summary")
OF_DATASET: Final = ("report", "histograms", "files")
OF_MODEL: Final = ("parameters", "metrics", "baselines", "importance", "gates", "comparisons")


@dataclass(frozen=True)
class Node:
    """One record, or people as a whole (without `pk`), as it is now.

    changed : what happened to it since the next stage was made of it; empty: nothing
    """

    model: str  # app_label.model_name
    pk: int | None
    title: str
    note: str = ""
    state: str = ""
    is_current: bool = False
    changed: str = ""


@dataclass(frozen=True)
class Stage:
    """Records of one kind; `more` are not named."""

    title: str
    nodes: list[Node]
    more: int = 0


@dataclass(frozen=True)
class Lineage:
    """From people or sources to what was made live.

    Attributes
    ----------
    stages : left to right; one without records is left out
    outdated : the dataset to build again, where what it was built of changed since
    is_gone : whether all batches of that dataset were removed, so that it cannot be built again
    are_people_changed : whether profiles were edited since events were made of them
    """

    stages: list[Stage]
    outdated: Dataset | None
    is_gone: bool
    are_people_changed: bool

    @property
    def has_changed(self) -> bool:
        """Whether something upstream changed."""
        return self.outdated is not None or self.are_people_changed


def lineage_of(record: EventBatch | Dataset | ModelVersion) -> Lineage:
    """Return the lineage of a record both ways."""
    batches, datasets, models = _around(record)
    promotions = Promotion.objects.filter(model__in=models.order_by().values("pk"))
    newest = "-created_at", "-version"
    first_batches = _first(record, batches.defer(*OF_BATCH).order_by("-pk"))
    first_datasets = _first(record, datasets.defer(*OF_DATASET).order_by(*newest))
    # Their batches are asked for once, to say which of them changed.
    light = EventBatch.objects.only(
        *("pk", "made", "corrections", "corrected_at", "merged_events", "merged_at")
    )
    prefetch_related_objects(first_datasets[0], Prefetch("batches", light))
    first_models = _first(record, models.defer(*OF_MODEL).order_by(*newest))
    first_promotions = _first(record, promotions.order_by("-id"))

    changes: dict[int, str] = {}
    of_sources = ""
    outdated = None
    for dataset in reversed(first_datasets[0]):
        told, feedback = changes_by_batch(dataset), changed_feedback(dataset)
        erased = erased_people(dataset)
        changes |= {pk: "; ".join(one) for pk, one in told.items()}
        of_sources = "; ".join(feedback) or of_sources
        outdated = dataset if told or feedback or erased else outdated
    people = _people(first_batches[0])
    stages = [
        Stage("People", [people] if people else []),
        _sources(first_datasets[0], of_sources),
        _stage("Batches", first_batches, lambda one: _batch(one, record, changes.get(one.pk, ""))),
        _stage("Datasets", first_datasets, lambda one: _dataset(one, record)),
        _stage("Models", first_models, lambda one: _model(one, record)),
        _stage("Promotions", first_promotions, _promotion),
    ]
    return Lineage(
        [stage for stage in stages if stage.nodes],
        outdated,
        bool(outdated and removed_batches(outdated) and not outdated.batches.all()),
        bool(people and people.changed),
    )


def _around(
    record: EventBatch | Dataset | ModelVersion,
) -> tuple[QuerySet[EventBatch], QuerySet[Dataset], QuerySet[ModelVersion]]:
    if isinstance(record, EventBatch):
        made = ModelVersion.objects.filter(dataset__in=record.datasets.values("pk"))
        return EventBatch.objects.filter(pk=record.pk), record.datasets.all(), made
    if isinstance(record, Dataset):
        this = Dataset.objects.filter(pk=record.pk)
        # Not `record.batches`: a page has prefetched it with fewer columns than are drawn.
        of_it = EventBatch.objects.filter(datasets=record.pk)
        return of_it, this, record.model_versions.all()
    this = Dataset.objects.filter(pk=record.dataset_id)
    of_it = EventBatch.objects.filter(datasets=record.dataset_id)
    return of_it, this, ModelVersion.objects.filter(pk=record.pk)


def _first(record: Any, rows: QuerySet[Any]) -> tuple[list[Any], int]:
    """Return the first rows, and how many more there are: counted only where there are more.

    Of the records of its own kind the one that is drawn stands alone, and is at hand.
    """
    if isinstance(record, rows.model):
        return [record], 0
    shown = list(rows[: NODES + 1])
    return shown[:NODES], rows.count() - NODES if len(shown) > NODES else 0


def _stage(title: str, found: tuple[list[Any], int], make: Any) -> Stage:
    return Stage(title, [make(one) for one in found[0]], found[1])


def _people(batches: list[EventBatch]) -> Node | None:
    """Return the people whose profiles events were made of, and whether some were edited since."""
    of_profiles = [batch for batch in batches if _is_of_profiles(batch)]
    if not of_profiles:
        return None
    since = min(batch.created_at for batch in of_profiles)
    edited = SeedUser.objects.filter(created_at__lte=since, updated_at__gt=since)
    count = SeedUser.objects.count()
    changed = edited.count()
    oldest = min(batch.pk for batch in of_profiles)
    told = words.counted(changed, "profile was", "profiles were")
    return Node(
        "matching.seeduser",
        None,
        words.counted(count, "person", "people"),
        "as they are now",
        changed=f"{told} edited after batch {oldest} was made" if changed else "",
    )


def _is_of_profiles(batch: EventBatch) -> bool:
    """Whether its features come from profiles: a log that has its own needs none."""
    return (
        batch.method == EventBatch.Method.GENERATED
        or batch.parameters.get("features") == "computed"
    )


def _sources(datasets: list[Dataset], changed: str) -> Stage:
    """Return the sources of feedback that datasets were read from, as the lineage names them."""
    named = {
        entry["id"]: entry
        for dataset in datasets
        for entry in dataset.lineage
        if entry.get("model") == "feedback.feedbacksource"
    }
    nodes = [
        Node(
            "feedback.feedbacksource",
            pk,
            str(entry.get("title", "")),
            words.counted(int(entry.get("rows") or 0), "row read", "rows read"),
            str(entry.get("origin") or ""),
            # How many changed is known of all of them together.
            changed=changed if len(named) == 1 else "",
        )
        for pk, entry in named.items()
    ]
    return Stage("Sources", nodes[:NODES], max(0, len(nodes) - NODES))


def _batch(batch: EventBatch, record: Any, changed: str) -> Node:
    told = [words.counted(batch.made, "event"), batch.get_origin_display()]
    if batch.file_name or batch.seed is not None:
        told.append(batch.file_name or f"seed {batch.seed}")
    return Node(
        "matching.eventbatch",
        batch.pk,
        f"Batch {batch.pk}",
        ", ".join(told),
        batch.verdict,
        _is(batch, record),
        changed,
    )


def _dataset(dataset: Dataset, record: Any) -> Node:
    parts = f"{words.number(dataset.train_rows)} + {words.tally(dataset.validation_rows, 'row')}"
    return Node(
        "training.dataset",
        dataset.pk,
        f"Dataset {dataset.version}",
        f"{parts}, {dataset.feature_set or dataset.origin}",
        dataset.verdict,
        _is(dataset, record),
        "; ".join(erased_people(dataset)),
    )


def _model(model: ModelVersion, record: Any) -> Node:
    note = f"{model.algorithm.replace('_', ' ')}, {words.moment(model.created_at)}"
    return Node(
        "training.modelversion",
        model.pk,
        f"Version {model.version}",
        note,
        model.stage,
        _is(model, record),
    )


def _promotion(promotion: Promotion) -> Node:
    did = "made live" if promotion.action == Promotion.Action.PROMOTE else "returned to"
    return Node(
        "training.promotion",
        promotion.pk,
        f"Version {promotion.version} {did}",
        f"{promotion.actor}, {words.moment(promotion.at)}",
    )


def _is(one: Any, record: Any) -> bool:
    return type(one) is type(record) and one.pk == record.pk
