"""Ranges of quality, and the trend of CSAT."""

import numpy as np
import pytest
from scipy import stats

from feedback.domain.comparisons import NOT_ENOUGH
from feedback.domain.csat import UnusableEdges, check_edges, range_labels, trend


def _rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def _labels(**counts: int) -> np.ndarray:
    return np.repeat(np.array(list(counts), dtype=object), list(counts.values()))


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


def _weeks(means: list, *, rows: int = 21) -> tuple[np.ndarray, np.ndarray]:
    """Ratings of whole weeks that have these means, spread over their days, and the days."""
    spread = np.tile([-0.05, 0.05, 0.0], rows // 3)
    days = np.concatenate([7 * week + np.arange(rows) % 7 for week in range(len(means))])
    return np.concatenate([mean + spread for mean in means]), days


def test_the_trend_is_the_line_through_weekly_means_and_named_only_beyond_chance() -> None:
    rng = _rng()
    noise = 0.02 * rng.normal(size=20)
    line = 0.4 + 0.01 * np.arange(20)
    rising = trend(*_weeks((line + noise).tolist()))
    fit = stats.linregress(np.arange(20), line + noise)
    assert rising.weeks == 20
    assert rising.slope == pytest.approx(fit.slope / 7)
    # Student's with a correlation near none, and a little more for the jackknife.
    assert 0.9 < (rising.high - rising.slope) / (2.1 * fit.stderr / 7) < 2
    assert rising.verdict == "rising"
    assert "looked at once" in rising.reason
    assert trend(*_weeks((0.9 - line + noise).tolist())).verdict == "falling"
    flat = trend(*_weeks((0.5 + noise).tolist()))
    assert (flat.verdict, flat.low < 0 < flat.high) == (NOT_ENOUGH, True)


def test_the_error_of_the_slope_is_that_of_weeks_with_the_correlation_of_neighbours() -> None:
    """By generalised arithmetic: the covariance matrix written out."""
    rng = _rng(3)
    means = np.empty(60)
    means[0] = rng.normal()
    for week in range(1, 60):
        means[week] = 0.6 * means[week - 1] + 0.8 * rng.normal()
    means = 0.5 + 0.03 * means
    found = trend(*_weeks(means.tolist()))
    design = np.column_stack([np.ones(60), np.arange(60)])
    solve = np.linalg.solve(design.T @ design, design.T)
    residual = means - design @ (solve @ means)
    raw = (residual[1:] @ residual[:-1]) / (residual @ residual)
    rho = raw + (2 + 4 * raw) / 60
    alike = rho ** np.abs(np.subtract.outer(np.arange(60), np.arange(60)))
    free = np.trace((np.eye(60) - design @ solve) @ alike)
    error = np.sqrt((solve @ alike @ solve.T)[1, 1] * (residual @ residual) / free)
    reach = stats.t.ppf(0.975, 60 * (1 - rho) / (1 + rho) - 2) * error
    assert rho > 0.3
    assert found.high - found.slope == pytest.approx(reach / 7, rel=1e-6)


def test_weeks_are_counted_back_from_the_last_day_and_begin_whole() -> None:
    y, days = _weeks([0.5, 0.6, 0.4, 0.5, 0.6, 0.5, 0.4])
    whole = trend(y, days)
    early = trend(np.append(y, [0.0, 1.0, 1.0]), np.append(days, [-1, -3, -6]))
    assert (whole.weeks, early.weeks) == (7, 7)
    assert early.slope == pytest.approx(whole.slope)
    assert trend(y, days + 20_000).slope == pytest.approx(whole.slope)


def test_a_week_without_ratings_leaves_a_gap_and_no_value() -> None:
    means = (0.4 + 0.01 * np.arange(9) + 0.001 * (-1.0) ** np.arange(9)).tolist()
    y, days = _weeks(means)
    gap = days // 7 != 4
    found = trend(y[gap], days[gap])
    assert found.weeks == 8
    fit = stats.linregress(np.delete(np.arange(9), 4), np.delete(means, 4))
    assert found.slope == pytest.approx(fit.slope / 7)


@pytest.mark.parametrize("weeks", [0, 1, 5])
def test_fewer_than_six_weeks_are_a_sentence_and_no_figure(weeks: int) -> None:
    found = trend(*_weeks(np.linspace(0.2, 0.8, weeks).tolist())) if weeks else trend([], [])
    assert (found.verdict, found.weeks) == (NOT_ENOUGH, weeks)
    assert np.isnan([found.slope, found.low, found.high, found.p_value]).all()
    assert f"Ratings of {weeks} week" in found.reason
    assert "6 whole weeks" in found.reason


def test_six_weeks_on_a_line_have_a_slope_and_no_interval() -> None:
    found = trend(*_weeks([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    assert found.slope == pytest.approx(0.1 / 7)
    assert np.isnan(found.low)
    assert found.verdict == NOT_ENOUGH
