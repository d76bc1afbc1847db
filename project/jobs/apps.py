"""Registers the ledger with Django and collects the job kinds of all apps."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from project.jobs.bell import disarm


class JobsConfig(AppConfig):
    """The job ledger; every app declares its kinds in its own jobs.py."""

    name = "project.jobs"
    label = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        autodiscover_modules("jobs")
        disarm()
