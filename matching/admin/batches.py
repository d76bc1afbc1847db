"""Batches of match events in the admin: generated, imported, exported, deleted."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.log.format import COMPUTED, LANDING_REASONS, REASONS
from matching.domain.log.native import is_native
from matching.domain.words import ALREADY_KNOWN, OnChange, Outcome, revision_of
from matching.jobs.sayings import COPIES_TO_LOOK_AT
from matching.models import EventBatch, EventChange
from matching.queries.exports import export_batches, pack, require_one_origin
from matching.queries.generations import preview
from matching.queries.known_events import preview_log
from matching.queries.words import vocabulary_version
from project import words
from project.acting import Actor
from project.jobs.contract import get_kind
from project.jobs.forms import form_for
from project.jobs.references import refer
from project.jobs.starts import start_job
from project.pages.admins import RecordAdmin
from project.pages.badges import badge
from project.pages.cells import two_lines
from project.pages.filters import DateRangeFilter
from project.pages.registry import record_panels_for
from project.pages.remedies import in_pages
from project.pages.tabs import tabs_of
from project.refusal import Refusal
from project.tabular.mend import EXCERPT_LENGTH
from project.tabular.out import csv_lines
from project.uploads.services import get_upload, path_of

PREVIEW_LINES = 50_000  # of an upload that are looked at before it is imported
REJECTED_SHOWN = 20
REJECTED_COLUMNS = ("line", "reason", "message", "excerpt")
ALL_REASONS = {**REASONS, **LANDING_REASONS}
TABS = {
    "overview": "Overview",
    "left": "Left out",
    "inputs": "Inputs",
    "made": "How it was made",
}
NOT_NAMED = "No destination, or one without a name"
DESTINATIONS_SHOWN = 12


refer("matching.eventbatch", "batch", "batches")


@admin.register(EventBatch)
class EventBatchAdmin(RecordAdmin[EventBatch]):
    list_display = (
        "name",
        "origin_word",
        "state_word",
        "made_count",
        "left_out",
        "share",
        "created_by",
    )
    list_display_links = ("name",)
    list_filter = ("origin", "method", "state", ("created_at", DateRangeFilter))
    list_select_related = ("created_by",)
    list_per_page = 50
    actions = ("export",)
    instant_actions = ("export",)
    removal_page = "remove_batch"
    empty_title = "There are no events yet"
    empty_text = "Generate synthetic ones from live sessions, or import a log."
    start_links = [
        ("matching_eventbatch_generate", "Generate events", "matching.generate_events"),
        ("matching_eventbatch_upload", "Import a log", "matching.import_events"),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("population")

    def removal_links(self, request: HttpRequest, record: EventBatch) -> list[tuple[str, str]]:
        links = super().removal_links(request, record)
        may = request.user.has_perm("matching.delete_rejectedevent")
        if may and record.refused:
            url = f"{reverse('admin:remove_rejected-events')}?number={record.pk}"
            links.append(("Remove its rejected lines", url))
        return links

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("generate/", wrap(self.generate_view), name="matching_eventbatch_generate"),
            path("import/", wrap(self.upload_view), name="matching_eventbatch_upload"),
            path("<int:pk>/export/", wrap(self.export_view), name="matching_eventbatch_export"),
            path(
                "<int:pk>/rejected.csv",
                wrap(self.rejected_view),
                name="matching_eventbatch_rejected",
            ),
            *super().get_urls(),
        ]

    # Batches are made by jobs and never change.
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("matching.export_events")

    def row_links(self, request: HttpRequest, record: EventBatch) -> list[tuple[str, str]]:
        if record.state != EventBatch.State.COMPLETE:
            return []
        links = []
        if request.user.has_perm("matching.view_matchevent"):
            events = reverse("admin:matching_matchevent_changelist")
            links.append(("Its events", f"{events}?batch={record.pk}"))
        if self.has_export_permission(request):
            url = reverse("admin:matching_eventbatch_export", args=[record.pk])
            links.append(("Download as a log", url))
            links.append(("Export", f"{reverse('admin:export_events')}?batches={record.pk}"))
        return links

    @admin.display(description="batch", ordering="id")
    def name(self, batch: EventBatch) -> Any:
        return two_lines(f"Batch {batch.pk}", words.moment(batch.created_at))

    @admin.display(description="origin", ordering="origin")
    def origin_word(self, batch: EventBatch) -> Any:
        return badge(batch.get_origin_display())

    @admin.display(description="state", ordering="state")
    def state_word(self, batch: EventBatch) -> Any:
        return badge(batch.verdict)

    @admin.display(description="events", ordering="made")
    def made_count(self, batch: EventBatch) -> Any:
        if batch.made == batch.asked:
            return f"{batch.made:,}"
        return f"{batch.made:,} of {batch.asked:,}"

    @admin.display(description="left out")
    def left_out(self, batch: EventBatch) -> Any:
        return f"{sum(reason['count'] for reason in batch.skipped.values()):,}"

    @admin.display(description="label 1")
    def share(self, batch: EventBatch) -> Any:
        return words.share(batch.label_share)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        batch = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, batch):
            raise PermissionDenied
        if batch is None:
            raise self.not_found(object_id)
        described = _describe(batch)
        sees_lines = request.user.has_perm("matching.view_rejectedevent")
        titles = {
            name: title
            for name, title in TABS.items()
            if name in ("overview", "made")
            or described["has"][name]
            or (name == "left" and described["has"]["lines"] and sees_lines)
        }
        asked = request.GET.get("tab", "")
        tab = asked if asked in titles else "overview"
        context = {
            **self.page_context(request, f"Batch {batch.pk}"),
            **described,
            "partial": batch.parameters.get("partial", ""),
            "tabs": tabs_of(titles, tab),
            "tab": tab,
            "may_export": self.has_export_permission(request) and batch.state == "complete",
            "removal_links": self.removal_links(request, batch),
            "may_see_events": request.user.has_perm("matching.view_matchevent"),
            "record": batch,
            "record_panels": list(record_panels_for(request, batch)),
            "object_actions": self.object_actions(request) if batch.state == "complete" else [],
            **(extra_context or {}),
        }
        return TemplateResponse(request, "matching/batch.html", context)

    def generate_view(self, request: HttpRequest) -> HttpResponse:
        """Ask what to generate, say what is to be expected of it, then start it."""
        if not request.user.has_perm("matching.generate_events"):
            raise PermissionDenied
        kind = get_kind("matching.generate_events")
        form = form_for(kind, by=Actor.of(request.user))(request.POST or None)
        context = {**self.page_context(request, "Generate events"), "form": form}
        if request.method == "POST" and form.is_valid():
            if "start" in request.POST:
                start_job(request, kind.name, **form.arguments)
                return self.to_list()
            try:
                context["forecast"] = preview(**form.arguments)
                context["verdict"] = _verdict_of(context["forecast"])
                context["count"] = form.arguments["count"]
            except Refusal as refusal:
                context["refusal"] = refusal
        return TemplateResponse(request, "matching/generate.html", context)

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """Take a log, show what an import would find, and import it once confirmed."""
        if not request.user.has_perm("matching.import_events"):
            raise PermissionDenied
        context = self.page_context(request, "Import a log")
        kind = get_kind("matching.import_events")
        by = Actor.of(request.user)
        if "kept" in request.POST:
            # What was looked at is imported: the upload goes along by its id.
            given = {"files": [request.POST["kept"]]}
            confirmed = form_for(kind, by=by, given=given)(request.POST)
            if confirmed.is_valid():
                start_job(request, kind.name, **confirmed.arguments)
                return self.to_list()
            messages.error(request, "The upload is not there any more. Upload the file again.")
            return HttpResponseRedirect(request.path)
        form = form_for(kind, by=by)(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            (kept,) = form.arguments["files"]
            upload = get_upload(UUID(kept))
            with path_of(upload).open("rb") as stream:
                if not is_native(stream):  # the job says how such a table would be read
                    start_job(request, kind.name, **form.arguments)
                    return self.to_list()
            try:
                context["found"] = preview_log(
                    path_of(upload),
                    upload.name,
                    origin=form.arguments["origin"] or None,
                    max_lines=PREVIEW_LINES,
                )
            except Refusal as refusal:
                form.add_error("origin", str(refusal))
                return TemplateResponse(request, "matching/upload.html", {**context, "form": form})
            context["reasons"] = _reasons(context["found"]["rejected_by_reason"])
            context["confirm"] = {
                "kept": kept,
                "origin": form.arguments["origin"],
                "feature_set": form.arguments["feature_set"],
                "on_change": form.arguments["on_change"],
            }
        return TemplateResponse(request, "matching/upload.html", {**context, "form": form})

    def export_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Download one batch as a packed log."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        batch = EventBatch.objects.complete().filter(pk=pk).first()
        if batch is None:
            raise Http404("There is no complete batch of that number.")
        return _download([batch])

    def rejected_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Download the rejected lines of a batch as CSV."""
        if not request.user.has_perm("matching.view_rejectedevent"):
            raise PermissionDenied
        batch = self.get_object(request, str(pk))
        if batch is None:
            raise Http404("There is no batch of that number.")
        beginning = Left("text", EXCERPT_LENGTH)
        kept = batch.rejected.order_by("line").annotate(excerpt=beginning)
        rows = kept.values_list(*REJECTED_COLUMNS)
        return StreamingHttpResponse(
            csv_lines(REJECTED_COLUMNS, rows.iterator(chunk_size=5000)),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="batch-{pk}-rejected.csv"'},
        )

    @admin.action(description="Export as one event log", permissions=["export"])
    def export(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseBase | None:
        batches = list(queryset.order_by("pk"))
        unfinished = [str(batch.pk) for batch in batches if batch.state != "complete"]
        if unfinished:
            messages.error(
                request, f"Batch {', '.join(unfinished)} is not complete; choose complete ones."
            )
            return None
        try:
            require_one_origin(batches)  # before the answer begins
        except Refusal as refusal:
            self.message_user(request, in_pages(str(refusal)), messages.ERROR)
            return None
        return _download(batches)


def _verdict_of(forecast: Mapping[str, Any]) -> str:
    """Say how good what is to be expected is: copies teach nothing, whoever allowed them."""
    if not forecast["met"]:
        return "refuse"
    return "warn" if forecast["expected_duplicate_share"] > COPIES_TO_LOOK_AT else "pass"


def _download(batches: Sequence[EventBatch]) -> StreamingHttpResponse:
    name = "-".join(str(batch.pk) for batch in batches[:10])
    return StreamingHttpResponse(
        pack(export_batches(batches)),
        content_type="application/gzip",
        headers={"Content-Disposition": f'attachment; filename="events-{name}.jsonl.gz"'},
    )


def _reasons(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {"reason": reason, "words": ALL_REASONS.get(reason, ""), "count": count}
        for reason, count in sorted(counts.items(), key=lambda entry: -entry[1])
    ]


def _describe(batch: EventBatch) -> dict[str, Any]:
    """Return what the page of a batch shows."""
    is_import = batch.method == EventBatch.Method.IMPORTED
    outcomes = batch.summary.get("outcomes", {})
    total = sum(outcomes.values())
    skipped = [
        {
            "reason": reason.replace("_", " "),
            "words": "the same event came before"
            if reason == ALREADY_KNOWN
            else ALL_REASONS.get(reason),
            "count": entry["count"],
            "examples": [_example(one) for one in entry["examples"]],
            "more": entry["count"] - len(entry["examples"]),
        }
        for reason, entry in batch.skipped.items()
    ]
    rejected = list(batch.rejected.open().order_by("line")[: REJECTED_SHOWN + 1])
    landed_since = batch.rejected.filter(resolved_at__isnull=False).count()
    histograms = []
    columns = batch.summary.get("features", {})
    # Stored JSON has an order of its own.
    for name in FEATURE_NAMES if columns else ():
        column = columns[name]
        known = sum(column["counts"])
        if known:
            missing = f", {column['missing']:,} without" if column["missing"] else ""
            histograms.append(
                (f"{name} ({words.tally(known, 'value')}{missing})", column["counts"])
            )
    left_out = sum(one["count"] for one in skipped)
    return {
        "batch": batch,
        "has": {
            "left": bool(skipped),
            "lines": bool(rejected or landed_since),
            "inputs": bool(histograms),
        },
        "destinations": _destinations(batch),
        "left_rows": [
            {
                "label": one["reason"],
                "value": one["count"],
                "share": one["count"] / left_out if left_out else 0,
                "note": one["words"] or "",
            }
            for one in skipped
        ],
        "state": batch.get_state_display().lower(),
        "verdict": batch.verdict,
        "figures": [
            {"label": "Found" if is_import else "Asked", "value": batch.asked},
            {"label": "New" if is_import else "Made", "value": batch.made},
            {
                "label": "Label 1",
                "value": words.share(batch.label_share),
                "note": "accept or chat",
            },
            {"label": "Left out", "value": left_out, **({"url": "?tab=left"} if skipped else {})},
        ],
        "facts": _facts(batch),
        "skipped": skipped,
        "outcomes": [
            {"label": word, "value": outcomes[word], "share": outcomes[word] / total}
            for word in Outcome
            if total
        ],
        "histograms": histograms,
        "rejected": rejected[:REJECTED_SHOWN],
        "rejected_more": len(rejected) > REJECTED_SHOWN,
        "landed_since": landed_since,
        "ignored": batch.parameters.get("ignored", {}),
        "changed": _changed(batch),
        "merged": batch.merged_events if batch.state == EventBatch.State.COMPLETE else 0,
        "corrected": batch.corrections
        and EventChange.objects.to_batch(batch).filter(state=EventChange.State.REPLACED).count(),
    }


def _destinations(batch: EventBatch) -> dict[str, Any]:
    """Return bars of where those who were asked were going, or why that is not known."""
    if batch.method == EventBatch.Method.IMPORTED:
        return {"note": "A log does not tell where people were going."}
    counted = batch.summary.get("destinations")
    if counted is None:
        return {"note": "Generated before destinations were counted."}
    named = list(counted["named"].items())
    # Stored JSON has an order of its own.
    named.sort(key=lambda one: (-one[1], one[0]))
    total = sum(counted["named"].values()) + counted["others"] + counted["unknown"]
    others = counted["others"] + sum(number for _, number in named[DESTINATIONS_SHOWN:])
    rows = [
        *named[:DESTINATIONS_SHOWN],
        *([("Other destinations", others)] if others else []),
        *([(NOT_NAMED, counted["unknown"])] if counted["unknown"] else []),
    ]
    return {
        "rows": [
            {"label": name, "value": number, "share": number / total} for name, number in rows
        ],
        "count": len(named),
    }


def _changed(batch: EventBatch) -> dict[str, Any] | None:
    """Say what became of events that an import found known with other content."""
    changed_in = batch.parameters.get("changed_in") or {}
    if not changed_in:
        return None
    is_kept = batch.parameters.get("on_change") == OnChange.KEEP
    return {
        "count": sum(changed_in.values()),
        "became": "stay as they were" if is_kept else "were replaced",
        "batches": [
            {
                "pk": int(pk),
                "count": count,
                "url": reverse("admin:matching_eventbatch_change", args=[pk]),
            }
            for pk, count in changed_in.items()
        ],
    }


def _formulas(batch: EventBatch) -> str:
    """Say which formulas made the features, and what becomes of those that were corrected since."""
    formulas = f"{batch.feature_set}, revision {batch.feature_revision}"
    now = revision_of(batch.feature_set)
    if batch.parameters.get("features") == COMPUTED:
        day = timezone.localdate(batch.created_at)
        return f"{formulas}, features of profiles of that day ({day}): the log has none"
    if batch.method == EventBatch.Method.IMPORTED:
        return f"{formulas}, as they were logged"
    version = batch.parameters.get("vocabulary", {}).get("version", 0)
    if version:
        formulas = f"{formulas}, vocabulary {version}"
    if batch.feature_revision != now:
        return f"{formulas}; a dataset has them computed anew by revision {now}"
    words_now = vocabulary_version()
    if version != words_now:
        return f"{formulas}; a dataset has them computed anew by vocabulary {words_now}"
    return formulas


def _facts(batch: EventBatch) -> list[tuple[str, Any]]:
    facts = [
        ("Made by", f"{batch.created_by or 'a command'}, {words.moment(batch.created_at)}"),
        ("Features", _formulas(batch)),
        ("Name of the content", batch.uid),
    ]
    if batch.method == EventBatch.Method.IMPORTED:
        partial = batch.parameters.get("partial")
        return [
            *facts,
            *([("Taken in part", partial)] if partial else []),
            *_behaviour(batch),
            ("Came" if batch.is_sent else "File", batch.file_name),
            ("SHA-256", batch.file_sha256),
        ]
    asked = {
        key.replace("_", " "): ", ".join(value) if isinstance(value, list) else value
        for key, value in batch.parameters.items()
    }
    return [*facts, *((key.capitalize(), value) for key, value in asked.items())]


def _behaviour(batch: EventBatch) -> list[tuple[str, Any]]:
    """Say what a log without features knew, and how often somebody was only shown."""
    facts: list[tuple[str, Any]] = []
    told = batch.parameters
    if told.get("features") == COMPUTED and batch.made:
        known = told.get("people_known", 0)
        of_all = f"{known:,} of {batch.made:,} events; the others are left out of datasets"
        facts.append(("People known by id", f"{words.share(known / batch.made)}, {of_all}"))
        if told.get("trips"):
            trips = ", ".join(f"{count:,} {name}" for name, count in told["trips"].items())
            facts.append(("Trips", trips))
    if told.get("exposures"):
        facts.append(("Views alone", f"{told['exposures']:,}, counted and no events"))
    return facts


def _example(one: Mapping[str, Any]) -> dict[str, str]:
    if "line" in one:
        return {"text": f"line {one['line']:,}"}
    if "batch" in one:
        url = reverse("admin:matching_eventbatch_change", args=[one["batch"]])
        return {"text": f"{one['count']:,} in batch {one['batch']}", "url": url}
    url = f"{reverse('admin:matching_seeduser_changelist')}?q={one['external_id']}"
    missing = f" without {', '.join(one['missing'])}" if one.get("missing") else ""
    return {"text": f"{one['external_id']}{missing}", "url": url}
