"""Registers the app with Django."""

from django.apps import AppConfig


class OverviewConfig(AppConfig):
    """The top floor; of its own it has only the roles, whose rights span the apps."""

    name = "overview"
