"""Keys are made and revoked here; both stand in the audit list."""

from django.core.exceptions import ValidationError
from django.db import transaction

from project import clock
from project.acting import Actor, Person, current_actor
from project.audit.models import Act
from project.audit.services import record
from project.refusal import Refusal
from serving.domain.tokens import SHOWN_LENGTH, digest_of, make_token
from serving.models import ApiKey, Scope


def issue_key(key: ApiKey, *, by: Person = None) -> str:
    """Keep a new key, and return its token, which nobody can show again.

    Parameters
    ----------
    key : not saved; its name, scopes, limit and expiry are what was asked for.

    Raises
    ------
    Refusal
        For a name that is taken, no scope or one that there is not, a limit beyond bounds, an
        expiry that is past.
    """
    unknown = sorted(set(key.scopes) - set(Scope.values))
    if unknown or not key.scopes:
        said = f"There is no scope {unknown[0]}." if unknown else "A key needs a scope to open."
        raise Refusal(said, remedy=f"There are: {', '.join(Scope.values)}.")
    token = make_token()
    key.name, key.scopes = key.name.strip(), sorted(set(key.scopes))
    key.start, key.digest = token[:SHOWN_LENGTH], digest_of(token)
    key.made_by = _name(by)
    try:
        key.full_clean()
    except ValidationError as error:
        raise Refusal(" ".join(error.messages), remedy="Correct it and try again.") from error
    with transaction.atomic():
        key.save(force_insert=True)
        record(Act.KEY, by=by, about=key, detail=f"made; opens {', '.join(key.scopes)}")
    return token


def revoke_key(key: ApiKey, *, by: Person = None) -> bool:
    """Let a key open nothing any more; return whether it was this call that revoked it."""
    with transaction.atomic():
        found = ApiKey.objects.filter(pk=key.pk, revoked_at=None)
        if not found.update(revoked_at=clock.now(), revoked_by=_name(by)):
            return False
        record(Act.KEY, by=by, about=key, detail="revoked")
    return True


def _name(by: Person) -> str:
    return (current_actor() if by is None else Actor.of(by)).name
