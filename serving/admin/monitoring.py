"""What applications were answered in the last hour, beside what training saw."""

from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from project import clock, words
from project.jobs.starts import start_job
from project.pages.figures import KeyFigure
from project.pages.navigation import Entry, add_entries
from project.pages.registry import page
from serving.jobs import MONITOR_PERMISSION
from serving.queries.monitoring import InputFields, Monitored, monitor_hour, open_alarms
from serving.queries.schedule import MONITOR_KIND, current_schedule

ROUTE: Final = "serving_monitoring"
PERMISSION: Final = "serving.view_alarm"

add_entries(
    Entry(
        section="Matching",
        label="Answers",
        url_name=ROUTE,
        order=44,
        permissions=(PERMISSION,),
    )
)


@page("Answers", route="answers/", name=ROUTE, permission=PERMISSION)
def monitoring_view(request: HttpRequest) -> HttpResponse:
    """Show the last hour; posting looks at once for what is new, in a job."""
    if request.method == "POST":
        start_job(request, MONITOR_KIND)
        return HttpResponseRedirect(reverse(f"admin:{ROUTE}"))
    hour, schedule = monitor_hour(clock.now()), current_schedule()
    is_watched = schedule is not None and schedule.is_enabled
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Answers",
        "intro": "What applications were answered in the last hour, beside what training saw.",
        "hour": hour,
        "alarms": open_alarms(),
        "figures": _figures(hour),
        "inputs": [_input(one) for one in hour["inputs"]],
        "names": ("last hour", "training"),
        "may_watch": request.user.has_perm(MONITOR_PERMISSION),
        "person_url": reverse("admin:serving_debug")
        if request.user.has_perm("matching.view_seeduser")
        else "",
        "every": words.duration(schedule.interval_seconds or 0)
        if schedule is not None and is_watched
        else "",
    }
    return TemplateResponse(request, "serving/monitoring.html", context)


def _figures(hour: Monitored) -> list[KeyFigure]:
    if not hour["rows"]:
        return []
    ends = f"{words.number(hour['lowest'])} to {words.number(hour['highest'])}"
    common = words.share(hour["most_common_share"])
    version = hour["model_version"]
    return [
        {
            "label": "Scored pairs",
            "value": words.number(hour["pairs"]),
            "note": f"{words.counted(hour['visits'], 'visit')}, "
            f"{words.counted(hour['rows'], 'row')} kept",
        },
        {
            "label": "Spread of the scores",
            "value": words.number(hour["standard_deviation"]),
            "note": f"standard deviation; {ends}",
        },
        {
            "label": "Most common score",
            "value": words.number(hour["most_common"]),
            "note": f"{common} of the pairs have it, to three decimals",
        },
        {
            "label": "Answered by the rules",
            "value": words.share(hour["fallback_share"]),
            "note": "of the visits, instead of the model"
            if version is not None
            else "no model is live",
        },
    ]


def _input(one: InputFields) -> dict[str, str]:
    now, expected = one["missing_share"], one["expected_share"]
    is_above = now is not None and expected is not None and now > expected
    return {
        "title": one["title"],
        "now": words.share(now),
        "training": words.share(one["training_share"]),
        "expected": words.share(expected) if expected is not None else "not watched",
        "verdict": "more than usual" if is_above else "",
    }
