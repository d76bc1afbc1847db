"""Registers the app with Django."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from feedback.domain.endpoints import VariablesUnreadable, read_variables


class FeedbackConfig(AppConfig):
    """Loads the app's job kinds when Django is ready."""

    name = "feedback"


@register(Tags.security)
def check_variables(**_: Any) -> list[CheckMessage]:
    """Let nobody find out by a failed collection that the setting is misspelt."""
    try:
        read_variables(settings.FEEDBACK_VARIABLES)
    except VariablesUnreadable as error:
        return [Error(str(error), id="feedback.E001")]
    return []
