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
