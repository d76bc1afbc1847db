"""A person is erased from an installation that used everything: nothing finds them any more."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from feedback.models import QualityFeedback
from matching.jobs.erasing import ErasePerson
from matching.models import EventBatch, EventChange, MatchEvent, RefusedProfile, SeedUser
from matching.queries.changes import changes_since, everybody, snapshot_now
from project.audit.models import AuditEntry
from project.exports.models import Export
from project.jobs.models import Job, JobLogLine, JobStep
from project.removal.erasing import allow_changes
from project.removal.models import Receipt
from project.removal.registry import removal_of
from serving.models import ScoredPair
from tests.factories import make_refused_profile, make_seed_user
from tests.feedback.collected import rate, real_source
from tests.overview.traces import (
    ID,
    NAME,
    NEIGHBOUR,
    TRACES,
    found,
    leave_traces,
    whole_installation,
)
from tests.removing import remove, remove_dying
from tests.training.batches import make_dataset
from training.models import Dataset, ModelVersion
from training.queries.files import verify_files
from training.queries.staleness import why_stale

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
    "table public.matching_personalias",
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
    # Populations, an upload, datasets, exports.
    assert sum(place.startswith("blob") for place in before) >= 5
    figures = {one.pk: (one.rows, one.train_rows, one.verdict) for one in Dataset.objects.all()}
    score_rows = ScoredPair.objects.count()
    events = MatchEvent.objects.count()

    job = remove("person", person.pk, why="Request 12 of today")
    assert job.state == Job.State.SUCCEEDED, job.error + job.traceback

    assert found() == {}
    assert not Export.objects.exists()
    kept = {one.pk: (one.rows, one.train_rows, one.verdict) for one in Dataset.objects.all()}
    assert kept == figures
    assert ScoredPair.objects.count() == score_rows
    assert MatchEvent.objects.count() == events
    for dataset in Dataset.objects.all():
        verify_files(dataset)
    everything = "\n".join(text for _, text in whole_installation())
    assert NEIGHBOUR in everything


@pytest.mark.parametrize("within", [True, False])
def test_what_is_killed_at_each_step_ends_the_same(person: SeedUser, within: bool) -> None:
    job, kills = remove_dying("person", person.pk, within=within)
    assert job.state == Job.State.SUCCEEDED, job.error
    assert kills == job.steps.count() > 40
    assert found() == {}
    assert Receipt.objects.count() == 1
    assert not JobStep.objects.filter(result__has_key="sealed").exists()


def test_an_erasure_that_nobody_retried_is_begun_again(
    person: SeedUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The profile is empty by then: what is looked for is what the first job had sealed."""

    def fail(*_: Any) -> None:
        raise OSError("no room")

    with monkeypatch.context() as patched:
        patched.setattr("feedback.services.erasing.rewrite_feedback", fail)
        with pytest.raises(OSError, match="no room"):
            remove("person", person.pk)
    assert SeedUser.objects.get(pk=person.pk).external_id == f"erased-{person.pk}"
    sealed = JobStep.objects.get(result__has_key="sealed").result["sealed"]
    assert not any(one in sealed for one in TRACES)
    assert remove("person", person.pk).state == Job.State.SUCCEEDED
    assert found() == {}


def test_features_may_go_too(person: SeedUser) -> None:
    numbers = [person.pk, *person.aliases.exclude(number=None).values_list("number", flat=True)]
    own = MatchEvent.objects.filter(user_id__in=numbers)
    kept = MatchEvent.objects.exclude(user_id__in=numbers).exclude(target_id__in=numbers)
    keys = list(own.values_list("pk", flat=True))
    others = kept.exclude(interest_score=None).count()
    remove("person", person.pk, features="drop")
    gone = MatchEvent.objects.filter(pk__in=keys)
    assert (
        len(keys) == gone.filter(user_id__lt=0, interest_score=None, true_probability=None).count()
    )
    assert kept.exclude(interest_score=None).count() == others
    assert "interest_score" not in str(list(EventChange.objects.values_list("after", flat=True)))


