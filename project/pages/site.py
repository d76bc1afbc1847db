"""The admin site: its titles and its front page."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path

PanelBuilder = Callable[[HttpRequest], dict[str, Any]]
PageView = Callable[..., HttpResponse]


class SeedbedAdminSite(admin.AdminSite):
    """The admin with a front page that shows the state of everything at a glance.

    Apps add a panel each (`add_panel`), because the project may not import them.
    """

    site_header = "Seedbed"
    site_title = "Seedbed"
    index_title = "Overview"
    index_template = "admin/overview.html"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self._panels: list[tuple[int, str, PanelBuilder]] = []
        self._pages: list[tuple[str, PageView, str]] = []

    def add_panel(self, template: str, build: PanelBuilder, *, order: int) -> None:
        """Show `template`, filled by `build(request)`, on the front page; low order first.

        `build` checks the permissions itself and returns {} for a panel that is not to be shown.
        """
        self._panels.append((order, template, build))

    def add_page(self, route: str, view: PageView, *, name: str) -> None:
        """Show a page that belongs to no single record at `admin/<route>`, as `admin:<name>`.

        Only people who may see the admin get there; further permissions are the view's own.
        """
        self._pages.append((route, view, name))

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Put the apps' own pages before the records'."""
        pages: list[URLPattern | URLResolver] = [
            path(route, self.admin_view(view), name=name) for route, view, name in self._pages
        ]
        return pages + super().get_urls()

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        panels = []
        for _, template, build in sorted(self._panels, key=lambda panel: panel[:2]):
            context = build(request)
            if context:
                panels.append({"template": template, **context})
        return super().index(request, {**(extra_context or {}), "panels": panels})
