"""Models and promotions in the admin: figures beside baselines, gates, and what is live."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from project import words
from project.jobs.starts import start_job
from project.pages.admins import ReadOnlyAdmin, signed_in
from project.pages.badges import badge
from project.pages.cells import two_lines
from project.pages.consequences import Consequence
from project.pages.filters import DateRangeFilter
from project.pages.links import record_link, record_url
from project.pages.registry import record_panels_for
from project.pages.remedies import in_pages
from project.refusal import Refusal
from project.storage.failures import ArtifactCorrupt
from training.admin.datasets import KindFilter, zip_response
from training.admin.forms import DecideForm, PromoteForm
from training.admin.lineage import draw_lineage
from training.admin.model_compare import chosen_versions, comparison_context
from training.admin.model_page import COMPARED, tab_context
from training.kinds import get_kind
from training.models import ModelVersion, Promotion, Verdict
from training.queries.comparisons import Comparison, compare
from training.queries.files import file_problem, file_word, restorable_before
from training.queries.models import champion_of, suspects_of
from training.queries.promotions import Shown, version_before, who_decided
from training.queries.serviceable import why_not_serving
from training.services import registry


def _foresee_retraining(model: ModelVersion) -> Consequence:
    """Say what another model on the rows of this one is, and that this one stays."""
    rows = words.counted(model.dataset.rows, "row", "rows")
    made = (
        f"1 new version is trained on the {rows} of dataset {model.dataset.version}, with the seed "
        f"of version {model.version}."
    )
    kept = f"Version {model.version} stays; the new one is live only when somebody makes it live."
    return Consequence(1, (made, kept), starts_jobs=True)


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
    actions = ["compare_versions"]
    removal_page = "remove_model"
    instant_actions = ("compare_versions",)
    empty_title = "No model yet"
    empty_text = "A model is trained on a dataset that passed, and has to earn its promotion."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        heavy = ["parameters", "importance", "comparisons", "gates", "curves"]
        dataset = [f"dataset__{name}" for name in ("report", "histograms", "lineage", "files")]
        return super().get_queryset(request).select_related("dataset").defer(*heavy, *dataset)

    def row_links(self, request: HttpRequest, record: ModelVersion) -> list[tuple[str, str]]:
        links = []
        has_files = file_word(record) == "there"
        if request.user.has_perm("training.promote_model"):
            is_live = record.stage == ModelVersion.Stage.CHAMPION
            before = version_before(record.kind) if is_live else None
            name, label = "promote", "Make it live …"
            if before is not None:
                name, label = "rollback", f"Return to version {before} …"
            if before is not None or (has_files and not is_live):
                url = reverse(f"admin:training_modelversion_{name}", args=[record.pk])
                links.append((label, url))
        if has_files and request.user.has_perm("training.export_model"):
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

    @admin.action(description="Compare", permissions=["view"])
    def compare_versions(
        self, request: HttpRequest, queryset: QuerySet[ModelVersion]
    ) -> HttpResponse | None:
        """Lead to the page on which the chosen versions stand side by side, the newest first."""
        newest = queryset.order_by("-version").values_list("kind", "version", "pk")
        chosen = list(newest[: COMPARED + 1])
        if len({kind for kind, _, _ in chosen}) > 1:
            messages.error(request, "Versions of one kind can be compared: choose those of one.")
        elif not 2 <= len(chosen) <= COMPARED:
            messages.error(request, f"Choose 2 to {COMPARED} versions to compare.")
        else:
            asked = urlencode({"other": [version for _, version, _ in chosen[1:]]}, doseq=True)
            page = reverse("admin:training_modelversion_compare", args=[chosen[0][2]])
            return HttpResponseRedirect(f"{page}?{asked}")
        return None

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
        may_decide = request.user.has_perm("training.promote_model")
        is_champion = model.stage == ModelVersion.Stage.CHAMPION
        before = restorable_before(model.kind) if is_champion else None
        shown = tab_context(request, model)
        if shown["tab"] == "overview":
            shown["drawing"] = draw_lineage(request, model)
            shown["record_panels"] = list(record_panels_for(request, model))
        context = {
            **self.page_context(request, f"{get_kind(model.kind).title} model {model.version}"),
            **shown,
            "removal_links": [] if is_champion else self.removal_links(request, model),
            "may_promote": may_decide and not is_champion and not shown["problem"],
            "may_rollback": may_decide and before is not None,
            "before": before,
            "may_export": request.user.has_perm("training.export_model")
            and file_word(model) == "there",
        }
        return TemplateResponse(request, f"training/model_{context['tab']}.html", context)

    def promote_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Show the gates and the comparison with the champion; POST makes the model live."""
        self.require(request, "training.promote_model")
        model = self.get_or_denied(request, str(pk))
        if request.method != "POST" and (problem := file_problem(model)) is not None:
            messages.error(request, f"{model} cannot go live: {in_pages(str(problem))}")
            return self.to_record(model)
        suspects = suspects_of(model)
        # An empty form that was sent is asked for what it lacks; what was not sent is not.
        sent = request.POST if request.method == "POST" else None
        champion = champion_of(model.kind)
        shown = Shown(champion.version if champion else 0)
        form = PromoteForm(sent, is_suspicious=bool(suspects), shown=shown)
        if request.method == "POST" and form.is_valid():
            return self._decide(
                request,
                model,
                lambda: registry.promote(model, by=signed_in(request), **form.decision),
            )
        comparison = None
        if champion is not None and champion.pk != model.pk:
            comparison = self._compared(request, model, champion)
        return self.confirm_page(
            request,
            model,
            form,
            title=f"Make version {model.version} live",
            intro=f"Version {champion.version} is live now and will be archived; it can come back."
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
        if model.stage != ModelVersion.Stage.CHAMPION:
            said = f"Version {model.version} is not the champion."
            messages.error(request, f"{said} {who_decided(model.kind)}")
            return self.to_record(model)
        before = version_before(model.kind)
        if before is None:
            messages.error(request, f"No version was live before version {model.version}.")
            return self.to_record(model)
        if restorable_before(model.kind) is None:
            messages.error(request, f"Version {before} cannot come back: it has no usable files.")
            return self.to_record(model)
        sent = request.POST if request.method == "POST" else None
        form = DecideForm(sent, shown=Shown(model.version, before))
        if request.method == "POST" and form.is_valid():
            return self._decide(
                request,
                model,
                lambda: registry.rollback(
                    get_kind(model.kind), by=signed_in(request), **form.decision
                ),
            )
        return self.confirm_page(
            request,
            model,
            form,
            title=f"Return to version {before}",
            intro=f"Version {model.version} is live now and will be archived; version "
            f"{before}, which was live before it, comes back unchanged.",
        )

    def retrain_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Ask, then train another model on the rows of this one."""
        self.require(request, "training.train_model")
        model = self.get_or_denied(request, str(pk))
        if (problem := file_problem(model.dataset)) is not None:
            messages.error(request, in_pages(str(problem)))
            return self.to_record(model)
        if request.method != "POST":
            title = f"Train version {model.version} again"
            return self.foresee_page(request, model, _foresee_retraining(model), title=title)
        start_job(
            request,
            "training.train_model",
            model_kind=model.kind,
            dataset=model.dataset.version,
            seed=model.seed,
        )
        return self.to_record(model)

    def compare_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Lay other versions of its kind beside this one, what differs first."""
        model = self.get_or_denied(request, str(pk))
        try:
            others = chosen_versions(model, request.GET.getlist("other"))
        except Refusal as refusal:
            messages.error(request, in_pages(str(refusal)))
            return HttpResponseRedirect(f"{record_url(model)}?tab=versions")
        compared = [(other, self._compared(request, model, other)) for other in others]
        named = words.listed([str(other.version) for other in others])
        noun = "version" if len(others) == 1 else "versions"
        context = {
            **self.page_context(request, f"Version {model.version} beside {noun} {named}"),
            **comparison_context(model, compared),
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
        messages.success(request, f"Version {promotion.version} is live.")
        return self.to_record(promotion.model or model)

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
        "kind",
        "version",
        "previous_version",
        "actor",
        "reason",
        "override_reason",
        "confirmation_reason",
    ]
    list_display_links = ["at"]
    list_filter = [KindFilter, "action"]
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
