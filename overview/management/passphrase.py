"""The passphrase of a backup's secrets: from the environment or a prompt, never an argument."""

import getpass
import os
import sys

from django.core.management.base import CommandError
from django.views.decorators.debug import sensitive_variables

VARIABLE = "SEEDBED_BACKUP_PASSPHRASE"


@sensitive_variables()
def ask_passphrase(*, is_new: bool) -> str:
    """Return the passphrase; a new one is asked for twice.

    Raises
    ------
    CommandError : there is neither the variable nor a terminal, or the two differ.
    """
    if passphrase := os.environ.get(VARIABLE, ""):
        return passphrase
    if not sys.stdin.isatty():
        raise CommandError(f"Set {VARIABLE} to the passphrase: here is no terminal to ask at.")
    passphrase = getpass.getpass("Passphrase of the secrets: ")
    if is_new and getpass.getpass("Once more: ") != passphrase:
        raise CommandError("The two passphrases differ.")
    return passphrase
