"""Messages of what was done: green only where something was."""

from django.contrib import messages
from django.http import HttpRequest


def tell_done(request: HttpRequest, count: int, text: str) -> None:
    """Say what was done to `count` records; that of none is no success."""
    messages.add_message(request, messages.SUCCESS if count else messages.WARNING, text)
