"""Registers the app with Django."""

from django.apps import AppConfig


class FeedbackConfig(AppConfig):
    """Loads the app's job kinds when Django is ready."""

    name = "feedback"
