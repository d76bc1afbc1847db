"""Who is who: a person gets another name, and two records of one person become one.

What a person was called stays as a former name and finds them. A former name is made by who has the
names alone; whoever resolves names to write something by them holds them until that is committed.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from matching.models import PersonAlias, SeedUser, TravelSession, validate_external_id
from matching.models.live import Moved
from matching.queries.identity import find_person, who_has
from matching.services.sessions import move_after_commit
from project import clock
from project.acting import Actor, Person, current_actor
from project.audit.models import Act
from project.audit.services import record
from project.refusal import Refusal

logger = logging.getLogger(__name__)

NAMES_LOCK: Final = 0x5EED107  # as the triggers of migration 0020 have it
Told = Callable[[str], None]


def hold_names() -> None:
    """Let nobody rename or merge until the transaction ends: what names say stays true in it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [NAMES_LOCK])


@transaction.atomic
def rename_person(
    person: SeedUser, to: str, *, by: Person = None, on_failure: Told = logger.warning
) -> SeedUser:
    """Give a person another name; the one of before stays as a former name, and finds them.

    `on_failure` is told where Valkey did not take the live copy of their trip: a repair moves it.

    Raises
    ------
    Refusal
        For what is no name, and one that somebody or something else has.
    """
    _hold_names_alone()
    user = _locked(person.pk)
    before, to = user.external_id, to.strip()
    own = _require_free(user, to)
    number, why = None, PersonAlias.Why.RENAMED
    if own is not None:  # what was merged stays known by its number
        number, why = own.number, PersonAlias.Why(own.why if own.number else why)
        own.delete()
    user.external_id = to
    _save(user, by, "Renamed", ["external_id"])
    actor = _actor(by)
    alias = PersonAlias.objects.create(
        external_id=before, person=user, why=why, number=number, since=clock.now(), actor=actor.name
    )
    session = TravelSession.objects.filter(user=user).first()
    if session is not None:
        session.external_id = to
        _save(session, by, "Its traveller was renamed", ["external_id"])
    move_after_commit({before: Moved(to, alias.since)}, on_failure=on_failure)
    record(Act.PERSON, by=by, about=user, title=f"Person {user.pk}", detail="renamed")
    return user


def _require_free(user: SeedUser, to: str) -> PersonAlias | None:
    """Return the former name that somebody returns to, None for a new one."""
    try:
        validate_external_id(to)
    except ValidationError as error:
        raise Refusal(f"{to[:100]!r} is no name.", remedy=str(error.message)) from None
    if to == user.external_id:
        raise Refusal(f"{to} is the name already.", remedy="Give another one.")
    other = find_person(to)
    if other is not None and other.pk == user.pk:
        return PersonAlias.objects.get(external_id=to)
    taken = who_has(to)
    if other is not None:
        raise Refusal(
            f"{to} is {taken}.",
            remedy="If both are one person, merge them: `manage.py people merge "
            f"{other.external_id} {user.external_id}`, or Merge on the page of the one to keep. "
            "Else give another name.",
        )
    if taken or TravelSession.objects.filter(external_id=to).exists():
        raise Refusal(f"{to} is {taken or 'the id of a trip'}.", remedy="Give another name.")
    return None


def _locked(pk: int) -> SeedUser:
    found = SeedUser.objects.select_for_update().filter(pk=pk).first()
    if found is None:
        raise Refusal(
            f"There is no person {pk} any more.", remedy="Look the person up by name again."
        )
    return found


def _hold_names_alone() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [NAMES_LOCK])


def _save(row: Any, by: Person, reason: str, fields: list[str]) -> None:
    # Which simple_history reads, and no model declares.
    row._history_user, row._change_reason = _actor(by).user, reason
    row.save(update_fields=fields)


def _actor(by: Person) -> Actor:
    return current_actor() if by is None else Actor.of(by)
