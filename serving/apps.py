"""Registers the app with Django."""

from django.apps import AppConfig


class ServingConfig(AppConfig):
    """Answers applications: keys, scores and what is live."""

    name = "serving"
