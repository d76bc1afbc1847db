"""Makes the sources that are made by themselves, and keeps the passwords of the others."""

from django.contrib.auth.models import User
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from feedback.models import FeedbackSource
from feedback.models.passwords import encrypt_password, rotate_token
from project.origin import Origin
from project.refusal import Refusal

SYNTHETIC_NAME = "synthetic"


@sensitive_variables("password")
def set_password(source: FeedbackSource, password: str) -> FeedbackSource:
    """Keep a password encrypted; an empty one removes it. The caller saves."""
    source.password_encrypted = encrypt_password(password) if password else ""
    return source


@transaction.atomic
def reencrypt_passwords() -> int:
    """Encrypt every kept password with the current key; returns their number."""
    # By update: a new key is no edit that the history of a source should show.
    kept = FeedbackSource.objects.select_for_update().exclude(password_encrypted="")
    for source in kept:
        FeedbackSource.objects.filter(pk=source.pk).update(
            password_encrypted=rotate_token(source.password_encrypted)
        )
    return len(kept)


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
        FeedbackSource.history.filter(id=source.pk).update(history_user=by)
    return source
