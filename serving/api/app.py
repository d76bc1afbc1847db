"""The API as one object: its routes, and how it says no."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.docs import DocsBase
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser

from project.machine import RETRY_SECONDS, said_of_outage
from project.outside import one_line
from project.problems import CONTENT_TYPE, problem
from serving.api.access import Denied
from serving.api.events import router as events
from serving.api.feedback import router as feedback
from serving.api.match import router as match
from serving.api.outcomes import router as outcomes
from serving.api.people import people, sessions
from serving.api.registry import router as registry

logger = logging.getLogger(__name__)

SHOWN_FAULTS: Final = 20
SHOWN_LENGTH: Final = 300  # characters of what is said of one


class StrictParser(Parser):
    """JSON as the standard has it: no NaN, no broken text, no endless nesting."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return what a body holds."""
        return orjson.loads(request.body)


class Page(DocsBase):
    """The document as a page, made of this machine's own files."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        """Show what can be asked, and let who has a key try it."""
        settings = {"url": self.get_openapi_url(api, kwargs), "layout": "BaseLayout"}
        return render(request, "serving/docs.html", {"api": api, "settings": settings})


class Api(NinjaAPI):
    """The API, whose document says of refusals that they are problems."""

    def get_openapi_schema(self, **given: Any) -> OpenAPISchema:
        """Return the document."""
        document = super().get_openapi_schema(**given)
        for operations in document["paths"].values():
            for operation in operations.values():
                for status, response in operation["responses"].items():
                    if int(status) >= HTTPStatus.BAD_REQUEST and "content" in response:
                        response["content"] = {CONTENT_TYPE: response["content"].popitem()[1]}
        return document


api = Api(
    title="Seedbed",
    version="1",
    description=(
        "Scores of pairs by the live model, and the door for what it learns from. Every score "
        "names the model, says which features lack an input, and why the rules answer where no "
        "model does. Each refusal is a problem of RFC 9457 that says what to do."
    ),
    docs=Page(),
    docs_url="/docs",
    urls_namespace="api",
    parser=StrictParser(),
)
api.add_router("/match", match)
api.add_router("/models", registry)
api.add_router("/events", events)
api.add_router("/feedback", feedback)
api.add_router("/people", people)
api.add_router("/sessions", sessions)
api.add_router("/outcomes", outcomes)


@api.exception_handler(Denied)
def say_denied(request: HttpRequest, error: Denied) -> HttpResponse:
    """Answer who may not ask, or not now."""
    return problem(error.status, error.detail, remedy=error.remedy, headers=error.headers)


@api.exception_handler(ValidationError)
def say_faults(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Answer a body that is not what was expected (422), and name what is wrong where."""
    faults = [
        {"at": _place(fault["loc"]), "said": _said(fault["msg"])}
        for fault in error.errors[:SHOWN_FAULTS]
    ]
    count = len(error.errors)
    return problem(
        422,
        f"{count:,} {'part' if count == 1 else 'parts'} of the request cannot be used; nothing "
        "was done.",
        remedy="Correct what is named and send it again. /api/v1/docs shows what is expected.",
        errors=faults,
    )


@api.exception_handler(HttpError)
def say_unread(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Answer what ninja itself refuses: a body that is no JSON."""
    return problem(
        error.status_code,
        "The body is no JSON that can be read; expected one object in UTF-8, without NaN.",
        remedy="/api/v1/docs shows what is expected.",
    )


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def say_away(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer while the database does not (503)."""
    logger.error("The database does not answer: %s", type(error).__name__)
    return problem(
        503,
        said_of_outage(error),
        remedy="Send the request again.",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


@api.exception_handler(Exception)
def say_broken(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer where it is our fault (500); what came is not repeated."""
    logger.exception("A request of the API failed")
    return problem(500, "Something went wrong here; it stands in the log of the server.")


def _place(location: Sequence[Any]) -> str:
    """Return where in the body something is wrong, as `pairs.3.left`."""
    parts = [str(part) for part in location if part not in ("body", "asked")]
    return one_line(".".join(parts))[:SHOWN_LENGTH] or "the body"


def _said(message: str) -> str:
    return one_line(message.removeprefix("Value error, "))[:SHOWN_LENGTH]
