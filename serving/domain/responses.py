"""Ids of answers: what an application sends back when it knows what came of a pair."""

import re
import secrets
from typing import Final

# Characters, of 5 bits each: two answers never have one id, and nobody guesses one.
ANSWER_LENGTH: Final = 20
_LETTER_OF: Final = b"abcdefghijklmnopqrstuvwxyz234567" * 8  # of each byte, all as often
_FORM: Final = re.compile(r"([a-z2-7]{20})\.(0|[1-9]\d{0,3})")


def make_answer() -> str:
    """Return a new id of an answer: 20 characters of lower-case base32."""
    return secrets.token_bytes(ANSWER_LENGTH).translate(_LETTER_OF).decode()


def response_id(answer: str, place: int) -> str:
    """Return the id of one pair of an answer; places count from 0, in the order of the answer."""
    return f"{answer}.{place}"


def read_response_id(given: str) -> tuple[str, int] | None:
    """Return the answer and the place that a response id names; None for what is none."""
    found = _FORM.fullmatch(given)
    return None if found is None else (found[1], int(found[2]))
