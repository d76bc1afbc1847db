"""Keys of applications: list, make, revoke."""

from argparse import SUPPRESS
from datetime import datetime, timedelta
from typing import Any, TypedDict

from django.core.management.base import CommandParser
from rich.console import Console

from project import clock, words
from project.command import SeedbedCommand, whole_number
from project.refusal import Refusal
from project.terminal import Table
from serving.domain.limits import DEFAULT_REQUESTS_PER_MINUTE, MAX_REQUESTS_PER_MINUTE
from serving.models import ApiKey, Scope
from serving.services.keys import issue_key, revoke_key

MAX_DAYS = 3_650


class KeyFields(TypedDict):
    """A key as it may be told: never the key itself."""

    name: str
    starts_with: str
    scopes: list[str]
    requests_per_minute: int
    state: str
    made_at: datetime
    made_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class Command(SeedbedCommand):
    """`api_keys list | make NAME --scope score | revoke NAME`."""

    help = "List the keys with which applications ask the API, make one, or revoke one."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        described = {
            "list": "every key: what it opens, its limit, whether it is open; never the key itself",
            "make": "a key, printed once; afterwards only its digest is known",
            "revoke": "let a key open nothing any more, within a second",
        }
        for name, text in described.items():
            action = actions.add_parser(name, help=text, description=text)
            action.add_argument(
                "--json", action="store_true", default=SUPPRESS, help="print the result as JSON"
            )
            if name in ("make", "revoke"):
                action.add_argument("name", help="of the application that uses it")
            if name == "make":
                action.add_argument(
                    "--scope",
                    dest="scopes",
                    action="append",
                    choices=Scope.values,
                    required=True,
                    help="what it opens; may be repeated",
                )
                action.add_argument(
                    "--per-minute",
                    type=whole_number(1, MAX_REQUESTS_PER_MINUTE),
                    default=DEFAULT_REQUESTS_PER_MINUTE,
                    metavar="N",
                    help=f"requests it may send in a minute, at most {MAX_REQUESTS_PER_MINUTE:,} "
                    f"(default {DEFAULT_REQUESTS_PER_MINUTE:,})",
                )
                action.add_argument(
                    "--days",
                    type=whole_number(1, MAX_DAYS),
                    metavar="DAYS",
                    help=f"until it expires, at most {MAX_DAYS:,} (default: never)",
                )

    def run(self, **options: Any) -> dict[str, Any]:
        result: dict[str, Any] = getattr(self, f"_{options['action']}")(options)
        return {"action": options["action"], **result}

    def _list(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"keys": [_told(key) for key in ApiKey.objects.all()]}

    def _make(self, options: dict[str, Any]) -> dict[str, Any]:
        days = options["days"]
        key = ApiKey(
            name=options["name"],
            scopes=options["scopes"],
            requests_per_minute=options["per_minute"],
            expires_at=None if days is None else clock.now() + timedelta(days=days),
        )
        token = issue_key(key)
        return {"key": _told(key), "token": token}

    def _revoke(self, options: dict[str, Any]) -> dict[str, Any]:
        key = ApiKey.objects.filter(name=options["name"]).first()
        if key is None:
            raise Refusal(
                f"There is no key {options['name']!r}.",
                remedy="`manage.py api_keys list` shows those there are.",
            )
        is_new = revoke_key(key)
        key.refresh_from_db()
        return {"key": _told(key), "was_open": is_new}

    def render(self, result: dict[str, Any], console: Console) -> None:
        if result["action"] == "list":
            _render_list(result["keys"], console)
        elif result["action"] == "make":
            console.print(result["token"])
            console.print("This is the key. It is shown once: keep it where secrets are kept.")
        elif result["was_open"]:
            console.print(f"{result['key']['name']} opens nothing any more.")
        else:
            console.print(f"{result['key']['name']} was revoked before.")


def _told(key: ApiKey) -> KeyFields:
    return {
        "name": key.name,
        "starts_with": key.start,
        "scopes": key.scopes,
        "requests_per_minute": key.requests_per_minute,
        "state": key.state,
        "made_at": key.made_at,
        "made_by": key.made_by,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }


def _render_list(keys: list[KeyFields], console: Console) -> None:
    if not keys:
        console.print("There is no key. Make one: `manage.py api_keys make NAME --scope score`.")
        return
    table = Table("Name", "Begins with", "Opens", "A minute", "State", "Last used", "Expires")
    for key in keys:
        table.add_row(
            key["name"],
            key["starts_with"],
            ", ".join(key["scopes"]),
            words.number(key["requests_per_minute"]),
            key["state"],
            words.moment(key["last_used_at"]),
            words.moment(key["expires_at"]),
        )
    console.print(table)
