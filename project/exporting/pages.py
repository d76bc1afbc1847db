"""The start pages of exports, each linked from the lists of what it writes."""

from collections.abc import Mapping
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from project.exports.models import KEPT
from project.jobs.contract import JobKind, get_kind
from project.jobs.questions import Shape
from project.jobs.starts import start_kind
from project.pages.registry import page

EXPORTS: Final = "admin:exports_export_changelist"


def add_export(
    kind: str, label: str, *, name: str, of: tuple[str, ...] = (), fixed: Mapping[str, Any]
) -> None:
    """Register the page that asks for an export, linked from the lists of the models `of`.

    What it is asked with fills its form; `fixed` is not asked.
    """
    declared = get_kind(kind)

    @page(
        label,
        route=f"exports/start/{name}/",
        name=f"export_{name.replace('-', '_')}",
        permission=declared.permission,
        start_of=of,
        needs_rows=True,
    )
    def start_view(request: HttpRequest) -> HttpResponse:
        sees = request.user.has_perm("exports.view_export")
        back = reverse(EXPORTS if sees else "admin:index")
        return start_kind(
            request,
            kind,
            then=back,
            fixed=fixed,
            given=_given(request, declared),
            context={
                **admin.site.each_context(request),
                "title": label,
                "intro": f"A job writes the file. It is kept for {KEPT.days} days under Exports, "
                "for who may see what is inside.",
                "parent": {"title": "Exports", "url": back} if sees else None,
                "back_url": back,
            },
        )


def _given(request: HttpRequest, kind: JobKind) -> dict[str, Any]:
    """What a link to the page says already: whole numbers of records, and words."""
    given: dict[str, Any] = {}
    for question in kind.questions:
        said = [one for one in request.GET.getlist(question.name) if "\0" not in one]
        if question.shape is Shape.INTEGER:
            said = [one for one in said if one.isascii() and one.isdigit() and len(one) < 19]
        if said:
            given[question.name] = said if question.is_list else said[0]
    return given
