"""What applications were answered in the last hour, beside what training saw."""

from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from project import clock, words
from project.jobs.models import Schedule
from project.jobs.starts import start_job
from project.pages.admins import signed_in
from project.pages.consequences import Consequence
from project.pages.figures import KeyFigure
from project.pages.navigation import Entry, add_entries
from project.pages.registry import page
from project.refusal import Refusal
from serving.jobs import MONITOR_PERMISSION
from serving.models import ApiKey
from serving.queries.monitoring import (
    InputFields,
    Monitored,
    last_look,
    monitor_hour,
    open_alarms,
)
from serving.queries.schedule import MONITOR_KIND, current_schedule
from serving.services.schedule import DEFAULT_SECONDS, switch_off, switch_on

ROUTE: Final = "serving_monitoring"
TITLE: Final = "Answers"
PERMISSION: Final = "serving.view_alarm"
WATCH_SAYS: Final = (
    "It opens an alarm when the same score comes again and again, when inputs go missing, or when "
    "the rules answer instead of the model, and closes it when that ends."
)
WATCH, REST = "Watch the answers", "Stop watching the answers"

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
    may_watch = request.user.has_perm(MONITOR_PERMISSION)
    switch = "" if not may_watch else "serving_rest" if is_watched else "serving_watch"
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": TITLE,
        "intro": "What applications were answered in the last hour, beside what training saw.",
        "hour": hour,
        "alarms": open_alarms(),
        "figures": _figures(hour),
        "inputs": [_input(one) for one in hour["inputs"]],
        "names": ("last hour", "training"),
        "may_watch": may_watch,
        "switch_url": reverse(f"admin:{switch}") if switch else "",
        "person_url": reverse("admin:serving_debug")
        if request.user.has_perm("matching.view_seeduser")
        else "",
        "export_url": reverse("admin:export_scores")
        if request.user.has_perm("serving.export_scores")
        else "",
        "watched": _rhythm(schedule) if schedule is not None and is_watched else "",
        "cannot": schedule.last_error if schedule is not None and is_watched else "",
        "looked_at": last_look(),
        "next": _next_of_nothing(request, is_watched=is_watched) if not hour["rows"] else {},
    }
    return TemplateResponse(request, "serving/monitoring.html", context)


@page(WATCH, route="answers/watch/", name="serving_watch", permission=MONITOR_PERMISSION)
def watch_view(request: HttpRequest) -> HttpResponse:
    """Say what watching comes to, and switch it on with the rights of who says yes."""
    schedule = current_schedule()
    if schedule is not None and schedule.is_enabled:
        told = Consequence(0, (f"They are watched already, {_rhythm(schedule)}.",))
        return _switch_page(request, WATCH, told)
    if request.method == "POST":
        _require_sight(request)
        try:
            schedule = switch_on(owner=signed_in(request))
        except Refusal as refusal:  # their right was taken away meanwhile
            messages.error(request, str(refusal))
        else:
            messages.success(
                request, f"Answers are watched {_rhythm(schedule)} from now on, with your rights."
            )
        return HttpResponseRedirect(reverse(f"admin:{ROUTE}"))
    rhythm = f"every {words.duration(DEFAULT_SECONDS)}" if schedule is None else _rhythm(schedule)
    return _switch_page(
        request,
        WATCH,
        Consequence(
            1,
            (
                f"A job reads on in what applications were answered, {rhythm}, with your rights.",
                WATCH_SAYS,
                "No answer waits for it, and none is changed.",
            ),
            starts_jobs=True,
        ),
    )


@page(REST, route="answers/rest/", name="serving_rest", permission=MONITOR_PERMISSION)
def rest_view(request: HttpRequest) -> HttpResponse:
    """Say what is not seen any more, and switch the watch off."""
    schedule = current_schedule()
    if schedule is None or not schedule.is_enabled:
        return _switch_page(request, REST, Consequence(0, ("Nothing watches by itself.",)))
    if request.method == "POST":
        _require_sight(request)
        switch_off()
        messages.success(request, "Answers are not watched by themselves any more.")
        return HttpResponseRedirect(reverse(f"admin:{ROUTE}"))
    count = len(open_alarms())
    told = ["From then on no alarm opens by itself, whatever applications are answered."]
    if count:
        stay = words.counted(count, "alarm stays", "alarms stay")
        told.append(f"{stay} open until somebody looks.")
    told.append("“Look now” reads what was answered meanwhile, whenever somebody wants it.")
    return _switch_page(request, REST, Consequence(1, tuple(told)))


def _next_of_nothing(request: HttpRequest, *, is_watched: bool) -> dict[str, str]:
    """Return what is to be done where nothing was answered, by who may; empty for others."""
    if not is_watched and request.user.has_perm(MONITOR_PERMISSION):
        return {"url": reverse("admin:serving_watch"), "words": f"{WATCH} …"}
    if request.user.has_perm("serving.add_apikey") and not ApiKey.objects.open().exists():
        return {"url": reverse("admin:serving_apikey_add"), "words": "Make a key"}
    return {}


def _switch_page(request: HttpRequest, title: str, consequence: Consequence) -> HttpResponse:
    _require_sight(request)
    context = {
        **admin.site.each_context(request),
        "title": title,
        "consequence": consequence,
        "parent": answers_page(),
        "back_url": answers_page()["url"],
    }
    return TemplateResponse(request, "components/confirm_action.html", context)


def answers_page() -> dict[str, str]:
    """Return where the pages below Answers lead back to."""
    return {"title": TITLE, "url": reverse(f"admin:{ROUTE}")}


def _require_sight(request: HttpRequest) -> None:
    """Let nobody switch what they may not see, for the page that follows shows it."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied


def _rhythm(schedule: Schedule) -> str:
    seconds = schedule.interval_seconds
    return f"every {words.duration(seconds)}" if seconds else f"by the plan “{schedule.cron}”"


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
