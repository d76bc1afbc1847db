"""Means, comparisons, baselines and calibration, against closed forms, brute force and known truths."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from feedback.domain.baselines import fit_baseline
from feedback.domain.calibration import calibration
from feedback.domain.comparisons import NOT_ENOUGH, best_group
from feedback.domain.csat import UnusableEdges, check_edges, range_labels, trend
from feedback.domain.experiments import control_variant, variant_effects
from feedback.domain.means import group_means


def _rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def _labels(**counts: int) -> np.ndarray:
    return np.repeat(np.array(list(counts), dtype=object), list(counts.values()))


# --- Means ---------------------------------------------------------------------------------------


def test_group_means_are_those_of_pandas_in_any_order() -> None:
    rng = _rng()
    y = rng.random(500)
    labels = rng.choice(np.array(["a", "b", "c"], dtype=object), 500)
    y[::17] = np.nan
    means = group_means(y, labels)
    expected = pd.Series(y).groupby(labels)
    assert means.labels == ("a", "b", "c")
    np.testing.assert_allclose(means.mean, expected.mean())
    np.testing.assert_array_equal(means.count, expected.count())
    np.testing.assert_array_equal(means.missing, expected.size() - expected.count())
    shuffled = rng.permutation(500)
    again = group_means(y[shuffled], labels[shuffled])
    np.testing.assert_allclose(again.low, means.low)


def test_many_votes_of_zero_and_one_get_the_interval_of_wilson() -> None:
    votes = np.repeat([1.0, 0.0], [600, 400])
    means = group_means(votes)
    wilson = stats.binomtest(600, 1000).proportion_ci(method="wilson")
    assert means.low[0] == pytest.approx(wilson.low, abs=5e-4)
    assert means.high[0] == pytest.approx(wilson.high, abs=5e-4)


def test_many_spread_values_get_the_interval_of_student() -> None:
    y = _rng().beta(7, 5, 2_000)
    means = group_means(y)
    student = stats.t.interval(0.95, len(y) - 1, y.mean(), stats.sem(y))
    np.testing.assert_allclose([means.low[0], means.high[0]], student, atol=3e-4)


def test_equal_ratings_do_not_prove_that_the_next_one_is_equal() -> None:
    alone = group_means(np.ones(3))
    assert alone.low[0] < 0.6
    assert alone.high[0] == 1.0
    beside_others = group_means(
        np.concatenate([np.ones(3), _rng().integers(0, 2, 200)]), _labels(same=3, mixed=200)
    )
    assert beside_others.low[1] < 0.65


@pytest.mark.parametrize("size", [10, 30, 100])
@pytest.mark.parametrize(
    ("draw", "truth"),
    [
        pytest.param(lambda rng, n: rng.beta(7.2, 4.8, n), 0.6, id="spread"),
        pytest.param(lambda rng, n: rng.binomial(1, 0.6, n), 0.6, id="votes"),
        pytest.param(lambda rng, n: rng.binomial(1, 0.95, n), 0.95, id="rare"),
        pytest.param(lambda rng, n: rng.choice([0, 0.5, 1], n, p=[0.2, 0.3, 0.5]), 0.65, id="ties"),
    ],
)
def test_intervals_hold_the_truth_about_19_times_of_20(draw, truth: float, size: int) -> None:
    rng, held = _rng(), []
    for _ in range(200):
        means = group_means(draw(rng, 4 * size), _labels(a=size, b=size, c=size, d=size))
        held.extend((means.low <= truth) & (truth <= means.high))
    assert 0.925 <= np.mean(held) <= 1.0


def test_rows_of_one_session_do_not_count_as_opinions_of_their_own() -> None:
    rng, held, held_by_rows = _rng(), [], []
    sessions = np.repeat(np.arange(20), 5)
    for _ in range(300):
        y = np.clip(0.6 + 0.1 * rng.normal(size=20)[sessions] + 0.1 * rng.normal(size=100), 0, 1)
        for into, clusters in ((held, sessions), (held_by_rows, None)):
            means = group_means(y, None, clusters)
            into.append(means.low[0] <= 0.6 <= means.high[0])
    assert np.mean(held) >= 0.925
    assert np.mean(held_by_rows) < 0.85


def test_rows_without_a_session_are_clusters_of_their_own() -> None:
    y = _rng().random(60)
    clusters = np.array([None, "", np.nan] * 20, dtype=object)
    alone = group_means(y)
    assert group_means(y, None, clusters).clusters[0] == 60
    assert group_means(y, None, clusters).low[0] == pytest.approx(alone.low[0])


def test_missing_values_and_labels_are_counted_and_change_nothing() -> None:
    y, labels = _rng().random(40), _labels(a=20, b=20)
    plain = group_means(y, labels)
    more = group_means(
        np.concatenate([y, [np.nan, np.nan, 0.1, 0.2]]),
        np.concatenate([labels, np.array(["a", None, None, ""], dtype=object)]),
    )
    np.testing.assert_array_equal(more.missing, [1, 0])
    assert more.unlabelled == 2
    np.testing.assert_allclose(more.low, plain.low)


@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_and_one_row_have_no_interval(rows: int) -> None:
    means = group_means(np.full(rows, 0.4), order=["all"])
    assert means.count[0] == rows
    assert np.isnan(means.low[0])
    assert np.isnan(means.mean[0]) == (rows == 0)


def test_values_outside_the_unit_range_are_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 1, got 75"):
        group_means([0.5, 75.0])


@given(
    arrays(float, st.integers(0, 60), elements=st.sampled_from([0.0, 0.25, 1.0, np.nan])),
    st.integers(1, 5),
)
def test_intervals_stay_inside_and_around_the_mean(y: np.ndarray, groups: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        means = group_means(y, [f"g{n % groups}" for n in range(len(y))])
    known = ~np.isnan(means.low)
    assert (means.low[known] >= 0).all()
    assert (means.high[known] <= 1).all()
    assert (means.low[known] <= means.mean[known] + 1e-12).all()
    assert (means.high[known] >= means.mean[known] - 1e-12).all()
    assert (means.high[known] > means.low[known]).all()
    assert int(means.count.sum() + means.missing.sum()) == len(y)


# --- Ranges and trend ----------------------------------------------------------------------------


def test_ranges_hold_their_left_edge_and_the_last_one_its_right_edge() -> None:
    labels, names = range_labels([0.0, 0.499, 0.5, 0.7, 0.85, 1.0, np.nan])
    assert names == ("0 to 0.5", "0.5 to 0.7", "0.7 to 0.85", "0.85 to 1")
    assert labels.tolist() == [
        names[0], names[0], names[1], names[2], names[3], names[3], "",
    ]  # fmt: skip


def test_values_outside_all_ranges_belong_to_none() -> None:
    labels, _ = range_labels([0.1, 0.2, 0.8, 0.9], edges=(0.2, 0.8))
    assert labels.tolist() == ["", "0.2 to 0.8", "0.2 to 0.8", ""]


@pytest.mark.parametrize("edges", [(), (0.5,), (0.5, 0.2), (0, 0, 1), (0, 1.5), (0, np.nan, 1)])
def test_edges_that_do_not_rise_within_the_unit_range_are_refused(edges: tuple) -> None:
    with pytest.raises(UnusableEdges, match="Expected"):
        check_edges(edges)


def test_the_trend_is_the_least_squares_line_and_named_only_beyond_chance() -> None:
    rng, days = _rng(), np.repeat(np.arange(30.0), 20)
    noise = 0.1 * rng.normal(size=600)
    rising = trend(0.4 + 0.01 * days + noise, days)
    fit = stats.linregress(days, 0.4 + 0.01 * days + noise)
    assert rising.slope == pytest.approx(fit.slope)
    assert rising.high - rising.slope == pytest.approx(1.964 * fit.stderr, rel=0.15)
    assert rising.verdict == "rising"
    assert trend(0.8 - 0.01 * days + noise, days).verdict == "falling"
    assert trend(0.5 + noise, days).verdict == NOT_ENOUGH


@pytest.mark.parametrize(
    ("y", "days"), [([], []), ([0.5], [1]), ([0.5, 0.6], [1, 2]), ([0.5, 0.6, 0.7], [1, 1, 1])]
)
def test_too_little_for_a_line_is_not_a_trend(y: list, days: list) -> None:
    assert trend(y, days).verdict == NOT_ENOUGH


# --- Best ----------------------------------------------------------------------------------------


def test_the_best_is_named_when_it_is_above_all_others() -> None:
    rng = _rng()
    y = np.concatenate([rng.beta(8, 4, 200), rng.beta(6, 6, 200), rng.beta(5, 7, 200)])
    best = best_group(group_means(y, _labels(x=200, y=200, z=200)))
    assert (best.verdict, best.label, best.leading) == ("best", "x", ("x",))
    welch = stats.ttest_ind(y[:200], y[200:400], equal_var=False)
    assert best.comparisons[0].p_value == pytest.approx(welch.pvalue, rel=0.5)
    assert best.comparisons[0].p_adjusted == pytest.approx(2 * best.comparisons[0].p_value)


def test_close_groups_lead_together() -> None:
    rng = _rng()
    y = np.concatenate([rng.beta(8, 4, 100), rng.beta(8, 4, 100), rng.beta(3, 9, 100)])
    best = best_group(group_means(y, _labels(x=100, y=100, z=100)))
    assert best.verdict == NOT_ENOUGH
    assert best.label == ""
    assert set(best.leading) == {"x", "y"}


def test_nineteen_perfect_ratings_are_not_compared_and_twenty_are() -> None:
    rng = _rng()
    for count, verdict in ((19, NOT_ENOUGH), (20, "best")):
        y = np.concatenate([np.ones(count), rng.beta(4, 8, 200)])
        best = best_group(group_means(y, _labels(few=count, many=200)))
        assert best.verdict == verdict
        assert best.too_few == (("few",) if count == 19 else ())


def test_one_group_alone_is_not_the_best() -> None:
    best = best_group(group_means(_rng().random(100), _labels(x=100)))
    assert best.verdict == NOT_ENOUGH
    assert "nothing to compare" in best.reason
    assert best_group(group_means([], [])).leading == ()


def test_equal_groups_have_a_best_in_at_most_one_of_twenty_data_sets() -> None:
    rng, found = _rng(), 0
    for _ in range(300):
        means = group_means(rng.beta(7, 5, 160), _labels(a=40, b=40, c=40, d=40))
        found += best_group(means).verdict == "best"
    assert found <= 15


# --- Experiments ---------------------------------------------------------------------------------


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


# --- Baselines -----------------------------------------------------------------------------------


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


# --- Calibration ---------------------------------------------------------------------------------


def test_ten_buckets_hold_equally_many_rows_in_order() -> None:
    p = _rng().random(1_000)
    result = calibration(p, p)
    assert result.actual.count.tolist() == [100] * 10
    assert (result.lower[1:] >= result.upper[:-1]).all()
    expected = np.sort(p).reshape(10, 100).mean(axis=1)
    np.testing.assert_allclose(result.predicted, expected)
    np.testing.assert_allclose(result.actual.mean, expected)
    assert result.error == pytest.approx(0.0, abs=1e-12)


def test_equal_predictions_share_one_bucket() -> None:
    y = _rng().random(300)
    result = calibration(np.full(300, 0.5), y)
    assert len(result.actual) == 1
    assert result.actual.mean[0] == pytest.approx(y.mean())
    mixed = calibration(np.repeat([0.2, 0.8], [290, 10]), y)
    assert mixed.actual.count.tolist() == [290, 10]


def test_honest_predictions_are_calibrated_and_bold_ones_are_off() -> None:
    rng = _rng()
    truth = rng.uniform(0.2, 0.8, 4_000)
    y = rng.beta(12 * truth, 12 * (1 - truth))
    honest, bold = calibration(truth, y), calibration(np.clip(truth + 0.1, 0, 1), y)
    assert honest.verdict == "calibrated"
    assert bold.verdict == "off"
    assert bold.bias == pytest.approx(-0.1, abs=0.01)
    assert bold.error == pytest.approx(0.1, abs=0.01)
    narrow = calibration(0.5 + 0.5 * (truth - 0.5), y)
    assert abs(narrow.bias) < 0.01
    assert narrow.verdict == "off"
    assert 0 in narrow.off
    assert 9 in narrow.off


def test_honest_predictions_are_called_off_in_few_data_sets() -> None:
    rng, off = _rng(), 0
    for _ in range(200):
        truth = rng.uniform(0.2, 0.8, 300)
        off += calibration(truth, rng.beta(12 * truth, 12 * (1 - truth))).verdict == "off"
    assert off <= 26  # two tests of 5 %, and chance


@pytest.mark.parametrize("rows", [0, 1, 19])
def test_few_pairs_give_no_verdict_on_calibration(rows: int) -> None:
    result = calibration(np.linspace(0.1, 0.9, rows), np.linspace(0.9, 0.1, rows))
    assert result.verdict == NOT_ENOUGH
    assert result.rows == rows


def test_pairs_with_a_missing_side_are_left_out_and_counted() -> None:
    result = calibration([0.5, np.nan, 0.5, 0.4], [0.5, 0.5, np.nan, 0.4])
    assert (result.rows, result.left_out) == (2, 2)
