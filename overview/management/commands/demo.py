"""The whole product once, on this machine: from nothing to a champion and 20 scores."""

import os
import secrets
import stat
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from project.command import SeedbedCommand
from project.storage.artifacts import require_own_folder

USERS = 200
EVENTS = 1000
ADMIN = "admin"
ADDRESS = "http://127.0.0.1:8000/admin/"


class Command(SeedbedCommand):
    """Seed users and sessions, rebuild the matching model, and say how to go on."""

    help = "Make users, sessions, events, a dataset, a champion and 20 scores; takes a minute."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--in-job", action="store_true", help="let a running worker do the work"
        )

    def run(self, **options: Any) -> dict[str, Any]:
        how = {"now": not options["in_job"], "detach": False, "stdout": self.stdout}
        require_own_folder()
        self._say("1. Seed users")
        call_command("seed_users", count=USERS, **how)
        self._say("2. Sessions")
        call_command("create_sessions", **how)
        call_command("check_sessions", repair=True, **how)
        self._say("3. Rebuild: events, dataset, model, gates, promotion")
        call_command("rebuild", count=EVENTS, **how)
        account = make_admin()
        return {"address": ADDRESS, **account}

    def render(self, result: dict[str, Any], console: Console) -> None:
        console.print()
        console.print("The admin: run `make serve`, then open", result["address"])
        if result["password"]:
            console.print(
                f"Log in as {result['user']} with the password {result['password']} "
                f"(kept in {result['password_file']})"
            )
        else:
            console.print(
                f"Log in as {result['user']}, whose password was set by somebody else and stays."
            )

    def _say(self, title: str) -> None:
        self.console.print()
        self.console.print(title, style="bold")


def make_admin() -> dict[str, Any]:
    """Make the superuser of the demo, or find it again; an account of anybody else stays as it is.

    The password lies in a file that only this user can read, and is never written over: another
    database of this folder has an account with it. An account whose password is not the one in the
    file belongs to somebody.
    """
    path = Path(settings.VAR) / "demo_password"
    users = get_user_model().objects
    user = users.filter(username=ADMIN).first()
    kept = _kept_password(path)
    if user is None:
        password = kept or _write_password(path)
        users.create_superuser(ADMIN, password=password)
    else:
        password = kept if kept and user.check_password(kept) else ""
    return {"user": ADMIN, "password": password, "password_file": str(path)}


def _kept_password(path: Path) -> str:
    """Return the password of the file, empty where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}. Move it away.") from error
    with os.fdopen(descriptor) as file:
        found = os.fstat(descriptor)
        is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        if not is_ours or found.st_mode & 0o077:
            raise CommandError(
                f"{path} is no file that only this user can read and write, so its password is "
                "not used. Move it away, or give it mode 0600."
            )
        return file.read(1000).strip()


def _write_password(path: Path) -> str:
    password = secrets.token_urlsafe(12)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(password + "\n")
    return password
