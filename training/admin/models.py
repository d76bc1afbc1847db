"""Models and promotions in the admin: figures beside baselines, gates, and what is live."""

from django.contrib import admin, messages
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html

from matching.admin.people import EmptyStateMixin
from project.jobs.services import enqueue
from project.refusal import Refusal
from project.storage.artifacts import ArtifactCorrupt
from training.admin.datasets import KindFilter, zip_response
from training.admin.forms import (
    DecideForm,
    PromoteForm,
    RebuildForm,
    WrittenOnce,
    badge,
    figure,
)
from training.domain.metric_titles import METRIC_TITLES
from training.kinds import get_kind
from training.models import ModelVersion, Promotion, Verdict
from training.services import registry

COMPARABLE = 20  # earlier versions offered for a comparison


@admin.register(ModelVersion)
class ModelVersionAdmin(EmptyStateMixin, WrittenOnce):
    list_display = ["name", "stage_badge", "verdict_badge", "main_figure", "best_baseline", "algorithm", "dataset_link", "created_at"]  # fmt: skip
    list_filter = [KindFilter, "stage", "verdict"]
    list_select_related = ["dataset"]
    list_per_page = 50
    search_fields = ["kind", "algorithm"]
    empty_title = "No model yet"
    empty_text = "A model is trained on a dataset that passed, and has to earn its promotion."
    start_links = [
        ("training_modelversion_rebuild", "Rebuild", "training.rebuild_model"),
    ]

    def get_queryset(self, request):
        heavy = ["parameters", "importance", "comparisons", "gates", "files"]
        dataset = [f"dataset__{name}" for name in ("report", "histograms", "lineage", "files")]
        return super().get_queryset(request).select_related("dataset").defer(*heavy, *dataset)

    @admin.display(description="Model", ordering="version")
    def name(self, model):
        return str(model)

    @admin.display(description="Stage", ordering="stage")
    def stage_badge(self, model):
        return badge(model.stage)

    @admin.display(description="Gates", ordering="verdict")
    def verdict_badge(self, model):
        return badge(model.verdict)

    @admin.display(description="Validation")
    def main_figure(self, model):
        metric = get_kind(model.kind).primary_metric
        value = figure(model.metrics["validation"].get(metric))
        return format_html("{} {}", METRIC_TITLES[metric], value)

    @admin.display(description="Best baseline")
    def best_baseline(self, model):
        metric = get_kind(model.kind).primary_metric
        known = {
            name: (measured or {}).get(metric, {}).get("value")
            for name, measured in model.baselines.items()
        }
        known = {name: value for name, value in known.items() if value is not None}
        if not known:
            return "-"
        best = max(known, key=known.get)
        return f"{best.replace('_', ' ')} {known[best]:.3f}"

    @admin.display(description="Dataset")
    def dataset_link(self, model):
        url = reverse("admin:training_dataset_change", args=[model.dataset_id])
        return format_html('<a href="{}">{}</a>', url, model.dataset.version)

    # --- Pages -------------------------------------------------------------------------------------

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("rebuild/", wrap(self.rebuild_view), name="training_modelversion_rebuild"),
            path("<int:pk>/promote/", wrap(self.promote_view), name="training_modelversion_promote"),
            path("<int:pk>/rollback/", wrap(self.rollback_view), name="training_modelversion_rollback"),
            path("<int:pk>/compare/", wrap(self.compare_view), name="training_modelversion_compare"),
            path("<int:pk>/files.zip", wrap(self.zip_view), name="training_modelversion_zip"),
            *super().get_urls(),
        ]  # fmt: skip

    def change_view(self, request, object_id, form_url="", extra_context=None):
        model = self.get_or_denied(request, object_id)
        kind = get_kind(model.kind)
        others = ModelVersion.objects.of_kind(model.kind).exclude(pk=model.pk)
        history = Promotion.objects.filter(kind=model.kind).select_related("model", "previous")
        may_decide = request.user.has_perm("training.promote_model")
        is_champion = model.stage == ModelVersion.Stage.CHAMPION
        context = {
            **self.admin_site.each_context(request),
            "title": f"{kind.title} model {model.version}",
            "opts": self.opts,
            "model": model,
            "kind": kind,
            "figures": _figures(model, kind),
            "columns": ["Train", "Validation", *(n.replace("_", " ") for n in model.baselines)],
            "rows": _metric_rows(model),
            "chart": _chart(model, kind),
            "slices": _slices(model, kind),
            "calibration": _calibration(model),
            "importance": _importance(model),
            "history": history.filter(model=model) | history.filter(previous=model),
            "others": others.only("version", "kind", "stage")[:COMPARABLE],
            "dataset_url": reverse("admin:training_dataset_change", args=[model.dataset_id]),
            "may_promote": may_decide and not is_champion,
            "may_rollback": may_decide and is_champion,
            "may_export": request.user.has_perm("training.export_model"),
        }
        return TemplateResponse(request, "training/model.html", context)

    def promote_view(self, request, pk):
        """Show the gates and the comparison with the champion; POST makes the model live."""
        self.require(request, "training.promote_model")
        model = self.get_or_denied(request, str(pk))
        form = PromoteForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return self._decide(
                request,
                model,
                lambda: registry.promote(model, by=request.user, **form.cleaned_data),
            )
        champion = registry.champion_of(model.kind)
        comparison = None
        if champion is not None and champion.pk != model.pk:
            comparison = self._compared(request, model, champion)
        return self._confirm(
            request,
            model,
            form,
            title=f"Make version {model.version} live",
            intro=f"Version {champion.version} is live now and will be archived."
            if champion
            else "No version is live now.",
            comparison=comparison,
            champion=champion,
            is_refused=model.verdict == Verdict.REFUSE,
        )

    def rollback_view(self, request, pk):
        """Ask, then make the champion before this one live again."""
        self.require(request, "training.promote_model")
        model = self.get_or_denied(request, str(pk))
        form = DecideForm(request.POST or None)
        if model.stage != ModelVersion.Stage.CHAMPION:
            messages.error(request, f"{model} is not the champion.")
            return self._back(model)
        if request.method == "POST" and form.is_valid():
            return self._decide(
                request,
                model,
                lambda: registry.rollback(
                    get_kind(model.kind), by=request.user, **form.cleaned_data
                ),
            )
        return self._confirm(
            request,
            model,
            form,
            title="Return to the champion before",
            intro=f"Version {model.version} is live now and will be archived; the version that "
            "was live before it comes back, unchanged.",
        )

    def compare_view(self, request, pk):
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
            return self._back(model)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Version {model.version} beside version {other.version}",
            "opts": self.opts,
            "model": model,
            "other": other,
            "comparison": self._compared(request, model, other),
        }
        return TemplateResponse(request, "training/compare.html", context)

    def zip_view(self, request, pk):
        """Give the model's files as one archive, verified."""
        self.require(request, "training.export_model")
        model = self.get_or_denied(request, str(pk))
        return zip_response(self, request, model, f"{model.kind}-model-{model.version}")

    def rebuild_view(self, request):
        """Ask what to generate and start the whole rebuild."""
        return self.start_view(
            request,
            form_class=RebuildForm,
            title="Rebuild the matching model",
            intro="Checks profiles and sessions, generates events, builds and analyses a dataset, "
            "trains, holds the model to its gates, promotes it and scores 20 pairs. It stops at "
            "the first refusal and says what to do.",
            permission="training.rebuild_model",
            start=lambda request, form: enqueue(
                "training.rebuild", by=request.user, **form.cleaned_data
            ),
        )

    def _confirm(self, request, model, form, **context):
        return TemplateResponse(
            request,
            "training/decide.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "model": model,
                "form": form,
                **context,
            },
        )

    def _decide(self, request, model, decide):
        try:
            promotion = decide()
        except Refusal as refusal:
            messages.error(request, str(refusal))
            return self._back(model)
        messages.success(request, f"Version {promotion.model.version} is live.")
        return self._back(promotion.model)

    def _compared(self, request, model, other):
        try:
            return registry.compare(model, other)
        except (ArtifactCorrupt, Refusal) as error:
            messages.error(request, str(error))
            return None

    def _back(self, model):
        return HttpResponseRedirect(reverse("admin:training_modelversion_change", args=[model.pk]))


