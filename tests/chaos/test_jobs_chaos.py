"""Nothing is lost and nothing doubled, whoever is killed; and the harness can tell."""

import os
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from django.core.management import call_command
from django.db import connection

from matching.domain import generation as generation_module
from matching.models import EventBatch, MatchEvent
from matching.queries.generations import load_generation
from matching.services.generation import as_rows
from project.jobs.models import Job
from project.jobs.services import enqueue
from tests.chaos import kinds
from tests.chaos.harness import Chaos

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("valkey"),
]

KILLS = int(os.environ.get("SEEDBED_CHAOS_KILLS", "25"))
SEED = int(os.environ.get("SEEDBED_CHAOS_SEED", secrets.randbelow(2**31)))
CHUNKS = 40  # of a naive job
NAIVE_STRIKES = 20  # until one doubles rows
EVENTS = 8_000  # of a batch: 40 chunks


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    """Give an empty table for the rows."""
    kinds.create_table()
    yield
    kinds.drop_table()


def compare(seeds: list[int]) -> tuple[int, int, int]:
    """Recompute every row from its seed; return how many are lost, doubled, and wrong."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seed, chunk, row_number, value FROM chaos_rows")
        found = Counter(cursor.fetchall())
    expected = {
        row for seed in seeds for chunk in range(CHUNKS) for row in kinds.rows_of(seed, chunk)
    }
    doubled = sum(count - 1 for row, count in found.items() if row in expected)
    return len(expected - found.keys()), doubled, len(found.keys() - expected)


@pytest.fixture
def travellers() -> None:
    """Give enough people on their way that batches of some thousand events can be made."""
    for command in (["seed_users", "--count", "600", "--seed", "7"], ["create_sessions"]):
        call_command(*command, "--now", "--json", stdout=StringIO())


def expected_events(batch: EventBatch) -> pd.DataFrame:
    """Make every event of a batch anew, from its seed and population."""
    generation = load_generation(batch)
    chunks = [
        pd.DataFrame(as_rows(generation.make_chunk(number), batch))
        for number in range(generation.chunk_count)
    ]
    return pd.concat(chunks, ignore_index=True)


def stored_events(batch: EventBatch, columns: list[str]) -> pd.DataFrame:
    """Read the events of a batch as they are in the table."""
    rows = MatchEvent.objects.of_batch(batch).order_by("id").values_list(*columns)
    return pd.DataFrame(list(rows), columns=columns)


@pytest.mark.usefixtures("travellers")
def test_nothing_is_lost_and_nothing_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation_module, "CHUNK_ROWS", kinds.CHUNK_ROWS)

    def submit(number: int) -> Job:
        return enqueue(
            "matching.generate_events", count=EVENTS, match_type="user_user", seed=number
        )

    with Chaos(tmp_path, seed=SEED) as chaos:
        jobs = chaos.rage(kills=KILLS, submit=submit)
        print(f"\n{chaos}")  # noqa: T201 - what hit, and the seed to repeat it with

    ended = [Job.objects.get(pk=job.pk) for job in jobs]
    assert {job.state for job in ended} == {Job.State.SUCCEEDED}, str(chaos)
    batches = [EventBatch.objects.get(pk=job.result["batch"]) for job in ended if job.result]
    assert [batch.seed for batch in batches] == list(range(len(jobs)))
    assert EventBatch.objects.count() == len(jobs)
    for job, batch in zip(ended, batches, strict=True):
        assert [record["id"] for record in job.records] == [batch.pk]
    for batch in batches:
        expected = expected_events(batch)
        stored = stored_events(batch, list(expected.columns))
        stored["occurred_at"] = stored["occurred_at"].dt.tz_localize(None)
        pd.testing.assert_frame_equal(
            stored.astype(expected.dtypes.to_dict()), expected, obj=f"batch {batch.seed} of {chaos}"
        )
        assert batch.made == EVENTS
    assert MatchEvent.objects.count() == EVENTS * len(jobs)


def test_harness_finds_doubles_of_a_job_without_fence_and_transaction(tmp_path: Path) -> None:
    with Chaos(tmp_path, seed=SEED) as chaos:
        jobs: list[Job] = []
        doubled = 0
        # Any one strike may hit between two chunks and double nothing; so many cannot all do so.
        while not doubled and len(jobs) < NAIVE_STRIKES:
            jobs.append(enqueue("tests.chaos_naive", seed=len(jobs), chunks=CHUNKS))
            chaos.until(
                lambda: Job.objects.filter(state=Job.State.RUNNING, progress_done__gt=1).exists(),
                "a job to run",
            )
            # Progress has just been written: without this, every strike would hit the same half.
            time.sleep(chaos.random.uniform(0, 4 * kinds.CHUNK_SECONDS))
            chaos.kill("pause")
            chaos.wait(jobs)
            _, doubled, _ = compare(list(range(len(jobs))))
        print(f"\n{chaos}")  # noqa: T201 - what hit, and the seed to repeat it with
    assert doubled > 0, str(chaos)
