"""Keeps what was scored: taken from a request at once, written later, and never waited for.

Each process has one thread that writes what came, once a second. What it cannot write is counted
and gone: an application is not kept waiting for a database that somebody may look at later.
"""

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db import Error, close_old_connections, connection, transaction

from matching.domain.words import MatchType, revision_of
from matching.models import TravelGroup
from project import clock
from project.bulk import copy_rows
from serving.domain.inputs import mask_of, to_bytes
from serving.domain.responses import make_answer, response_id
from serving.models import WHY_LENGTH, ScoredPair
from serving.services.metrics import fallbacks, log_rows_lost, log_rows_written, pairs_scored
from training.queries.scoring import Scores

logger = logging.getLogger(__name__)

Named = tuple[str, str]

ROWS_PER_SECOND: Final = 100  # of each process; beyond it a share is kept, and written beside
MOST_WAITING: Final = 50_000  # pairs; what comes beyond only counts in the share
PAUSE_SECONDS: Final = 1.0  # between two writes
LONGEST_SECONDS: Final = 10.0  # whose rows one write may hold, after a server was away
END_SECONDS: Final = 2.0  # that the end of a process waits for its last write
WRITE_LOCK: Final = 0x5EED106  # any number that nothing else locks


@dataclass(frozen=True)
class Answered:
    """What one answer holds: n scored pairs, and the place of each in the answer."""

    answer: str
    at: datetime
    key: int | None
    pairs: Sequence[Named] | None
    places: Sequence[int]
    scores: Scores
    match_type: str | None


class ScoreLog:
    """The log of one process.

    Attributes
    ----------
    written, lost : rows since the process began; lost are those of a batch that no database took.
    """

    _queue: deque[Answered]
    _waiting: int
    _beyond: int
    _thread: threading.Thread | None
    _pid: int

    def __init__(self, clock: Callable[[], datetime] = clock.now) -> None:
        self.written = self.lost = 0
        self.clock = clock
        self._rng = np.random.default_rng()
        self._forget()

    def remember(
        self,
        key: int | None,
        scores: Scores,
        rows: Sequence[Any],
        *,
        pairs: Sequence[Named] | None = None,
        match_type: str | None = None,
    ) -> None:
        """Give each scored row of an answer its response id, and offer them to the log.

        Parameters
        ----------
        key : of the application.
        scores : of the rows that have one, in their order.
        rows : of the answer; each that has a score gets its `response_id`.
        pairs : the names of those that have a score; None where nobody is named.
        match_type : of all of them; None where the names tell.
        """
        answer = make_answer()
        places = [place for place, row in enumerate(rows) if "served_by" in row]
        for place in places:
            rows[place]["response_id"] = response_id(answer, place)
        pairs_scored.inc(len(places))
        if scores.serving.model is None:
            fallbacks.inc(len(places))
        if settings.SCORE_LOG:
            self.offer(Answered(answer, self.clock(), key, pairs, places, scores, match_type))

    def offer(self, answered: Answered) -> None:
        """Take an answer; returns at once, whatever becomes of it."""
        count = len(answered.places)
        if not count:
            return
        self.begin()
        with self._lock:
            if self._waiting + count > MOST_WAITING:
                self._beyond += count
            else:
                self._waiting += count
                self._queue.append(answered)

    def begin(self) -> None:
        """See that a thread writes: after the first answer, a fork, and whatever ended one."""
        if self._pid != os.getpid():  # what the parent has taken, the parent writes
            self._forget()
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            self._thread = threading.Thread(target=self._write_on, name="score log", daemon=True)
            self._thread.start()
        atexit.unregister(self.end)
        atexit.register(self.end)

    def end(self) -> None:
        """Write what is left, for a moment at most."""
        self._ending.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(END_SECONDS)

    def flush(self, seconds: float = PAUSE_SECONDS) -> int:
        """Write what came in so many seconds; return the number of rows.

        Raises nothing of the database: what it does not take is counted as lost.
        """
        with self._lock:
            taken, self._queue = self._queue, deque()
            waiting, beyond = self._waiting, self._beyond
            self._waiting = self._beyond = 0
        if not waiting:
            return 0
        most = int(ROWS_PER_SECOND * min(max(seconds, PAUSE_SECONDS), LONGEST_SECONDS))
        chosen = np.arange(waiting)
        if waiting + beyond > most:
            drawn = self._rng.choice(waiting, size=min(most, waiting), replace=False)
            chosen = np.sort(drawn)
        try:
            write_rows(list(taken), chosen, len(chosen) / (waiting + beyond))
        except Error as error:
            self.lost += len(chosen)
            log_rows_lost.inc(len(chosen))
            logger.warning(
                "%s scored pairs were not written: %s", f"{len(chosen):,}", type(error).__name__
            )
            if not connection.in_atomic_block:
                connection.close()
            return 0
        self.written += len(chosen)
        log_rows_written.inc(len(chosen))
        return len(chosen)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._queue = deque()
        self._waiting = self._beyond = 0
        self._ending = threading.Event()
        self._thread = None
        self._pid = os.getpid()

    def _write_on(self) -> None:
        last = self.clock()
        is_over = False
        while not is_over:
            is_over = self._ending.wait(PAUSE_SECONDS)
            close_old_connections()
            now = self.clock()
            self.flush((now - last).total_seconds())
            last = now
        connection.close()


