"""Models and promotions in the admin: figures beside baselines, gates, and what is live."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from project import words
from project.jobs.starts import start_job
from project.pages.admins import ReadOnlyAdmin, signed_in
from project.pages.badges import badge
from project.pages.cells import two_lines
from project.pages.figures import KeyFigure, figure
from project.pages.filters import DateRangeFilter
from project.pages.links import record_link, record_url
from project.refusal import Refusal
from project.storage.artifacts import ArtifactCorrupt
from training.admin.datasets import KindFilter, zip_response
from training.admin.forms import DecideForm, PromoteForm
from training.domain.kind import ModelKind
from training.domain.learning.told import curve_line, tell_forecast
from training.domain.tasks.figures import Figures
from training.kinds import get_kind
from training.models import ModelVersion, Promotion, Verdict
from training.queries.comparisons import Comparison, compare
from training.queries.files import file_word, retrain_command
from training.queries.models import champion_of, suspects_of
from training.queries.serviceable import why_not_serving
from training.services import registry

COMPARABLE = 20  # earlier versions offered for a comparison


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin[ModelVersion]):
    list_display = [
        "name",
        "stage_badge",
        "verdict_badge",
        "main_figure",
        "best_baseline",
        "algorithm",
        "dataset_link",
        "files_badge",
    ]
    list_filter = [KindFilter, "stage", "verdict", ("created_at", DateRangeFilter)]
    list_select_related = ["dataset"]
    list_per_page = 50
    search_fields = ["kind", "algorithm"]
    empty_title = "No model yet"
    empty_text = "A model is trained on a dataset that passed, and has to earn its promotion."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        heavy = ["parameters", "importance", "comparisons", "gates"]
        dataset = [f"dataset__{name}" for name in ("report", "histograms", "lineage", "files")]
        return super().get_queryset(request).select_related("dataset").defer(*heavy, *dataset)

    def row_links(self, request: HttpRequest, record: ModelVersion) -> list[tuple[str, str]]:
        links = []
        if request.user.has_perm("training.promote_model"):
            is_live = record.stage == ModelVersion.Stage.CHAMPION
            name, label = ("rollback", "Roll back …") if is_live else ("promote", "Make it live …")
            links.append((label, reverse(f"admin:training_modelversion_{name}", args=[record.pk])))
        if request.user.has_perm("training.export_model"):
            links.append(("Download", reverse("admin:training_modelversion_zip", args=[record.pk])))
        return links

    @admin.display(description="Model", ordering="version")
    def name(self, model: ModelVersion) -> Any:
        title = f"{get_kind(model.kind).title} {model.version}"
        return two_lines(title, words.moment(model.created_at))

    @admin.display(description="Stage", ordering="stage")
    def stage_badge(self, model: ModelVersion) -> Any:
        return badge(model.stage)

    @admin.display(description="Gates", ordering="verdict")
    def verdict_badge(self, model: ModelVersion) -> Any:
        return badge(model.verdict)

    @admin.display(description="Validation")
    def main_figure(self, model: ModelVersion) -> Any:
        shown = get_kind(model.kind).figures
        metric = model.metrics["validation"].get(shown.primary_metric) or {}
        value = words.number(metric.get("value"))
        ends = words.interval(metric.get("low"), metric.get("high"))
        return two_lines(f"{shown.metric_titles[shown.primary_metric]} {value}", ends)

    @admin.display(description="Best baseline")
    def best_baseline(self, model: ModelVersion) -> Any:
        metric = get_kind(model.kind).figures.primary_metric
        known = {
            name: (measured or {}).get(metric, {}).get("value")
            for name, measured in model.baselines.items()
        }
        known = {name: value for name, value in known.items() if value is not None}
        if not known:
            return "-"
        best = max(known, key=lambda name: known[name])
        return two_lines(words.number(known[best]), best.replace("_", " "))

    @admin.display(description="Dataset")
    def dataset_link(self, model: ModelVersion) -> Any:
        link = record_link(model.dataset, model.dataset.version)
        return two_lines(link, model.origin_words)

    @admin.display(description="Files")
    def files_badge(self, model: ModelVersion) -> Any:
        word = file_word(model)
        if word == "there" and model.stage == ModelVersion.Stage.CHAMPION:
            # One of a kind: worth reading whole, and asking whether it can serve at all.
            return badge("cannot serve" if why_not_serving(model) else word)
        return badge(word)

    # --- Pages -----------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path(
                "<int:pk>/promote/", wrap(self.promote_view), name="training_modelversion_promote"
            ),
            path(
                "<int:pk>/rollback/",
                wrap(self.rollback_view),
                name="training_modelversion_rollback",
            ),
            path(
                "<int:pk>/compare/", wrap(self.compare_view), name="training_modelversion_compare"
            ),
            path(
                "<int:pk>/retrain/", wrap(self.retrain_view), name="training_modelversion_retrain"
            ),
            path("<int:pk>/files.zip", wrap(self.zip_view), name="training_modelversion_zip"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        model = self.get_or_denied(request, object_id)
        kind = get_kind(model.kind)
        others = ModelVersion.objects.of_kind(model.kind).exclude(pk=model.pk)
        history = Promotion.objects.filter(kind=model.kind).select_related("model", "previous")
        may_decide = request.user.has_perm("training.promote_model")
        is_champion = model.stage == ModelVersion.Stage.CHAMPION
        context = {
            **self.page_context(request, f"{kind.title} model {model.version}"),
            "model": model,
            "kind": kind,
            "figures": _figures(model, kind.figures),
            "columns": ["Train", "Validation", *(n.replace("_", " ") for n in model.baselines)],
            "rows": _metric_rows(model, kind.figures),
            "chart": _chart(model, kind),
            "origins": _origins(model),
            "slices": _slices(model, kind),
            "curve": _curve(model, kind.figures),
            "charts": kind.figures.charts(model.metrics["validation"]),
            "calibration": kind.figures.describe_calibration(model.parameters["calibration"]),
            "importance": _importance(model),
            "history": history.filter(model=model) | history.filter(previous=model),
            "others": others.only("version", "kind", "stage")[:COMPARABLE],
            "dataset_url": record_url(model.dataset),
            "inputs": model.inputs or kind.features,
            "suspects": suspects_of(model),
            "expectation": kind.expectation_of(model.dataset.origin),
            "problem": why_not_serving(model),
            "may_retrain": request.user.has_perm("training.train_model")
            and retrain_command(model).startswith("train_model"),
            "may_promote": may_decide and not is_champion,
            "may_rollback": may_decide and is_champion,
            "may_export": request.user.has_perm("training.export_model"),
        }
        return TemplateResponse(request, "training/model.html", context)

    def promote_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Show the gates and the comparison with the champion; POST makes the model live."""
        self.require(request, "training.promote_model")
        model = self.get_or_denied(request, str(pk))
        suspects = suspects_of(model)
        # An empty form that was sent is asked for what it lacks; what was not sent is not.
        sent = request.POST if request.method == "POST" else None
        form = PromoteForm(sent, is_suspicious=bool(suspects))
        if request.method == "POST" and form.is_valid():
            return self._decide(
                request,
                model,
                lambda: registry.promote(model, by=signed_in(request), **form.cleaned_data),
            )
        champion = champion_of(model.kind)
        comparison = None
        if champion is not None and champion.pk != model.pk:
            comparison = self._compared(request, model, champion)
        return self.confirm_page(
            request,
            model,
            form,
            title=f"Make version {model.version} live",
            intro=f"Version {champion.version} is live now and will be archived."
            if champion
            else "No version is live now.",
            template="training/decide.html",
            model=model,
            comparison=comparison,
            champion=champion,
            is_refused=model.verdict == Verdict.REFUSE,
            suspects=list(suspects.values()),
        )

    def rollback_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Ask, then make the champion before this one live again."""
        self.require(request, "training.promote_model")
        model = self.get_or_denied(request, str(pk))
        form = DecideForm(request.POST or None)
        if model.stage != ModelVersion.Stage.CHAMPION:
            messages.error(request, f"{model} is not the champion.")
            return self.to_record(model)
        if request.method == "POST" and form.is_valid():
            return self._decide(
                request,
                model,
                lambda: registry.rollback(
                    get_kind(model.kind), by=signed_in(request), **form.cleaned_data
                ),
            )
        return self.confirm_page(
            request,
            model,
            form,
            title="Return to the champion before",
            intro=f"Version {model.version} is live now and will be archived; the version that "
            "was live before it comes back, unchanged.",
        )

    def retrain_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Train another model on the rows of this one; a button posts here."""
        self.require(request, "training.train_model")
        model = self.get_or_denied(request, str(pk))
        if request.method == "POST":
            start_job(
                request,
                "training.train_model",
                model_kind=model.kind,
                dataset=model.dataset.version,
                seed=model.seed,
            )
        return self.to_record(model)

    def compare_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Compare with another version on the same rows."""
        model = self.get_or_denied(request, str(pk))
        version = request.GET.get("other", "")
        other = (
            ModelVersion.objects.filter(kind=model.kind, version=version).first()
            if version.isascii() and version.isdigit() and int(version) < 2**31
            else None
        )
        if other is None:
            messages.error(request, "Choose another version to compare with.")
            return self.to_record(model)
        context = {
            **self.page_context(request, f"Version {model.version} beside version {other.version}"),
            "model": model,
            "other": other,
            "comparison": self._compared(request, model, other),
        }
        return TemplateResponse(request, "training/compare.html", context)

    def zip_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Give the model's files as one archive, verified."""
        self.require(request, "training.export_model")
        model = self.get_or_denied(request, str(pk))
        return zip_response(self, request, model, f"{model.kind}-model-{model.version}")

    def _decide(
        self, request: HttpRequest, model: ModelVersion, decide: Callable[[], Promotion]
    ) -> HttpResponse:
        try:
            promotion = decide()
        except Refusal as refusal:
            messages.error(request, str(refusal))
            return self.to_record(model)
        messages.success(request, f"Version {promotion.model.version} is live.")
        return self.to_record(promotion.model)

    def _compared(
        self, request: HttpRequest, model: ModelVersion, other: ModelVersion
    ) -> Comparison | None:
        try:
            return compare(model, other)
        except (ArtifactCorrupt, Refusal) as error:
            messages.error(request, str(error))
            return None