def test_batch_and_datasets_say_that_somebody_was_erased(
    person: SeedUser, admin_client: Client
) -> None:
    plan = removal_of("person").plan(person, ErasePerson(number=person.pk, why="-"))  # type: ignore[union-attr]
    assert any("match_compatibility/1 keeps its rows" in one for one in plan.stale)
    assert any("Model 1 learnt from it" in one for one in plan.stale)
    assert not any(one in json.dumps(plan.as_dict()) for one in TRACES)
    job = remove("person", person.pk)
    (batch,) = EventBatch.objects.exclude(erased_people=0)
    page = admin_client.get(reverse("admin:matching_eventbatch_change", args=[batch.pk]))
    told = "Cannot be recomputed: 1 person of its population was erased since"
    assert told in page.content.decode()
    for dataset in Dataset.objects.all():
        assert "1 person was erased since" in why_stale(dataset)
        page = admin_client.get(reverse("admin:training_dataset_change", args=[dataset.pk]))
        assert "1 person was erased since" in page.content.decode()
    model = ModelVersion.objects.get()
    page = admin_client.get(reverse("admin:training_modelversion_change", args=[model.pk]))
    assert "1 person was erased since" in page.content.decode()
    assert f"Build dataset {model.dataset.version} anew" in page.content.decode()
    receipt = Receipt.objects.get()
    line = AuditEntry.objects.latest("pk")
    assert line.title == receipt.title == f"Person {person.pk}"
    assert job.arguments == {"number": person.pk, "why": "a test"}


def test_a_dataset_is_built_again_of_a_batch_whose_people_were_erased(person: SeedUser) -> None:
    batch = EventBatch.objects.get(method="generated")
    same = make_dataset(batch)
    remove("person", person.pk)
    again = make_dataset(EventBatch.objects.get(pk=batch.pk))
    assert (again.rows, again.train_rows) == (same.rows, same.train_rows)
    other = make_dataset(EventBatch.objects.get(pk=batch.pk), feature_set="tiered-1")
    assert other.dropped["people_erased"] > 0
    assert other.train_rows < same.train_rows


def test_who_is_erased_may_come_again_as_somebody_new(person: SeedUser) -> None:
    remove("person", person.pk)
    new = make_seed_user(ID)
    assert new.pk != person.pk
    assert not MatchEvent.objects.filter(user_id=new.pk).exists()
    assert remove("person", new.pk).state == Job.State.SUCCEEDED


def test_an_id_that_is_a_bare_number_is_looked_for_where_ids_stand(valkey: Any) -> None:
    person, near = make_seed_user("4711"), make_seed_user("47110")
    source = real_source()
    rate(source, [0.2, 0.8, 0.4], user_id=["4711", "47110", "4711"], session_id=["1", "2", "1"],
         feedback_text=["4711 rows came", "4711 rows came", ""])  # fmt: skip
    refused = make_refused_profile(id="4711")
    stays = make_refused_profile(id="47110", age="4711")
    job = Job.objects.create(
        kind="matching.seed_users", state=Job.State.SUCCEEDED,
        result={"rows": 4711, "text": "4711 rows", "userId": "4711"},
    )  # fmt: skip
    plan = removal_of("person").plan(person, ErasePerson(number=person.pk, why="-"))  # type: ignore[union-attr]
    assert any("looked for where ids stand" in one for one in plan.stays)
    assert remove("person", person.pk).state == Job.State.SUCCEEDED
    label = f"erased-{person.pk}"
    job.refresh_from_db()
    assert job.result == {"rows": 4711, "text": "4711 rows", "userId": label}
    told = QualityFeedback.objects.order_by("quality_rating")
    assert [one.user_id for one in told] == [label, label, "47110"]
    assert [one.feedback_text for one in told] == ["", "", "4711 rows came"]
    assert [one.session_id for one in told] == [f"{label}-s1"] * 2 + ["2"]
    assert not RefusedProfile.objects.filter(pk=refused.pk).exists()
    assert RefusedProfile.objects.filter(pk=stays.pk).exists()
    assert SeedUser.objects.filter(pk=near.pk, external_id="47110").exists()


