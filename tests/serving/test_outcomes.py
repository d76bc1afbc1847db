"""What came of answers: told once each by response id, or found among imported events."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone

from matching.domain.words import MatchType, Outcome
from matching.models import EventBatch, MatchEvent
from project.origin import Origin
from serving.api.schemas import OutcomesAnswer
from serving.models import ScoredPair, WatchState
from serving.queries.live import SHOWN_ONLY, live_figures, live_versions
from serving.services.outcomes import match_events
from tests.factories import make_admin
from tests.matching.commands import run_command, show_command
from tests.serving.logged import log_pairs
from tests.training.batches import make_dataset, make_model

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def told(response_id, outcome="accept", **more):
    return {"response_id": response_id, "outcome": outcome, **more}


def test_an_outcome_is_taken_once_and_another_one_takes_its_place(ask):
    answer = log_pairs(["a", "b"], [NOON] * 2, [0.2, 0.8])
    first, second = f"{answer}.0", f"{answer}.1"

    def send(*outcomes):
        sent = ask("outcomes", {"outcomes": list(outcomes)})
        assert sent.status_code == 200, sent.content
        return OutcomesAnswer.model_validate(sent.json())

    took = send(told(first), told(second, "ignore", at="2026-11-28T14:00:00+01:00"))
    assert (took.new, took.outcomes) == (2, ["new", "new"])
    took = send(told(first), told(second, "chat"), told(f"{answer}.2"), told("anything"))
    assert took.outcomes == ["known", "replaced", "unknown", "unknown"]
    assert (took.new, took.known, took.replaced, took.unknown) == (0, 1, 1, 2)
    took = send(told(first, "chat"), told(first, "chat"), told(first, "unmatch"))
    assert took.outcomes == ["replaced", "known", "replaced"]
    rows = {row.place: row for row in ScoredPair.objects.all()}
    assert [rows[0].outcome, rows[1].outcome] == [Outcome.UNMATCH.code, Outcome.CHAT.code]
    assert [rows[0].outcome_changes, rows[1].outcome_changes] == [2, 1]
    assert {row.told_by for row in rows.values()} == {ScoredPair.ToldBy.API}


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (told("x" * 31), "at most 30"),
        (told("x", "like"), "accept"),
        (told("x", at="2026-11-28T14:00:00"), "timezone"),
        (told("x", at="2126-11-28T14:00:00Z"), "not to come"),
        (told("x", at="1926-11-28T14:00:00Z"), "since 2000"),
        ({"response_id": "x"}, "required"),
        (told("x", left="ana"), "not permitted"),
    ],
)
def test_what_is_no_outcome_is_named(ask, outcome, said):
    answer = ask("outcomes", {"outcomes": [outcome]})
    assert answer.status_code == 422
    assert said in answer.json()["errors"][0]["said"]


def test_one_to_a_thousand_are_told_with_a_key_that_may(ask, make_token, client):
    assert ask("outcomes", {"outcomes": []}).status_code == 422
    assert ask("outcomes", {"outcomes": [told("x")] * 1_001}).status_code == 422
    assert ask("outcomes", {"outcomes": [told("x")] * 1_000}).json()["unknown"] == 1_000
    token = make_token("score", "rank", "read")
    refused = client.post(
        "/api/v1/outcomes",
        {"outcomes": [told("x")]},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert refused.status_code == 403


# --- Events ---------------------------------------------------------------------------------------


def imported(*events, state=EventBatch.State.COMPLETE, method=EventBatch.Method.IMPORTED):
    """A batch with events (user, target or group, moment, outcome)."""
    batch = EventBatch.objects.create(
        uid="00000000-0000-0000-0000-000000000001",
        method=method,
        origin=Origin.REAL.code,
        state=state,
        feature_set="smooth-1",
    )
    for row, (user, whom, at, outcome, *group) in enumerate(events):
        MatchEvent.objects.create(
            id=batch.first_event_id + row,
            match_type=(MatchType.USER_GROUP if group else MatchType.USER_USER).code,
            origin=Origin.REAL.code,
            outcome=outcome.code,
            label=bool(outcome.label),
            occurred_at=at,
            external={"userId": user, "groupId" if group else "targetId": whom},
        )
    return batch


def outcomes_now():
    rows = ScoredPair.objects.order_by("pk").values_list("outcome", "told_by")
    return [outcome for outcome, _ in rows], {by for _, by in rows if by}


def test_an_imported_event_is_what_came_of_the_last_time_its_pair_was_scored(ask):
    hour = timedelta(hours=1)
    log_pairs(
        ["a", "a", "a", "b", "c", "d"],
        [NOON - hour, NOON, NOON + 2 * hour, NOON, NOON - 15 * 24 * hour, NOON],
        [0.5] * 6,
        right=["x", "x", "x", "g", "x", "x"],
    )
    imported(
        ("a", "x", NOON + hour, Outcome.ACCEPT),
        ("a", "x", NOON + 1.5 * hour, Outcome.CHAT),
        ("b", "g", NOON + hour, Outcome.IGNORE, "group"),
        ("c", "x", NOON, Outcome.ACCEPT),  # too long after
        ("d", "y", NOON + hour, Outcome.ACCEPT),  # of another pair
    )
    assert match_events() == 2
    chat, ignore = Outcome.CHAT.code, Outcome.IGNORE.code
    assert outcomes_now() == ([None, chat, None, ignore, None, None], {ScoredPair.ToldBy.EVENT})
    assert match_events() == 0
    last = ScoredPair.objects.order_by("pk")[5]
    assert ask("outcomes", {"outcomes": [told(str(last))]}).json()["new"] == 1
    imported(("d", "x", NOON + hour, Outcome.IGNORE))
    assert match_events() == 0  # what the application told stays


def test_only_whole_imports_are_looked_through_each_of_them_once():
    log_pairs(["a"], [NOON], [0.5], right=["x"])
    event = ("a", "x", NOON + timedelta(hours=1), Outcome.ACCEPT)
    building = imported(event, state=EventBatch.State.BUILDING)
    imported(event, method=EventBatch.Method.GENERATED)
    assert match_events() == 0
    building.state = EventBatch.State.COMPLETE
    building.save()
    assert match_events() == 1
    assert WatchState.objects.get().batches == {str(building.pk): [building.asked, building.made]}


def test_a_batch_that_takes_more_is_looked_through_as_it_grows(ask):
    now = timezone.now().replace(microsecond=0)
    log_pairs(["a", "b"], [now - timedelta(hours=5)] * 2, [0.5] * 2, right=["x", "x"])

    def send(number, left, hours, outcome):
        moment = int((now - timedelta(hours=hours)).timestamp() * 1000)
        event = {
            "eventId": f"e{number}", "userId": left, "targetId": "x", "outcome": outcome,
            "matchType": "user_user", "timestamp": moment, "features": {"ageScore": 0.5},
            "label": int(outcome in ("accept", "chat")),
        }  # fmt: skip
        answer = ask("events", {"rows": [event]})
        assert answer.status_code == 200, answer.content
        assert answer.json()["new"] == 1

    send(1, "a", 4, "accept")
    assert match_events() == 1
    send(2, "b", 4, "accept")
    assert match_events() == 1
    send(3, "a", 3, "unmatch")  # what happened last counts, in whichever request it came
    send(4, "a", 3.5, "chat")
    assert match_events() == 1
    assert outcomes_now()[0] == [Outcome.UNMATCH.code, Outcome.ACCEPT.code]
    assert EventBatch.objects.count() == 1
    assert match_events() == 0


# --- How answers turned out -----------------------------------------------------------------------


def turned_out(count=400, *, version=1, people=80, seed=1):
    """Log pairs whose outcomes follow the score, and less so the rule score."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(0.1, 0.9, count)
    rule = np.clip(score + 0.3 * rng.normal(size=count), 0, 1)
    outcome = np.where(rng.random(count) < score, Outcome.ACCEPT.code, Outcome.IGNORE.code)
    log_pairs(
        [f"left {n}" for n in rng.integers(0, people, count)],
        [timezone.now() - timedelta(minutes=5)] * count,
        score,
        rule_score=rule,
        right=[f"right {n}" for n in rng.integers(0, people, count)],
        version=version,
        outcome=outcome,
        outcome_at=[timezone.now()] * count,
        told_by=np.full(count, 1),
    )


