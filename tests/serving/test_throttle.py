"""Requests are counted for all processes together, and the count is not asked for each of them."""

import pytest

from serving.domain.limits import Pace
from serving.queries.keys import KnownKey
from serving.services import throttle

pytestmark = pytest.mark.usefixtures("valkey")


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """Forget what was taken before; note how often Valkey is asked."""
    for name in ("_taken", "_due"):
        monkeypatch.setattr(throttle, name, {})
    monkeypatch.setattr(throttle, "_away_until", 0.0)
    calls, script = [], throttle._script()

    def ask(**given):
        calls.append(given)
        return script(**given)

    monkeypatch.setattr(throttle, "_script", lambda: ask)
    return calls


def key(per_minute, pk=1):
    return KnownKey(pk, "shop", frozenset(), Pace.per_minute(per_minute), None)


def let_through(key, most):
    """How many come through at once before one has to wait."""
    for count in range(most):
        if throttle.seconds_to_wait(key):
            return count
    return most


def test_a_burst_comes_through_whole_and_is_counted_by_the_tenth(asked):
    shop = key(60 * 200)  # 200 at once
    assert let_through(shop, 200) == 200
    assert 10 <= len(asked) < 60


def test_processes_share_one_count(monkeypatch):
    slow = key(60)  # 10 at once, then one a second: what follows comes within it
    assert slow.pace.taken_at_once == 1
    assert let_through(slow, 6) == 6
    monkeypatch.setattr(throttle, "_taken", {})  # another process
    assert 4 <= let_through(slow, 20) <= 6
    fast = key(60 * 50, pk=2)  # 50 at once, 5 taken by each
    assert let_through(fast, 3) == 3
    monkeypatch.setattr(throttle, "_taken", {})
    assert let_through(fast, 1_000) < 1_000
    assert throttle.seconds_to_wait(fast) <= fast.pace.interval


def test_what_is_not_given_in_time_is_forfeited(monkeypatch, asked):
    shop = key(60 * 200)
    assert throttle.seconds_to_wait(shop) == 0
    assert throttle.seconds_to_wait(shop) == 0
    assert len(asked) == 1
    monkeypatch.setattr(throttle, "GIVEN_SECONDS", -1.0)
    throttle._taken.clear()
    assert throttle.seconds_to_wait(shop) == 0
    assert throttle.seconds_to_wait(shop) == 0
    assert len(asked) == 3
