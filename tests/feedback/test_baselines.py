"""Shrunken means, against closed forms and known truths."""

import numpy as np
import pytest
from scipy import stats

from feedback.domain.baselines import fit_baseline


def _rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def _labels(**counts: int) -> np.ndarray:
    return np.repeat(np.array(list(counts), dtype=object), list(counts.values()))


def test_balanced_levels_shrink_as_the_closed_form_says() -> None:
    rng, groups, rows = _rng(), 8, 25
    labels = np.repeat([f"m{n}" for n in range(groups)], rows).astype(object)
    y = np.clip(
        0.5 + np.repeat(0.1 * rng.normal(size=groups), rows) + 0.1 * rng.normal(size=200), 0, 1
    )
    fitted = fit_baseline(y, {"model": labels})
    assert fitted is not None
    means = y.reshape(groups, rows).mean(axis=1)
    within = y.reshape(groups, rows).var(axis=1, ddof=1).mean()
    between = means.var(ddof=1) - within / rows
    assert fitted.residual == pytest.approx(within, rel=1e-3)
    assert fitted.variance["model"] == pytest.approx(between, rel=1e-2)
    share = between / (between + within / rows)
    for number, mean in enumerate(means):
        shrunken = fitted.predict(model=f"m{number}")
        assert shrunken.value == pytest.approx(y.mean() + share * (mean - y.mean()), abs=1e-4)
        assert shrunken.low < shrunken.value < shrunken.high


def test_a_level_of_few_rows_is_pulled_further_to_the_grand_mean() -> None:
    rng = _rng()
    labels = _labels(**{f"m{n}": 60 for n in range(6)}, few=3)
    y = np.clip(0.5 + 0.1 * rng.normal(size=363), 0, 1)
    y[labels == "m0"] += 0.2
    y[labels == "few"] = y[labels == "m0"].mean()
    fitted = fit_baseline(y, {"model": labels})
    assert fitted is not None
    many, few = fitted.predict(model="m0"), fitted.predict(model="few")
    assert fitted.grand_mean < few.value < many.value < 0.72
    assert few.high - few.low > many.high - many.low
    assert few.confidence < many.confidence


def test_an_unseen_level_gets_the_grand_mean_with_the_variance_between_levels() -> None:
    rng, groups = _rng(), 10
    labels = np.repeat([f"m{n}" for n in range(groups)], 40).astype(object)
    y = np.clip(
        0.5 + np.repeat(0.08 * rng.normal(size=groups), 40) + 0.1 * rng.normal(size=400), 0, 1
    )
    fitted = fit_baseline(y, {"model": labels})
    assert fitted is not None
    unseen = fitted.predict(model="new")
    assert unseen.value == pytest.approx(fitted.grand_mean)
    assert unseen.unseen == ("model",)
    assert unseen.confidence < 0.05
    variance = fitted.variance["model"] + fitted.covariance[0, 0]
    assert unseen.high - unseen.value == pytest.approx(stats.t.ppf(0.975, 9) * variance**0.5)


def test_intervals_of_levels_and_of_unseen_levels_hold_the_truth() -> None:
    rng, held, held_unseen = _rng(), [], []
    for _ in range(60):
        truth = np.clip(0.5 + 0.08 * rng.normal(size=12), 0.1, 0.9)
        labels = np.repeat([f"m{n}" for n in range(11)], 15).astype(object)
        y = np.clip(np.repeat(truth[:11], 15) + 0.12 * rng.normal(size=165), 0, 1)
        fitted = fit_baseline(y, {"model": labels})
        assert fitted is not None
        for number in range(12):
            expected = fitted.predict(model=f"m{number}")
            into = held if number < 11 else held_unseen
            into.append(expected.low <= truth[number] <= expected.high)
    assert 0.92 <= np.mean(held) <= 0.99
    assert np.mean(held_unseen) >= 0.87


def test_effects_of_two_factors_are_told_apart() -> None:
    rng = _rng()
    provider = rng.choice(np.array(["p", "q", "r"], dtype=object), 3_000)
    action = rng.choice(np.array(["x", "y", "z"], dtype=object), 3_000)
    effect = {"p": 0.1, "q": 0.0, "r": -0.1, "x": 0.05, "y": 0.0, "z": -0.05}
    y = 0.5 + np.array([effect[a] + effect[b] for a, b in zip(provider, action, strict=True)])
    y = np.clip(y + 0.1 * rng.normal(size=3_000), 0, 1)
    fitted = fit_baseline(y, {"provider": provider, "action_type": action})
    assert fitted is not None
    assert fitted.predict(provider="p", action_type="z").value == pytest.approx(0.55, abs=0.02)
    rows = fitted.predict_rows({"provider": ["p", "new", "r"], "action_type": ["z", None, "x"]})
    assert rows[0] == pytest.approx(fitted.predict(provider="p", action_type="z").value)
    assert rows[1] == pytest.approx(fitted.grand_mean)


def test_the_interval_of_an_unseen_level_of_a_single_one_is_unknown() -> None:
    y = np.clip(0.5 + 0.1 * _rng().normal(size=50), 0, 1)
    fitted = fit_baseline(y, {"provider": _labels(only=50)})
    assert fitted is not None
    assert fitted.predict(provider="only").value == pytest.approx(y.mean(), abs=1e-6)
    assert np.isnan(fitted.predict(provider="other").low)


@pytest.mark.parametrize("y", [[], [0.5], [0.5, 0.5, 0.5], [np.nan, np.nan]])
def test_nothing_to_learn_gives_no_baseline(y: list[float]) -> None:
    assert fit_baseline(y, {"model": ["a"] * len(y)}) is None


def test_missing_values_are_counted_by_the_baseline() -> None:
    y = [0.1, np.nan, 0.5, 0.9, 0.7]
    fitted = fit_baseline(y, {"model": ["a", "a", "b", None, ""]})
    assert fitted is not None
    assert (fitted.rows, fitted.missing) == (4, 1)
    assert fitted.levels["model"] == ("a", "b")
