"""What stands on datasets and models, for whoever is about to remove one."""

from collections.abc import Mapping
from typing import Any, Final

from django.db.models import Prefetch, Q, QuerySet

from feedback.models import CollectionRun, FeedbackSource
from matching.models import EventBatch, MatchEvent, SeedUser
from matching.queries.erasing import names_of, numbers_of
from project import words
from project.removal.contract import Lead, Plan, Standing, stands_on
from training.models import Dataset, ModelVersion, Promotion
from training.queries.promotions import version_before

LED_TO: Final = 5  # newest other versions of a kind whose pages a plan leads to


def plan_of_dataset(dataset: Dataset) -> Plan:
    """Say what goes with a dataset; models that were trained on it hold it."""
    trained = dict(dataset.model_versions.order_by("version").values_list("version", "pk"))
    models = list(trained)
    blocked: tuple[str, ...] = ()
    remedy = ""
    if models:
        named = words.listed([f"{dataset.kind}/{version}" for version in models])
        noun = "Model" if len(models) == 1 else "Models"
        blocked = (f"{noun} {named} {'was' if len(models) == 1 else 'were'} trained on it.",)
        remedy = (
            f"Remove {'that' if len(models) == 1 else 'those'} first, with "
            f"`manage.py remove model {dataset.kind}/{models[0]} --why TEXT`."
        )
    batches = list(dataset.batches.order_by("pk").values_list("pk", flat=True))
    stays = []
    if batches:
        stays.append(f"{_named('Batch', batches)}: a dataset has its own copy of the rows.")
    return Plan(
        title=f"Dataset {dataset.kind}/{dataset.version}",
        goes={
            "dataset": 1,
            "file": len(dataset.files),
            "row": dataset.train_rows + dataset.validation_rows,
        },
        stays=tuple(stays),
        blocked=blocked,
        remedy=remedy,
        leads=tuple(_lead(dataset.kind, version, pk) for version, pk in trained.items()),
        digests=_sha256(dataset.files),
        kind=dataset.kind,
        version=dataset.version,
    )


def plan_of_model(model: ModelVersion) -> Plan:
    """Say what goes with a model; the live one holds itself."""
    blocked: tuple[str, ...] = ()
    remedy = ""
    leads: tuple[Lead, ...] = ()
    if model.stage == ModelVersion.Stage.CHAMPION:
        blocked = ("It is live.",)
        remedy = f"{_another(model.kind, model.dataset.version)}; then remove it."
        others = ModelVersion.objects.of_kind(model.kind).exclude(pk=model.pk).order_by("-version")
        found = others.values_list("version", "pk")[:LED_TO]
        leads = tuple(_lead(model.kind, version, pk) for version, pk in found) or (
            (
                f"Dataset {model.kind}/{model.dataset.version}",
                "training.dataset",
                str(model.dataset.pk),
            ),
        )
    stale, stays = [], [f"Dataset {model.kind}/{model.dataset.version}, on which it was trained."]
    if version_before(model.kind) == model.version:
        stale.append("A rollback would return to it; without it, to the one before it, or to none.")
    decided = Promotion.objects.filter(kind=model.kind, model=model.pk).count()
    if decided:
        stays.append(
            f"{words.counted(decided, 'line')} of the history of what was live: "
            f"{'it names' if decided == 1 else 'they name'} the version, and never "
            f"{'changes' if decided == 1 else 'change'}."
        )
    return Plan(
        title=f"Model {model.kind}/{model.version}",
        goes={"model": 1, "file": len(model.files)},
        stale=tuple(stale),
        stays=tuple(stays),
        blocked=blocked,
        remedy=remedy,
        leads=leads,
        digests=_sha256(model.files),
        kind=model.kind,
        version=model.version,
    )


@stands_on("matching.eventbatch")
def standing_on_batch(batch: EventBatch) -> Standing:
    """Say which datasets and models were made of a batch."""
    return _standing(Dataset.objects.filter(batches=batch.pk))


@stands_on("feedback.feedbacksource")
def standing_on_source(source: FeedbackSource) -> Standing:
    """Say which datasets and models were made of feedback of a source."""
    return _standing(_read_from(source.pk))


