"""The travellers of a generated batch, as they were when it was asked for."""

from typing import Any

import numpy as np
import pandas as pd

from matching.domain.generation import Population
from matching.models import EventBatch
from project.removal.erasing import Erasing
from project.storage.blobs import read


def frozen_population(batch: EventBatch) -> Population | None:
    """Return the population that a batch was drawn from; None of one that was imported.

    Raises
    ------
    ArtifactCorrupt
        When its file is gone, or is not the one that was written.
    """
    if batch.population_file:
        return Population.from_parquet(read(batch.blob))
    if batch.population is not None:  # of a batch before there was a file of it
        return Population.from_parquet(bytes(batch.population))
    return None


def require_population(batch: EventBatch) -> Population:
    """Return the population of a generated batch; ValueError for one that was imported."""
    population = frozen_population(batch)
    if population is None:
        raise ValueError(f"{batch} was imported: there is nothing to make its events from.")
    return population


def without_person(population: Population, erasing: Erasing) -> Population | None:
    """Return a population in which nobody finds a person; None where the person is not in it."""
    is_person = population.users["external_id"].isin(erasing.names)
    is_person |= population.users["user_id"].isin(erasing.numbers)
    groups = _plain(population.groups, erasing)
    if not is_person.any() and _are_equal(groups, population.groups):
        return None
    return Population(_plain(population.users[~is_person], erasing).reset_index(drop=True), groups)


def _plain(frame: pd.DataFrame, erasing: Erasing) -> pd.DataFrame:
    """Return a frame whose texts do not mention the person; lists of ids are without it."""
    frame = frame.copy()
    for name in frame.columns:
        if frame[name].dtype == object or isinstance(frame[name].dtype, pd.CategoricalDtype):
            frame[name] = frame[name].astype(object).map(lambda value: _said(value, erasing))
    return frame


def _said(value: Any, erasing: Erasing) -> Any:
    if isinstance(value, str):
        return erasing.mentions.without(value, key="external_id")
    if isinstance(value, np.ndarray | list | tuple):
        kept = [one for one in value if one not in erasing.names]
        return [erasing.mentions.without(one) for one in kept]
    return value


def _are_equal(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    def listed(frame: pd.DataFrame) -> list[Any]:
        return [
            [list(one) if isinstance(one, np.ndarray) else one for one in row]
            for row in frame.to_numpy(dtype=object).tolist()
        ]

    return repr(listed(left)) == repr(listed(right))
