"""Registers the app with Django."""

from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """One-time passwords; it listens to who signs in."""

    name = "project.accounts"
    label = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        import_module("project.accounts.signing")
