"""What the variants of an experiment change."""

import numpy as np
import pytest

from feedback.domain.comparisons import NOT_ENOUGH
from feedback.domain.experiments import control_variant, variant_effects
from feedback.domain.means import group_means


def _rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def _labels(**counts: int) -> np.ndarray:
    return np.repeat(np.array(list(counts), dtype=object), list(counts.values()))


def test_the_control_is_the_variant_called_so_or_the_first() -> None:
    assert control_variant(["a", "Control", "b"]) == "Control"
    assert control_variant(["short", "baseline"]) == "baseline"
    assert control_variant(["B", "A"]) == "A"


def test_an_effect_is_named_beyond_chance_and_says_how_many_rows_decide() -> None:
    rng = _rng()
    y = np.concatenate([rng.beta(6, 6, 300), rng.beta(8, 4, 300), rng.beta(6, 6, 300)])
    means = group_means(y, _labels(control=300, high=300, same=300))
    high, same = variant_effects(means, "control")
    assert (high.verdict, same.verdict) == ("better", NOT_ENOUGH)
    assert high.difference.low > 0.1
    assert high.difference.difference == pytest.approx(means.mean[1] - means.mean[0])
    assert same.rows_to_decide is not None
    assert same.rows_to_decide > 300 > (high.rows_to_decide or 0)


def test_the_rows_to_decide_decide_four_times_of_five() -> None:
    rng = _rng()
    pilot = np.concatenate([rng.beta(6, 6, 50_000), rng.beta(6.6, 5.4, 50_000)])
    rows = variant_effects(group_means(pilot, _labels(a=50_000, b=50_000)), "a")[0].rows_to_decide
    assert rows is not None
    decided = 0
    for _ in range(300):
        y = np.concatenate([rng.beta(6, 6, rows), rng.beta(6.6, 5.4, rows)])
        effect = variant_effects(group_means(y, _labels(a=rows, b=rows)), "a")[0]
        decided += effect.verdict == "better"
    assert 0.72 <= decided / 300 <= 0.88


def test_p_values_are_adjusted_over_the_variants_by_holm() -> None:
    rng = _rng()
    y = np.concatenate([rng.beta(6, 6, 60), rng.beta(7, 5, 60), rng.beta(6.5, 5.5, 60)])
    effects = variant_effects(group_means(y, _labels(a=60, b=60, c=60)), "a")
    p = sorted(effect.difference.p_value for effect in effects)
    adjusted = sorted(effect.difference.p_adjusted for effect in effects)
    assert adjusted == pytest.approx([2 * p[0], max(2 * p[0], p[1])])


def test_few_rows_give_no_verdict_however_large_the_effect() -> None:
    y = np.concatenate([np.zeros(19), np.ones(100)])
    effect = variant_effects(group_means(y, _labels(control=19, other=100)), "control")[0]
    assert effect.verdict == NOT_ENOUGH
    assert "Fewer than 20 rows of control" in effect.reason


def test_a_single_variant_has_no_effect() -> None:
    assert variant_effects(group_means([0.1, 0.2], _labels(only=2)), "only") == ()
