"""Datasets in the admin: their checks, features, lineage and files."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet, Sum
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from matching.models import EventBatch
from project import words
from project.jobs.starts import start_from_list, start_job
from project.origin import Origin
from project.pages.admins import ReadOnlyAdmin, RecordAdmin
from project.pages.badges import badge
from project.pages.cells import two_lines
from project.pages.consequences import Consequence
from project.pages.figures import BarRow, KeyFigure
from project.pages.filters import DateRangeFilter
from project.pages.links import record_url, url_for
from project.pages.registry import object_action
from project.pages.tabs import tabs_of
from project.storage.artifacts import iter_zip, verified_path
from project.storage.failures import ArtifactCorrupt
from training.admin.lineage import draw_lineage
from training.domain.kind import Recipe
from training.kinds import all_kinds, get_kind
from training.models import Dataset, ModelVersion, Verdict
from training.queries.datasets import taken_in_part
from training.queries.differences import RowsDiffer, differences
from training.queries.files import file_problem, file_word, verify_files
from training.queries.serviceable import why_outdated
from training.queries.staleness import removed_batches, why_stale, with_changed_records

COMPARABLE = 50  # versions offered for a comparison, the newest first
TABS = {
    "overview": "Overview",
    "inputs": "Inputs",
    "leakage": "Copies and leakage",
    "origin": "Where it comes from",
    "files": "Files",
}
PARTS = ("training", "validation")
COPIES = (
    ("Rows that repeat an earlier one", "duplicate_share"),
    ("Rows that have a copy", "duplicate_group_share"),
)
REPEATS = (
    ("Rows whose inputs an earlier row has", "share"),
    ("Of these, by rows of one pair", "of_one_pair"),
    ("Expected by chance", "by_chance"),
)
COPY_CHECKS = (
    *("duplicate_share", "repeated_answers", "repeated_vectors", "generated_vectors"),
    "contradictions",
)
# Of a batch a dataset asks only what became of its events; its population alone may be megabytes.
BATCHES = Prefetch(
    "batches",
    EventBatch.objects.only(
        *("pk", "made", "corrections", "corrected_at", "merged_events", "merged_at")
    ),
)


def foresee_dataset(request: HttpRequest, batches: Any) -> Consequence:
    """Say of how many batches and events the one dataset is built."""
    complete = batches.complete()
    count = complete.count()
    if not count:
        none = "None of these batches is complete; wait until its job has ended."
        return Consequence(0, (none,))
    events = complete.aggregate(made=Sum("made"))["made"]
    told = [
        (
            f"One dataset is built of {words.counted(events, 'event')} in "
            f"{words.counted(count, 'batch', 'batches')}, measured, and kept as the next version."
        )
    ]
    left = batches.count() - count
    if left:
        told.append(f"{words.counted(left, 'batch is', 'batches are')} left out: not complete.")
    return Consequence(1, tuple(told), starts_jobs=True)


def foresee_training(request: HttpRequest, datasets: Any) -> Consequence:
    """Say how many models are trained; none of them goes live by it."""
    count = datasets.count()
    told = [
        (
            f"{words.counted(count, 'model is', 'models are')} trained, one on each dataset, and "
            "waits as a candidate: what is live stays live."
        )
    ]
    gone = sum(file_word(dataset) != "there" for dataset in datasets)
    if gone:
        told.append(
            f"{words.counted(gone, 'dataset has', 'datasets have')} no usable files: training on "
            "it is refused, build it again first."
        )
    refused = datasets.filter(verdict=Verdict.REFUSE).count()
    if refused:
        told.append(
            f"{words.counted(refused, 'dataset is', 'datasets are')} refused by checks: training "
            "on it is refused too."
        )
    return Consequence(count, tuple(told), starts_jobs=True)


@object_action(
    "matching.eventbatch",
    "Build a dataset",
    permission="training.build_dataset",
    foresee=foresee_dataset,
)
def build_dataset(request: HttpRequest, batches: QuerySet[EventBatch]) -> None:
    """Build one dataset from the chosen batches."""
    chosen = list(batches.complete().order_by("pk").values_list("pk", flat=True))  # type: ignore[attr-defined]
    if not chosen:
        messages.error(request, "None of these batches is complete; wait until its job has ended.")
        return
    start_job(request, "training.build_dataset", batches=chosen)


class KindFilter(admin.SimpleListFilter):
    """Records of one model kind."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.name, kind.title) for kind in all_kinds()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Dataset)
