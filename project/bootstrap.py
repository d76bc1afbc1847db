"""Starts the embedded servers that the settings name; the entry points call it before Django."""

from collections.abc import Sequence

from django.conf import settings

from project import embedded

# These neither read nor write: starting servers for them would only cost time, or undo a stop.
COMMANDS_WITHOUT_SERVERS = frozenset(
    {
        "check",
        "collectstatic",
        "compilemessages",
        "findstatic",
        "help",
        "makemessages",
        "services",
        "startapp",
        "startproject",
        "test",
        "version",
    }
)


def start_servers() -> None:
    """Start, or attach to, each server that the settings do not place elsewhere."""
    if settings.USES_EMBEDDED_POSTGRES:
        embedded.ensure_postgres(settings.VAR)
    if settings.USES_EMBEDDED_VALKEY:
        embedded.ensure_valkey(settings.VAR)


def needs_servers(argv: Sequence[str]) -> bool:
    """Tell whether a command line will talk to a server: help and the like do not."""
    arguments = argv[1:]
    if (
        not arguments
        or arguments[0].startswith("-")
        or {"-h", "--help", "--version"} & {*arguments}
    ):
        return False
    return arguments[0] not in COMMANDS_WITHOUT_SERVERS
