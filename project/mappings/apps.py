"""Registers import mappings with Django."""

from django.apps import AppConfig


class MappingsConfig(AppConfig):
    """How foreign tables are read."""

    name = "project.mappings"
    label = "mappings"
    verbose_name = "Import mappings"
