"""A Django process that does nothing: the floor of every command. Run as a program of its own."""

import sys

import django
import psycopg  # noqa: F401 - loaded as every command loads it
import redis  # noqa: F401
import rich.console
import rich.table
from django.conf import settings
from django.core.management import execute_from_command_line
from pydantic import BaseModel


class Asked(BaseModel):
    """As a kind of job is asked: the first model is what pydantic loads itself for."""

    count: int = 1


settings.configure(
    SECRET_KEY="none that is used",  # noqa: S106
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
        "django.contrib.humanize",
        "django.contrib.postgres",
        "simple_history",
        "django_rq",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "none"}},
    RQ_QUEUES={"default": {"URL": "redis://localhost:1"}},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    USE_I18N=False,
)
django.setup()
rich.console.Console()
execute_from_command_line([sys.argv[0], "help"])