def write_rows(answers: Sequence[Answered], chosen: npt.NDArray[np.int64], share: float) -> None:
    """Write the chosen pairs of answers, counted through; all of them, or none.

    Parameters
    ----------
    chosen : places of pairs, ascending, where those of all answers are counted from 0.
    share : of all pairs that these stand for.
    """
    ends = np.cumsum([len(answered.places) for answered in answers])
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for at in chosen.tolist():
        number = int(np.searchsorted(ends, at, side="right"))
        answered = answers[number]
        row = at - int(ends[number]) + len(answered.places)
        for name, value in _row(answered, row).items():
            columns[name].append(value)
    columns["share"] = [share] * len(chosen)
    _fill_match_types(columns)
    with transaction.atomic():
        with connection.cursor() as cursor:
            # One after the other, in all processes: ids are in the order of commits.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WRITE_LOCK])
        copy_rows(connection, ScoredPair._meta.db_table, columns)


_COLUMNS: Final = (
    *("answer", "place", "at", "key_id", "left_id", "right_id", "match_type", "score"),
    *("rule_score", "model_version", "why_rules", "feature_set", "feature_revision"),
    *("missing", "features", "share", "outcome_changes"),
)


def _row(answered: Answered, row: int) -> dict[str, Any]:
    scores = answered.scores
    left, right = ("", "") if answered.pairs is None else answered.pairs[row]
    serving = scores.serving
    return {
        "answer": answered.answer,
        "place": answered.places[row],
        "at": answered.at,
        "key_id": answered.key,
        "left_id": left,
        "right_id": right,
        "match_type": None if answered.match_type is None else MatchType(answered.match_type).code,
        "score": float(scores.score[row]),
        "rule_score": float(scores.rule_score[row]),
        "model_version": serving.model_version,
        "why_rules": serving.warning[:WHY_LENGTH] if serving.model is None else "",
        "feature_set": serving.feature_set,
        "feature_revision": revision_of(serving.feature_set),
        "missing": mask_of(scores.missing[row]),
        "features": to_bytes(np.asarray(scores.features)[row]),
        "outcome_changes": 0,
    }


def _fill_match_types(columns: dict[str, list[Any]]) -> None:
    """Tell users from groups by their names, where nobody said which they are."""
    codes = columns["match_type"]
    named = {right for right, code in zip(columns["right_id"], codes, strict=True) if code is None}
    if not named:
        return
    known = TravelGroup.objects.filter(external_id__in=named)
    groups = set(known.values_list("external_id", flat=True))
    columns["match_type"] = [
        code
        if code is not None
        else (MatchType.USER_GROUP if right in groups else MatchType.USER_USER).code
        for right, code in zip(columns["right_id"], codes, strict=True)
    ]


log: Final = ScoreLog()
