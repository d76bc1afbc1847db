"""What routes that take something have in common: who sends it, and how they answer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import orjson
from django.http import HttpRequest, HttpResponse

from project.acting import Actor, acting
from project.outside import one_line
from project.problems import problem
from serving.api.schemas import Problem

# What a key that may send may have changed of what is here; never more than the routes offer.
RIGHTS: Final = frozenset(
    {
        "feedback.change_qualityfeedback",
        "feedback.change_explanation",
        "feedback.change_abtestresult",
    }
)
REFUSALS: Final = dict.fromkeys((400, 401, 403, 413, 422, 429, 500, 503), Problem)
SHOWN_LENGTH: Final = 300  # characters of what is said of one part


@contextmanager
def sent_by(request: HttpRequest) -> Iterator[Actor]:
    """Let what is written inside be written as the key of a request, by its name."""
    actor = Actor(f"key {request.auth.name}", rights=RIGHTS)  # type: ignore[attr-defined]
    with acting(actor):
        yield actor


def answer(body: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """Return an answer as JSON."""
    return HttpResponse(orjson.dumps(body), status=status, content_type="application/json")


def unusable(problems: Mapping[str, str]) -> HttpResponse:
    """Say which fields cannot be stored, and why (422)."""
    count = len(problems)
    return problem(
        422,
        f"{count:,} {'field' if count == 1 else 'fields'} cannot be stored; nothing was changed.",
        remedy="Correct what is named and send it again. /api/v1/docs shows what is expected.",
        errors=[
            {"at": name, "said": one_line(said)[:SHOWN_LENGTH]} for name, said in problems.items()
        ],
    )
