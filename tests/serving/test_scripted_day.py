"""A day of an application, by a clock of its own: it goes wrong at noon, and is told of it.

People are scored over HTTP and answer as a simulated probability says. At noon the static
attributes of everybody vanish, as they did once; two hours later they are back. Outcomes are told
late, and what is measured of them holds the simulated truth.
"""

import os
from datetime import UTC, date, datetime, timedelta

import numpy as np
import orjson
import pytest
from django.test import Client

from matching.models import SeedUser
from project.measure.auc import roc_auc
from serving.models import Alarm, ScoredPair
from serving.queries.live import live_figures
from serving.services.score_log import ScoreLog
from serving.services.watching import watch
from tests.factories import make_seed_user, make_session
from tests.training.batches import make_dataset, make_model
from training.services import registry

MORNING = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)
STATIC = ("age", "extraversion", "smoking", "drinking", "nationality", "religion")
NAMED = {"age_score", "personality_score", "lifestyle_score", "background_score"}
# `make test` has the short day alone.
IN_FULL = pytest.mark.skipif(
    "SEEDBED_CHAOS_KILLS" not in os.environ, reason="`make chaos` lives the day of 2,000 people."
)
VANISH_AT, BACK_AT = 4, 6  # hours after the morning
HOURS = 12


class Day:
    """An application and the watch, by one clock."""

    def __init__(self, token: str, log: ScoreLog, seed: int) -> None:
        self.at = MORNING
        self.log, self.rng = log, np.random.default_rng(seed)
        log.clock = lambda: self.at
        self.client = Client(headers={"Authorization": f"Bearer {token}"})
        self.shown: list[tuple[str, float]] = []

    def ask(self, path, body):
        answer = self.client.post(
            f"/api/v1/{path}", orjson.dumps(body), content_type="application/json"
        )
        assert answer.status_code == 200, answer.content
        return answer.json()

    def visit(self, left, others):
        """Score some partners for one person."""
        whom = self.rng.choice([name for name in others if name != left], 8, replace=False)
        pairs = [{"left": left, "right": str(right)} for right in whom]
        for one in self.ask("match/score", {"pairs": pairs})["scores"]:
            self.shown.append((one["response_id"], one["score"]))

    def hour(self, visitors, everybody):
        """Let so many people come, and look at the answers every ten minutes."""
        for part in np.array_split(np.asarray(visitors), 6):
            for left in part.tolist():
                self.visit(left, everybody)
                self.log.flush()
            self.at += timedelta(minutes=10)
            watch(at=self.at)


def set_static(is_there: bool, kept: dict[int, dict[str, object]]) -> None:
    """Take the static attributes of everybody away, or give them back."""
    for key, values in kept.items():
        SeedUser.objects.filter(pk=key).update(
            **(values if is_there else {"age": None, "extraversion": None}
               | dict.fromkeys(STATIC[2:], "") | {"personality": ""})
        )  # fmt: skip


def live_the_day(ask_with, monkeypatch, settings, *, people, an_hour, seed):
    settings.SCORE_LOG = True
    log = ScoreLog()
    monkeypatch.setattr(log, "begin", lambda: None)
    monkeypatch.setattr("serving.api.match.log", log)
    champion = make_model(make_dataset())
    registry.promote(champion)
    rng = np.random.default_rng(seed)
    users = [
        make_seed_user(
            f"person_{n}",
            age=int(rng.integers(20, 60)),
            extraversion=float(rng.random()),
            smoking=str(rng.choice(["no", "occasionally", "yes"])),
            drinking=str(rng.choice(["no", "occasionally", "yes"])),
        )
        for n in range(people)
    ]
    for user in users:
        start = date(2027, 5, 1) + timedelta(days=int(rng.integers(0, 20)))
        make_session(
            user,
            budget=float(rng.integers(400, 3_000)),
            destination_lat=38.7 + float(rng.normal(0, 0.4)),
            start_date=start,
            end_date=start + timedelta(days=int(rng.integers(4, 15))),
        )
    fields = (*STATIC, "personality")
    kept = {
        row["pk"]: {name: row[name] for name in fields}
        for row in SeedUser.objects.values("pk", *fields)
    }
    everybody = [user.external_id for user in users]
    day = Day(ask_with, log, seed)
    opened_at = closed_at = None
    for hour in range(HOURS):
        if hour in (VANISH_AT, BACK_AT):
            set_static(hour == BACK_AT, kept)
        visitors = [everybody[(hour * an_hour + n) % people] for n in range(an_hour)]
        day.hour(visitors, everybody)
        is_open = {alarm.subject for alarm in Alarm.objects.open()}
        if hour < VANISH_AT:
            assert not is_open, f"{is_open} at {day.at}"
        if hour == VANISH_AT:
            assert is_open >= NAMED
            opened_at = Alarm.objects.open().latest("opened_at").opened_at
        if not is_open and hour >= BACK_AT and closed_at is None:
            closed_at = Alarm.objects.latest("closed_at").closed_at
    noon = MORNING + timedelta(hours=VANISH_AT)
    assert opened_at is not None
    assert noon < opened_at <= noon + timedelta(hours=1)
    assert closed_at is not None
    assert closed_at > MORNING + timedelta(hours=BACK_AT)
    assert Alarm.objects.exclude(kind=Alarm.Kind.MISSING).count() == 0
    return day, champion


def answer_late(day):
    """Tell what came, as the score says and more so; return the truth over all that was shown."""
    scores = np.array([score for _, score in day.shown])
    centre = np.median(scores)
    chance = 1 / (1 + np.exp(-8 * (scores - centre)))
    taken = day.rng.random(len(scores)) < chance
    told = [
        {"response_id": name, "outcome": "accept" if yes else "ignore"}
        for (name, _), yes in zip(day.shown, taken, strict=True)
    ]
    for start in range(0, len(told), 1_000):
        counts = day.ask("outcomes", {"outcomes": told[start : start + 1_000]})
        assert counts["replaced"] == counts["known"] == 0
    # The ROC-AUC of endless answers by the same people: each pair both ways, by its chance.
    both = np.concatenate([scores, scores])
    label = np.concatenate([np.ones(len(scores)), np.zeros(len(scores))])
    return roc_auc(label, both, np.concatenate([chance, 1 - chance]))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("people", "an_hour"),
    [(240, 60), pytest.param(2_000, 170, marks=[pytest.mark.slow, pytest.mark.chaos, IN_FULL])],
    ids=["short", "2,000 people"],
)
def test_a_day_on_which_attributes_vanish_at_noon(
    make_token, valkey, monkeypatch, settings, people, an_hour
):
    day, champion = live_the_day(
        make_token(), monkeypatch, settings, people=people, an_hour=an_hour, seed=5
    )
    assert ScoredPair.objects.count() == len(day.shown) == HOURS * an_hour * 8
    truth = answer_late(day)
    live = live_figures(champion.version)
    assert live["rows"] == len(day.shown)
    auc = live["metrics"]["roc_auc"]
    assert auc["low"] <= truth <= auc["high"]
