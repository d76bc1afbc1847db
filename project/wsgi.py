"""The WSGI application, with its embedded servers running."""

import os
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application

from project.bootstrap import start_servers


class _Lean(WSGIHandler):
    """Answers by the middleware that LEAN_PATHS need."""

    def load_middleware(self, is_async: bool = False) -> None:
        """Make the chain; Django has one list for all, and reads it here and nowhere else."""
        of_pages, settings.MIDDLEWARE = settings.MIDDLEWARE, settings.LEAN_MIDDLEWARE
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = of_pages


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
start_servers()
_whole = get_wsgi_application()
_lean = _Lean()
import_module("project.urls")  # no visitor waits for the pages to load


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer one request."""
    handler = _lean if environ.get("PATH_INFO", "").startswith(settings.LEAN_PATHS) else _whole
    return handler(environ, start_response)
