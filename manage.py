#!/usr/bin/env python
"""Entry point of every Seedbed command."""

import gc
import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import BaseCommand, ManagementUtility

from project.bootstrap import needs_servers, start_servers
from project.embedded import ServerFailure


class Utility(ManagementUtility):
    """Django's, which looks for no garbage in what is loaded once and stays.

    That, while it is loaded and at the end, took four tenths of a command that computes nothing.
    """

    def fetch_command(self, subcommand: str) -> BaseCommand:
        """Return a command; all that is loaded by now stays."""
        gc.freeze()
        gc.enable()
        return super().fetch_command(subcommand)


def main() -> None:
    """Run the command named on the command line."""
    gc.disable()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    try:
        if needs_servers(sys.argv):
            start_servers()
        Utility(sys.argv).execute()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough, as `head` has; what is left goes nowhere, without a complaint.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ServerFailure, ImproperlyConfigured) as failure:
        sys.exit(f"{failure}")


if __name__ == "__main__":
    main()
