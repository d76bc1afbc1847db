"""What routes that take something have in common: who sends it, and how they answer."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, Any, Final, Literal, TypeVar

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Header
from pydantic import BaseModel, Field, ValidationError

from project.acting import Actor, acting
from project.outside import one_line
from project.problems import problem
from project.refusal import Refusal
from serving.api.schemas import Asked, Fault, Problem
from serving.models import IDEMPOTENCY_LENGTH
from serving.services.answers import InProgress, OtherRequest, answer_once, given_before

Opened = TypeVar("Opened")

# What a key that may send may have changed of what is here; never more than the routes offer.
RIGHTS: Final = frozenset(
    {
        "feedback.change_qualityfeedback",
        "feedback.change_explanation",
        "feedback.change_abtestresult",
        "matching.change_matchevent",
    }
)
REFUSALS: Final = dict.fromkeys((400, 401, 403, 413, 422, 429, 500, 503), Problem)
SHOWN_LENGTH: Final = 300  # characters of what is said of one part
Column = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


@contextmanager
def sent_by(request: HttpRequest, *, rights: frozenset[str] = RIGHTS) -> Iterator[Actor]:
    """Let what is written inside be written as the key of a request, by its name."""
    actor = Actor(f"key {request.auth.name}", rights=rights)  # type: ignore[attr-defined]
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


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=IDEMPOTENCY_LENGTH,
        pattern=r"^[\x21-\x7e]+$",
        description="A name of your own for this request. Sent again within 24 hours, with the "
        "same body, it gets the same answer and nothing is done twice.",
    ),
]


class Reading(Asked):
    """How rows are read, where they are not written as Seedbed has them."""

    mapping: Annotated[
        str,
        Field(
            max_length=80,
            pattern=r"^[^\x00-\x1f\x7f]*$",
            description="Name of a saved mapping, or as-is: values are right as they are. Left "
            "out: names only, or what was confirmed for rows of these columns.",
        ),
    ] = ""
    columns: Annotated[
        dict[Column, Column],
        Field(max_length=100, description="Our name to yours, where you say it yourself."),
    ] = {}
    time_zone: Annotated[
        str, Field(max_length=60, description="Of times that say none, such as Europe/Zurich.")
    ] = ""
    accept_partial: Annotated[
        bool,
        Field(
            strict=True,
            description="Land the others where more than 1 % (and more than 5) of a column cannot "
            "be used.",
        ),
    ] = False
    on_change: Annotated[
        Literal["replace", "keep", "refuse"],
        Field(description="What is done about known rows with other content."),
    ] = "replace"


def said_of(error: ValidationError) -> dict[str, str]:
    """Return field to what is wrong with it, of arguments that a job would refuse too."""
    return {
        str(one["loc"][0] if one["loc"] else "the body"): one["msg"].removeprefix("Value error, ")
        for one in error.errors()
    }


class RefusedRow(BaseModel):
    """A row that was not taken; it is kept here and can be corrected in the admin."""

    row: Annotated[int, Field(description="Its place among the rows that were sent, from 0.")]
    reason: str
    detail: str


class Change(BaseModel):
    """What a proposal would change, and why it is thought so."""

    field: str
    words: str


class Unread(Problem):
    """Why rows cannot be read as they are; `mapping` is the proposal that waits for a person."""

    errors: list[Fault] | None = None
    mapping: str | None = None
    changes: list[Change] | None = None


def refused(refusal: Refusal) -> HttpResponse:
    """Say why nothing of the rows has landed (422), in words for who sends them."""
    details = refusal.details or {}
    proposal = details.get("proposal", {})
    name = details.get("mapping", "")
    remedy = refusal.remedy
    if name:
        remedy = (
            f"Somebody confirms the mapping {name} in the admin (Mappings), and the rows are sent "
            "again; or send `mapping`: 'as-is' where values are right as they are."
        )
    elif "--" in remedy:
        remedy = (
            "Correct the rows, say which column is which with `columns`, name a saved mapping, or "
            "take the other rows with `accept_partial`. /api/v1/docs shows what is expected."
        )
    return problem(
        422,
        refusal.message,
        remedy=remedy,
        mapping=name,
        changes=[
            {"field": one["field"], "words": one["words"]} for one in proposal.get("changes", ())
        ],
    )


def once(
    request: HttpRequest,
    name: str | None,
    prepare: Callable[[], AbstractContextManager[Opened]],
    work: Callable[[Opened], Mapping[str, Any]],
) -> HttpResponse:
    """Answer with what the work says; the same again where the request was answered before.

    What is prepared (how rows are read, with a proposal that is kept where they cannot be) stands
    outside of the transaction of the work and its answer.
    """
    told = f"{request.method} {request.get_full_path()}\n".encode() + request.body
    key = request.auth.pk  # type: ignore[attr-defined]
    try:
        given = given_before(key, name, told) if name else None
        if given is None:
            with sent_by(request), prepare() as opened:
                given = answer_once(
                    key, name or "", told, lambda: (200, orjson.dumps(work(opened)))
                )
    except Refusal as refusal:
        return refused(refusal)
    except InProgress:
        return problem(
            409,
            "A request of this Idempotency-Key is being answered.",
            remedy="Send it again in a second: then it gets the answer of the first.",
            headers={"Retry-After": "1"},
        )
    except OtherRequest:
        return problem(
            422,
            "Another request has this Idempotency-Key; nothing was done.",
            remedy="Give each request a name of its own, such as a UUID; the same only to one that "
            "is sent again.",
        )
    headers = {"Idempotent-Replayed": "true"} if given.is_repeated else {}
    return HttpResponse(
        given.body, status=given.status, content_type="application/json", headers=headers
    )
