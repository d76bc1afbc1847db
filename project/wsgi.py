"""The WSGI application, with its embedded servers running."""

import os

from django.core.wsgi import get_wsgi_application

from project.bootstrap import start_servers

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
start_servers()
application = get_wsgi_application()
