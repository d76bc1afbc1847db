"""The admin site: its titles and its front page."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse

PanelBuilder = Callable[[HttpRequest], dict[str, Any]]


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

    def add_panel(self, template: str, build: PanelBuilder, *, order: int) -> None:
        """Show `template`, filled by `build(request)`, on the front page; low order first.

        `build` checks the permissions itself and returns {} for a panel that is not to be shown.
        """
        self._panels.append((order, template, build))

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        panels = []
        for _, template, build in sorted(self._panels, key=lambda panel: panel[:2]):
            context = build(request)
            if context:
                panels.append({"template": template, **context})
        return super().index(request, {**(extra_context or {}), "panels": panels})
