"""A worker as `manage.py worker` starts it, with failpoints and the kinds of the chaos tests."""

import os
from importlib import import_module

import django
from django.core.management import call_command

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.chaos.settings"
    django.setup()
    # Imported only now: they read the settings.
    import_module("tests.chaos.kinds")
    import_module("tests.chaos.failpoints").install()
    # Small chunks: a strike has to find one at work, and not all of a batch in a single one.
    import_module("matching.domain.generation").CHUNK_ROWS = import_module(
        "tests.chaos.kinds"
    ).CHUNK_ROWS
    import_module("feedback.services.collection").LAND_ROWS = import_module(
        "tests.chaos.kinds"
    ).CHUNK_ROWS
    import_module("feedback.queries.remote").FETCH_ROWS = import_module(
        "tests.chaos.kinds"
    ).CHUNK_ROWS
    # A worker that lives for seconds need not import everything beforehand.
    import_module("project.jobs.management.commands.worker").PRELOADED = ()
    call_command("worker")
