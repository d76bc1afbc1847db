"""The travellers of a generated batch, as they were when it was asked for."""

from matching.domain.generation import Population
from matching.models import EventBatch
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
