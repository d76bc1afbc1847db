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
    if needs_servers(sys.argv):
        try:
            start_servers()
        except (ServerFailure, ImproperlyConfigured) as failure:
            sys.exit(f"{failure}")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
