"""Pages that say no: what was wrong, in words and in the admin's look, with a way back."""

import logging
import sys
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.messages import get_messages
from django.core.exceptions import (
    DisallowedHost,
    FieldDoesNotExist,
    SuspiciousOperation,
    ValidationError,
)
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from project.machine import RETRY_SECONDS, said_of_file, said_of_outage
from project.outside import one_line
from project.problems import is_of_a_program, problem
from project.storage.failures import ArtifactUnwritable, StoreAway, StoreRefused
from project.storage.installation import FolderDisagrees

logger = logging.getLogger(__name__)

TITLES = {
    400: "This cannot be asked",
    403: "You may not open this",
    404: "There is nothing here",
    413: "This is too much for a page",
    431: "Your browser sent too much beside it",
    500: "Something went wrong here",
    503: "What this needs is away",
}
LARGEST_HEADERS = 64 * 1024  # bytes; browsers send as much where cookies went wrong
TOO_MANY_HEADERS = (
    "The headers of the request are too long, mostly because of cookies. Remove the cookies of "
    "this address, and sign in again."
)
SAID_LENGTH = 300  # characters of what an error says; an address may be long
# Where Django's models say of a value that it is none of theirs.
CONVERSIONS = frozenset({"get_prep_value", "get_db_prep_value", "to_python"})


