"""Two addresses for balancers, without a key: whether the process lives, and can answer."""

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from serving.queries.readiness import is_ready


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this process lives; asks nothing and nobody."""
    return _told(200, {"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether scores can be answered (200) or not (503), and what there is to say of each
    part."""
    ready, told = is_ready()
    return _told(200 if ready else 503, {"status": "ok" if ready else "not ready", **told})


def _told(status: int, body: dict[str, str]) -> HttpResponse:
    headers = {"Cache-Control": "no-store"}
    return HttpResponse(
        orjson.dumps(body), status=status, content_type="application/json", headers=headers
    )
