"""Encrypts the passwords of sources, and gives them only to what they were entered for."""

import base64
import hashlib
import json
import os
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from feedback.domain.certificates import fingerprint
from feedback.domain.endpoints import Endpoint, refuse_variable
from feedback.models import FeedbackSource

# Before what a password was given for, and the password; no text that a person types begins so.
BOUND = b"\0seedbed bound password\0"
AGAIN = (
    "Enter the password again: it is sent only to the host, port, database and user, and with no "
    "less TLS, than it was entered for."
)


class Addressed(Protocol):
    """What has the columns of a source that say where its password goes, of a migration too."""

    host: str
    port: int
    database: str
    user: str
    sslmode: str


class PasswordUnavailable(Exception):
    """A source's password cannot be had; the message says what to do, never the password."""


def endpoint_of(source: Addressed) -> Endpoint:
    """Return where a source's password goes as the source stands."""
    # A migration asks about sources of a time before they could have certificates of their own.
    own = fingerprint(getattr(source, "ca_certificate", ""))
    return Endpoint(source.host, source.port, source.database, source.user, source.sslmode, own)


@sensitive_variables()
def encrypt_password(password: str, endpoint: Endpoint) -> str:
    """Encrypt a password together with what it may be sent to, with the current key."""
    content = json.dumps({"for": endpoint.as_dict(), "password": password})
    return _cipher().encrypt(BOUND + content.encode()).decode()


@sensitive_variables()
def password_of(source: FeedbackSource) -> str:
    """Return a source's password; empty when it has none.

    Raises
    ------
    PasswordUnavailable
        When it was entered for something else than the source says now, its variable is not set
        or not meant for this host, or no key opens what is kept.
    """
    endpoint = endpoint_of(source)
    if source.password_variable:
        refused = refuse_variable(source.password_variable, endpoint, settings.FEEDBACK_VARIABLES)
        if refused:
            raise PasswordUnavailable(refused)
        password = os.environ.get(source.password_variable)
        if password is None:
            raise PasswordUnavailable(
                f"The environment variable {source.password_variable} is not set for this process. "
                "Set it for web, workers and scheduler, and start them again."
            )
        return password
    if not source.password_encrypted:
        return ""
    try:
        kept = _cipher().decrypt(source.password_encrypted.encode())
    except InvalidToken:
        # From None: the failed token is no secret, but it helps nobody either.
        raise PasswordUnavailable(
            f"The password of {source.name} was encrypted with another SEEDBED_FIELD_KEY. Enter it "
            "again, or add the earlier key to SEEDBED_FIELD_KEY_FALLBACKS."
        ) from None
    if not kept.startswith(BOUND):
        raise PasswordUnavailable(
            f"It is not known what the password of {source.name} was entered for. {AGAIN}"
        )
    content = json.loads(kept.removeprefix(BOUND))
    given_for = Endpoint(**content["for"])
    if not endpoint.may_have(given_for):
        raise PasswordUnavailable(
            f"The password of {source.name} was entered for {given_for}; now the source says "
            f"{endpoint}. {AGAIN}"
        )
    return str(content["password"])


@sensitive_variables()
def bind_password(encrypted: str, endpoint: Endpoint) -> str:
    """Bind a password of the first edition, which stands alone, to what its source said then.

    What is bound already is returned as it is. For the migration only: it takes the word of the
    row for where the password may go.

    Raises
    ------
    PasswordUnavailable
        When no key opens it.
    """
    try:
        kept = _cipher().decrypt(encrypted.encode())
    except InvalidToken:
        raise PasswordUnavailable("It was encrypted with another SEEDBED_FIELD_KEY.") from None
    if kept.startswith(BOUND):
        return encrypted
    return encrypt_password(kept.decode(), endpoint)


def is_under_newest_key(encrypted: str) -> bool:
    """Tell whether the current key alone opens what is kept."""
    try:
        _fernet(settings.FIELD_KEY).decrypt(encrypted.encode())
    except InvalidToken:
        return False
    return True


def rotate_token(encrypted: str) -> str:
    """Encrypt what is kept with the current key; what it is bound to stays.

    Raises
    ------
    PasswordUnavailable
        When no key opens it.
    """
    try:
        return _cipher().rotate(encrypted.encode()).decode()
    except InvalidToken:
        raise PasswordUnavailable(
            "None of SEEDBED_FIELD_KEY and SEEDBED_FIELD_KEY_FALLBACKS opens it."
        ) from None


def _cipher() -> MultiFernet:
    return MultiFernet(
        [_fernet(key) for key in (settings.FIELD_KEY, *settings.FIELD_KEY_FALLBACKS)]
    )


def _fernet(key: str) -> Fernet:
    # The setting is random text of any form; a hash gives the 32 bytes that Fernet asks for.
    return Fernet(
        base64.urlsafe_b64encode(
            hashlib.sha256(b"seedbed password of a feedback source\0" + key.encode()).digest()
        )
    )
