"""What the last hour was answered, beside what training saw."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict

import numpy as np
import numpy.typing as npt

from matching.domain.features.names import COLUMN
from matching.domain.features.told import TITLES
from project.bulk import read_arrow
from project.measure.intervals import json_number
from serving.domain.watching import WATCHED_BELOW, expected_missing
from serving.models import Alarm, WatchState
from serving.queries.live import LiveFields
from serving.queries.training_facts import TrainingFacts, facts_of
from serving.queries.visits import Visits, visits_between
from training.kinds import DEFAULT_KIND
from training.queries.models import champion_of
from training.queries.scoring import NO_CHAMPION

HOUR: Final = timedelta(hours=1)
MOST_ROWS: Final = 500_000  # of the log; the newest of them
BINS: Final = 20  # of a histogram, as training keeps it
MOST_REASONS: Final = 3


class InputFields(TypedDict):
    """How often an input is missing: in the visits of the hour, in training, and at most while
    nothing is wrong; None where it is not known or not watched."""

    name: str
    title: str
    missing_share: float | None
    training_share: float
    expected_share: float | None


class AlarmFields(TypedDict):
    """An alarm as commands report it."""

    id: int
    kind: str
    subject: str
    title: str
    text: str
    remedy: str
    opened_at: datetime
    closed_at: datetime | None
    numbers: dict[str, Any]


class Spread(TypedDict):
    """How scores spread, and the most common one to three decimals; None where there is none."""

    lowest: float | None
    highest: float | None
    standard_deviation: float | None
    most_common: float | None
    most_common_share: float | None


class Monitored(Spread):
    """What the last hour was answered.

    `pairs` is how many were scored, from the rows that were written and their shares; the other
    figures count each row as often as it stands for.
    """

    since: datetime
    until: datetime
    rows: int
    pairs: int
    visits: int
    model_version: int | None
    fallback_share: float | None
    why: dict[str, int]
    inputs: list[InputFields]
    histogram: list[float]
    training_histogram: list[int]


class Looked(Monitored):
    """The last hour, the figures of the newest models, and what became of alarms."""

    live: list[LiveFields]
    opened: list[str]
    closed: list[str]
    alarms: list[AlarmFields]
    every_seconds: int | None


def monitor_hour(until: datetime) -> Monitored:
    """Return what was answered in the hour before a moment, beside what training saw."""
    since = until - HOUR
    table = read_arrow(
        "SELECT score, share FROM serving_scoredpair WHERE at > %s AND at <= %s "
        "ORDER BY id DESC LIMIT %s",
        [since, until, MOST_ROWS],
    )
    score = table.column("score").to_numpy().astype(np.float64)
    weight = 1.0 / table.column("share").to_numpy().astype(np.float64)
    known = np.isfinite(score)
    visits = visits_between(since, until, MOST_ROWS)
    champion = champion_of(DEFAULT_KIND)
    facts = None if champion is None else facts_of(champion)
    fell_back = [
        why for why, version in zip(visits.why_rules, visits.version, strict=True)
        if not version and why != NO_CHAMPION
    ]  # fmt: skip
    bins, _ = np.histogram(score[known], BINS, (0.0, 1.0), weights=weight[known])
    return {
        "since": since,
        "until": until,
        "rows": len(score),
        "pairs": round(float(weight.sum())),
        "visits": len(visits),
        "model_version": None if facts is None else facts.version,
        **_spread(score[known], weight[known]),
        "fallback_share": len(fell_back) / len(visits) if len(visits) else None,
        "why": dict(Counter(fell_back).most_common(MOST_REASONS)),
        "inputs": [] if facts is None else _inputs(facts, visits),
        "histogram": [float(count) for count in bins],
        "training_histogram": [] if facts is None else list(facts.histogram),
    }


def last_look() -> datetime | None:
    """Return when the watch last read the log; None where it never did."""
    return WatchState.objects.values_list("looked_at", flat=True).first()


def open_alarms() -> list[AlarmFields]:
    """Return the alarms that are open, the newest first."""
    return [describe_alarm(alarm) for alarm in Alarm.objects.open()]


def describe_alarm(alarm: Alarm) -> AlarmFields:
    """Return an alarm in values that JSON can say."""
    return {
        "id": alarm.pk,
        "kind": alarm.kind,
        "subject": alarm.subject,
        "title": str(alarm),
        "text": alarm.text,
        "remedy": alarm.remedy,
        "opened_at": alarm.opened_at,
        "closed_at": alarm.closed_at,
        "numbers": alarm.numbers,
    }


def _spread(score: npt.NDArray[np.float64], weight: npt.NDArray[np.float64]) -> Spread:
    if not len(score):
        return {
            "lowest": None,
            "highest": None,
            "standard_deviation": None,
            "most_common": None,
            "most_common_share": None,
        }
    mean = float(np.average(score, weights=weight))
    deviation = float(np.sqrt(np.average((score - mean) ** 2, weights=weight)))
    counts = np.bincount(np.rint(score * 1_000).astype(np.int64), weight)
    most = int(counts.argmax())
    return {
        "lowest": json_number(float(score.min())),
        "highest": json_number(float(score.max())),
        "standard_deviation": json_number(deviation),
        "most_common": json_number(most / 1_000),
        "most_common_share": json_number(float(counts[most] / weight.sum())),
    }


def _inputs(facts: TrainingFacts, visits: Visits) -> list[InputFields]:
    told: list[InputFields] = []
    for name, share in facts.missing.items():
        column = COLUMN[name]
        of_model = visits.version == facts.version
        seen = visits.missing[visits.applies[:, column] & of_model, column]
        expected = expected_missing(share)
        told.append(
            {
                "name": name,
                "title": TITLES[name],
                "missing_share": float(seen.mean()) if len(seen) else None,
                "training_share": share,
                "expected_share": expected if expected < WATCHED_BELOW else None,
            }
        )
    return sorted(told, key=lambda one: -(one["missing_share"] or 0.0))
