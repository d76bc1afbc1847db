"""The applications that the project itself contributes to Django."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps

from project import clock


class ProjectConfig(AppConfig):
    """Commands and templates that belong to no single app."""

    default = True
    name = "project"

    def ready(self) -> None:
        """Tell the time by the database from the first connection on."""
        clock.follow()


class SeedbedAdminConfig(admin_apps.SimpleAdminConfig):
    """The admin, with Seedbed's front page; `project.urls` collects the apps' pages."""

    default = False
    default_site = "project.pages.site.SeedbedAdminSite"
