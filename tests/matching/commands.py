"""Runs a command in this process and gives its exit code and what it printed."""

import json
from contextlib import suppress
from io import StringIO
from typing import Any

from django.core.management import CommandError, call_command


def run_command(name: str, *arguments: str) -> tuple[int, Any]:
    """Run with --json; returns the exit code and the result, or the words of the error."""
    out = StringIO()
    try:
        call_command(name, *arguments, "--json", stdout=out, stderr=StringIO())
    except CommandError as error:
        return error.returncode, str(error)
    except SystemExit as stopped:
        return int(stopped.code or 0), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def show_command(name: str, *arguments: str) -> str:
    """Run and return what people see."""
    out = StringIO()
    with suppress(SystemExit):
        call_command(name, *arguments, stdout=out, stderr=out)
    return out.getvalue()
