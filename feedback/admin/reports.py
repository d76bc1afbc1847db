"""The pages that say what feedback says, and its panel on the front page."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from feedback.domain.words import (
    FACTORS,
    FEWEST_PLANNED,
    MOST_PLANNED,
    PLANNED_SESSIONS,
    QUALITY_EDGES,
)
from feedback.jobs.counting import COUNT_KIND, ask_for_count, count_under_way
from feedback.models import FeedbackSource
from feedback.queries.reports import (
    BaselinesReport,
    CalibrationReport,
    CsatReport,
    ExperimentsReport,
    read_edges,
)
from feedback.queries.reports.csat import Groups
from feedback.queries.reports.kept import Asked, counts_asked
from feedback.queries.sources import SYNTHETIC_LABEL, choose_scope
from feedback.queries.status import (
    FeedbackStatus,
    KindSamples,
    TableStatus,
    feedback_status,
)
from feedback.services.reports import kept_answer
from project import words
from project.jobs.contract import get_kind
from project.jobs.links import message_job
from project.origin import Origin
from project.pages.figures import IntervalRow
from project.pages.links import record_url
from project.pages.registry import page
from project.pages.tabs import tabs_of
from project.refusal import Refusal

PERMISSION = "feedback.report_feedback"
TITLES = {
    "status": "Status",
    "csat": "CSAT",
    "baselines": "Baselines",
    "calibration": "Calibration",
    "experiments": "Experiments",
}
PERIODS = [("", "all time"), *((str(days), f"last {days} days") for days in (7, 30, 90, 365))]
CHART_ROWS = 24  # the groups with most rows; the table beside has all


class ReportForm(forms.Form):
    """Which rows, and how they are cut."""

    origin = forms.ChoiceField(
        required=False,
        choices=[
            ("", "as it stands: real, else synthetic"),
            *((origin.value, origin.value) for origin in Origin),
        ],
    )
    source = forms.ChoiceField(required=False)
    days = forms.TypedChoiceField(
        label="period", required=False, choices=PERIODS, coerce=int, empty_value=None
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = FeedbackSource.objects.values_list("name", flat=True)
        source: Any = self.fields["source"]
        source.choices = [("", "all of that origin"), *((name, name) for name in names)]


class CsatForm(ReportForm):
    edges = forms.CharField(
        label="quality ranges",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"placeholder": ", ".join(f"{at:g}" for at in QUALITY_EDGES)}),
    )

    def clean_edges(self) -> Any:
        text = self.cleaned_data["edges"]
        try:
            return read_edges(text) if text else QUALITY_EDGES
        except Refusal as refusal:
            raise forms.ValidationError(str(refusal)) from refusal


class BaselinesForm(ReportForm):
    provider = forms.CharField(required=False, max_length=200)
    model = forms.CharField(required=False, max_length=200)
    action_type = forms.CharField(required=False, max_length=200)


class ExperimentsForm(ReportForm):
    planned = forms.IntegerField(
        label="planned sessions of an arm",
        required=False,
        min_value=FEWEST_PLANNED,
        max_value=MOST_PLANNED,
        widget=forms.NumberInput(attrs={"placeholder": PLANNED_SESSIONS}),
    )


FORMS = {"csat": CsatForm, "baselines": BaselinesForm, "experiments": ExperimentsForm}


@page(
    "What feedback says",
    route="feedback/says/<slug:kind>/",
    name="feedback_report",
    permission=PERMISSION,
)
def report_view(request: HttpRequest, kind: str) -> HttpResponse:
    """Show one kind of report, or the status."""
    if kind not in TITLES:
        raise Http404
    query = request.GET.urlencode()
    context = {
        **admin.site.each_context(request),
        "title": "What feedback says",
        "kind": kind,
        "collect_url": _sources_url(request),
        "tabs": tabs_of(TITLES, kind, url=lambda name: _address(name, query)),
    }
    if kind == "status":
        answer = _answered(request, counts_asked(FeedbackSource.objects.all()), context)
        status = None if answer is None else _with_moments(feedback_status(answer))
        context["status"] = status
        if request.method == "POST":
            return HttpResponseRedirect(request.get_full_path())
        return TemplateResponse(request, "feedback/report_status.html", context)
    form = FORMS.get(kind, ReportForm)(request.GET)
    context |= {"form": form, "report": None}
    if form.is_valid():
        chosen = form.cleaned_data
        scope = choose_scope(source=chosen["source"], origin=chosen["origin"], days=chosen["days"])
        levels = {name: chosen[name] for name in FACTORS if chosen.get(name)}
        edges = chosen.get("edges") or QUALITY_EDGES
        planned = chosen.get("planned") or PLANNED_SESSIONS
        asked = Asked(kind, scope, edges, levels, planned)
        report = _answered(request, asked, context, chosen["source"])
        context |= {"report": report, "charts": report and CHARTS[kind](report)}
    if request.method == "POST":
        return HttpResponseRedirect(request.get_full_path())
    return TemplateResponse(request, f"feedback/report_{kind}.html", context)


def _answered(request: HttpRequest, asked: Asked, context: dict[str, Any], source: str = "") -> Any:
    """Return a report as it was counted, and say in the context whether that goes on.

    A look asks for nothing; the button "Count now" posts to the same address.
    """
    answer = kept_answer(asked)
    context["answer"] = answer
    if not answer.is_current:
        if request.method == "POST":
            message_job(request, ask_for_count(asked, source=source, by=request.user))
        job = count_under_way(asked, source=source)
        may_look = job is not None and request.user.has_perm("jobs.view_job")
        context |= {
            "counting": job,
            "counting_url": record_url(job) if job is not None and may_look else "",
            "may_count": request.user.has_perm(get_kind(COUNT_KIND).permission),
        }
    return answer.content


def _address(kind: str, query: str) -> str:
    """Return where a report is; what was chosen stays chosen, but for the status."""
    at = reverse("admin:feedback_report", args=[kind])
    return f"{at}?{query}" if query and kind != "status" else at


def _sources_url(request: HttpRequest) -> str:
    """Return where the next step is, for those who may go there."""
    if not request.user.has_perm("feedback.view_feedbacksource"):
        return ""
    return reverse("admin:feedback_feedbacksource_changelist")


# --- Charts --------------------------------------------------------------------------------------


def _interval_rows(
    rows: Sequence[Mapping[str, Any]], value: str = "mean", reference: str | None = None
) -> list[IntervalRow]:
    """Turn rows of a report into rows of a chart: the groups with most rows, in their order."""
    known = [row for row in rows if row[value] is not None]
    kept = sorted(known, key=lambda row: -row.get("count", 0))[:CHART_ROWS]
    labels = {row["label"] for row in kept}
    return [
        {
            "label": row["label"],
            "value": row[value],
            "low": row["low"],
            "high": row["high"],
            "reference": None if reference is None else row[reference],
        }
        for row in known
        if row["label"] in labels
    ]


def _csat_charts(report: CsatReport) -> dict[str, Any]:
    parts: tuple[tuple[Groups, str, str], ...] = (
        (report["ranges"], "By quality of the response", "Optimal quality range"),
        (report["provider"], "By provider", "Best provider"),
        (report["model"], "By model", "Best model"),
        (report["action_type"], "By action type", ""),
        (report["variant"], "By experiment and variant", ""),
    )
    return {
        "days": [(row["label"], row["mean"], row["low"], row["high"]) for row in report["days"]],
        "groups": [
            {
                "title": title,
                "what": what,
                "rows": groups["rows"],
                "best": groups.get("best"),
                "chart": _interval_rows(groups["rows"]),
            }
            for groups, title, what in parts
        ],
    }


def _baseline_charts(report: BaselinesReport) -> dict[str, Any]:
    targets = []
    for target, title in ((report["quality"], "Quality"), (report["csat"], "CSAT")):
        factors = [
            {
                "title": factor.replace("_", " "),
                **found,
                "chart": _interval_rows(found["rows"], reference="raw_mean"),
            }
            for factor, found in target["factors"].items()
        ]
        targets.append({"title": title, **target, "factors": factors})
    return {"targets": targets}


def _calibration_charts(report: CalibrationReport) -> dict[str, Any]:
    titles = (
        (
            report["given"],
            "Given predictions against user ratings",
            "The predictions that came with the A/B results.",
        ),
        (
            report["quality"],
            "Quality baseline",
            "Learned from the older rows, held to the newest fifth.",
        ),
        (report["csat"], "CSAT baseline", "Learned from the older rows, held to the newest fifth."),
    )
    return {
        "parts": [
            {
                "title": title,
                "note": note,
                **part,
                "chart": [
                    {
                        "label": words.interval(row["from"], row["to"]),
                        "value": row["mean"],
                        "low": row["low"],
                        "high": row["high"],
                        "reference": row["predicted"],
                    }
                    for row in part["buckets"]
                ],
            }
            for part, title, note in titles
        ]
    }


def _experiment_charts(report: ExperimentsReport) -> dict[str, Any]:
    experiments = []
    for one in report["experiments"]:
        effects = {effect["variant"]: effect for effect in one["effects"]}
        experiments.append(
            {
                **one,
                "lines": [{**row, "effect": effects.get(row["label"])} for row in one["variants"]],
                "chart": [
                    {
                        "label": effect["variant"],
                        "value": effect["difference"],
                        "low": effect["low"],
                        "high": effect["high"],
                        "reference": 0.0,
                    }
                    for effect in one["effects"]
                ],
            }
        )
    return {"experiments": experiments}


CHARTS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "csat": _csat_charts,
    "baselines": _baseline_charts,
    "calibration": _calibration_charts,
    "experiments": _experiment_charts,
}


# --- Status and panel ----------------------------------------------------------------------------


def _with_moments(status: FeedbackStatus) -> dict[str, Any]:
    """Give templates moments instead of texts, and bars for the samples."""
    schedule = status["schedule"]
    return {
        **status,
        "tables": [_table_with_moments(row) for row in status["tables"]],
        "schedule": {
            **schedule,
            "next_run_at": _moment(schedule["next_run_at"]),
            "last_run_at": _moment(schedule["last_run_at"]),
        },
        "sample_rows": [
            _sample_row(one, one["real"] if status["real_sources"] else one["synthetic"])
            for one in status["samples"]
        ],
        "synthetic_label": SYNTHETIC_LABEL,
    }


def _table_with_moments(row: TableStatus) -> dict[str, Any]:
    run = row["last_run"]
    return {
        **row,
        "latest": _moment(row["latest"]),
        "last_run": run and {**run, "started_at": _moment(run["started_at"])},
        "gaps": sorted(
            ((name, share) for name, share in row["missing"].items() if share > 0),
            key=lambda gap: -gap[1],
        ),
    }


def _sample_row(samples: KindSamples, count: int) -> dict[str, Any]:
    return {
        "label": samples["kind"].replace("_", " "),
        "value": f"{count:,} of {samples['minimum']:,}",
        "share": count / samples["minimum"],
        "note": "" if samples["enough"] else "too few",
        "tone": "" if samples["enough"] else "warn",
    }


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
