"""Datasets in the admin: their checks, features, lineage and files."""

from contextlib import suppress

from django.contrib import admin, messages
from django.http import FileResponse, Http404, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, path, reverse

from matching.admin.people import EmptyStateMixin
from matching.models import EventBatch
from project.jobs.links import message_job
from project.jobs.services import enqueue
from project.storage.artifacts import ArtifactCorrupt, folder_path, iter_zip, verify
from training.admin.forms import BuildForm, TrainForm, WrittenOnce, badge
from training.kinds import all_kinds
from training.models import Dataset


@admin.action(description="Build a dataset from these batches", permissions=["build_dataset"])
def build_from_batches(batch_admin, request, queryset):
    batches = list(queryset.complete().order_by("pk").values_list("pk", flat=True))
    if not batches:
        message = "None of these batches is complete; wait until its job has ended."
        batch_admin.message_user(request, message, messages.ERROR)
        return
    message_job(request, enqueue("training.build_dataset", by=request.user, batches=batches))


def may_build_dataset(request):
    return request.user.has_perm("training.build_dataset")


# Matching may not know of datasets, so the action on its batches is added from here.
batch_admin = admin.site.get_model_admin(EventBatch)
batch_admin.has_build_dataset_permission = may_build_dataset
batch_admin.actions = (*batch_admin.actions, build_from_batches)


