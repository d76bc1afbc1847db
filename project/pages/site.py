"""The admin site: its titles and its front page."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import wraps
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib import admin
from django.core.checks import CheckMessage
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path

from project.pages.design import examples
from project.pages.navigation import Found, Navigation, find_records, parts_of_page
from project.pages.registry import Page, all_pages, fill_front_page

LEAST_ASKED, MAX_ASKED = 2, 100  # letters of a search


class SeedbedAdminSite(admin.AdminSite):
    """The admin with a front page that shows the state of everything at a glance.

    What fills it and pages come from the registry, because the project may not import the apps.
    """

    site_header = "Seedbed"
    site_title = "Seedbed"
    index_title = "Home"
    index_template = "admin/overview.html"

    def check(self, app_configs: Sequence[AppConfig] | None) -> list[CheckMessage]:
        """Check the apps' admins too, which nothing has asked for before `manage.py check`."""
        admin.autodiscover()
        return super().check(app_configs)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Put the apps' own pages before the records'."""
        pages: list[URLPattern | URLResolver] = [
            path(page.route, self.admin_view(_guarded(page)), name=page.name)
            for page in all_pages()
        ]
        pages.append(path("find/", self.admin_view(self.find), name="find"))
        if settings.DEBUG:
            pages.append(path("design/", self.admin_view(self.design), name="design"))
        # Django's way from any record to its page on the site: no record here has another page.
        known = [each for each in super().get_urls() if getattr(each, "name", "") != "view_on_site"]
        return pages + known

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the navigation and what apps show everywhere; a template that shows it asks."""
        context: dict[str, Any] = super().each_context(request)
        if context["has_permission"]:
            navigation = context["navigation"] = Navigation(request)
            context |= parts_of_page(request, navigation)
        return context

    def find(self, request: HttpRequest) -> HttpResponse:
        """Find pages, actions and records by a word; JSON for the palette, else a page."""
        text = request.GET.get("q", "").strip()[:MAX_ASKED]
        found = find_records(request, text) if len(text) >= LEAST_ASKED else []
        if request.accepts("text/html"):
            jumps = [jump for jump in Navigation(request).jumps if _says(jump, text)]
            context = {
                **self.each_context(request),
                "title": "Search",
                "text": text,
                "found": [*found, *jumps],
            }
            return TemplateResponse(request, "admin/find.html", context)
        return JsonResponse({"found": [asdict(each) for each in found]})

    def design(self, request: HttpRequest) -> HttpResponse:
        """Show every component; where DEBUG is on."""
        context = {**self.each_context(request), "title": "Design", **examples()}
        return TemplateResponse(request, "components/design.html", context)

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Show what this person may see, and what to do next."""
        return super().index(request, {**(extra_context or {}), **fill_front_page(request)})


def _says(jump: Found, text: str) -> bool:
    said = f" {jump.title} {jump.what}".lower()
    return all(f" {word}" in said for word in text.lower().split())


def _guarded(page: Page) -> Any:
    @wraps(page.view)
    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if page.permission and not request.user.has_perm(page.permission):
            raise PermissionDenied
        return page.view(request, *args, **kwargs)

    return view
