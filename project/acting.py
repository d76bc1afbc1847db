"""Who acts: the person behind everything that is written, in a request, a command or a job."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import models

ACTOR_LENGTH = 200  # characters of a name


@dataclass(frozen=True)
class Actor:
    """Somebody who acts.

    Attributes
    ----------
    name : shown beside what was done, also when the account is gone.
    user : the account, None for somebody at the command line or for nobody.
    is_operator : whether it is somebody at the command line, who has the rights of the machine.
    rights : permissions of who has no account, such as the key of an application.
    """

    name: str
    user: User | None = None
    is_operator: bool = False
    rights: frozenset[str] = frozenset()

    @classmethod
    def of(cls, user: Any) -> "Actor":
        """Return the actor of an account; whoever is not signed in is nobody, and may nothing."""
        if isinstance(user, Actor):
            return user
        if not getattr(user, "is_authenticated", False):
            raise ValueError(f"Expected an account that is signed in, got {user!r}.")
        return cls(user.get_username()[:ACTOR_LENGTH], user)

    def may(self, permission: str) -> bool:
        """Whether this actor has a permission (`app.codename`) now."""
        if self.user is None:
            return self.is_operator or permission in self.rights
        return bool(self.user.has_perm(permission))

    def __str__(self) -> str:
        return self.name


Person = AbstractBaseUser | AnonymousUser | Actor | None
"""Who asks: an account that is signed in, an actor, or None for who acts here."""

NOBODY = Actor("nobody")
"""Who is not signed in: no account and no right."""

_current: ContextVar[Actor | None] = ContextVar("actor", default=None)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Let what is written inside be written as this actor."""
    token = _current.set(actor)
    try:
        yield
    finally:
        _current.reset(token)


def current_actor() -> Actor:
    """Return who acts here: of the request or the job, else who runs this process."""
    return _current.get() or operator()


def operator() -> Actor:
    """Return the operating system's user of this process."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name  # not from the environment, which anybody can set
    except KeyError:
        name = f"user {number}"
    return Actor(f"{name} at the command line", is_operator=True)


def current_actor_name() -> str:
    """Return the name to keep with a record."""
    return current_actor().name


def current_user(**_: Any) -> User | None:
    """Return the account that history keeps, None at the command line."""
    return current_actor().user


class ActedHistory(models.Model):
    """Adds the actor's name to the rows of a history, which outlives the account."""

    history_actor = models.CharField(
        "by", max_length=ACTOR_LENGTH, default=current_actor_name, editable=False
    )

    class Meta:
        abstract = True
