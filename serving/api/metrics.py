"""What a Prometheus reads of this server, and the middleware that counts for it."""

import logging
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from matching.queries.directory import directory_age
from project.problems import problem
from project.visitors import client_address
from serving.api.access import Denied, Key
from serving.models import Alarm, Scope
from serving.services.metrics import add_gauge, exposition, latency, requests

logger = logging.getLogger(__name__)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
FORWARDED: Final = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")
COUNTED: Final = ("api/v1/", "healthz", "readyz", "metrics")
PAGES: Final = "pages"  # all of the admin together


def count_requests(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Count each request by its route, method and status, and how long it took."""

    def middleware(request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = get_response(request)
        route = _route_of(request)
        requests.labels(route, _method_of(request), str(response.status_code)).inc()
        latency.labels(route).observe(time.perf_counter() - began)
        return response

    return middleware


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Give the counters of all processes: to this very machine, and to a key of the scope read."""
    if not _is_of_this_machine(request):
        try:
            Key(Scope.READ)(request)
        except Denied as denied:
            return problem(denied.status, str(denied), remedy=denied.remedy, headers=denied.headers)
    return HttpResponse(
        exposition(), content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"}
    )


def _route_of(request: HttpRequest) -> str:
    match = request.resolver_match
    if match is None:  # no address of ours, or refused before it was looked up
        return "none"
    return match.route if match.route.startswith(COUNTED) else PAGES


def _method_of(request: HttpRequest) -> str:
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return request.method if request.method in known else "other"


def _is_of_this_machine(request: HttpRequest) -> bool:
    """Whether who asks sits on this machine, and is no proxy that asks for somebody else."""
    if any(request.META.get(name) for name in FORWARDED):
        return False
    address = client_address(request)
    return address is not None and ip_address(address).is_loopback


def _alarms_open() -> float | None:
    try:
        return float(Alarm.objects.open().count())
    except Error as error:
        logger.warning("Alarms cannot be counted: %s", type(error).__name__)
        return None


add_gauge(
    "index_age_seconds",
    "Seconds since the directory of travellers was compared with the database.",
    directory_age,
)
add_gauge("alarms_open", "Alarms that are open.", _alarms_open)
