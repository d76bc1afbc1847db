"""Headers that every answer carries, and how long a session lives."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from project.acting import Actor, acting

# Everything comes from our own files: pages work offline, and injected markup can load nothing.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)

ACTIVE_KEY = "active_at"
ACTIVE_SECONDS = 60.0  # so often at most is it written that somebody is still there
LIVE_HEADER = "X-Seedbed-Live"  # of what a page asks for by itself; live.js sends it
NOBODY = Actor("nobody")  # is not signed in, and has no right


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
            now = timezone.now().timestamp()
            if now - request.session.get(ACTIVE_KEY, 0.0) >= ACTIVE_SECONDS:
                request.session[ACTIVE_KEY] = now
        return get_response(request)

    return middleware


def limit_uploads(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer 413 to what is larger than a page takes, before any of it is read."""

    def middleware(request: HttpRequest) -> HttpResponse:
        said = request.META.get("CONTENT_LENGTH") or "0"
        size = int(said) if said.isdecimal() and len(said) < 20 else 0
        if size <= settings.MAX_PAGE_UPLOAD_BYTES:
            return get_response(request)
        limit = settings.MAX_PAGE_UPLOAD_BYTES / 1024**2
        return HttpResponse(
            f"Expected at most {limit:.0f} MiB through a page, got {size / 1024**2:.0f} MiB. Go "
            "back and choose a smaller file; on the machine of Seedbed a command imports a file of "
            "any size: manage.py import_events, import_feedback, seed_users --file.\n",
            status=413,
            content_type="text/plain; charset=utf-8",
        )

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
