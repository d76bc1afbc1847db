"""Reads on in the score log, and opens and closes the alarms that it gives reason for."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from django.db import transaction

from matching.domain.features.names import COLUMN
from matching.domain.features.told import TITLES
from project import words
from serving.domain.watching import (
    EXPECTED_FALLBACKS,
    WATCHED_BELOW,
    Evidence,
    LastScores,
    advance,
    alarm_level,
    expected_missing,
    expected_repeats,
    find_repeats,
)
from serving.models import Alarm, WatchedStream, WatchState
from serving.queries.training_facts import coincidence_in_training, facts_of
from serving.queries.visits import Visits, visits_after, visits_between
from serving.services.alarms import close_alarm, open_alarm
from training.kinds import DEFAULT_KIND
from training.models import ModelVersion
from training.queries.models import champion_of
from training.queries.scoring import NO_CHAMPION, Serving, current_serving

BoolArray = npt.NDArray[np.bool_]

MOST_ROWS: Final = 20_000  # of the log that are read in one transaction
HOUR: Final = timedelta(hours=1)
ENOUGH_VISITS: Final = 50  # of the last hour, or else of those since the alarm, that tell its end
MOST_READ_AGAIN: Final = 500_000  # rows of the log in which these are looked for

REPEATED: Final = "repeated"
FALLBACK: Final = "fallback"
MISSING: Final = "missing:"

HELD: Final = "The rules answer, but where a process holds the version that it had loaded before."
REMEDIES: Final = {
    Alarm.Kind.CHAMPION: "See `manage.py status`: it names the file and what to do. Bring it back, "
    "train again, or return with `manage.py models rollback --reason REASON`.",
    Alarm.Kind.FALLBACK: "Read why the rules answered in `manage.py monitor_scores`. Ready "
    "features have to be of the set of the live model; for people see `manage.py status`.",
    Alarm.Kind.MISSING: "See what there is of somebody with `manage.py debug_features USER`, and "
    "why the application or an import no longer brings it. Scores without it say less.",
    Alarm.Kind.REPEATED: "Look at `manage.py monitor_scores`: where everybody lacks the same "
    "inputs, mend these; else return with `manage.py models rollback --reason REASON`.",
}


@dataclass
class Watched:
    """What a look came to: rows of the log and visits that were read, alarms by their words."""

    visits: int = 0
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    is_behind: bool = False


def watch(*, at: datetime) -> Watched:
    """Read the next rows of the log once and for all, and judge what they tell.

    Position, evidence and alarms change in one transaction: what is interrupted is done again, and
    nothing counts twice.

    Parameters
    ----------
    at : now; what the last hour is counted from.
    """
    serving, champion = current_serving(), champion_of(DEFAULT_KIND)
    watched = Watched()
    with transaction.atomic():
        state, _ = WatchState.objects.select_for_update().get_or_create(pk=1)
        _watch_champion(watched, champion, serving, at)
        streams = _streams(watched, champion, serving, at)
        visits, state.last_pair, watched.is_behind = visits_after(state.last_pair, MOST_ROWS)
        watched.visits = len(visits)
        last = LastScores(state.last_person, state.last_score, state.other_score)
        observed, last = _observe(visits, streams, last)
        state.last_person, state.last_score, state.other_score = last.person, last.score, last.other
        level, log = alarm_level(len(streams)), _Log(at)
        alarms = {_name_of(alarm): alarm for alarm in Alarm.objects.open()}
        for name, stream in streams.items():
            if name in alarms:
                _end(watched, alarms[name], stream, log, at)
            elif len(observed[name]):
                _judge(watched, stream, observed[name], level, log, at)
        state.looked_at = at
        state.save()
    return watched


def _watch_champion(
    watched: Watched, champion: ModelVersion | None, serving: Serving, at: datetime
) -> None:
    kind = Alarm.Kind.CHAMPION
    is_broken = champion is not None and serving.model is None
    if is_broken and champion is not None:
        alarm = open_alarm(
            kind,
            "",
            text=f"{serving.why_broken} {HELD}" if serving.why_broken else serving.warning,
            remedy=REMEDIES[kind],
            at=at,
            version=champion.version,
        )
        if alarm is not None:
            watched.opened.append(str(alarm))
    elif (found := Alarm.objects.open().filter(kind=kind).first()) is not None:
        _close(watched, found, at, serves=serving.model_version)


def _streams(
    watched: Watched, champion: ModelVersion | None, serving: Serving, at: datetime
) -> dict[str, WatchedStream]:
    """Return what is watched now; another model begins anew, and ends alarms about the other."""
    known = {stream.name: stream for stream in WatchedStream.objects.all()}
    version = None if champion is None else champion.version
    if known and (champion is None or serving.model is None):
        return known  # while none serves, nothing tells what another one would be held to
    if known and known[REPEATED].model_version == version:
        return known
    expected = {FALLBACK: EXPECTED_FALLBACKS, REPEATED: expected_repeats(0.0)}
    held_to = None
    if champion is not None and serving.model is not None:
        held_to = champion.version
        repeats = coincidence_in_training(champion, serving.model)
        expected[REPEATED] = expected_repeats(repeats)
        for name, share in facts_of(champion).missing.items():
            expected[f"{MISSING}{name}"] = expected_missing(share)
    WatchedStream.objects.exclude(name=FALLBACK).delete()
    for alarm in Alarm.objects.open().filter(kind__in=("missing", "repeated")):
        _close(watched, alarm, at, replaced_by=version)
    for name, share in expected.items():
        if share < WATCHED_BELOW and (name != FALLBACK or name not in known):
            WatchedStream.objects.create(
                name=name,
                expected_share=share,
                model_version=held_to,
                began_at=at,
            )
    return {stream.name: stream for stream in WatchedStream.objects.all()}


def _observe(
    visits: Visits, streams: dict[str, WatchedStream], last: LastScores
) -> tuple[dict[str, BoolArray], LastScores]:
    """Return what was seen of each stream, visit by visit."""
    found, known, last = find_repeats(visits.people, visits.score.tolist(), last)
    observed: dict[str, BoolArray] = {}
    for name, stream in streams.items():
        if name == FALLBACK:
            observed[name] = _fell_back(visits)
        elif name == REPEATED:
            observed[name] = found[known]
        else:
            column = COLUMN[name.removeprefix(MISSING)]
            of_model = visits.version == (stream.model_version or 0)
            observed[name] = visits.missing[visits.applies[:, column] & of_model, column]
    return observed, last


def _fell_back(visits: Visits) -> BoolArray:
    """Which visits the rules answered instead of a model; where none was ever live, they do not."""
    why = np.array(visits.why_rules, dtype=object)
    return np.asarray((visits.version == 0) & (why != NO_CHAMPION), dtype=np.bool_)


def _judge(
    watched: Watched,
    stream: WatchedStream,
    observed: BoolArray,
    level: float,
    log: "_Log",
    at: datetime,
) -> None:
    expected = stream.expected_share
    before = Evidence.none(expected)
    if stream.visits:
        before = Evidence(stream.visits, np.array(stream.log_wealth, dtype=np.float64))
    after, told = advance(before, observed, expected)
    stream.visits, stream.log_wealth = after.visits, after.log_wealth.tolist()
    if (told >= level).any():
        alarm = _open(stream, log, at)
        if alarm is not None:
            watched.opened.append(str(alarm))
        _begin_anew(stream, at)
    stream.save()


def _open(stream: WatchedStream, log: "_Log", at: datetime) -> Alarm | None:
    visits = log.visits(at - HOUR)
    seen = _seen(stream, visits)[-ENOUGH_VISITS:]
    share = float(seen.mean()) if len(seen) else None
    kind, subject = _kind_of(stream.name)
    said = f"{words.share(share)} of the last {words.counted(len(seen), 'visit')}"
    usual = words.share(stream.expected_share)
    numbers: dict[str, Any] = {
        "share": share,
        "visits": len(seen),
        "expected": stream.expected_share,
    }
    if kind == Alarm.Kind.MISSING:
        text = f"{TITLES[subject]} is missing in {said}; at most {usual} would be as in training."
    elif kind == Alarm.Kind.REPEATED:
        text = f"{said} got the score that somebody else had just got; at most {usual} would do."
    else:
        told = Counter(why for why in visits.why_rules if why and why != NO_CHAMPION)
        numbers["why"] = dict(told.most_common(3))
        text = f"The rules answered {said}; at most {usual} would do. {' '.join([*told][:1])}"
    return open_alarm(kind, subject, text=text.strip(), remedy=REMEDIES[kind], at=at, **numbers)


def _end(watched: Watched, alarm: Alarm, stream: WatchedStream, log: "_Log", at: datetime) -> None:
    """Close an alarm once the share is back: of the visits of the last hour, or, where these are
    few, of the last ones since it opened."""
    since = max(at - HOUR, alarm.opened_at)
    seen = _seen(stream, log.visits(since))
    if len(seen) < ENOUGH_VISITS and since > alarm.opened_at:
        seen = _seen(stream, log.visits(alarm.opened_at))[-ENOUGH_VISITS:]
    if len(seen) < ENOUGH_VISITS or float(seen.mean()) > stream.expected_share:
        return
    _close(watched, alarm, at, share_at_end=float(seen.mean()), visits_at_end=len(seen))
    _begin_anew(stream, at)
    stream.save()


@dataclass
class _Log:
    """The log up to now, each time read once."""

    until: datetime
    read: dict[datetime, Visits] = field(default_factory=dict)

    def visits(self, since: datetime) -> Visits:
        if since not in self.read:
            self.read[since] = visits_between(since, self.until, MOST_READ_AGAIN)
        return self.read[since]


def _seen(stream: WatchedStream, visits: Visits) -> BoolArray:
    return _observe(visits, {stream.name: stream}, LastScores())[0][stream.name]


def _begin_anew(stream: WatchedStream, at: datetime) -> None:
    none = Evidence.none(stream.expected_share)
    stream.visits, stream.log_wealth, stream.began_at = 0, none.log_wealth.tolist(), at


def _close(watched: Watched, alarm: Alarm, at: datetime, **numbers: float | int | None) -> None:
    if close_alarm(alarm, at=at, **numbers):
        watched.closed.append(str(alarm))


def _name_of(alarm: Alarm) -> str:
    return f"{MISSING}{alarm.subject}" if alarm.kind == Alarm.Kind.MISSING else alarm.kind


def _kind_of(name: str) -> tuple[Alarm.Kind, str]:
    if name.startswith(MISSING):
        return Alarm.Kind.MISSING, name.removeprefix(MISSING)
    return Alarm.Kind(name), ""
