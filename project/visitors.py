"""Who asks for a page, and where the request comes from."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import ip_address

from django.http import HttpRequest

_visitor: ContextVar[HttpRequest | None] = ContextVar("visitor", default=None)


def client_address(request: HttpRequest) -> str | None:
    """Return the visitor's IP address, as the web server saw it; None when it has none.

    No header is believed here. Behind a proxy the web server puts the visitor's address into
    REMOTE_ADDR, if the header comes from the trusted proxy: see `serve` and deploy/README.md.
    """
    try:
        return str(ip_address(request.META.get("REMOTE_ADDR", "").partition("%")[0]))
    except ValueError:  # a unix socket between the server and its proxy
        return None


@contextmanager
def answering(request: HttpRequest) -> Iterator[None]:
    """Let what is done inside be known as done for this request."""
    token = _visitor.set(request)
    try:
        yield
    finally:
        _visitor.reset(token)


def visitor() -> HttpRequest | None:
    """Return the request that is being answered, None in a command or job."""
    return _visitor.get()