@stands_on("feedback.collectionrun")
def standing_on_run(run: CollectionRun) -> Standing:
    """Say which datasets and models were made of feedback of a source since a run began."""
    return _standing(_read_from(run.source_id).filter(created_at__gte=run.started_at))


def _read_from(source: int) -> QuerySet[Dataset]:
    entry = {"model": "feedback.feedbacksource", "id": source}
    return Dataset.objects.filter(lineage__contains=[entry])


def _standing(datasets: QuerySet[Dataset]) -> Standing:
    """Say what was made of datasets; a model that is live holds what it learnt from.

    A dataset that was refused, or never trained on, holds nothing.
    """
    live, stale = [], []
    leads: list[Lead] = []
    before = False
    for dataset in datasets.only("pk", "kind", "version", "verdict").order_by("pk"):
        models = ModelVersion.objects.filter(dataset=dataset.pk).order_by("version")
        made = list(models.values_list("version", "stage", "pk"))
        for version, stage, pk in made:
            if stage == ModelVersion.Stage.CHAMPION:
                live.append(f"{dataset.kind}/{version}")
                leads.append(_lead(dataset.kind, version, pk))
                before |= version_before(dataset.kind) is not None
        text = (
            f"Dataset {dataset.kind}/{dataset.version} keeps its own rows and cannot be built "
            "again as it is"
        )
        if made:
            text += f"; {_named('model', [version for version, *_ in made])} learnt from it"
        stale.append(f"{text}.")
    if not live:
        return Standing(stale=tuple(stale))
    return Standing(
        stale=tuple(stale),
        blocked=(f"Model {words.listed(live)} is live and learnt from it.",),
        remedy="Train on other rows and make that model live with `manage.py models promote`"
        f"{', or return to an earlier one with `manage.py models rollback`' if before else ''}; "
        "then remove it.",
        leads=tuple(leads),
    )


@stands_on("matching.seeduser")
def standing_on_person(person: SeedUser) -> Standing:
    """Say which datasets were built of batches with events of a person, and which models learnt
    from them: rows and figures stay, under a number of nobody."""
    numbers = numbers_of(person, names_of(person))
    events = MatchEvent.objects.filter(Q(user_id__in=numbers) | Q(target_id__in=numbers))
    batches = {pk >> EventBatch.ROW_BITS for pk in events.values_list("pk", flat=True)}
    datasets = Dataset.objects.filter(batches__in=batches).distinct().order_by("pk")
    stale = []
    models = Prefetch(
        "model_versions", ModelVersion.objects.order_by("version").only("version", "dataset")
    )
    for dataset in datasets.only("pk", "kind", "version").prefetch_related(models):
        made = [model.version for model in dataset.model_versions.all()]
        text = (
            f"Dataset {dataset.kind}/{dataset.version} keeps its rows and figures; ids in its "
            "files become numbers of nobody, and it is marked as to be built again"
        )
        if made:
            text += f". {_named('model', made).capitalize()} learnt from it and stays until then"
        stale.append(f"{text}.")
    return Standing(stale=tuple(stale))


def _another(kind: str, dataset: int) -> str:
    """Say how another version of a kind gets live: what can be done, and nothing else."""
    before = version_before(kind)
    if before is not None:
        return (
            f"Return to version {before} with `manage.py models rollback --kind {kind}`, or make "
            "another one live with `manage.py models promote`"
        )
    if ModelVersion.objects.filter(kind=kind).count() > 1:
        return "No other version was live before. Make one live with `manage.py models promote`"
    return (
        "It is the only version. Train another one with `manage.py train_model --dataset "
        f"{dataset}` and make it live with `manage.py models promote`"
    )


def _lead(kind: str, version: int, pk: int) -> Lead:
    return f"Model {kind}/{version}", "training.modelversion", str(pk)


def _named(noun: str, numbers: list[int]) -> str:
    plural = noun if len(numbers) == 1 else f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{plural} {words.listed([str(one) for one in numbers])}"


def _sha256(files: Mapping[str, Any]) -> dict[str, str]:
    return {name: digest["sha256"] for name, digest in files.items()}
