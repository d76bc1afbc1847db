"""What one request may ask, and how many of them a key may send."""

import math
from dataclasses import dataclass
from typing import Final

MAX_PAIRS: Final = 1_000  # of one request
MAX_ROWS: Final = 1_000  # of feedback or events in one request
MAX_RANKED: Final = 100  # of one ranking
MAX_BODY_BYTES: Final = 4 * 1024 * 1024  # 1,000 pairs of inline profiles are about 1 MiB
MAX_REQUESTS_PER_MINUTE: Final = 1_000_000
DEFAULT_REQUESTS_PER_MINUTE: Final = 6_000
MAX_BURST: Final = 1_000  # requests that may come at once


@dataclass(frozen=True)
class Pace:
    """How fast requests may come, by the generic cell rate algorithm (ITU-T I.371).

    Each request is due one interval after the one before. One that comes earlier is let through
    while it is less than `burst` intervals ahead of its time.

    Attributes
    ----------
    interval : seconds between two requests at the limit.
    burst : requests that may come at once.
    """

    interval: float
    burst: int

    @property
    def taken_at_once(self) -> int:
        """Requests that a process takes from the common count at once, to give them by itself: a
        tenth of a burst, so that it counts once and not ten times."""
        return max(1, self.burst // 10)

    @classmethod
    def per_minute(cls, requests: int) -> "Pace":
        """Allow so many requests in a minute, and a second's worth of them, or ten, at once."""
        return cls(60 / requests, min(max(requests // 60, min(requests, 10)), MAX_BURST))

    def next_due(self, due: float, now: float) -> tuple[float, float]:
        """Let a request through, or not.

        Parameters
        ----------
        due : when the next request is due, in seconds of the same clock as `now`.

        Returns
        -------
        when the one after it is due, and the seconds to wait; 0 where this one is let through. Who
        has to wait leaves `due` as it is.
        """
        at = max(due, now)
        wait = at - now - (self.burst - 1) * self.interval
        return (due, wait) if wait > 1e-9 else (at + self.interval, 0.0)


def whole_seconds(wait: float) -> int:
    """Return seconds to wait as a Retry-After header says them."""
    return max(1, math.ceil(wait))
