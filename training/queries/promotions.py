"""The history of what was live."""

from dataclasses import dataclass
from typing import Final

from project import words
from training.models import Promotion


@dataclass(frozen=True)
class Shown:
    """What a decision was taken on, where that is known.

    Attributes
    ----------
    live : the version that was live, 0 for none
    returns : of a rollback, the version that was to come back
    """

    live: int | None = None
    returns: int | None = None


UNSEEN: Final = Shown()


def line_of_champions(kind: str) -> list[int]:
    """Return the ids of the champions in the order they went live, without those rolled back and
    those that were removed since."""
    return [model for model, _ in _line(kind)]


def version_before(kind: str) -> int | None:
    """Return the version that a rollback makes live again."""
    line = _line(kind)
    return line[-2][1] if len(line) > 1 else None


def _line(kind: str) -> list[tuple[int, int]]:
    """Return id and version of each."""
    line: list[tuple[int, int | None]] = []
    for action, model, version in (
        Promotion.objects.filter(kind=kind)
        .order_by("id")
        .values_list("action", "model_id", "model__version")
    ):
        if action == Promotion.Action.PROMOTE:
            line.append((model, version))
        else:
            line.pop()
    return [(model, version) for model, version in line if version is not None]


def who_decided(kind: str) -> str:
    """Say what was last made live of a kind: by whom, when and why."""
    last = Promotion.objects.filter(kind=kind).first()
    if last is None:
        return f"No version of {kind} is live."
    did = "made it live" if last.action == Promotion.Action.PROMOTE else "returned to it"
    why = f", because: {last.reason}" if last.reason else ""
    return f"Version {last.version} is live: {last.actor} {did} on {words.moment(last.at)}{why}."
