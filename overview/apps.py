"""Registers the app with Django."""

from django.apps import AppConfig


class OverviewConfig(AppConfig):
    """The top floor; it has no records of its own."""

    name = "overview"
