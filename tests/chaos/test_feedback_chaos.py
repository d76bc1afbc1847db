"""Each row of a source is there exactly once, whoever is killed while it is collected."""

import os
import secrets
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from feedback.jobs.collection import collect
from feedback.models import (
    ABTestResult,
    CollectionRun,
    Explanation,
    FeedbackSource,
    QualityFeedback,
)
from project.jobs.models import Job
from project.jobs.services import enqueue
from tests.chaos.harness import Chaos
from tests.feedback.conftest import AB_TESTING, EXPLANATIONS, QUALITY, Customer, make_source

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("valkey"),
]

KILLS = int(os.environ.get("SEEDBED_CHAOS_KILLS", "25")) // 3
SEED = int(os.environ.get("SEEDBED_CHAOS_SEED", secrets.randbelow(2**31)))
ROWS = 3_000  # of each table at first: 15 chunks of the chaos workers
MORE = 1_500  # with each further job: late ones, and some that change
TARGETS = (
    (QUALITY, "quality_rating", QualityFeedback),
    (EXPLANATIONS, "quality_score", Explanation),
    (AB_TESTING, "user_rating", ABTestResult),
)


def add_rows(customer: Customer, number: int) -> None:
    """Add rows that come late and change some that were there."""
    first = 1_000_000 * (number + 1)
    late = "now() - interval '20 hours' * random()"
    for table, target in ((QUALITY, "quality_rating"), (EXPLANATIONS, "quality_score")):
        customer.execute(
            f"INSERT INTO {table} (id, {target}, created_at) "
            f"SELECT md5(n::text)::uuid, random(), {late} "
            f"FROM generate_series({first}, {first + MORE}) n"
        )
    customer.execute(
        f"INSERT INTO {AB_TESTING} (id, user_rating, created_at) "
        f"SELECT n, random(), {late} FROM generate_series({first}, {first + MORE}) n"
    )
    for table, target, _ in TARGETS:
        customer.execute(
            f"UPDATE {table} SET {target} = random() "
            "WHERE random() < .01 AND created_at > now() - interval '10 hours'"
        )


def at_the_source(customer: Customer, table: str, target: str) -> Counter[tuple[str, float]]:
    rows = customer.connection.execute(f"SELECT id::text, {target} FROM {table}")  # type: ignore[arg-type]
    return Counter((str(row[0]), float(row[1])) for row in rows)


def test_every_row_is_collected_exactly_once(
    tmp_path: Path, customer: Customer, settings: Any
) -> None:
    source = make_source(settings)
    customer.fill(ROWS)

    def submit(number: int) -> Job:
        add_rows(customer, number)
        return enqueue("feedback.collect_feedback", sources=[source.name])

    allowed = {"SEEDBED_FEEDBACK_ALLOWED_HOSTS": ",".join(settings.FEEDBACK_ALLOWED_HOSTS)}
    with Chaos(tmp_path, seed=SEED, environment=allowed) as chaos:
        jobs = chaos.rage(kills=KILLS, submit=submit)
        print(f"\n{chaos}")  # noqa: T201 - what hit, and the seed to repeat it with
    ended = Job.objects.filter(pk__in=[job.pk for job in jobs])
    assert set(ended.values_list("state", flat=True)) == {Job.State.SUCCEEDED}, str(chaos)

    last = collect(FeedbackSource.objects.get())
    assert all(run.is_reconciled and run.rejected == 0 for run in last)
    for table, target, model in TARGETS:
        kept = Counter(model.objects.values_list("external_id", target))
        assert kept == at_the_source(customer, table, target), str(chaos)
    # Every row was new in exactly one run, those of killed workers included.
    for table, model in (("quality_feedback", QualityFeedback), ("ab_testing", ABTestResult)):
        new = sum(CollectionRun.objects.filter(table=table).values_list("new", flat=True))
        assert new == model.objects.count(), str(chaos)
    assert not CollectionRun.objects.filter(state=CollectionRun.State.RUNNING).exists()
