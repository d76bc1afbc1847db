"""What the rules alone say of a row, beside the model that starts from them."""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
from scipy.special import expit

FloatArray = npt.NDArray[np.float64]
# From inputs of shape (n, n_inputs), NaN where missing, to float64 of shape (n,).
Compiled = Callable[[npt.NDArray[Any]], FloatArray]


class CannotCompile(ValueError):
    """An estimator is none of those known; the message says what it is."""


class RulePart(TypedDict):
    """The rule score of a kind as a probability, fitted to the training rows; all inputs as given.

    Attributes
    ----------
    intercept : log odds where every input is 0.
    coefficients : input to what one unit of it adds to the log odds; empty where the rules say
        nothing of these rows, or point the wrong way.
    medians : input to the value that stands in for a missing one.
    """

    intercept: float
    coefficients: dict[str, float]
    medians: dict[str, float]


def compile_rules(part: RulePart, names: Sequence[str]) -> Compiled:
    """Return a function from inputs, in the order of the names, to the probability that the rules
    alone give each row."""
    base = part["intercept"]
    weights = np.array([part["coefficients"].get(name, 0.0) for name in names])
    medians = np.array([part["medians"].get(name, 0.0) for name in names])

    def probability(values: npt.NDArray[Any]) -> FloatArray:
        given = np.asarray(values, np.float64)
        log_odds = base + np.where(np.isnan(given), medians, given) @ weights
        return np.asarray(expit(log_odds), np.float64)

    return probability