def test_a_name_or_text_that_others_have_stays_theirs(valkey: Any) -> None:
    person = make_seed_user("ana_1", name="Ana Alba", interests=["food", "curling"])
    namesake = make_seed_user("ana_2", name="Ana Alba", interests=["curling"])
    rate(real_source(), [0.2, 0.8], user_id=["ana_1", "ana_2"],
         feedback_text=["It was a lovely evening.", "It was a lovely evening."])  # fmt: skip
    line = JobLogLine.objects.create(
        job=Job.objects.create(kind="matching.seed_users", state=Job.State.SUCCEEDED),
        message="Ana Alba said: It was a lovely evening. ana_1, ana_2",
    )
    assert remove("person", person.pk).state == Job.State.SUCCEEDED
    line.refresh_from_db()
    said = f"Ana Alba said: It was a lovely evening. erased-{person.pk}, ana_2"
    assert line.message == said
    namesake.refresh_from_db()
    assert (namesake.name, namesake.interests) == ("Ana Alba", ["curling"])
    assert QualityFeedback.objects.get(user_id="ana_2").feedback_text == "It was a lovely evening."


def test_the_audit_list_lets_nothing_through_but_words(person: SeedUser) -> None:
    lines = AuditEntry.objects.filter(pk=AuditEntry.objects.latest("pk").pk)
    with pytest.raises(DatabaseError), transaction.atomic():
        lines.update(title="without leave")
    allow_changes()
    for change in ({"actor": "somebody else"}, {"act": "sign_in"}, {"at": timezone.now()}):
        with pytest.raises(DatabaseError), transaction.atomic():
            lines.update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        lines.delete()
    with pytest.raises(DatabaseError), transaction.atomic():
        Dataset.objects.update(rows=1)
    assert lines.update(title="with leave") == 1


def test_a_page_that_spoke_of_the_person_is_forgotten(person: SeedUser) -> None:
    """Messages of pages wait in sessions of the admin until they are shown."""
    told = SessionStore()
    told["_messages"] = f"[['', 20, 'The seed user {ID} was changed.']]"
    told["_auth_user_id"] = "1"
    told.create()
    assert remove("person", person.pk).state == Job.State.SUCCEEDED
    kept = SessionStore(session_key=told.session_key).load()
    assert ID not in str(kept)
    assert kept["_auth_user_id"] == "1"


def test_a_job_that_writes_of_people_goes_first(valkey: Any) -> None:
    person = make_seed_user("ana_1")
    writer = Job.objects.create(kind="training.build_dataset", state=Job.State.RUNNING)
    job = remove("person", person.pk)
    assert job.state == Job.State.REFUSED
    assert f"Job {writer.short_id}" in job.error
    assert SeedUser.objects.get(pk=person.pk).external_id == "ana_1"
    Job.objects.filter(pk=writer.pk).update(state=Job.State.SUCCEEDED)
    assert remove("person", person.pk).state == Job.State.SUCCEEDED


def test_the_log_of_the_server_has_neither_statements_nor_rows(valkey: Any) -> None:
    make_seed_user(ID)
    before = {path: path.stat().st_size for path in logs()}
    with pytest.raises(DatabaseError), transaction.atomic():
        SeedUser.objects.bulk_create([SeedUser(external_id=ID, name=NAME)])
    said = b"".join(path.read_bytes()[before.get(path, 0) :] for path in logs())
    lines = said.decode(errors="replace")
    assert "duplicate key value violates unique constraint" in lines
    assert ID not in lines
    assert NAME not in lines


def logs() -> list[Path]:
    return [path for path in settings.VAR.rglob("*.log*") if path.is_file()]


def test_who_follows_changes_is_told_that_somebody_changed_and_not_who(valkey: Any) -> None:
    person = make_seed_user("ana_1")
    make_seed_user("ben_1")
    since = snapshot_now()
    assert changes_since(since, 10).names == {"ana_1", "ben_1"}
    assert remove("person", person.pk).state == Job.State.SUCCEEDED
    # Everything is read anew, as where too many changed: nobody goes on offering who is gone.
    assert changes_since(since, 10).names is None
    assert "ana_1" not in str(list(everybody()))
