"""Secrets of an installation, sealed with a passphrase: scrypt makes the key, Fernet encrypts."""

import base64
import json
import os
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from django.views.decorators.debug import sensitive_variables

from project.backup.failures import BackupBroken, WrongPassphrase

BEGINNING: Final = b"seedbed secrets 1\n"
SALT_BYTES: Final = 16
# 64 MiB and about a fifth of a second for each guess (RFC 7914; OWASP's smallest for scrypt is
# half of that). They are fixed: a file that asked for others could ask for all memory.
WORK_FACTOR, BLOCKS, LANES = 2**16, 8, 1
LEAST_LENGTH: Final = 12  # characters of a passphrase


@sensitive_variables()
def seal(secrets: dict[str, str], passphrase: str) -> bytes:
    """Encrypt secrets by name.

    Raises
    ------
    WrongPassphrase : it is shorter than 12 characters.
    """
    if len(passphrase) < LEAST_LENGTH:
        raise WrongPassphrase(
            f"Expected a passphrase of at least {LEAST_LENGTH} characters, got {len(passphrase)}.",
            remedy="Choose a longer one: six words drawn by lot are good.",
        )
    salt = os.urandom(SALT_BYTES)
    return BEGINNING + salt + _cipher(passphrase, salt).encrypt(json.dumps(secrets).encode())


@sensitive_variables()
def unseal(sealed: bytes, passphrase: str) -> dict[str, str]:
    """Return what was sealed.

    Raises
    ------
    BackupBroken : it is no sealed file.
    WrongPassphrase : it is, and opens with another one, or has changed since.
    """
    if not sealed.startswith(BEGINNING) or len(sealed) <= len(BEGINNING) + SALT_BYTES:
        raise BackupBroken("The file of secrets is none.", remedy="Take another backup.")
    salt = sealed[len(BEGINNING) :][:SALT_BYTES]
    token = sealed[len(BEGINNING) + SALT_BYTES :]
    try:
        opened = json.loads(_cipher(passphrase, salt).decrypt(token))
    except InvalidToken:
        raise WrongPassphrase(
            "The secrets of this backup do not open with that passphrase.",
            remedy="Enter the one that was given when it was made. Without it, set the three "
            "secrets in the environment and restore without --secrets.",
        ) from None
    return {str(name): str(value) for name, value in opened.items()}


def _cipher(passphrase: str, salt: bytes) -> Fernet:
    derived = Scrypt(salt=salt, length=32, n=WORK_FACTOR, r=BLOCKS, p=LANES)
    return Fernet(base64.urlsafe_b64encode(derived.derive(passphrase.encode())))