@admin.register(Promotion)
class PromotionAdmin(ReadOnlyAdmin[Promotion]):
    list_display = [
        "at",
        "action_badge",
        "model",
        "previous",
        "actor",
        "reason",
        "override_reason",
        "confirmation_reason",
    ]
    list_display_links = ["at"]
    list_filter = [KindFilter, "action"]
    list_select_related = ["model", "previous"]
    date_hierarchy = "at"

    @admin.display(description="What", ordering="action")
    def action_badge(self, promotion: Promotion) -> Any:
        return badge(promotion.get_action_display())

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        promotion = self.get_or_denied(request, object_id)
        context = {
            **self.page_context(request, str(promotion)),
            "promotion": promotion,
        }
        return TemplateResponse(request, "training/promotion.html", context)


def _figures(model: ModelVersion, shown: Figures) -> list[KeyFigure]:
    validation = model.metrics["validation"]
    figures: list[KeyFigure] = [
        {"label": "Stage", "value": model.stage, "verdict": model.stage},
        {"label": "Gates", "value": model.verdict, "verdict": model.verdict},
    ]
    for name, title in shown.metric_titles.items():
        if name in validation and len(figures) < 6:
            metric = validation[name]
            if metric["value"] is None:
                continue
            figures.append(
                {
                    "label": title,
                    "value": words.number(metric["value"]),
                    "note": words.interval(metric["low"], metric["high"]),
                }
            )
    return figures


