"""What every command loads before it does anything."""

import subprocess
import sys

import pytest
from django.conf import settings

# Each takes a second or more to load, and only fits and statistics of feedback need them.
SLOW = ("sklearn", "scipy.stats")
PROGRAM = f"""
import sys
import manage
try:
    manage.main()
except SystemExit:
    pass
print([name for name in {SLOW!r} if name in sys.modules])
"""


@pytest.mark.parametrize("command", ["models", "jobs", "generate_events", "build_dataset"])
def test_light_commands_do_not_load_scikit_learn(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, command, "--help"],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "usage:" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "manage.py", "services", "status", "--json"],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as command:
        assert command.stdout
        assert command.stderr
        command.stdout.close()
        assert command.stderr.read() == b""
