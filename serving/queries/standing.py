"""What requests are answered from: the live model and everybody, held by each process and renewed
beside the requests."""

import gc
import logging
import threading
import time
from collections.abc import Mapping
from typing import Final

from django.conf import settings
from django.db import Error, close_old_connections, connections

from matching.queries.directory import DirectoryView
from serving.queries.keys import ring
from training.queries.indexed import Standing
from training.queries.scoring import Serving, current_serving, serving_stamp

logger = logging.getLogger(__name__)

RENEWED_SECONDS: Final = 0.5  # so long after a promotion another model may still answer
AWAY: Final = (
    "The database does not answer; the model and the people are as they were when it last did."
)
NO_SHARES: Final[Mapping[str, float]] = {}


class Holder:
    """Holds what answers, and renews it: in a thread of its own where a web server asks for one,
    else with the request that finds it old.

    Where the database does not answer, what was held goes on answering, and says so. A champion
    that cannot be loaded leaves the one that answered until then.
    """

    def __init__(self) -> None:
        self._held: Standing | None = None
        self._stamp: object = None
        self._view = DirectoryView()
        self._renewed_at = -RENEWED_SECONDS
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def now(self) -> Standing:
        """Return what answers now.

        Raises
        ------
        django.db.Error
            When nothing was held yet and the database does not answer.
        """
        if self._thread is None:
            is_due = time.monotonic() - self._renewed_at >= RENEWED_SECONDS
            if is_due and self._lock.acquire(blocking=self._held is None):
                try:
                    self.renew()
                finally:
                    self._lock.release()
            if settings.FOLLOWS_IN_BACKGROUND:
                self._follow()
        return self._held or self.renew()  # another request failed at it

    def renew(self) -> Standing:
        """Look at the live model and at everybody once more."""
        self._renewed_at = time.monotonic()
        held = self._held
        try:
            stamp = serving_stamp()
            if held is None or stamp != self._stamp:
                serving = _kept_on(held, current_serving())
                self._stamp = stamp
            else:
                serving = held.serving
        except Error as error:
            if held is None:
                raise
            logger.warning("What answers cannot be renewed: %s", type(error).__name__)
            self._held = Standing(held.serving, held.directory, AWAY)
            return self._held
        shares = NO_SHARES if serving.model is None else serving.model.shares
        self._held = Standing(serving, self._view.renew(shares))
        return self._held

    def _follow(self) -> None:
        with self._lock:
            if self._thread is None:
                ring.is_renewed_elsewhere = True
                self._thread = threading.Thread(target=self._renew_for_ever, daemon=True)
                self._thread.start()

    def _renew_for_ever(self) -> None:
        # What is loaded by now stays: to look through all of it for garbage takes .2 s each time.
        gc.collect()
        gc.freeze()
        while True:
            time.sleep(RENEWED_SECONDS)
            close_old_connections()
            try:
                ring.renew()
                self.renew()
            except Exception:
                logger.exception("What answers cannot be renewed")
                connections.close_all()


def _kept_on(held: Standing | None, found: Serving) -> Serving:
    """What answers when the champion is as it was found: where it is broken, the one before it."""
    if not found.why_broken or held is None or held.serving.model is None:
        return found
    version = held.serving.model.version
    return Serving(
        held.serving.model,
        held.serving.feature_set,
        f"{found.why_broken} Version {version}, which was loaded before, goes on answering.",
    )


holder: Final = Holder()
