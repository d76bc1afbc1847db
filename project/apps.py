"""The applications that the project itself contributes to Django."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ProjectConfig(AppConfig):
    """Commands and templates that belong to no single app."""

    name = "project"


class SeedbedAdminConfig(AdminConfig):
    """The admin, with Seedbed's front page."""

    default_site = "project.admin_site.SeedbedAdminSite"