def limit_requests(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer what is larger than a page takes before any of it is read: a body with 413, headers
    with 431."""

    def middleware(request: HttpRequest) -> HttpResponse:
        headers = (value for name, value in request.META.items() if name.startswith("HTTP_"))
        if sum(map(len, headers)) > LARGEST_HEADERS:
            return _page(request, 431, TOO_MANY_HEADERS)
        said = request.META.get("CONTENT_LENGTH") or "0"
        size = int(said) if said.isdecimal() and len(said) < 20 else 0
        # The API has a limit of its own, and says so to whom it knows.
        if size <= settings.MAX_PAGE_UPLOAD_BYTES or is_of_a_program(request):
            return get_response(request)
        return _page(request, 413, too_much(size))

    return middleware


def too_much(size: int) -> str:
    """Say that so many bytes are more than a page takes, and what to do."""
    return (
        f"Expected at most {_mebibytes(settings.MAX_PAGE_UPLOAD_BYTES)} through a page, got "
        f"{_mebibytes(size)}. "
        "Choose a smaller file; on the machine of Seedbed a command imports a file of any "
        "size: manage.py import_events, import_feedback, seed_users --file."
    )


def _mebibytes(count: int) -> str:
    return f"{-(-count // 1024**2)} MiB"


class Poison:
    """Answers values that nothing here can hold with 400 in words, wherever they come to light.

    A NUL in an address or its parameters is refused before any page sees it. A number beyond its
    column, a word where a key is expected: what a form does not check, the database or Django's
    fields refuse while a record is looked up, and that is a fault of the question, not of the page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        parameters = (text for pair in request.GET.lists() for text in (pair[0], *pair[1]))
        if "\0" in request.path_info or any("\0" in text for text in parameters):
            return bad_request(request, SuspiciousOperation("It holds a NUL character."))
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Turn the refusal of a value, and a store that is away, into an answer; leave every other
        error alone."""
        if isinstance(error, StoreAway | StoreRefused | FolderDisagrees):
            logger.error("%s: %s", request.path, error)
            answer = _page(request, 503, str(error))
            answer["Retry-After"] = str(RETRY_SECONDS)
            return answer
        if not is_refused_value(error):
            return None
        # With its traceback: a page of ours that asks the database amiss must be found.
        logger.warning("A value of %s was refused", request.path, exc_info=error)
        return bad_request(
            request, SuspiciousOperation("It names a value that nothing here can have.")
        )


def is_refused_value(error: Exception) -> bool:
    """Whether an error says that a value does not fit its column."""
    if isinstance(error, DataError | ValidationError):
        return True
    if not isinstance(error, ValueError | TypeError | OverflowError | FieldDoesNotExist):
        return False
    last: TracebackType | None = error.__traceback__
    before = last
    while last is not None and last.tb_next is not None:
        before, last = last, last.tb_next
    if last is None or before is None:
        return False
    if isinstance(error, FieldDoesNotExist):  # the field that _to_field names
        return _place_of(before) == ("django.contrib.admin.options", "get_object")
    module, function = _place_of(last)
    if (module, function) == ("django.contrib.admin.views.main", "get_filters"):  # a year or day
        return True
    if function.startswith("year_lookup_bounds"):  # a year beyond those that there are
        return True
    return module.startswith("django.db.models.") and function in CONVERSIONS


def _place_of(step: TracebackType) -> tuple[str, str]:
    frame = step.tb_frame
    return str(frame.f_globals.get("__name__", "")), frame.f_code.co_name


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that a request cannot be answered as it was asked (400)."""
    return _page(request, 400, _said(exception) or "The request is not one that this page knows.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that this person may not (403)."""
    user = getattr(request, "user", None)
    who = f"You are signed in as {user}. " if user is not None and user.is_authenticated else ""
    told = _said(exception) or "Your account lacks the permission for this page or this button."
    return _page(request, 403, f"{who}{told} Somebody who manages accounts can give it to you.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that there is no such page or record (404)."""
    told = _said(exception) if isinstance(exception, Http404) else ""
    if isinstance(exception, Resolver404) or not told:
        told = "No page has this address. Perhaps what it showed was removed."
    return _page(request, 404, told)


def server_error(request: HttpRequest) -> HttpResponse:
    """Say that it is our fault (500), or what else does not do its part (503); asks neither the
    database nor the session."""
    error = sys.exc_info()[1]
    away = said_of_outage(error) or said_of_file(error)
    if isinstance(error, ArtifactUnwritable):
        away = str(error)
    if away:
        return _come_again(request, away)
    told = "It has been written to the log of the server. What you sent was not kept."
    if is_of_a_program(request):
        return problem(500, told)
    return HttpResponse(bare_page(500, told, _ways_back(request)), status=500)


def _come_again(request: HttpRequest, why: str) -> HttpResponse:
    headers = {"Retry-After": str(RETRY_SECONDS)}
    if is_of_a_program(request):
        return problem(503, why, remedy="Send the request again.", headers=headers)
    is_read = request.method in ("GET", "HEAD")
    told = f"{why} " + (
        "Try again in a moment."
        if is_read
        else "Look at what you wanted to change before you do it again: a part may have happened."
    )
    told += " If it stays so, tell whoever runs Seedbed: the log of the web server says more."
    again = [(request.get_full_path(), "Try again")] if is_read else []
    page = bare_page(503, told, [*again, *_ways_back(request)])
    return HttpResponse(page, status=503, headers=headers)


def bare_page(status: int, said: str, ways: list[tuple[str, str]] | None = None) -> str:
    """Return a page that says no to somebody of whom nothing is known."""
    return render_to_string("components/error.html", _bare_context(status, said, ways))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that a form did not come from one of our own pages (403)."""
    told = (
        "The form did not carry the mark of this page: it was open while somebody signed in or "
        "out, or it came from elsewhere. Nothing was changed. Go back, load the page again and "
        "send it once more."
    )
    return _page(request, 403, f"{told} ({reason})" if reason else told)


def _said(exception: Exception) -> str:
    text = next((each for each in exception.args if isinstance(each, str)), "")
    text = one_line(text)
    return text if len(text) <= SAID_LENGTH else f"{text[:SAID_LENGTH]} ..."


def _page(request: HttpRequest, status: int, said: str) -> HttpResponse:
    if is_of_a_program(request):
        return problem(status, said)
    context = _bare_context(status, said, _ways_back(request))
    # Before the session is known only the bare look.
    is_known = hasattr(request, "user")
    if is_known:
        context = {**admin.site.each_context(request), **context}
    html = render_to_string("components/error.html", context, request if is_known else None)
    if is_known:
        list(get_messages(request))  # shown here, and not a second time
    return HttpResponse(html, status=status)


def _bare_context(
    status: int, said: str, ways: list[tuple[str, str]] | None = None
) -> dict[str, Any]:
    return {
        "site_header": "Seedbed",
        "site_title": "Seedbed",
        "title": TITLES[status],
        "status": status,
        "status_words": HTTPStatus(status).phrase,
        "said": said,
        "ways": ways or [_home()],
        "is_popup": False,
    }


def _ways_back(request: HttpRequest) -> list[tuple[str, str]]:
    """Return where one can go from here: the page before, the list that this was of, the front."""
    ways = []
    before = request.META.get("HTTP_REFERER", "")
    try:
        is_ours = url_has_allowed_host_and_scheme(before, {request.get_host()}, request.is_secure())
    except DisallowedHost:
        is_ours = False
    if is_ours:
        ways.append((before, "The page before"))
    parts = [part for part in request.path_info.split("/") if part]
    for count in range(len(parts) - 1, 0, -1):
        address = f"/{'/'.join(parts[:count])}/"
        try:
            name = resolve(address).url_name or ""
        except Resolver404:
            continue
        if name.endswith("_changelist"):
            ways.append((address, "The list"))
            break
    return [*ways, _home()]


def _home() -> tuple[str, str]:
    return reverse("admin:index"), "Home"
