"""Reads variables of the environment, each as what it stands for; else it says what was expected.

Spaces around a value are no part of it, and an empty one is as good as none. What an address said
is not repeated, for it may hold a password.
"""

import logging
import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

MOST: Final = 2**53  # more is a slip: no number of seconds, bytes or days comes near
YES: Final = ("true", "yes", "on", "1", "y", "t", "ok")
NO: Final = ("false", "no", "off", "0", "n", "f")
DATABASES: Final = ("postgres", "postgresql", "pgsql", "psql")
_ENDPOINT: Final = re.compile(r"\S+:(?:\*|\d{1,5})")
CACHES: Final = ("redis", "rediss", "unix")


class Variables:
    """The environment of this process, and a file `.env` beside it."""

    def __init__(self) -> None:
        self._env = environ.Env()

    def text(self, name: str, default: str = "") -> str:
        """Return a text."""
        said: str = self._env.str(name, default="")
        return said.strip() or default

    def texts(self, name: str, default: tuple[str, ...] = ()) -> list[str]:
        """Return texts that are separated by commas."""
        said = [one.strip() for one in self.text(name).split(",")]
        return [one for one in said if one] or list(default)

    def whole(self, name: str, default: int, *, least: int, most: int = MOST, unit: str) -> int:
        """Return a whole number within bounds."""
        said = self.text(name)
        if not said:
            return default
        number = int(said) if said.isascii() and said.isdigit() and len(said) < 20 else -1
        if not least <= number <= most:
            raise _unusable(name, said, f"a whole number from {least} to {most:,} ({unit})")
        return number

    def number(self, name: str, default: float, *, least: float, most: float, unit: str) -> float:
        """Return a number within bounds."""
        said = self.text(name)
        if not said:
            return default
        try:
            number = float(said)
        except ValueError:
            number = float("nan")
        if not least <= number <= most:
            raise _unusable(name, said, f"a number from {least:g} to {most:,.0f} ({unit})")
        return number

    def flag(self, name: str, *, default: bool) -> bool:
        """Return yes or no."""
        said = self.text(name).lower()
        if said and said not in (*YES, *NO):
            raise _unusable(name, said, "true or false")
        return said in YES if said else default

    def choice(self, name: str, default: str, among: tuple[str, ...]) -> str:
        """Return one of some words."""
        said = self.text(name, default)
        if said not in among:
            raise _unusable(name, said, f"one of {', '.join(among)}")
        return said

    def log_level(self, name: str, default: str) -> str:
        """Return how much is logged."""
        return self.choice(name, default, tuple(logging.getLevelNamesMapping()))

    def time_zone(self, name: str, default: str) -> str:
        """Return the name of a time zone."""
        said = self.text(name, default)
        try:
            ZoneInfo(said)
        except (KeyError, ValueError, OSError):  # what is not found is a KeyError
            raise _unusable(name, said, "a time zone such as UTC or Europe/Berlin") from None
        return said

    def ip(self, name: str, default: str) -> str:
        """Return the address of one machine; empty where the variable is there and says nothing."""
        said: str = self._env.str(name, default=default).strip()
        return said and _read(name, said, lambda text: str(ip_address(text)), "an IP address")

    def origins(self, name: str) -> list[str]:
        """Return addresses of sites, as `https://host:port`."""
        said = self.texts(name)
        for one in said:
            _require_address(name, one, ("http", "https"), "https://host")
        return said

    def endpoints(self, name: str) -> list[str]:
        """Return hosts, each with a port or with * for every port."""
        said = self.texts(name)
        for one in said:
            if not _ENDPOINT.fullmatch(one):
                raise _unusable(name, one, "host:port or host:*, separated by commas")
        return said

    def web_address(self, name: str) -> str:
        """Return an address with http or https, or nothing."""
        said = self.text(name)
        if said:
            _require_address(name, said, ("http", "https"), "https://host/path")
        return said

    def database(self, name: str) -> str:
        """Return the address of a PostgreSQL database, or nothing."""
        said = self.text(name)
        if said:
            form = "postgres://user:password@host:port/name"
            _require_address(name, said, DATABASES, form, needs_host=False)
            if not urlsplit(said).path.strip("/"):
                raise _unreadable(name, form, "It names no database.")
        return said

    def cache(self, name: str) -> str:
        """Return the address of a Valkey, or nothing."""
        said = self.text(name)
        if said:
            needs_host = not said.startswith("unix:")
            _require_address(name, said, CACHES, "redis://host:port/0", needs_host=needs_host)
        return said


def _read(name: str, said: str, read: Callable[[str], str], expected: str) -> str:
    try:
        return read(said)
    except ValueError:
        raise _unusable(name, said, expected) from None


def _require_address(
    name: str, said: str, schemes: tuple[str, ...], form: str, *, needs_host: bool = True
) -> None:
    try:
        parts = urlsplit(said)
        if "," not in parts.netloc:  # several hosts have several ports
            _ = parts.port
    except ValueError:
        raise _unreadable(name, form, "It cannot be read.") from None
    if parts.scheme not in schemes or not said.startswith(f"{parts.scheme}:"):
        raise _unreadable(name, form, f"It begins with none of {', '.join(schemes)}.")
    if needs_host and not parts.hostname:
        raise _unreadable(name, form, "It names no host.")


def _unusable(name: str, said: str, expected: str) -> ImproperlyConfigured:
    shown = said if len(said) <= 40 else f"{said[:40]} ..."
    return ImproperlyConfigured(
        f"{name} is {shown!r}; expected {expected}. Change it, or leave it out."
    )


def _unreadable(name: str, form: str, why: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name} is no such address: {why} Expected {form}, or nothing.")