class KindFilter(admin.SimpleListFilter):
    """Records of one model kind."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request, model_admin):
        return [(kind.name, kind.title) for kind in all_kinds()]

    def queryset(self, request, queryset):
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Dataset)
class DatasetAdmin(EmptyStateMixin, WrittenOnce):
    list_display = ["name", "verdict_badge", "parts", "copies", "source_badge", "features", "split", "created_at"]  # fmt: skip
    list_filter = [KindFilter, "verdict", "source"]
    list_per_page = 50
    search_fields = ["kind", "feature_set", "split"]
    actions = ["train"]
    empty_title = "No dataset yet"
    empty_text = "A dataset is built from batches of events, and measured before it is used."
    start_links = [("training_dataset_build", "Build a dataset", "training.build_dataset")]

    def get_queryset(self, request):
        return super().get_queryset(request).defer("histograms", "lineage", "files", "recipe")

    def has_train_permission(self, request):
        return request.user.has_perm("training.train_model")

    @admin.display(description="Dataset", ordering="version")
    def name(self, dataset):
        return str(dataset)

    @admin.display(description="Verdict", ordering="verdict")
    def verdict_badge(self, dataset):
        return badge(dataset.verdict)

    @admin.display(description="Train + validation rows", ordering="rows")
    def parts(self, dataset):
        return f"{dataset.train_rows:,} + {dataset.validation_rows:,}"

    @admin.display(description="Copies")
    def copies(self, dataset):
        return f"{100 * dataset.report['duplicate_share']:.1f} %"

    @admin.display(description="Source", ordering="source")
    def source_badge(self, dataset):
        return badge(dataset.source)

    @admin.display(description="Features", ordering="feature_set")
    def features(self, dataset):
        return dataset.feature_set or "-"

    @admin.action(description="Train a model on each", permissions=["train"])
    def train(self, request, queryset):
        for dataset in queryset:
            message_job(request, start_training(request.user, dataset))

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("build/", wrap(self.build_view), name="training_dataset_build"),
            path("<int:pk>/train/", wrap(self.train_view), name="training_dataset_train"),
            path("<int:pk>/files.zip", wrap(self.zip_view), name="training_dataset_zip"),
            path("<int:pk>/files/<str:file>", wrap(self.file_view), name="training_dataset_file"),
            *super().get_urls(),
        ]

    def build_view(self, request):
        """Ask for a recipe and start the job that builds it."""
        return self.start_view(
            request,
            form_class=BuildForm,
            title="Build a dataset",
            intro="Rows are split, measured and written under the next version.",
            permission="training.build_dataset",
            start=lambda request, form: enqueue(
                "training.build_dataset", by=request.user, **form.arguments()
            ),
        )

    def train_view(self, request, pk):
        """Ask for the seed and start training on this dataset."""
        dataset = self.get_or_denied(request, str(pk))
        return self.start_view(
            request,
            form_class=TrainForm,
            title=f"Train on {dataset}",
            intro="Logistic regression and gradient boosting are compared by cross-validation "
            "inside the training part; the validation part is only measured.",
            permission="training.train_model",
            start=lambda request, form: start_training(request.user, dataset, **form.cleaned_data),
        )

    def zip_view(self, request, pk):
        """Give all files as one archive, verified."""
        self.require(request, "training.download_dataset")
        dataset = self.get_or_denied(request, str(pk))
        name = f"{dataset.kind}-dataset-{dataset.version}"
        return zip_response(self, request, dataset, name)

    def file_view(self, request, pk, file):
        """Give one file."""
        self.require(request, "training.download_dataset")
        dataset = self.get_or_denied(request, str(pk))
        if file not in dataset.files:
            raise Http404
        try:
            verify(dataset.folder, dataset.files)
        except ArtifactCorrupt as error:
            return corrupt(self, request, dataset, error)
        content = (folder_path(dataset.folder) / file).open("rb")
        name = f"{dataset.kind}-dataset-{dataset.version}-{file}"
        return FileResponse(content, as_attachment=True, filename=name)

    def change_view(self, request, object_id, form_url="", extra_context=None):
        dataset = self.get_or_denied(request, object_id)
        features = [
            {"name": name, **values, "histogram": dataset.histograms.get(name)}
            for name, values in dataset.report["features"].items()
        ]
        shared = [
            {"name": name, **values}
            for name, values in dataset.report["leakage"].items()
            if isinstance(values, dict) and "shared" in values
        ]
        giveaway = dataset.report["leakage"].get("giveaway", {})
        models = dataset.model_versions.order_by("-version").only(
            "version", "kind", "stage", "verdict"
        )
        context = {
            **self.admin_site.each_context(request),
            "title": str(dataset).capitalize().replace("_", " "),
            "opts": self.opts,
            "dataset": dataset,
            "figures": _figures(dataset),
            "features": features,
            "shared": shared,
            "giveaway": [
                {"label": name, "value": value, "share": value}
                for name, value in sorted(giveaway.items(), key=lambda item: -(item[1] or 0))
                if value is not None
            ],
            "lineage": [_lineage(request, entry) for entry in dataset.lineage],
            "models": [
                (model, reverse("admin:training_modelversion_change", args=[model.pk]))
                for model in models
            ],
            "may_train": self.has_train_permission(request),
            "may_download": request.user.has_perm("training.download_dataset"),
        }
        return TemplateResponse(request, "training/dataset.html", context)


def start_training(user, dataset, **arguments):
    """Enqueue training on one dataset."""
    return enqueue(
        "training.train_model",
        by=user,
        model_kind=dataset.kind,
        dataset=dataset.version,
        **arguments,
    )


def zip_response(model_admin, request, record, name):
    """Stream a folder as an archive; a file that changed is an error and no download."""
    try:
        verify(record.folder, record.files)
    except ArtifactCorrupt as error:
        return corrupt(model_admin, request, record, error)
    pieces = iter_zip(record.folder, record.files, top=name)
    response = StreamingHttpResponse(pieces, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{name}.zip"'
    return response


def corrupt(model_admin, request, record, error):
    """Say that files are not those that were written, on the record's page."""
    model_admin.message_user(request, str(error), "error")
    opts = model_admin.opts
    return HttpResponseRedirect(
        reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[record.pk])
    )


def _figures(dataset):
    report = dataset.report
    checks = {check["name"]: check for check in dataset.checks}
    copies = checks.get("duplicate_share", {})
    figures = [
        {"label": "Verdict", "value": dataset.verdict, "verdict": dataset.verdict},
        {"label": "Rows read", "value": dataset.rows},
        {"label": "Training rows", "value": dataset.train_rows},
        {"label": "Validation rows", "value": dataset.validation_rows},
        {
            "label": "Copies",
            "value": f"{100 * report['duplicate_share']:.1f} %",
            "note": copies.get("target", ""),
            "verdict": copies.get("verdict"),
        },
    ]
    if report.get("label_share") is not None:
        figures.append({"label": "Label 1", "value": f"{100 * report['label_share']:.1f} %"})
    return figures


def _lineage(request, entry):
    app, _, model = entry["model"].partition(".")
    url = None
    if entry.get("id") and request.user.has_perm(f"{app}.view_{model}"):
        # A record may have gone, or have no page of its own.
        with suppress(NoReverseMatch):
            url = reverse(f"admin:{app}_{model}_change", args=[entry["id"]])
    known = {k: v for k, v in entry.items() if v not in ("", None) and k not in ("model", "id")}
    return {"title": known.pop("title", entry["model"]), "url": url, "known": known}
