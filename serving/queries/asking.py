"""Asks another Seedbed, or this one, over its API, as an application would."""

import http.client
import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from project import words
from project.outside import one_line
from project.refusal import Refusal
from serving.domain.limits import MAX_PAIRS
from training.queries.pairs import Pair

SECONDS: Final = 30.0  # that an answer may take
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
SHOWN: Final = 300  # characters of what a server says


def ask_scores(address: str, token: str, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return the answer for pairs by ids; 1 to 1,000 of them.

    Raises
    ------
    Refusal
        For an address that is none, a server that does not answer, and one that says no.
    """
    _require_askable(pairs)
    at = urlsplit(address)
    if at.scheme not in ("http", "https") or not at.hostname or at.username or at.query:
        raise Refusal(
            f"{address} is no address of a Seedbed.",
            remedy="Give it as http://127.0.0.1:8000, or with https.",
        )
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    body = json.dumps({"pairs": [{"left": left, "right": right} for left, right in pairs]})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        line = kind(at.hostname, at.port, timeout=SECONDS)
        try:
            line.request("POST", f"{at.path.rstrip('/')}/api/v1/match/score", body, headers)
            answer = line.getresponse()
            told = answer.read(MAX_ANSWER_BYTES)
        finally:
            line.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refusal(
            f"{address} does not answer: {one_line(str(error))[:SHOWN]}.",
            remedy="Start it with `manage.py serve`, or give another --api.",
        ) from error
    return _read(address, answer.status, told)


def _require_askable(pairs: Sequence[Pair]) -> None:
    """Refuse more pairs than one request may hold, and none."""
    if not 1 <= len(pairs) <= MAX_PAIRS:
        raise Refusal(
            f"{words.tally(len(pairs), 'pair')}; one request holds 1 to {MAX_PAIRS:,}.",
            remedy="Ask for fewer.",
        )


def _read(address: str, status: int, told: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(told)
    except orjson.JSONDecodeError:
        answer = None
    if status != http.HTTPStatus.OK or not isinstance(answer, dict):
        said = answer.get("detail", "") if isinstance(answer, dict) else ""
        remedy = answer.get("remedy", "") if isinstance(answer, dict) else ""
        raise Refusal(
            f"{address} answers {status}. {one_line(str(said))[:SHOWN]}".rstrip(),
            remedy=one_line(str(remedy))[:SHOWN] or "See whether a Seedbed listens there.",
        )
    return answer
