"""The WSGI application, with its embedded servers running."""

import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

from project.bootstrap import start_servers

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
start_servers()
application = get_wsgi_application()
import_module("project.urls")  # no visitor waits for the pages to load
