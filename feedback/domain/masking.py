"""Keeps what a source's server says from repeating the password that it was sent."""

import base64
from urllib.parse import quote, quote_plus

# Characters in a row of a secret that give it away; of a shorter one only the whole.
FRAGMENT = 6
WITHHELD = "What the server said repeats the password or a part of it (***), and is not kept"


class Mask:
    """Knows one secret, and shows nobody which.

    The whole text goes, not only the secret: a cut, a spelling or a line end that was not thought
    of would leave the rest of it.
    """

    __slots__ = ("_fragments",)

    def __init__(self, secret: str) -> None:
        written = secret.encode("utf-8", "surrogateescape")
        spellings = {
            secret,
            quote(written, safe=""),
            quote(written),
            quote_plus(written),
            base64.b64encode(written).decode().rstrip("="),
            written.hex(),
            secret.replace("\\", "\\\\").replace("'", "\\'"),
            secret.replace("'", "''"),
            repr(secret)[1:-1],
        }
        self._fragments = {
            part for spelling in spellings if spelling for part in _parts(_plain(spelling))
        }

    def __repr__(self) -> str:
        return "<Mask>"

    def __call__(self, text: str, code: str | None = None) -> str:
        """Return a text as it is, or that it is withheld; `code` is the server's SQLSTATE."""
        plain = _plain(text)
        if not any(part in plain for part in self._fragments):
            return text
        return f"{WITHHELD}{f'; its code is {code}' if code and len(code) == 5 else ''}."


def _parts(text: str) -> set[str]:
    if len(text) <= FRAGMENT:
        return {text} if text else set()
    return {text[start : start + FRAGMENT] for start in range(len(text) - FRAGMENT + 1)}


def _plain(text: str) -> str:
    """Return a text in small letters, without what may be put between its characters."""
    return "".join(text.lower().split())