@admin.register(Promotion)
class PromotionAdmin(WrittenOnce):
    list_display = ["at", "action_badge", "model", "previous", "actor", "reason", "override_reason"]
    list_display_links = ["at"]
    list_filter = [KindFilter, "action"]
    list_select_related = ["model", "previous"]
    date_hierarchy = "at"

    @admin.display(description="What", ordering="action")
    def action_badge(self, promotion):
        return badge(promotion.get_action_display())

    def change_view(self, request, object_id, form_url="", extra_context=None):
        promotion = self.get_or_denied(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": str(promotion),
            "opts": self.opts,
            "promotion": promotion,
        }
        return TemplateResponse(request, "training/promotion.html", context)


def _figures(model, kind):
    validation = model.metrics["validation"]
    figures = [
        {"label": "Stage", "value": model.stage, "verdict": model.stage},
        {"label": "Gates", "value": model.verdict, "verdict": model.verdict},
    ]
    for name in METRIC_TITLES:
        if name in validation and len(figures) < 6:
            metric = validation[name]
            if metric["value"] is None:
                continue
            figures.append(
                {
                    "label": METRIC_TITLES[name],
                    "value": f"{metric['value']:.3f}",
                    "note": f"{metric['low']:.3f} to {metric['high']:.3f}",
                }
            )
    return figures


def _metric_rows(model):
    measured = [model.metrics["train"], model.metrics["validation"], *model.baselines.values()]
    return [
        (title, [figure((part or {}).get(name)) for part in measured])
        for name, title in METRIC_TITLES.items()
        if name in model.metrics["validation"]
    ]


def _chart(model, kind):
    """The primary metric of the model beside its baselines and ceilings."""
    metric = kind.primary_metric
    rows = [("this model", model.metrics["validation"].get(metric))]
    rows += [(n.replace("_", " "), (m or {}).get(metric)) for n, m in model.baselines.items()]
    rows += [(f"{name} ceiling", value) for name, value in model.ceilings.items()]
    return [
        {"label": label, **value} for label, value in rows if value and value["value"] is not None
    ]


def _slices(model, kind):
    metric = kind.primary_metric
    return [
        {"column": column.replace("_", " "), "value": value, "rows": measured["rows"], "figure": figure(measured.get(metric))}
        for column in kind.slices
        for value, measured in model.metrics.get(f"by_{column}", {}).items()
    ]  # fmt: skip


def _calibration(model):
    """Points (mean score, share of label 1 minus it, with its interval) of equally full bins."""
    return [
        (f"{row['mean_score']:.2f}", *(row[n] - row["mean_score"] for n in ("label_share", "low", "high")))
        for row in model.metrics["validation"].get("calibration", [])
    ]  # fmt: skip


def _importance(model):
    features = model.importance.get("features", {})
    largest = max((abs(m["value"] or 0) for m in features.values()), default=0) or 1
    return [
        {
            "label": name,
            "value": f"{metric['value'] or 0:+.4f}",
            "share": max(metric["value"] or 0, 0) / largest,
            "note": f"{metric['low']:+.4f} to {metric['high']:+.4f}"
            if metric["low"] is not None
            else "",
        }
        for name, metric in features.items()
    ]
