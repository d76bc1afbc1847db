"""Headers that every answer carries, and how long a session lives."""

from collections.abc import Callable

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse

from project import clock
from project.acting import NOBODY, Actor, acting

# Everything comes from our own files: pages work offline, and injected markup can load nothing.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)

ACTIVE_KEY = "active_at"
ACTIVE_SECONDS = 60.0  # so often at most is it written that somebody is still there
LIVE_HEADER = "X-Seedbed-Live"  # of what a page asks for by itself; live.js sends it


def content_security_policy(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Let pages use nothing but this application's own files."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response

    return middleware


def idle_sessions(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Let a session end SESSION_COOKIE_AGE after the last act of a person.

    What is written gets its time from Django. A page that renews itself is no act: left open, it
    would keep its reader signed in for ever.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if LIVE_HEADER not in request.headers and SESSION_KEY in request.session:
            now = clock.now().timestamp()
            if now - request.session.get(ACTIVE_KEY, 0.0) >= ACTIVE_SECONDS:
                request.session[ACTIVE_KEY] = now
        return get_response(request)

    return middleware


def name_actor(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Let what a request writes be written as whoever is signed in."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated:
            with acting(NOBODY):
                return get_response(request)
        with acting(Actor.of(request.user)):
            return get_response(request)

    return middleware
