"""A worker as `manage.py worker` starts it, with failpoints and the kinds of the chaos tests."""

import ctypes
import os
import signal
from importlib import import_module

import django
from django.core.management import call_command

WHEN_THE_PARENT_DIES = 1  # PR_SET_PDEATHSIG of prctl(2)

if __name__ == "__main__":
    # A run of the tests that is killed takes its workers with it: the next one uses the same names.
    ctypes.CDLL(None).prctl(WHEN_THE_PARENT_DIES, signal.SIGKILL)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.chaos.settings"
    django.setup()
    # Imported only now: they read the settings.
    import_module("tests.chaos.kinds")
    import_module("tests.chaos.failpoints").install()
    # Small chunks: a strike has to find one at work, and not all of a batch in a single one.
    import_module("matching.domain.generation").CHUNK_ROWS = import_module(
        "tests.chaos.kinds"
    ).CHUNK_ROWS
    import_module("feedback.jobs.reading").LAND_ROWS = import_module("tests.chaos.kinds").CHUNK_ROWS
    import_module("feedback.queries.remote").FETCH_ROWS = import_module(
        "tests.chaos.kinds"
    ).CHUNK_ROWS
    # A worker that lives for seconds need not import everything beforehand.
    import_module("project.jobs.management.commands.worker").PRELOADED = ()
    call_command("worker")