def _metric_rows(model: ModelVersion, shown: Figures) -> list[tuple[str, list[str]]]:
    measured = [model.metrics["train"], model.metrics["validation"], *model.baselines.values()]
    return [
        (title, [figure((part or {}).get(name)) for part in measured])
        for name, title in shown.metric_titles.items()
        if name in model.metrics["validation"]
    ]


def _chart(model: ModelVersion, kind: ModelKind) -> list[dict[str, Any]]:
    """The primary metric of the model beside its baselines and ceilings."""
    metric = kind.figures.primary_metric
    rows = [("this model", model.metrics["validation"].get(metric))]
    rows += [(n.replace("_", " "), (m or {}).get(metric)) for n, m in model.baselines.items()]
    rows += [(f"{name} ceiling", value) for name, value in model.ceilings.items()]
    return [
        {"label": label, **value} for label, value in rows if value and value["value"] is not None
    ]


def _curve(model: ModelVersion, shown: Figures) -> dict[str, Any] | None:
    """The learning curve; None of a model that was trained before there was one."""
    curve = model.metrics.get("learning_curve")
    if curve is None:
        return None
    title = shown.metric_titles[curve["metric"]]
    return {
        "line": curve_line(curve),
        "references": curve["references"],
        "caption": f"{title} of models trained on parts of the rows, with 95 % intervals; each "
        "step doubles the rows",
        "forecast": tell_forecast(curve, title),
    }


def _slices(model: ModelVersion, kind: ModelKind) -> list[dict[str, Any]]:
    metric = kind.figures.primary_metric
    return [
        {
            "column": column.replace("_", " "),
            "value": value,
            "rows": measured["rows"],
            "figure": figure(measured.get(metric)),
        }
        for column in (*kind.slices, "origin")
        for value, measured in model.metrics.get(f"by_{column}", {}).items()
    ]


def _origins(model: ModelVersion) -> list[dict[str, Any]]:
    """A mixture's three fits on the real validation rows, for the chart."""
    alone = model.origins.get("alone", {})
    titles = {
        "real": "real rows alone",
        "synthetic": "synthetic rows alone",
        "combined": "both",
    }
    return [
        {"label": titles[name], **metric}
        for name, metric in alone.items()
        if metric is not None and metric["value"] is not None
    ]


def _importance(model: ModelVersion) -> list[dict[str, Any]]:
    features = model.importance.get("features", {})
    largest = max((abs(m["value"] or 0) for m in features.values()), default=0) or 1
    return [
        {
            "label": name,
            "value": words.signed(metric["value"] or 0.0),
            "share": max(metric["value"] or 0, 0) / largest,
            "note": f"{words.signed(metric['low'])} to {words.signed(metric['high'])}"
            if metric["low"] is not None
            else "",
        }
        for name, metric in features.items()
    ]
