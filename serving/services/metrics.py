"""What a Prometheus reads: counters that all processes add to, each in files of its own."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector


def _make_room(folder: Path) -> None:
    """Make the folder, and remove what processes left that are gone: their counters end."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in folder.glob("*_*.db"):
        number = file.stem.rpartition("_")[2]
        if number.isdecimal() and not Path(f"/proc/{number}").exists() and Path("/proc").exists():
            file.unlink(missing_ok=True)


_make_room(settings.METRICS_ROOT)
# Said here, and not in the environment of every process: django-rq has a counter of its own in each
# command, which would leave a file of each.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(settings.METRICS_ROOT)
values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]

LATENCY_SECONDS: Final = (
    *(0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)

requests = Counter(
    "seedbed_requests", "Requests that were answered.", ["route", "method", "status"]
)
latency = Histogram(
    "seedbed_request_seconds",
    "Seconds from the first middleware to the answer.",
    ["route"],
    buckets=LATENCY_SECONDS,
)
pairs_scored = Counter("seedbed_pairs_scored", "Pairs that were answered with a score.")
fallbacks = Counter("seedbed_fallbacks", "Of these, those that the rules answered.")
log_rows_written = Counter("seedbed_score_log_rows_written", "Rows of the score log.")
log_rows_lost = Counter(
    "seedbed_score_log_rows_lost", "Rows of the score log that no database took."
)

Gauge = Callable[[], float | None]
_gauges: dict[str, tuple[str, Gauge]] = {}


def add_gauge(name: str, says: str, read: Gauge) -> None:
    """Show a number that is read when somebody looks; None leaves it out."""
    _gauges[f"seedbed_{name}"] = (says, read)


class _Gauges(Collector):
    def collect(self) -> list[GaugeMetricFamily]:
        read = ((name, says, gauge()) for name, (says, gauge) in _gauges.items())
        return [
            GaugeMetricFamily(name, says, value=value)
            for name, says, value in read
            if value is not None
        ]


def exposition() -> bytes:
    """Return all of it in the text format of Prometheus."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(_Gauges())
    return generate_latest(registry)
