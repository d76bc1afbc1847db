"""The server that the pages are asked from: counts queries, keeps nothing, breaks on request."""

from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse

BROKEN = "/admin/broken/"  # raises, to show the page of an error
KEPT = ("/admin/login/",)  # what may write: the count of failed sign-ins is a part of the page
# Queries of the last answer to a method and an address, by the statement.
asked: dict[tuple[str, str], list[str]] = {}
downloads: set[str] = set()  # addresses whose last answer was a file, which no browser shows


def measured(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Count the queries of each request, those of other middleware too, and undo each POST."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path == BROKEN:
            asked[str(request.method), request.get_full_path()] = []
            raise RuntimeError("Asked to break.")
        queries: list[str] = []

        def note(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
            queries.append(str(sql))
            return execute(sql, params, many, context)

        with connection.execute_wrapper(note):
            if request.method == "POST" and request.path not in KEPT:
                with transaction.atomic():
                    response = get_response(request)
                    transaction.set_rollback(True)
            else:
                response = get_response(request)
        if response.get("Content-Disposition", "").startswith("attachment"):
            downloads.add(request.get_full_path())
        asked[str(request.method), request.get_full_path()] = [
            sql for sql in queries if not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK"))
        ]
        return response

    return middleware
