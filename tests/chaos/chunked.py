"""A worker of the product whose generations come in chunks of SEEDBED_CHUNK events, each of which
lasts SEEDBED_PAUSE seconds longer."""

import os
import time
from importlib import import_module

import django
from django.core.management import call_command

from project.bootstrap import start_servers

if __name__ == "__main__":
    start_servers()
    django.setup()
    import_module("matching.domain.generation").CHUNK_ROWS = int(os.environ["SEEDBED_CHUNK"])
    run = import_module("project.jobs.run").JobRun
    check = run.check

    def check_slowly(self: object) -> None:
        """Look whether to go on, after a while."""
        time.sleep(float(os.environ["SEEDBED_PAUSE"]))
        check(self)

    run.check = check_slowly
    call_command("worker")