def test_what_came_gives_figures_with_intervals_and_the_lift_over_the_rules():
    turned_out()
    turned_out(10, version=2)
    log_pairs(["nobody"], [NOON], [0.5])  # of which nothing is known
    assert live_versions() == [2, 1]
    live = live_figures(1)
    auc = live["metrics"]["roc_auc"]
    assert auc["low"] < auc["value"] < auc["high"]
    assert 0.65 < auc["value"] < 0.85
    assert live["lift"]["difference"] > 0
    assert live["lift"]["low"] < live["lift"]["difference"] < live["lift"]["high"]
    assert live["metrics"]["ece"]["value"] < 0.15
    assert sum(one["rows"] for one in live["calibration"]) == live["rows"] == 400
    assert live["caveat"] == SHOWN_ONLY
    assert "10 outcomes are known" in live_figures(2)["too_little"]
    assert live_figures(3)["rows"] == 0


def test_one_kind_of_outcome_is_too_little():
    turned_out()
    ScoredPair.objects.update(outcome=Outcome.ACCEPT.code)
    assert "alike" in live_figures(1)["too_little"]


def test_command_and_page_of_the_model_tell_it(client, valkey):
    model = make_model(make_dataset())
    client.force_login(make_admin())
    page = reverse("admin:training_modelversion_change", args=[model.pk])
    assert "turned out" not in client.get(page).content.decode()
    turned_out(version=model.version)
    _, result = run_command("monitor_scores")
    assert [live["model_version"] for live in result["live"]] == [model.version]
    said = show_command("monitor_scores")
    assert "ROC-AUC" in said
    assert "Over pairs that were shown" in said.replace("\n", " ")
    shown = client.get(page).content.decode()
    assert "How its answers turned out" in shown
    assert SHOWN_ONLY in shown
