"""Bounds around a predicted number: plain figures beside a model, for any reader to use."""

from dataclasses import dataclass
from math import ceil
from typing import TypedDict

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

INTERVAL_LEVEL = 0.90  # wanted coverage


class IntervalFields(TypedDict):
    """A `PredictionInterval` as JSON."""

    level: float
    half_width: float
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True)
class PredictionInterval:
    """A prediction plus and minus one width, inside the range of the target.

    Attributes
    ----------
    half_width : in the unit of the target.
    level : the share of new targets that the interval is to hold.
    minimum, maximum : range of the target; None leaves that side open.
    """

    half_width: float
    level: float = INTERVAL_LEVEL
    minimum: float | None = None
    maximum: float | None = None

    @classmethod
    def of_residuals(
        cls, residual: FloatArray, target_range: tuple[float, float] | None
    ) -> "PredictionInterval":
        """Take the width from absolute out-of-fold residuals of shape (n_rows,).

        The quantile at INTERVAL_LEVEL with the finite-sample correction: the ceil((n + 1) level)-th
        smallest, the largest where that exceeds n (Vovk, Cross-conformal predictors, Ann. Math.
        Artif. Intell. 74 (2015) 9-28).
        """
        rank = min(ceil((len(residual) + 1) * INTERVAL_LEVEL), len(residual))
        width = float(np.partition(residual, rank - 1)[rank - 1])
        low, high = target_range or (None, None)
        return cls(half_width=width, minimum=low, maximum=high)

    def bounds(self, prediction: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Low and high bounds of shape (n_rows,) around predictions of shape (n_rows,)."""
        return self._clipped(prediction - self.half_width), self._clipped(
            prediction + self.half_width
        )

    def as_dict(self) -> IntervalFields:
        return {
            "level": self.level,
            "half_width": self.half_width,
            "minimum": self.minimum,
            "maximum": self.maximum,
        }

    def _clipped(self, values: FloatArray) -> FloatArray:
        if self.minimum is None and self.maximum is None:
            return values
        return np.clip(values, self.minimum, self.maximum)
