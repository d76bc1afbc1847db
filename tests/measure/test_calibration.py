"""Bins of equal mass, the calibration error and the reliability table, against plain sums."""

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve
from statsmodels.stats.proportion import proportion_confint

from project.measure.calibration import calibration_table, mass_bins
from project.measure.scores import measure_scores
from tests.measure.samples import make_scores


def test_error_is_the_mean_distance_of_the_bins_of_scikit_learn():
    label, score = make_scores(1_000)
    measured = measure_scores(label, score**2)
    # Without ties and with a multiple of ten rows, its quantile bins hold the same rows.
    share, mean = calibration_curve(label, score**2, n_bins=10, strategy="quantile")
    assert measured["ece"].value == pytest.approx(np.abs(share - mean).mean(), abs=1e-12)
    assert [row["mean_score"] for row in measured.calibration] == pytest.approx(mean.tolist())
    assert [row["label_share"] for row in measured.calibration] == pytest.approx(share.tolist())


def test_equal_scores_share_a_bin():
    label, score = make_scores(997, decimals=1)
    measured = measure_scores(label, score)
    table = pd.DataFrame(measured.calibration)
    assert table["rows"].sum() == 997
    assert (table["min"].to_numpy()[1:] > table["max"].to_numpy()[:-1]).all()
    gaps = (table["label_share"] - table["mean_score"]).abs()
    assert measured["ece"].value == pytest.approx((gaps * table["rows"]).sum() / 997)


def test_interval_of_a_bin_is_wilsons():
    score = np.array([0.1, 0.9])
    first, second = calibration_table(
        np.array([3.0, 8.0]), np.array([17.0, 2.0]), score, np.array([0, 9]), 10
    )
    assert (first["low"], first["high"]) == pytest.approx(
        proportion_confint(3, 20, method="wilson"), rel=1e-9
    )
    assert (second["low"], second["high"]) == pytest.approx(
        proportion_confint(8, 10, method="wilson"), rel=1e-9
    )


def test_bins_hold_equally_many_rows():
    assert np.bincount(mass_bins(np.ones(1_000), 10)).tolist() == [100] * 10
    assert mass_bins([1, 98, 1], 10).tolist() == [0, 5, 9]
    assert mass_bins([], 10).tolist() == []
