"""What the rules alone say of a row, beside the model that starts from them."""

from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit


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


def rule_probability(part: RulePart, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the probability that the rules alone give each row: float64 (n_rows,)."""
    log_odds = np.full(len(frame), part["intercept"])
    for name, coefficient in part["coefficients"].items():
        values = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        log_odds += coefficient * np.where(np.isnan(values), part["medians"][name], values)
    return np.asarray(expit(log_odds), dtype=np.float64)
