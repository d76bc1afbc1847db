#!/usr/bin/env python
"""Entry point of every Seedbed command."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from project.bootstrap import needs_servers, start_servers
from project.embedded import ServerFailure


def main() -> None:
    """Run the command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    try:
        if needs_servers(sys.argv):
            start_servers()
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough, as `head` has; what is left goes nowhere, without a complaint.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ServerFailure, ImproperlyConfigured) as failure:
        sys.exit(f"{failure}")


if __name__ == "__main__":
    main()
