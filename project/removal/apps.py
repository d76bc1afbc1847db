"""Registers removal with Django."""

from django.apps import AppConfig


class RemovalConfig(AppConfig):
    """What was taken out, and how."""

    name = "project.removal"
    label = "removal"
    verbose_name = "Removal"
