"""The ASGI application, with its embedded servers running."""

import os
from importlib import import_module

from django.core.asgi import get_asgi_application

from project.bootstrap import start_servers

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
start_servers()
application = get_asgi_application()
import_module("project.urls")  # no visitor waits for the pages to load
