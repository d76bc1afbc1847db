"""Encrypts the passwords of sources, and gives them to nobody but the connection."""

import base64
import hashlib
import os

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from feedback.models import FeedbackSource


class PasswordUnavailable(Exception):
    """A source's password cannot be had; the message says what to do, never the password."""


def encrypt_password(password: str) -> str:
    """Encrypt with the current key."""
    return _cipher().encrypt(password.encode()).decode()


def password_of(source: FeedbackSource) -> str:
    """Return a source's password; empty when it has none.

    Raises
    ------
    PasswordUnavailable
        When its variable is not set, or no key opens what is kept.
    """
    if source.password_variable:
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
        return _cipher().decrypt(source.password_encrypted.encode()).decode()
    except InvalidToken:
        # From None: the failed token is no secret, but it helps nobody either.
        raise PasswordUnavailable(
            f"The password of {source.name} was encrypted with another SEEDBED_FIELD_KEY. Enter it "
            "again, or add the earlier key to SEEDBED_FIELD_KEY_FALLBACKS."
        ) from None


def rotate_token(encrypted: str) -> str:
    """Encrypt what is kept with the current key."""
    return _cipher().rotate(encrypted.encode()).decode()


def _cipher() -> MultiFernet:
    keys = [settings.FIELD_KEY, *settings.FIELD_KEY_FALLBACKS]
    return MultiFernet([Fernet(_fernet_key(key)) for key in keys])


def _fernet_key(key: str) -> bytes:
    # The setting is random text of any form; a hash gives the 32 bytes that Fernet asks for.
    return base64.urlsafe_b64encode(
        hashlib.sha256(b"seedbed password of a feedback source\0" + key.encode()).digest()
    )
