"""Answers to programs that say no: RFC 9457's problem details."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from django.http import HttpRequest, HttpResponse

API_PREFIX: Final = "/api/"
CONTENT_TYPE: Final = "application/problem+json"


def is_of_a_program(request: HttpRequest) -> bool:
    """Whether a request came to the API, where nobody reads pages."""
    return request.path_info.startswith(API_PREFIX)


def methods_in_words(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Say to programs which methods an address answers, where it does not answer theirs (405)."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED or not is_of_a_program(request):
            return response
        allowed = response.headers["Allow"]
        return problem(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"{request.method} is not answered here.",
            remedy=f"Send {allowed}.",
            headers={"Allow": allowed},
        )

    return middleware


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> HttpResponse:
    """Return an answer that says what was expected, what came and what to do.

    Parameters
    ----------
    status : of HTTP; its phrase is the title.
    detail : in words, for who wrote the program.
    more : further members, such as `remedy` and `errors`; those that are empty are left out.
    """
    body = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    body |= {name: value for name, value in more.items() if value}
    return HttpResponse(
        orjson.dumps(body), status=status, content_type=CONTENT_TYPE, headers=dict(headers or {})
    )
