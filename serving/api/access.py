"""Who may ask: a key that is known, whose time is not over, of the scope, and within its pace."""

from typing import Final

from django.http import HttpRequest
from ninja.security.http import HttpAuthBase

from project import words
from project.machine import RETRY_SECONDS
from serving.domain.limits import MAX_BODY_BYTES, whole_seconds
from serving.domain.tokens import read_bearer
from serving.models import Scope
from serving.queries.keys import KeysUnknown, KnownKey, ring
from serving.services.throttle import seconds_to_wait

CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="Seedbed"'}
WHERE_KEYS_ARE: Final = (
    "Somebody who manages keys makes one in the admin, or with `manage.py api_keys make`."
)


class Denied(Exception):
    """A request that is not answered: the status, why, what to do, and headers."""

    def __init__(
        self, status: int, detail: str, remedy: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.remedy = status, detail, remedy
        self.headers = headers or {}


class Key(HttpAuthBase):
    """Lets a request through whose key opens a scope."""

    openapi_scheme = "bearer"

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> KnownKey:
        """Return the key of a request; raises Denied."""
        key = _key_of(request)
        if self.scope not in key.scopes:
            raise Denied(
                403,
                f"The key {key.name} does not open the scope {self.scope.value}; it opens "
                f"{', '.join(sorted(key.scopes))}.",
                f"Ask with a key of that scope. {WHERE_KEYS_ARE}",
            )
        wait = seconds_to_wait(key)
        if wait:
            seconds = whole_seconds(wait)
            raise Denied(
                429,
                f"The key {key.name} sent more than its "
                f"{words.tally(round(60 / key.pace.interval), 'request')} a minute.",
                f"Send again in {seconds} s, several pairs in one request, or have its limit "
                "raised.",
                {"Retry-After": str(seconds)},
            )
        if _size_of(request) > MAX_BODY_BYTES:
            raise Denied(
                413,
                f"The body has {words.tally(_size_of(request), 'byte')}; at most "
                f"{MAX_BODY_BYTES:,} are read.",
                "Send fewer pairs in one request.",
            )
        return key


def _key_of(request: HttpRequest) -> KnownKey:
    given = request.META.get("HTTP_AUTHORIZATION", "")
    token = read_bearer(given)
    if token is None:
        raise Denied(
            401,
            "The request names no key; expected the header `Authorization: Bearer sb_...`.",
            WHERE_KEYS_ARE,
            CHALLENGE,
        )
    try:
        key = ring.find(token)
    except KeysUnknown as error:
        raise Denied(
            503,
            "The database does not answer, and no key was read before.",
            "Send the request again.",
            {"Retry-After": str(RETRY_SECONDS)},
        ) from error
    if key is None:
        raise Denied(401, "There is no such key, or it was revoked.", WHERE_KEYS_ARE, CHALLENGE)
    if key.is_expired:
        raise Denied(401, f"The time of the key {key.name} is over.", WHERE_KEYS_ARE, CHALLENGE)
    return key


def _size_of(request: HttpRequest) -> int:
    said = request.META.get("CONTENT_LENGTH") or "0"
    return int(said) if said.isdecimal() and len(said) < 20 else 0
