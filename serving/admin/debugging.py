"""What production sees of one person now."""

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from matching.models import SeedUser, TravelSession
from project import clock, words
from project.pages.figures import KeyFigure
from project.pages.registry import page, record_panel
from project.refusal import Refusal
from serving.admin.monitoring import answers_page
from serving.models import ID_LENGTH
from serving.queries.debugging import FeatureFields, Seen, Told, see_person

ROUTE: Final = "serving_debug"
PERMISSION: Final = "serving.view_alarm"
SEES_PEOPLE: Final = "matching.view_seeduser"


class PersonForm(forms.Form):
    """Who is looked at."""

    user = forms.CharField(
        max_length=ID_LENGTH,
        label="Person",
        help_text="The external id.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )


@page("What production sees", route="answers/person/", name=ROUTE, permission=PERMISSION)
def debug_view(request: HttpRequest) -> HttpResponse:
    """Show attributes, trip and features of a person, against all who are live."""
    if not request.user.has_perm(SEES_PEOPLE):
        raise PermissionDenied
    form = PersonForm(request.GET if "user" in request.GET else None)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "What production sees",
        "parent": answers_page(),
        "intro": "What a score of somebody is computed from now, and what it lacks.",
        "form": form,
    }
    if form.is_bound and form.is_valid():
        try:
            seen = see_person(form.cleaned_data["user"], at=clock.now())
        except Refusal as refusal:
            context["refusal"] = refusal
        else:
            context |= {
                "seen": seen,
                "figures": _figures(seen),
                "features": [_feature(one, seen) for one in seen["features"]],
                "parts": [
                    ("Attributes", _rows(seen["attributes"]), seen["no_attributes"]),
                    ("Trip", _rows(seen["trip"]), seen["no_trip"]),
                ],
            }
    return TemplateResponse(request, "serving/debug.html", context)


@record_panel(
    "matching.seeduser", template="serving/person_panel.html", permission=PERMISSION, order=50
)
def person_panel(request: HttpRequest, user: SeedUser) -> dict[str, Any]:
    """Lead from the page of a person to what production sees of them."""
    if not request.user.has_perm(SEES_PEOPLE):
        return {}
    return {"url": f"{reverse(f'admin:{ROUTE}')}?{urlencode({'user': user.external_id})}"}


def _figures(seen: Seen) -> list[KeyFigure]:
    version = seen["model_version"]
    return [
        {
            "label": "Answers",
            "value": f"model {version}" if version else "the rules",
            "note": f"against {words.counted(seen['live'], 'live person', 'live people')}",
        },
        {
            "label": "Different scores",
            "value": words.number(seen["different"]),
            "verdict": "enough" if seen["varies"] else "too few",
            "note": words.interval(seen["lowest"], seen["highest"]),
        },
        {
            "label": "Most common score",
            "value": words.number(seen["most_common"]),
            "note": f"of {words.share(seen['most_common_share'])}",
        },
        {
            "label": "Candidates",
            "value": words.number(seen["candidates"]),
            "note": "who pass the hard gates now",
        },
        {
            "label": "Answered in the last day",
            "value": words.number(seen["logged"]),
            "note": words.moment(seen["last_logged_at"]) if seen["logged"] else "nobody asked",
        },
    ]


def _feature(one: FeatureFields, seen: Seen) -> dict[str, str]:
    logged = seen["logged_missing"].get(one["name"], 0.0) if seen["logged"] else None
    return {
        "title": one["title"],
        "missing": words.share(one["missing_share"]),
        "logged": words.share(logged),
        "lowest": words.number(one["lowest"]),
        "median": words.number(one["median"]),
        "highest": words.number(one["highest"]),
    }


def _title_of(name: str) -> str:
    fields = {one.name: one for model in (TravelSession, SeedUser) for one in model._meta.fields}
    return str(fields[name].verbose_name)


def _rows(told: dict[str, Told]) -> list[tuple[str, str]]:
    return [
        (
            _title_of(name),
            ", ".join(value)
            if isinstance(value, list)
            else words.number(value)
            if isinstance(value, float)
            else str(value),
        )
        for name, value in told.items()
    ]
