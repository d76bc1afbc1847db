"""A ranking in two stages gives those that asking about every row would give."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit

from training.domain.two_stages import best_of

FloatArray = npt.NDArray[np.float64]
ROWS = 20_000


def rows(seed: int = 0) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    values = rng.beta(2, 2, (ROWS, 13)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    return values


def steps(values: npt.NDArray[Any]) -> FloatArray:
    """Scores in steps, as trees have them, and with an input that works the wrong way round."""
    known = np.nan_to_num(values.astype(np.float64), nan=0.4)
    odds = (
        5 * known[:, 0] - 3 * known[:, 1] + 2 * known[:, 2] * known[:, 3] + np.sin(5 * known[:, 4])
    )
    return np.asarray(np.round(expit(odds - 2), 3), np.float64)


def alike(values: npt.NDArray[Any]) -> FloatArray:
    return np.full(len(values), 0.485)


@pytest.mark.parametrize("count", [1, 20, 500])
@pytest.mark.parametrize(("score", "most"), [(steps, 0.4), (alike, 1.0)])
def test_the_best_are_those_of_all(
    score: Callable[[npt.NDArray[Any]], FloatArray], most: float, count: int
) -> None:
    values, asked = rows(), []

    def ask(some: npt.NDArray[Any]) -> FloatArray:
        asked.append(len(some))
        return score(some)

    found, told = best_of(values, ask, count)
    every = score(values)
    expected = np.flatnonzero(every >= np.partition(every, -count)[-count])
    assert found.tolist() == expected.tolist()
    assert sum(asked) == told  # nobody is asked about twice
    assert told <= most * ROWS


def test_few_rows_are_no_less() -> None:
    values = rows()[:30]
    found, told = best_of(values, steps, 5)
    every = steps(values)
    assert found.tolist() == np.flatnonzero(every >= np.sort(every)[-5]).tolist()
    assert told == 30
