"""The embedded PostgreSQL and Valkey of a var folder; knows no Django."""

from pathlib import Path

from project.embedded.postgres import PORT, Postgres, packaged
from project.embedded.server import ServerFailure, ServerStatus
from project.embedded.valkey import Valkey

__all__ = [
    "PORT",
    "ServerFailure",
    "ServerStatus",
    "ensure_postgres",
    "ensure_valkey",
    "packaged_programs",
    "postgres_location",
    "status",
    "stop",
    "valkey_location",
]


def postgres_location(var: Path) -> dict[str, str]:
    """Say, as keys of Django's DATABASES, where the embedded PostgreSQL answers; starts nothing."""
    return Postgres(var).location


def valkey_location(var: Path) -> str:
    """Say at which URL the embedded Valkey answers; starts nothing."""
    return Valkey(var).location


def ensure_postgres(var: Path) -> None:
    """Start PostgreSQL, or attach to it where it runs already."""
    Postgres(var).ensure()


def packaged_programs(name: str) -> list[Path]:
    """Return where the package of the embedded PostgreSQL has one of its programs, by version."""
    return packaged(name)


def ensure_valkey(var: Path) -> None:
    """Start Valkey, or attach to it where it runs already."""
    Valkey(var).ensure()


def stop(var: Path) -> list[str]:
    """Stop the servers of this var folder; returns the names of those that ran."""
    return [server.name for server in (Postgres(var), Valkey(var)) if server.stop()]


def status(var: Path) -> list[ServerStatus]:
    """Describe both servers of this var folder, without starting them."""
    return [Postgres(var).status(), Valkey(var).status()]
