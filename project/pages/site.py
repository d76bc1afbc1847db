"""The admin site: its titles and its front page."""

from collections.abc import Sequence
from functools import wraps
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.core.checks import CheckMessage
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path

from project.pages.registry import Page, all_pages, panels_for


class SeedbedAdminSite(admin.AdminSite):
    """The admin with a front page that shows the state of everything at a glance.

    Panels and pages come from the registry, because the project may not import the apps.
    """

    site_header = "Seedbed"
    site_title = "Seedbed"
    index_title = "Overview"
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
        # Django's way from any record to its page on the site: no record here has another page.
        known = [each for each in super().get_urls() if getattr(each, "name", "") != "view_on_site"]
        return pages + known

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Show the panels that this person may see."""
        panels = [
            {"label": panel.label, "template": panel.template, **context}
            for panel, context in panels_for(request)
        ]
        return super().index(request, {**(extra_context or {}), "panels": panels})


def _guarded(page: Page) -> Any:
    @wraps(page.view)
    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(page.permission):
            raise PermissionDenied
        return page.view(request, *args, **kwargs)

    return view
