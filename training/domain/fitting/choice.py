"""Choosing between algorithms by cross-validation inside the training rows."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from training.domain.fitted import Candidate

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Rows used to choose between algorithms. At 50,000 rows the paired standard error of the log loss
# is below 0.001, and three folds of both algorithms cost about a second.
CHOICE_ROWS = 50_000
MANY_ROWS = 20_000  # from here on three folds serve as well as five
# Below this many rows a second thread saves a boosting fit a third of its time on an idle machine,
# and costs it several times that on a busy one; a logistic fit it only slows down.
PARALLEL_ROWS = 100_000
# Boosting: early stopping on a tenth of the rows where a tenth is enough to stop by.
EARLY_STOPPING_ROWS = 10_000
BOOSTING_SMALL: dict[str, Any] = {
    "learning_rate": 0.08,
    "max_iter": 60,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 20,
    "l2_regularization": 1.0,
    "early_stopping": False,
}
BOOSTING_LARGE: dict[str, Any] = {
    "learning_rate": 0.15,
    "max_iter": 100,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 50,
    "l2_regularization": 1.0,
    "early_stopping": True,
    "validation_fraction": 0.1,
    "n_iter_no_change": 8,
    "tol": 1e-5,
}
SEED_LIMIT = 2**32  # scikit-learn takes seeds of 32 bits

# From training rows to an estimator that is to be fitted on them.
Make = Callable[[pd.DataFrame], Any]
# Inputs and target of rows that every fit may learn from and no figure is measured on.
Beside = tuple[pd.DataFrame, npt.NDArray[Any]]


def draw_rows(n_rows: int, limit: int, rng: np.random.Generator) -> IntArray:
    """All row numbers, or `limit` of them by lot, ascending."""
    if n_rows <= limit:
        return np.arange(n_rows)
    return np.sort(rng.choice(n_rows, size=limit, replace=False))


def threads_for(rows: int) -> AbstractContextManager[Any]:
    """One thread for a small fit: its parallel parts are shorter than the wait for a busy core."""
    return threadpool_limits(1) if rows < PARALLEL_ROWS else nullcontext()


def boosting_parameters(rows: int, seed: int) -> dict[str, Any]:
    """Parameters of gradient boosting on so many rows."""
    chosen = BOOSTING_LARGE if rows >= EARLY_STOPPING_ROWS else BOOSTING_SMALL
    return {**chosen, "random_state": seed % SEED_LIMIT}


def make_folds(
    target: npt.NDArray[Any],
    groups: npt.NDArray[Any] | None,
    rng: np.random.Generator,
    *,
    is_label: bool,
    wanted: int | None = None,
) -> IntArray:
    """Fold of each row: by group where groups are given and enough, else stratified by label."""
    wanted = wanted or (3 if len(target) >= MANY_ROWS else 5)
    fold = np.zeros(len(target), dtype=np.int64)
    placeholder = np.zeros(len(target))
    seed = int(rng.integers(SEED_LIMIT))
    if groups is not None:
        codes, uniques = pd.factorize(groups)
        if len(uniques) >= wanted:
            splitter = GroupKFold(wanted, shuffle=True, random_state=seed)
            for number, (_, inside) in enumerate(splitter.split(placeholder, groups=codes)):
                fold[inside] = number
            if not is_label or _each_fold_has_both(fold, target):
                return fold
    if is_label:
        wanted = min(wanted, int(np.bincount(target).min()))
        parts = StratifiedKFold(wanted, shuffle=True, random_state=seed).split(placeholder, target)
    else:
        parts = KFold(wanted, shuffle=True, random_state=seed).split(placeholder)
    for number, (_, inside) in enumerate(parts):
        fold[inside] = number
    return fold


def _each_fold_has_both(fold: IntArray, label: IntArray) -> bool:
    return all(len(np.unique(label[fold != number])) == 2 for number in np.unique(fold))


def predict_out_of_fold(
    make: Make,
    frame: pd.DataFrame,
    target: npt.NDArray[Any],
    fold: IntArray,
    predict: Callable[[Any, pd.DataFrame], FloatArray],
    beside: Beside | None = None,
) -> FloatArray:
    """Predict each row by an estimator that was fitted on the other folds, and the rows beside."""
    found = np.empty(len(target))
    for number in np.unique(fold):
        inside = fold == number
        train, known = with_beside(frame[~inside], target[~inside], beside)
        with threads_for(len(train)):
            model = make(train).fit(train, known)
        found[inside] = predict(model, frame[inside])
    return found


def with_beside(
    frame: pd.DataFrame, target: npt.NDArray[Any], beside: Beside | None
) -> tuple[pd.DataFrame, npt.NDArray[Any]]:
    """Return rows with those beside them behind."""
    if beside is None:
        return frame, target
    return (
        pd.concat([frame, beside[0]], ignore_index=True),
        np.concatenate([target, beside[1].astype(target.dtype)]),
    )


def choose(
    losses: dict[str, FloatArray], standard_errors: float = 1.0
) -> tuple[str, tuple[Candidate, ...]]:
    """The first (simplest) algorithm, unless a later one is better by over so many of its standard
    errors."""
    simplest = next(iter(losses))
    chosen = simplest
    table: list[Candidate] = []
    for name, loss in losses.items():
        gap = loss - losses[simplest]
        error = float(gap.std() / np.sqrt(len(gap)))
        is_better = float((loss - losses[chosen]).mean()) < 0
        if is_better and float(gap.mean()) < -standard_errors * error:
            chosen = name
        table.append(
            {
                "algorithm": name,
                "loss": float(loss.mean()),
                "difference": float(gap.mean()),
                "standard_error": error,
                "chosen": False,
            }
        )
    for row in table:
        row["chosen"] = row["algorithm"] == chosen
    return chosen, tuple(table)


def fit_chosen(
    makers: dict[str, Make],
    rows: tuple[pd.DataFrame, npt.NDArray[Any]],
    spare: tuple[pd.DataFrame, npt.NDArray[Any]],
    loss: Callable[[npt.NDArray[Any], Any, pd.DataFrame], FloatArray],
    standard_errors: float = 1.0,
) -> Any:
    """Fit every candidate on some rows; return the one that `choose` takes by its loss on others.

    Parameters
    ----------
    makers : the candidates, the simplest first.
    rows, spare : inputs and target, of those that are fitted on and those that choose.
    loss : from the target, an estimator and inputs to the loss of each row.
    standard_errors : see `choose`.
    """
    inputs, target = rows
    other, answers = spare
    with threads_for(len(inputs)):
        fitted = {name: make(inputs).fit(inputs, target) for name, make in makers.items()}
    if len(fitted) == 1:
        return next(iter(fitted.values()))
    losses = {name: loss(answers, one, other) for name, one in fitted.items()}
    return fitted[choose(losses, standard_errors)[0]]


def describe_parameters(estimator: Any) -> dict[str, Any]:
    """The scalar parameters of the last step, and what the fit found."""
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    found = {
        name: value
        for name, value in last.get_params().items()
        if isinstance(value, bool | int | float | str)
    }
    if hasattr(last, "n_iter_") and np.ndim(last.n_iter_) == 0:
        found["trees"] = int(last.n_iter_)
    if hasattr(last, "alpha_"):
        found["alpha"] = float(last.alpha_)
    return found
