"""Reading a learning curve on: an inverse power law, with all that it does not know."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.domain.learning.told import MORE

FloatArray = npt.NDArray[np.float64]

# How fast a curve flattens: what is missing falls with n to the power of minus these. 1 is what a
# model of fixed size does, .25 to .5 what one does that grows with its rows; 0 is a curve that
# gains the same with each doubling, as one does whose choices change on the way.
POWERS = (0.0, 0.25, 0.5, 1.0, 2.0)
DRAWS = 4_000
QUANTILES = (0.025, 0.5, 0.975)
# Standard deviation of a gain where a curve looks flat and its parts agree: what starts from the
# rules stays with them for long, and its first steps away from them are not to be seen before. By
# simulation, of a ROC-AUC; 40 to 60 draws of 200 and of 800 rows in two worlds.
SMALLEST_LUCK = 0.004


@dataclass(frozen=True)
class Gain:
    """What MORE times the rows add to a metric, with its 95 % interval."""

    value: float
    low: float
    high: float


def forecast_gain(
    rows: FloatArray,
    value: FloatArray,
    variance: FloatArray,
    gain_variance: float,
    degrees: int,
    rng: np.random.Generator,
) -> Gain:
    """Forecast how much a metric rises from the last of some numbers of rows to MORE times it.

    Parameters
    ----------
    rows : array of shape (n_points,), ascending; at least three.
    value : array of shape (n_points,), the metric there; higher is better.
    variance : array of shape (n_points,), > 0, of each value beside what all of them share.
    gain_variance : of the gain beside what the curve tells: luck of the samples.
    degrees : of freedom behind both variances; draws are Student's.

    Notes
    -----
    The law is value(m) = v - g ((m / n)^-power - 1) / (1 - MORE^-power), an inverse power law
    (Mukherjee et al., J. Computational Biology 10, 2003; Figueroa et al., BMC Medical Informatics
    and Decision Making 12:8, 2012) written by its value v at the last point n and by the gain
    g from there to MORE times n. For each power v and g follow by weighted least squares, and g is
    drawn by its error; what is below 0 counts as 0. Each power counts the same: four or five points
    do not tell one from another, and not to know it widens the interval. The gain told is the
    median of all draws.
    """
    drawn = np.empty((len(POWERS), DRAWS))
    for number, power in enumerate(POWERS):
        design = np.column_stack([np.ones_like(rows), -_falls(rows, power)])
        weighted = design / variance[:, None]
        inverse = np.linalg.inv(design.T @ weighted)
        mean = (inverse @ (weighted.T @ value))[1]
        drawn[number] = mean + np.sqrt(inverse[1, 1]) * rng.standard_t(degrees, DRAWS)
    luck = np.sqrt(gain_variance + SMALLEST_LUCK**2) * rng.standard_t(degrees, drawn.shape)
    low, middle, high = np.quantile(np.maximum(drawn, 0.0) + luck, QUANTILES)
    return Gain(max(float(middle), 0.0), float(low), float(high))


def _falls(rows: FloatArray, power: float) -> FloatArray:
    """How far below its last point a curve of gain 1 is at each point."""
    share = rows / rows[-1]
    if power == 0:
        falls = -np.log(share) / np.log(MORE)
    else:
        falls = (share**-power - 1) / (1 - float(MORE) ** -power)
    return np.asarray(falls, dtype=np.float64)
