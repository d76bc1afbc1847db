"""One rebuild whose worker is killed in each of its stages: built, trained and promoted once."""

from pathlib import Path

import pytest

from matching.models import EventBatch, MatchEvent
from project.jobs.models import Job
from project.jobs.services import enqueue
from tests.chaos.harness import Chaos
from tests.chaos.test_jobs_chaos import travellers
from training.jobs.datasets import BUILD_STAGE
from training.kinds import DEFAULT_KIND
from training.models import Dataset, ModelVersion, Promotion
from training.queries.models import champion_of

__all__ = ["travellers"]

EVENTS = 2_000
# In which stage the process is killed, and where: at once, or with all written and nothing kept.
STRIKES = (
    ("Generate events", "before-commit"),
    (BUILD_STAGE, None),
    (BUILD_STAGE, "before-commit"),
    ("Choose and fit", None),
    ("Evaluate", None),
    ("Write the model", "before-commit"),
    ("Promote", "before-commit"),
)


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey", "travellers")
def test_a_rebuild_makes_each_thing_once_wherever_it_is_killed(tmp_path: Path) -> None:
    struck = []
    with Chaos(tmp_path, seed=1, workers=1) as chaos:
        job = enqueue("overview.rebuild_model", count=EVENTS, seed=3)

        def is_in(stage: str) -> bool:
            told = Job.objects.get(pk=job.pk)
            states = {each["name"]: each["state"] for each in told.stages}
            return told.is_finished or states.get(stage) in ("running", "done")

        for stage, point in STRIKES:
            chaos.until(lambda stage=stage: is_in(stage), stage)
            if chaos.kill("child", point):
                struck.append(stage)
        chaos.wait([job])
    job.refresh_from_db()
    assert (job.state, job.error) == (Job.State.SUCCEEDED, "")
    assert len(struck) >= 4, chaos  # a stage may be over before it is struck
    assert "Promote" in struck
    (batch,) = EventBatch.objects.all()
    assert (batch.made, MatchEvent.objects.count()) == (EVENTS, EVENTS)
    assert [Dataset.objects.count(), ModelVersion.objects.count()] == [1, 1]
    assert Promotion.objects.count() == 1
    champion = champion_of(DEFAULT_KIND)
    assert champion is not None
    assert champion.version == 1
    assert job.result["scores"], "what went live has scored pairs at the end"
