"""Tokens: what an application sends to say who it is. Only their digest is ever kept."""

import hashlib
import re
import secrets
from typing import Final

PREFIX: Final = "sb_"
SECRET_BYTES: Final = 32  # of randomness; nobody guesses, so that one round of SHA-256 is enough
SHOWN_LENGTH: Final = 9  # characters by which people tell keys apart; six are of the secret
_FORM: Final = re.compile(r"sb_[A-Za-z0-9_-]{43}")


def make_token() -> str:
    """Return a new token: `sb_` and 43 characters."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def digest_of(token: str) -> str:
    """Return what is kept of a token: its SHA-256, in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_bearer(header: str) -> str | None:
    """Return the token of an `Authorization: Bearer ...` header, None where there is none.

    What does not look like a token of ours is none: it may be another service's, or a password.
    """
    scheme, _, given = header.partition(" ")
    token = given.strip()
    return token if scheme.lower() == "bearer" and _FORM.fullmatch(token) else None
