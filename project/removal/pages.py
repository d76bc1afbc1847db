"""The page that says what a removal comes to, and starts it."""

from functools import partial
from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from project import words
from project.acting import Actor
from project.jobs.contract import get_kind
from project.jobs.forms import form_for
from project.jobs.starts import start_job
from project.pages.figures import KeyFigure
from project.pages.links import list_url_for, url_for
from project.pages.registry import page
from project.removal.contract import PLANNED, Plan, Removal, RemoveRecord, figures_of
from project.removal.registry import removal_of

AT_ONCE: Final = 20  # records that one page names
HOW: Final = (
    "A job removes it, which can be stopped and goes on where it was. Nothing brings it back; a "
    "receipt says what went."
)


def offer_removals(*declared: type[Removal[Any]]) -> None:
    """Register the page of each, under `remove_THING`."""
    for one in declared:
        page(
            f"Remove {one.noun}",
            route=f"remove/{one.thing}/",
            name=f"remove_{one.thing}",
            permission=one.permission,
        )(partial(_remove_view, thing=one.thing))


def _remove_view(request: HttpRequest, *, thing: str) -> HttpResponse:
    """Say what goes, what stands on it and what stays; posting starts a job for each record."""
    how = removal_of(thing)
    if how is None:
        raise Http404
    if not request.user.has_perm(how.permission):
        raise PermissionDenied
    back = list_url_for(request, how.model, "") or reverse("admin:index")
    numbers = _numbers(request, how)
    if not numbers:
        context = {**admin.site.each_context(request), "title": f"Remove {how.noun}"}
        return TemplateResponse(request, "removal/remove.html", {**context, "back_url": back})
    kind = get_kind(how.kind)
    form_class = form_for(kind, by=Actor.of(request.user), given={"number": numbers[0]})
    form: Any = form_class(request.POST or None)
    if request.method == "POST" and form.is_valid():
        records = [how.find(one) for one in numbers]
        objections = {how.objection(one, form.arguments["why"]) for one in records} - {""}
        for objection in objections:
            form.add_error("why", f"{objection} {how.better_reason}")
    if request.method == "POST" and form.is_valid():
        told = {name: value for name, value in form.arguments.items() if name != "number"}
        if all(start_job(request, how.kind, number=one, **told) for one in numbers):
            return HttpResponseRedirect(back)
    asked = how.arguments(number=1, why=PLANNED)
    plans = [_shown(request, how, one, asked) for one in numbers]
    if len(plans) == 1:
        title = f"Remove {plans[0]['called']}"
    else:
        title = f"Remove {words.counted(len(plans), 'record')}"
    is_possible = any(not one["blocked"] for one in plans)
    context = {
        **admin.site.each_context(request),
        "title": title,
        "intro": HOW if is_possible else "",
        "plans": plans,
        "is_alone": len(plans) == 1,
        "is_possible": is_possible,
        "numbers": numbers,
        "form": form,
        "back_url": (url_for(request, how.model, numbers[0]) if len(numbers) == 1 else "") or back,
    }
    return TemplateResponse(request, "removal/remove.html", context)


def _numbers(request: HttpRequest, how: Removal[Any]) -> list[int]:
    given = request.GET.getlist("number")
    usable = [int(one) for one in given if one.isascii() and one.isdecimal() and len(one) < 19]
    there = [one for one in dict.fromkeys(usable) if how.find(one) is not None]
    if given and not there:
        raise Http404(f"There is no such {how.word}. Perhaps it was removed?")
    if len(there) > AT_ONCE:
        messages.info(request, f"The first {AT_ONCE} of those that were chosen are shown.")
    return there[:AT_ONCE]


def _names_of(how: Removal[Any], record: Any, title: str) -> dict[str, str]:
    """Return what people call a record: `name`, `known_as` where it goes by an id beside that, and
    `called`, both with the title of its plan.

    The page alone says so: a plan is kept on the receipt, and names nobody.
    """
    spelled = str(record)
    name = str(getattr(record, "title", "") or spelled)
    called = f"{title[:1].lower()}{title[1:]}"
    if name.lower().startswith(called):  # Batch 12 (real, 300 events)
        called = f"{name[:1].lower()}{name[1:]}"
    elif not how.record and not _words_of(name) <= _words_of(title):
        called = f"{called}: {name}"
    return {"name": name, "known_as": spelled if spelled != name else "", "called": called}


def _words_of(text: str) -> set[str]:
    return set(text.lower().replace("/", " ").split())


def _shown(
    request: HttpRequest, how: Removal[Any], number: int, asked: RemoveRecord
) -> dict[str, Any]:
    record = how.find(number)
    plan: Plan = how.plan(record, asked.model_copy(update={"number": number}))
    figures: list[KeyFigure] = [
        {"label": label, "value": value} for label, value in figures_of(how.beside(plan.goes))
    ]
    return {
        **plan.as_dict(),
        **_names_of(how, record, plan.title),
        "url": url_for(request, how.model, number),
        "figures": figures,
        "leads": [
            {"words": said, "url": url}
            for said, model, key in plan.leads
            if (url := url_for(request, model, key))
        ],
    }
