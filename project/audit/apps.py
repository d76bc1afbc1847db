"""Registers the audit list with Django."""

from importlib import import_module

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The audit list, which listens to what Django says of signing in."""

    name = "project.audit"
    label = "audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        import_module("project.audit.signing")
