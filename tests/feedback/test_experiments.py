"""What the variants of an experiment change."""

import numpy as np
import pytest

from feedback.domain.comparisons import NOT_ENOUGH
from feedback.domain.experiments import (
    UnusablePlan,
    check_planned,
    control_variant,
    variant_effects,
)


def _rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def _labels(**counts: int) -> np.ndarray:
    return np.repeat(np.array(list(counts), dtype=object), list(counts.values()))


def test_the_control_is_the_variant_called_so_or_the_first() -> None:
    assert control_variant(["a", "Control", "b"]) == "Control"
    assert control_variant(["short", "baseline"]) == "baseline"
    assert control_variant(["B", "A"]) == "A"


def test_an_effect_is_named_beyond_chance_and_says_how_many_sessions_decide() -> None:
    rng = _rng()
    y = np.concatenate([rng.beta(6, 6, 300), rng.beta(8, 4, 300), rng.beta(6, 6, 300)])
    high, same = variant_effects(y, _labels(control=300, high=300, same=300), None, "control")
    assert (high.verdict, same.verdict) == ("better", NOT_ENOUGH)
    assert high.difference.low > 0.05
    assert high.difference.difference == pytest.approx(y[300:600].mean() - y[:300].mean())
    assert (high.sessions, high.control_sessions) == (300, 300)
    assert same.sessions_to_decide is not None
    assert same.sessions_to_decide > 300 > (high.sessions_to_decide or 0)


def test_ten_rows_of_a_session_are_one_opinion() -> None:
    rng = _rng()
    session = np.repeat(np.arange(60), 10)
    labels = np.where(session % 2 == 0, "control", "new")
    y = np.clip(0.5 + 0.15 * rng.normal(size=60)[session] + 0.01 * rng.normal(size=600), 0, 1)
    once = session != np.roll(session, 1)
    (rows,) = variant_effects(y, labels, session, "control")
    (sessions,) = variant_effects(y[once], labels[once], None, "control")
    assert (rows.sessions, rows.control_sessions) == (30, 30)
    width = rows.difference.high - rows.difference.low
    assert width == pytest.approx(sessions.difference.high - sessions.difference.low, rel=0.05)


@pytest.mark.parametrize(("sessions", "is_decided"), [(14, False), (15, True)])
def test_a_verdict_needs_fifteen_sessions_of_each_arm(sessions: int, is_decided: bool) -> None:
    rng = _rng()
    y = np.concatenate([rng.uniform(0.0, 0.1, 10 * sessions), rng.uniform(0.9, 1.0, 500)])
    cluster = np.concatenate([np.repeat(np.arange(sessions), 10), np.arange(100, 600)])
    (found,) = variant_effects(y, _labels(control=10 * sessions, new=500), cluster, "control")
    assert found.verdict == ("better" if is_decided else NOT_ENOUGH)
    assert np.isfinite(found.difference.low) == is_decided
    assert np.isfinite(found.difference.p_adjusted) == is_decided
    assert (found.sessions_to_decide is not None) == is_decided
    if not is_decided:
        assert found.reason == "A verdict needs 15 sessions of each; control has 14."


@pytest.mark.parametrize(("sessions", "is_shown"), [(59, False), (60, True)])
def test_the_interval_of_one_look_stands_beside_from_sixty_sessions_on_and_is_narrower(
    sessions: int, is_shown: bool
) -> None:
    y = _rng().random(2 * sessions)
    (found,) = variant_effects(y, _labels(a=sessions, b=sessions), None, "a")
    assert np.isfinite(found.one_look_low) == is_shown
    if is_shown:
        width = found.one_look_high - found.one_look_low
        assert width < 0.7 * (found.difference.high - found.difference.low)


def test_what_one_look_would_find_is_no_verdict() -> None:
    rng = _rng(2)
    y = np.concatenate([rng.normal(0.5, 0.1, 100), rng.normal(0.54, 0.1, 100)])
    (found,) = variant_effects(y, _labels(a=100, b=100), None, "a")
    assert found.one_look_low > 0
    assert found.verdict == NOT_ENOUGH
    assert found.difference.low < 0 < found.difference.high


def test_p_values_are_adjusted_over_all_variants_those_with_few_sessions_too() -> None:
    rng = _rng()
    y = np.concatenate(
        [rng.beta(6, 6, 60), rng.beta(8, 4, 60), rng.beta(7.5, 4.5, 60), rng.random(5)]
    )
    effects = variant_effects(y, _labels(a=60, b=60, c=60, d=5), None, "a")
    p = sorted(effect.difference.p_value for effect in effects[:2])
    adjusted = sorted(effect.difference.p_adjusted for effect in effects[:2])
    assert adjusted == pytest.approx([min(1, 3 * p[0]), min(1, max(3 * p[0], 2 * p[1]))])
    assert np.isnan(effects[2].difference.p_adjusted)


def test_without_its_first_rows_an_experiment_has_no_verdict() -> None:
    y = np.concatenate([_rng().uniform(0.0, 0.1, 100), _rng().uniform(0.9, 1.0, 100)])
    labels = _labels(a=100, b=100)
    assert variant_effects(y, labels, None, "a")[0].verdict == "better"
    (cut,) = variant_effects(y, labels, None, "a", is_whole=False)
    assert cut.verdict == NOT_ENOUGH
    assert "Ask for all time" in cut.reason
    assert np.isnan(cut.difference.low)
    assert np.isfinite(cut.one_look_low)


def test_the_plan_says_where_verdicts_come_most_easily() -> None:
    y, labels = _rng().random(80), _labels(a=40, b=40)
    width = {}
    for planned in (40, 200, 5_000):
        difference = variant_effects(y, labels, None, "a", planned=planned)[0].difference
        width[planned] = difference.high - difference.low
    assert width[40] < width[200] < width[5_000]


@pytest.mark.parametrize("sessions", [-1, 0, 14, 100_001])
def test_a_plan_that_nobody_can_mean_is_refused(sessions: int) -> None:
    with pytest.raises(UnusablePlan, match="Expected 15 to 100,000"):
        check_planned(sessions)


def test_a_single_variant_has_no_effect() -> None:
    assert variant_effects([0.1, 0.2], _labels(only=2), None, "only") == ()
