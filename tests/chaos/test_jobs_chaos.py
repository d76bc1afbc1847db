"""Nothing is lost and nothing doubled, whoever is killed; and the harness can tell."""

import os
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import django_rq
import pytest
from django.db import connection
from rq import Retry

from project.jobs.models import Job
from project.jobs.services import enqueue
from tests.chaos import kinds
from tests.chaos.harness import Chaos

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("valkey"),
]

KILLS = int(os.environ.get("SEEDBED_CHAOS_KILLS", "25"))
SEED = int(os.environ.get("SEEDBED_CHAOS_SEED", secrets.randbelow(2**31)))
CHUNKS = 40


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


def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    with Chaos(tmp_path, seed=SEED) as chaos:
        jobs = chaos.rage(
            kills=KILLS,
            submit=lambda number: enqueue("tests.chaos_write", seed=number, chunks=CHUNKS),
        )
        print(f"\n{chaos}")  # noqa: T201 - what hit, and the seed to repeat it with
    states = set(Job.objects.values_list("state", flat=True))
    assert states == {Job.State.SUCCEEDED}, str(chaos)
    assert compare(list(range(len(jobs)))) == (0, 0, 0), str(chaos)


def test_harness_finds_doubles_of_a_job_without_fence_and_transaction(tmp_path: Path) -> None:
    with Chaos(tmp_path, seed=SEED) as chaos:
        jobs: list[Job] = []
        for number in range(4):
            jobs.append(enqueue("tests.chaos_naive", seed=number, chunks=CHUNKS))
            chaos.until(
                lambda: Job.objects.filter(state=Job.State.RUNNING, progress_done__gt=1).exists(),
                "a job to run",
            )
            chaos.kill("pause")
        chaos.wait(jobs)
        print(f"\n{chaos}")  # noqa: T201 - what hit, and the seed to repeat it with
    _, doubled, _ = compare(list(range(len(jobs))))
    assert doubled > 0, str(chaos)


def test_harness_finds_losses_of_rq_without_the_ledger(tmp_path: Path) -> None:
    queue = django_rq.get_queue("default")
    with Chaos(tmp_path, seed=SEED) as chaos:
        for number in range(3):
            queue.enqueue(
                kinds.write_without_ledger, args=(number, CHUNKS), retry=Retry(max=3), result_ttl=0
            )
        everything = CHUNKS * kinds.ROWS_PER_CHUNK
        chaos.until(lambda: compare([0])[0] < everything, "the first rows")
        chaos.flush()
        chaos.until(lambda: compare([0])[0] == 0, "the job that had begun")
        chaos.tend()
    # Two workers had begun two jobs at most; nobody will ever hear of the third.
    assert compare([2])[0] == everything
