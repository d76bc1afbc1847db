"""Registers exports with Django."""

from django.apps import AppConfig


class ExportsConfig(AppConfig):
    """Files on their way out."""

    name = "project.exports"
    label = "exports"
    verbose_name = "Exports"