class DatasetAdmin(ReadOnlyAdmin[Dataset]):
    list_display = [
        "name",
        "verdict_badge",
        "state_badge",
        "parts",
        "copies",
        "origin_badge",
        "features",
        "files_badge",
    ]
    list_filter = [KindFilter, "verdict", "origin", ("created_at", DateRangeFilter)]
    list_per_page = 50
    search_fields = ["kind", "feature_set", "split"]
    actions = ["train"]
    removal_page = "remove_dataset"
    consequences: ClassVar[Any] = {"train": foresee_training}
    empty_title = "No dataset yet"
    empty_text = "A dataset is built from batches of events, and measured before it is used."
    start_links = [("training_dataset_build", "Build a dataset", "training.build_dataset")]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        datasets = super().get_queryset(request).defer("histograms", "recipe")
        datasets = datasets.select_related("erased").prefetch_related(BATCHES)
        return with_changed_records(datasets)

    def has_train_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("training.train_model")

    def row_links(self, request: HttpRequest, record: Dataset) -> list[tuple[str, str]]:
        links: list[tuple[str, str]] = []
        if file_word(record) != "there":
            return links
        if self.has_train_permission(request):
            links.append(
                ("Train a model", reverse("admin:training_dataset_train", args=[record.pk]))
            )
        if request.user.has_perm("training.download_dataset"):
            links.append(("Download", reverse("admin:training_dataset_zip", args=[record.pk])))
            asked = urlencode({"model_kind": record.kind, "dataset": record.version})
            links.append(("Export", f"{reverse('admin:export_dataset')}?{asked}"))
        return links

    @admin.display(description="Dataset", ordering="version")
    def name(self, dataset: Dataset) -> Any:
        title = f"{get_kind(dataset.kind).title} {dataset.version}"
        return two_lines(title, words.moment(dataset.created_at))

    @admin.display(description="State")
    def state_badge(self, dataset: Dataset) -> Any:
        stale = why_stale(dataset)
        return two_lines(badge("stale"), stale) if stale else badge("current")

    @admin.display(description="Verdict", ordering="verdict")
    def verdict_badge(self, dataset: Dataset) -> Any:
        return badge(dataset.verdict)

    @admin.display(description="Rows", ordering="rows")
    def parts(self, dataset: Dataset) -> Any:
        return two_lines(
            words.number(dataset.rows),
            f"{dataset.train_rows:,} train + {dataset.validation_rows:,} validation",
        )

    @admin.display(description="Copies")
    def copies(self, dataset: Dataset) -> Any:
        return words.share(dataset.report["duplicate_share"])

    @admin.display(description="Origin", ordering="origin")
    def origin_badge(self, dataset: Dataset) -> Any:
        if dataset.origin != Origin.COMBINED or dataset.real_rows is None:
            return badge(dataset.origin)
        parts = f"{dataset.real_rows:,} real, {dataset.synthetic_rows:,} synthetic"
        return two_lines(badge(dataset.origin), parts)

    @admin.display(description="Features", ordering="feature_set")
    def features(self, dataset: Dataset) -> Any:
        return two_lines(dataset.feature_set or words.NONE, f"split by {dataset.split}")

    @admin.display(description="Files")
    def files_badge(self, dataset: Dataset) -> Any:
        return badge(file_word(dataset))  # a look at six names, at most 50 times a page

    @admin.action(description="Train a model on each", permissions=["train"])
    def train(self, request: HttpRequest, queryset: QuerySet[Dataset]) -> None:
        for dataset in queryset:
            start_job(
                request,
                "training.train_model",
                model_kind=dataset.kind,
                dataset=dataset.version,
            )

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("build/", wrap(self.build_view), name="training_dataset_build"),
            path("<int:pk>/train/", wrap(self.train_view), name="training_dataset_train"),
            path("<int:pk>/compare/", wrap(self.compare_view), name="training_dataset_compare"),
            path("<int:pk>/files.zip", wrap(self.zip_view), name="training_dataset_zip"),
            path("<int:pk>/files/<str:file>", wrap(self.file_view), name="training_dataset_file"),
            *super().get_urls(),
        ]

    def build_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a recipe, filled with that of the dataset `like` where one is named, and start
        the job that builds it."""
        like = _dataset_like(request.GET.get("like", ""))
        intro = "Rows are split, measured and written under the next version."
        if like is not None and (removed := removed_batches(like)):
            names = words.listed([str(pk) for pk in removed])
            left = (
                "what is left of it is chosen"
                if like.batches.all()
                else "where none is chosen, the newest batch is taken"
            )
            intro += (
                f" {words.bend(len(removed), 'Batch', 'Batches')} {names} of dataset "
                f"{like.version} {words.bend(len(removed), 'was', 'were')} removed: {left}."
            )
        given = None if like is None else _recipe_of(like)
        return start_from_list(self, request, "training.build_dataset", given=given, intro=intro)

    def train_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Ask for the seed and start training on this dataset."""
        dataset = self.get_or_denied(request, str(pk))
        if (problem := file_problem(dataset)) is not None:
            return corrupt(self, request, dataset, problem)
        return start_from_list(
            self,
            request,
            "training.train_model",
            title=f"Train on {dataset}",
            intro="Logistic regression and gradient boosting are compared by cross-validation "
            "inside the training part; the validation part is only measured.",
            fixed={"model_kind": dataset.kind, "dataset": dataset.version},
        )

    def zip_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Give all files as one archive, verified."""
        self.require(request, "training.download_dataset")
        dataset = self.get_or_denied(request, str(pk))
        name = f"{dataset.kind}-dataset-{dataset.version}"
        return zip_response(self, request, dataset, name)

    def file_view(self, request: HttpRequest, pk: int, file: str) -> HttpResponseBase:
        """Give one file."""
        self.require(request, "training.download_dataset")
        dataset = self.get_or_denied(request, str(pk))
        if file not in dataset.files:
            raise Http404
        try:
            verify_files(dataset)
        except ArtifactCorrupt as error:
            return corrupt(self, request, dataset, error)
        content = verified_path(dataset.folder, file, dataset.files[file]).open("rb")
        name = f"{dataset.kind}-dataset-{dataset.version}-{file}"
        return FileResponse(content, as_attachment=True, filename=name)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        dataset = self.get_or_denied(request, object_id)
        tab = request.GET.get("tab", "")
        tab = tab if tab in TABS else next(iter(TABS))
        others = Dataset.objects.of_kind(dataset.kind).exclude(pk=dataset.pk)
        context = {
            **self.page_context(request, str(dataset).capitalize().replace("_", " ")),
            "dataset": dataset,
            "tab": tab,
            "tabs": tabs_of(TABS, tab),
            "outdated": why_outdated(dataset),
            "stale": why_stale(dataset),
            "partial": taken_in_part(dataset),
            "problem": file_problem(dataset),
            "others": [
                str(version)
                for version in others.order_by("-version").values_list("version", flat=True)[
                    :COMPARABLE
                ]
            ],
            "removal_links": self.removal_links(request, dataset),
            "may_train": self.has_train_permission(request),
            "may_build": request.user.has_perm("training.build_dataset"),
            "may_download": request.user.has_perm("training.download_dataset"),
            **TAB_CONTEXTS[tab](request, dataset),
        }
        return TemplateResponse(request, "training/dataset.html", context)

    def compare_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Say what differs from another version of the kind."""
        dataset = self.get_or_denied(request, str(pk))
        version = request.GET.get("other", "")
        other = (
            Dataset.objects.of_kind(dataset.kind).filter(version=version).first()
            if version.isascii() and version.isdigit() and int(version) < 2**31
            else None
        )
        if other is None or other.pk == dataset.pk:
            messages.error(request, "Choose another version to compare with.")
            return self.to_record(dataset)
        found = differences(dataset, other)
        context = {
            **self.page_context(
                request, f"Dataset {dataset.version} against dataset {other.version}"
            ),
            "dataset": dataset,
            "other": other,
            "names": (f"dataset {dataset.version}", f"dataset {other.version}"),
            "found": found,
            "row_bars": _row_bars(found.rows),
            "batches": [
                (title, [(batch, _batch_url(request, batch)) for batch in batches])
                for title, batches in (
                    (f"In dataset {dataset.version} only", found.batches_in),
                    (f"In dataset {other.version} only", found.batches_out),
                )
            ],
            "moved": [one for one in found.columns if one.stability.verdict != "stable"],
        }
        return TemplateResponse(request, "training/dataset_difference.html", context)


