"""A person is erased from an installation that used everything: nothing finds them any more."""

from pathlib import Path
from typing import Any

import pytest

from matching.models import EventBatch, MatchEvent, SeedUser
from project.audit.models import AuditEntry
from project.jobs.models import Job, JobStep
from project.removal.models import Receipt
from serving.models import ScoredPair
from tests.overview.traces import ID, NEIGHBOUR, TRACES, found, leave_traces, whole_installation
from tests.removing import remove
from training.models import Dataset
from training.queries.files import verify_files

pytestmark = pytest.mark.django_db


@pytest.fixture
def person(tmp_path: Path, valkey: Any) -> SeedUser:
    folder = tmp_path / "files"
    folder.mkdir()
    return leave_traces(folder)


PLACES = (
    "table public.matching_seeduser",
    "table public.matching_historicalseeduser",
    "table public.matching_travelsession",
    "table public.matching_historicaltravelsession",
    "table public.matching_matchevent",
    "table public.matching_eventchange",
    "table public.matching_eventbatch",
    "table public.matching_rejectedevent",
    "table public.matching_refusedprofile",
    "table public.matching_profileimport",
    "table public.matching_change",
    "table public.feedback_qualityfeedback",
    "table public.feedback_explanation",
    "table public.feedback_abtestresult",
    "table public.feedback_feedbackchange",
    "table public.feedback_rejectedrecord",
    "table public.feedback_collectionrun",
    "table public.serving_scoredpair",
    "table public.serving_givenanswer",
    "table public.mappings_importmapping",
    "table public.mappings_historicalimportmapping",
    "table public.jobs_job",
    "table public.jobs_jobstep",
    "table public.jobs_joblogline",
    "table public.jobs_schedule",
    "table public.audit_auditentry",
    "table public.django_admin_log",
    "table public.training_dataset",
    f"valkey session:{ID}",
)


def test_nothing_finds_an_erased_person(person: SeedUser) -> None:
    before = found()
    missed = [place for place in PLACES if place not in before]
    assert not missed, "the installation of this test has no trace there"
    assert sum(place.startswith("blob") for place in before) >= 3  # population, upload, dataset
    figures = {one.pk: (one.rows, one.train_rows, one.verdict) for one in Dataset.objects.all()}
    score_rows = ScoredPair.objects.count()
    events = MatchEvent.objects.count()

    job = remove("person", person.pk, why="Request 12 of today")
    assert job.state == Job.State.SUCCEEDED, job.error + job.traceback

    assert found() == {}
    kept = {one.pk: (one.rows, one.train_rows, one.verdict) for one in Dataset.objects.all()}
    assert kept == figures
    assert ScoredPair.objects.count() == score_rows
    assert MatchEvent.objects.count() == events
    for dataset in Dataset.objects.all():
        verify_files(dataset)
    everything = "\n".join(text for _, text in whole_installation())
    assert NEIGHBOUR in everything
