"""Lands generated feedback, which stands in while there is no source."""

from datetime import UTC

import numpy as np
import orjson
import pandas as pd

from feedback.domain.synthetic import generate_feedback
from feedback.domain.tables import TABLES, source_columns
from feedback.jobs.landing import LAND_ROWS, land_chunk
from feedback.models import CollectionRun
from feedback.services.landing import begin_landing
from feedback.services.runs import begin_run, complete_run
from feedback.services.sources import synthetic_source
from project.jobs.contract import Run

SYNTHETIC_COUNT = 3_000
SYNTHETIC_SEED = 7


def fill_synthetic(
    *, count: int = SYNTHETIC_COUNT, seed: int = SYNTHETIC_SEED, run: Run | None = None
) -> list[CollectionRun]:
    """Land generated feedback; the same count and seed again add nothing."""
    source = synthetic_source(by=None if run is None else run.user)
    end = np.datetime64(source.created_at.astimezone(UTC).replace(tzinfo=None), "us")
    tables = generate_feedback(np.random.default_rng(seed), count, seed=seed, end=end)
    readings = []
    for table, rows in tables.items():
        known = source_columns(TABLES[table], {}, set(rows.columns))
        reading = begin_run(
            source,
            table,
            job_id=None if run is None else run.job_id,
            notes=[f"Generated with seed {seed}."],
        )
        landing = begin_landing(reading, known)
        for start in range(0, len(rows), LAND_ROWS):
            chunk = landing.parse(_as_json(rows.iloc[start : start + LAND_ROWS]))
            land_chunk(run, landing, chunk)
        complete_run(reading)
        readings.append(reading)
    return readings


def _as_json(rows: pd.DataFrame) -> list[bytes]:
    return [orjson.dumps(row) for row in rows.to_dict("records")]
