"""Makes the sources that are made by themselves, and keeps the passwords of the others."""

from django.contrib.auth.models import User
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from feedback.models import FeedbackSource
from feedback.models.passwords import (
    PasswordUnavailable,
    encrypt_password,
    endpoint_of,
    is_under_newest_key,
    rotate_token,
)
from project.acting import Actor, Person
from project.audit.models import Act
from project.audit.services import record
from project.origin import Origin
from project.refusal import Refusal

SYNTHETIC_NAME = "synthetic"


@sensitive_variables("password")
def set_password(source: FeedbackSource, password: str) -> FeedbackSource:
    """Keep a password encrypted, for the source's address as it stands; an empty one removes it.

    The caller saves.
    """
    source.password_encrypted = encrypt_password(password, endpoint_of(source)) if password else ""
    return source


@transaction.atomic
def save_source(source: FeedbackSource, *, by: Person, password_change: str = "") -> FeedbackSource:
    """Save a source and note what was done about its password and address.

    `password_change` says it in words, where something was; the words never hold a password.
    """
    before = FeedbackSource.objects.select_for_update().filter(pk=source.pk).first()
    source.save()
    changes = [
        "added" if before is None else "",
        password_change,
        *_address_changes(before, source),
    ]
    if detail := "; ".join(filter(None, changes)):
        record(Act.SOURCE, by=by, about=source, detail=detail)
    return source


def _address_changes(before: FeedbackSource | None, after: FeedbackSource) -> list[str]:
    """Say where the password goes now, if that is somewhere else, and from where it comes."""
    changes = []
    is_elsewhere = before is None or endpoint_of(before) != endpoint_of(after)
    if is_elsewhere and after.host:
        changes.append(f"address: {endpoint_of(after)}")
    variable = after.password_variable
    if variable != ("" if before is None else before.password_variable):
        changes.append(f"password from {variable}" if variable else "password from no variable")
    return changes


def reencrypt_passwords() -> tuple[int, int, list[str]]:
    """Encrypt every kept password with the current key, each in a transaction of its own.

    Stopped anywhere, it goes on from there the next time. Returns how many were encrypted anew, how
    many were so already, and the names of the sources whose password no key opens.
    """
    renewed = current = 0
    unknown = []
    kept = FeedbackSource.objects.exclude(password_encrypted="").order_by("pk")
    for pk in kept.values_list("pk", flat=True):
        with transaction.atomic():
            source = kept.select_for_update().filter(pk=pk).first()
            if source is None:
                continue
            if is_under_newest_key(source.password_encrypted):
                current += 1
                continue
            try:
                token = rotate_token(source.password_encrypted)
            except PasswordUnavailable:
                unknown.append(source.name)
                continue
            # By update: a new key is no edit that the history of a source should show.
            kept.filter(pk=pk).update(password_encrypted=token)
            renewed += 1
    return renewed, current, unknown


def synthetic_source(*, by: User | None = None) -> FeedbackSource:
    """Return the source that stands in while there is no other."""
    source = _source(SYNTHETIC_NAME, FeedbackSource.Kind.SYNTHETIC, by)
    if source.origin != Origin.SYNTHETIC:
        raise Refusal(
            f"A source of kind {source.kind} is called {SYNTHETIC_NAME}.",
            remedy="Rename it: the name belongs to generated feedback.",
        )
    return source


def file_source(name: str, *, by: User | None = None) -> FeedbackSource:
    """Return the source that keeps imported files under a name; it is made when it is new."""
    source = _source(name, FeedbackSource.Kind.FILE, by)
    if source.kind != FeedbackSource.Kind.FILE:
        raise Refusal(
            f"{name} is a source of kind {source.kind}; files are imported into one of kind file.",
            remedy="Give another name with --source.",
        )
    return source


@transaction.atomic
def _source(name: str, kind: FeedbackSource.Kind, by: User | None) -> FeedbackSource:
    source, is_new = FeedbackSource.objects.get_or_create(
        name=name, defaults={"kind": kind, "schema": ""}
    )
    if is_new and by is not None:
        FeedbackSource.history.filter(id=source.pk).update(
            history_user=by, history_actor=Actor.of(by).name
        )
    return source
