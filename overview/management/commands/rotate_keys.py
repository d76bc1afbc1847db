"""After a change of a key: everything under the newest one, so that the earlier one can go."""

from collections.abc import Callable
from typing import Any, TypedDict

from django.conf import settings

from feedback.services.sources import reencrypt_passwords
from project.audit.models import Act
from project.audit.services import record
from project.command import EXIT_REFUSED, SeedbedCommand
from project.storage.rotation import renew_signatures
from project.terminal import Console


class Rotated(TypedDict):
    """What became of all that is under one key, and whether the earlier ones can go."""

    key: str
    renewed: int
    current: int
    under_an_unknown_key: list[str]
    earlier_keys_can_go: bool


class Command(SeedbedCommand):
    """`rotate_keys`: run it as often as you like; it goes on where it was stopped."""

    help = (
        "Encrypt the passwords of feedback sources with SEEDBED_FIELD_KEY and sign model files "
        "and datasets with SEEDBED_ARTIFACT_KEY, where an earlier key did. Ends with 2 while "
        "something is under a key that is not known."
    )

    def run(self, **options: Any) -> dict[str, Rotated]:
        parts: dict[str, tuple[str, Callable[[], tuple[int, int, list[str]]]]] = {
            "passwords": ("FIELD_KEY", reencrypt_passwords),
            "signatures": ("ARTIFACT_KEY", renew_signatures),
        }
        result: dict[str, Rotated] = {}
        for name, (setting, rotate) in parts.items():
            key = f"SEEDBED_{setting}"
            renewed, current, unknown = rotate()
            if renewed:
                record(Act.KEY, title=key, detail=f"{renewed} {name} under the newest key")
            result[name] = {
                "key": key,
                "renewed": renewed,
                "current": current,
                "under_an_unknown_key": unknown,
                "earlier_keys_can_go": bool(getattr(settings, f"{setting}_FALLBACKS")),
            }
        return result

    def render(self, result: dict[str, Rotated], console: Console) -> None:
        """Say what was done, what no key opens, and which keys can go."""
        for name, part in result.items():
            console.print(
                f"{name}: {part['renewed']:,} under the newest key now, {part['current']:,} were "
                "before."
            )
            for one in part["under_an_unknown_key"]:
                console.print(
                    f"  {one} still needs another key: add the one of its day to "
                    f"{part['key']}_FALLBACKS and run this again"
                    + (", or enter the password again." if name == "passwords" else ".")
                )
            if part["earlier_keys_can_go"]:
                console.print(
                    f"  Nothing needs the keys in {part['key']}_FALLBACKS any more. When web, "
                    "workers and scheduler run with the newest key, remove them."
                )

    def exit_code(self, result: dict[str, Rotated]) -> int:
        """Return 2 while something is under a key that is not known."""
        unknown = any(part["under_an_unknown_key"] for part in result.values())
        return EXIT_REFUSED if unknown else 0