def _dataset_like(number: str) -> Dataset | None:
    """Return the dataset that is to be built again, None where there is no such."""
    is_number = number.isascii() and number.isdigit() and len(number) < 10
    return Dataset.objects.filter(pk=int(number)).first() if is_number else None


def _recipe_of(dataset: Dataset) -> dict[str, Any]:
    """Return what a build was asked that made a dataset."""
    recipe = Recipe.from_dict(dataset.recipe).as_dict()
    there = EventBatch.objects.filter(pk__in=recipe["batches"])
    recipe["batches"] = sorted(there.values_list("pk", flat=True))  # without those removed since
    # Batches that are named tell their origin themselves.
    origin = "" if recipe["batches"] else recipe["origin"]
    return {**recipe, "origin": origin, "model_kind": dataset.kind}


def zip_response(
    model_admin: RecordAdmin[Any], request: HttpRequest, record: Dataset | ModelVersion, name: str
) -> HttpResponseBase:
    """Stream a folder as an archive; a file that changed is an error and no download."""
    try:
        verify_files(record)
    except ArtifactCorrupt as error:
        return corrupt(model_admin, request, record, error)
    pieces = iter_zip(record.folder, record.files, top=name)
    response = StreamingHttpResponse(pieces, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{name}.zip"'
    return response


def corrupt(
    model_admin: RecordAdmin[Any],
    request: HttpRequest,
    record: Dataset | ModelVersion,
    error: ArtifactCorrupt,
) -> HttpResponse:
    """Say that files are not those that were written, on the record's page."""
    model_admin.message_user(request, str(error), "error")
    return model_admin.to_record(record)


def _figures(dataset: Dataset) -> list[KeyFigure]:
    report = dataset.report
    checks = {check["name"]: check for check in dataset.checks}
    copies = checks.get("duplicate_share")
    figures: list[KeyFigure] = [
        {"label": "Verdict", "value": dataset.verdict, "verdict": dataset.verdict},
        {"label": "Rows read", "value": dataset.rows},
        {"label": "Training rows", "value": dataset.train_rows},
        {"label": "Validation rows", "value": dataset.validation_rows},
        {
            "label": "Copies",
            "value": words.share(report["duplicate_share"]),
            "note": copies["target"] if copies else "",
            "verdict": copies["verdict"] if copies else "",
        },
    ]
    for label, share in get_kind(dataset.kind).figures.describe_target(report):
        figures.append({"label": label, "value": words.share(share)})
    return figures


# --- Tabs ----------------------------------------------------------------------------------------


def _overview(request: HttpRequest, dataset: Dataset) -> dict[str, Any]:
    kind = get_kind(dataset.kind)
    target = dataset.histograms.get(kind.target)
    parts = (("Training", "train"), ("Validation", "validation"))
    return {
        "drawing": draw_lineage(request, dataset),
        "figures": _figures(dataset),
        "expectation": kind.expectation_of(dataset.origin),
        "target": kind.target,
        "target_histogram": target if has_parts(target) else None,
        "balance": [
            {
                "label": f"{label}, {title.lower()}",
                "value": words.share(share),
                "share": share,
                "note": f"of {sum(target[part]):,} rows",
            }
            for title, part in parts
            if has_parts(target)
            for label, share in kind.figures.describe_balance(target[part])
        ],
        "parts": PARTS,
    }


def _inputs(request: HttpRequest, dataset: Dataset) -> dict[str, Any]:
    giveaway = dataset.report["leakage"].get("giveaway", {})
    features = [
        {
            "name": name,
            **values,
            "histogram": dataset.histograms.get(name),
            "has_parts": has_parts(dataset.histograms.get(name)),
            "alone": giveaway.get(name),
        }
        for name, values in dataset.report["features"].items()
    ]
    drawn = [one for one in features if one["histogram"]]
    return {
        "features": features,
        "parts": PARTS,
        "is_apart": any(one["has_parts"] for one in drawn),
        "is_older": any(not one["has_parts"] for one in drawn),
    }


def _leakage(request: HttpRequest, dataset: Dataset) -> dict[str, Any]:
    leakage = dataset.report["leakage"]
    giveaway = leakage.get("giveaway", {})
    return {
        "shared": [
            {"name": name, **values}
            for name, values in leakage.items()
            if isinstance(values, dict) and "shared" in values
        ],
        "giveaway": [
            {"label": name, "value": value, "share": value}
            for name, value in sorted(giveaway.items(), key=lambda item: -(item[1] or 0))
            if value is not None
        ],
        "copies": [
            {"label": title, "value": words.share(share), "share": share}
            for title, name in COPIES
            if (share := dataset.report.get(name)) is not None
        ]
        + [
            {"label": title, "value": words.share(share), "share": share}
            for title, name in REPEATS
            if (share := (dataset.report.get("repeats") or {}).get(name)) is not None
        ],
        "copy_checks": [check for check in dataset.checks if check["name"] in COPY_CHECKS],
    }


def _origin(request: HttpRequest, dataset: Dataset) -> dict[str, Any]:
    models = dataset.model_versions.order_by("-version").only("version", "kind", "stage", "verdict")
    return {
        "lineage": [_lineage(request, entry) for entry in dataset.lineage],
        "models": [(model, record_url(model)) for model in models]
        if request.user.has_perm("training.view_modelversion")
        else None,
        "left_out": [
            {"label": reason, "value": count, "share": count / dataset.rows}
            for reason, count in dataset.dropped.items()
        ],
        "recipe": [
            (
                name.replace("_", " "),
                ", ".join(map(str, value)) if isinstance(value, list) else value,
            )
            for name, value in dataset.recipe.items()
            if value not in ("", None, [])
        ],
    }


def _files(request: HttpRequest, dataset: Dataset) -> dict[str, Any]:
    return {}


TAB_CONTEXTS: dict[str, Callable[[HttpRequest, Dataset], dict[str, Any]]] = {
    "overview": _overview,
    "inputs": _inputs,
    "leakage": _leakage,
    "origin": _origin,
    "files": _files,
}


def has_parts(histogram: Mapping[str, Any] | None) -> bool:
    """Tell whether training and validation were counted apart: before, all rows were together."""
    return bool(
        histogram and (any(histogram.get("train", ())) or any(histogram.get("validation", ())))
    )


def _row_bars(rows: RowsDiffer | None) -> list[BarRow]:
    if rows is None:
        return []
    total = max(rows.shared + rows.added + rows.left, 1)
    told = (
        ("In both", rows.shared),
        ("Crossed", rows.crossed),
        ("Added", rows.added),
        ("Left", rows.left),
    )
    return [{"label": label, "value": count, "share": count / total} for label, count in told]


def _batch_url(request: HttpRequest, batch: EventBatch) -> str:
    return url_for(request, "matching.eventbatch", batch.pk)


def _lineage(request: HttpRequest, entry: Mapping[str, Any]) -> dict[str, Any]:
    known = {k: v for k, v in entry.items() if v not in ("", None) and k not in ("model", "id")}
    url = url_for(request, entry["model"], entry.get("id"))
    return {"title": known.pop("title", entry["model"]), "url": url, "known": known}
