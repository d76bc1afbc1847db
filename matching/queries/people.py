"""What profiles have and lack."""

import difflib
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, TypedDict

from matching.models import (
    PROFILE_FIELDS,
    SeedUser,
)
from matching.queries.identity import present_names
from matching.queries.words import SHOWN as WORDS_SHOWN
from matching.queries.words import UnknownWord, unknown_words

ROWS_SHOWN: Final = 200


def existing_ids(model: Any, external_ids: Iterable[str]) -> set[str]:
    """Return those of the external ids that a user or group here has, or a user had."""
    asked = list(external_ids)
    found = model._default_manager.filter(external_id__in=asked)
    former = present_names(asked).keys() if model is SeedUser else ()
    return {*found.values_list("external_id", flat=True), *former}


class CompletionPlan(TypedDict):
    """Who is filled in, by primary key, and how many real people lack something and keep it so."""

    users: list[int]
    real: int


def plan_completion(users: Sequence[int] | None = None) -> CompletionPlan:
    """Return which synthetic people have something missing; only of `users` when they are given.

    Of real people nothing is invented.
    """
    waiting = SeedUser.objects.incomplete()
    if users is not None:
        waiting = waiting.filter(pk__in=users)
    return {
        "users": sorted(waiting.synthetic().values_list("pk", flat=True)),
        "real": waiting.real().count(),
    }


class ProfileState(TypedDict):
    """What one profile has and lacks."""

    external_id: str
    completeness: float
    missing: list[str]


class Stranger(TypedDict):
    """An id that nobody has, and ids that are spelt nearly so."""

    external_id: str
    close: list[str]


class ProfileReport(TypedDict):
    """What is set and missing in profiles; `refuse` while something is.

    words : the words of all profiles that nobody knows, which count as missing in features
    """

    verdict: str
    users: int
    complete: int
    incomplete: int
    missing: dict[str, int]
    unknown: list[Stranger]
    profiles: list[ProfileState]
    unknown_words: int
    words: list[UnknownWord]
    remedy: str


def check_profiles(external_ids: Collection[str] | None = None) -> ProfileReport:
    """Report what is set and missing, of everybody or only of those named, the incomplete first."""
    users = SeedUser.objects.all()
    unknown: list[Stranger] = []
    if external_ids:
        former = present_names(external_ids)
        users = users.filter(external_id__in={former.get(name, name) for name in external_ids})
        unknown = _unknown(external_ids)
    total = users.count()
    incomplete = users.incomplete().count()
    missing = {name: users.missing(name).count() for name in PROFILE_FIELDS} if incomplete else {}
    rows: list[ProfileState] = [
        {
            "external_id": user.external_id,
            "completeness": user.completeness,
            "missing": user.missing_fields,
        }
        for user in users.order_by("completeness", "external_id")[:ROWS_SHOWN]
    ]
    words = unknown_words()
    has_nobody = not total and not external_ids
    remedy = ""
    if has_nobody:
        remedy = "There are no seed users yet; make some with seed_users."
    elif incomplete:
        remedy = "Set what is missing in the admin or with seed_users --file."
        if users.incomplete().synthetic().exists():
            remedy = (
                "Set what is missing in the admin; seed_users --complete fills it in for synthetic "
                "people, never for real ones."
            )
    elif unknown:
        remedy = "Check the spelling, or make users with seed_users."
    return {
        "verdict": "refuse" if incomplete or unknown or has_nobody else "pass",
        "users": total,
        "complete": total - incomplete,
        "incomplete": incomplete,
        "missing": {name: count for name, count in missing.items() if count},
        "unknown": unknown,
        "profiles": rows,
        "unknown_words": len(words),
        "words": words[:WORDS_SHOWN],
        "remedy": remedy,
    }


def _unknown(external_ids: Collection[str]) -> list[Stranger]:
    there = existing_ids(SeedUser, external_ids)
    strangers = [
        external_id for external_id in dict.fromkeys(external_ids) if external_id not in there
    ]
    if not strangers:
        return []
    everybody = list(SeedUser.objects.values_list("external_id", flat=True)[:10_000])
    return [
        {"external_id": name, "close": difflib.get_close_matches(name, everybody, n=3)}
        for name in strangers
    ]
