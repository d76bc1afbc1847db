"""`generate_events`: what it refuses, whom it names, and that a batch is whole or not there."""

import json
import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from matching.domain.generation import Generation
from matching.models import EventBatch, MatchEvent, SeedUser
from matching.queries.generations import load_generation
from matching.services.generation import as_rows
from project.jobs.models import Job
from project.jobs.runner import run_job
from project.jobs.services import enqueue, retry_job, stop_job
from tests.factories import make_group, make_seed_user, make_session

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]


@pytest.fixture
def travellers() -> list[SeedUser]:
    """Twenty users on overlapping trips to one city, none like another: 190 pairs."""
    users = []
    for number in range(20):
        user = make_seed_user(f"seed_traveller_{number:03d}", age=20 + number)
        start = timezone.localdate() + timedelta(days=10 + number % 4)
        make_session(
            user,
            budget=500.0 + 137 * number,
            start_date=start,
            end_date=start + timedelta(days=7 + number % 5),
        )
        users.append(user)
    return users


def run(*arguments: str) -> dict:
    out = StringIO()
    call_command("generate_events", *arguments, "--now", "--json", stdout=out)
    return json.loads(out.getvalue())


def refused(capsys, *arguments: str) -> dict:
    out = StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("generate_events", *arguments, "--now", "--json", stdout=out)
    assert stopped.value.code == 2
    return json.loads(out.getvalue())["refused"]


def test_a_batch_has_the_events_that_its_recipe_gives(travellers):
    result = run("--count", "100", "--seed", "5")
    batch = EventBatch.objects.get(pk=result["batch"])
    assert (result["asked"], result["made"], batch.made) == (100, 100, 100)
    assert batch.state == EventBatch.State.COMPLETE
    assert batch.get_origin_display() == "synthetic"
    expected = as_rows(load_generation(batch).make_chunk(0), batch)
    stored = MatchEvent.objects.of_batch(batch).values_list("id", "user_id", "target_id", "label")
    columns = (expected[name].tolist() for name in ("id", "user_id", "target_id", "label"))
    assert list(stored) == list(zip(*columns, strict=True))
    assert result["label_share"] == sum(row[3] for row in stored) / 100
    first = MatchEvent.objects.of_batch(batch).first()
    assert first.age_score is not None
    assert first.group_size_score is None
    assert first.group_id is None
    assert 0 < first.true_probability < 1


def test_nobody_to_match_is_a_refusal_that_names_the_commands(capsys):
    refusal = refused(capsys, "--count", "10")
    assert "there are 0" in refusal["message"]
    assert "create_sessions" in refusal["remedy"]
    assert not EventBatch.objects.exists()


def test_more_events_than_pairs_are_refused_with_the_number_there_is(travellers, capsys):
    refusal = refused(capsys, "--count", "5000")
    assert refusal["distinct_pairs"] == {"user_user": 380}
    assert refusal["remedy"]
    assert not MatchEvent.objects.exists()


def test_whoever_follows_the_remedy_gets_the_events(travellers, capsys):
    call_command("seed_users", count=2, now=True, json=True)  # this seed is not free
    said = refused(capsys, "--count", "400")["remedy"]
    count, seed = re.search(r"`manage.py seed_users --count (\d+) --seed (\d+)`", said).groups()
    fewer = re.search(r"ask for at most (\d+) events", said).group(1)
    assert run("--count", fewer)["remedy"] == ""
    there = SeedUser.objects.count()
    call_command("seed_users", count=int(count), seed=int(seed), now=True, json=True)
    assert SeedUser.objects.count() == there + int(count)
    call_command("create_sessions", now=True, json=True)
    assert run("--count", "400")["remedy"] == ""


def test_repeats_are_made_when_they_are_allowed(travellers):
    assert run("--count", "500", "--allow-repeats")["made"] == 500


def test_whoever_is_left_out_is_named_with_what_is_missing_and_used_once_complete(travellers):
    first = travellers[0]
    first.age, first.interests = None, []
    first.save()
    result = run("--count", "100")
    (skipped,) = result["skipped"]["incomplete profile"]["examples"]
    assert skipped == {"external_id": first.external_id, "missing": ["age", "interests"]}
    used = MatchEvent.objects.of_batch(EventBatch.objects.get(pk=result["batch"]))
    assert not used.filter(user_id=first.pk).exists()
    assert not used.filter(target_id=first.pk).exists()

    first.age, first.interests = 44, ["food", "hiking"]
    first.save()
    result = run("--count", "190")
    assert result["skipped"] == {}
    used = MatchEvent.objects.of_batch(EventBatch.objects.get(pk=result["batch"]))
    assert used.filter(user_id=first.pk).exists() or used.filter(target_id=first.pk).exists()


def test_groups_are_met_by_users_who_are_not_their_members(travellers):
    group = make_group(members=travellers[:3])
    make_session(group)
    result = run("--count", "17", "--match-type", "user_group")
    events = MatchEvent.objects.of_batch(EventBatch.objects.get(pk=result["batch"]))
    assert set(events.values_list("group_id", flat=True)) == {group.pk}
    assert not events.filter(user_id__in=[user.pk for user in travellers[:3]]).exists()
    assert events.first().group_size_score is not None


def test_edits_of_profiles_change_nothing_of_a_batch_that_is_there(travellers):
    batch = EventBatch.objects.get(pk=run("--count", "100")["batch"])
    before = load_generation(batch).make_chunk(0)["age_score"].tolist()
    SeedUser.objects.update(age=70)
    assert load_generation(batch).make_chunk(0)["age_score"].tolist() == before


def test_a_run_that_died_between_chunks_goes_on_where_it_was(travellers, monkeypatch):
    monkeypatch.setattr("matching.domain.generation.CHUNK_ROWS", 30)
    make_chunk = Generation.make_chunk
    made = []

    def dies_at_the_third(self, number):
        made.append(number)
        if made == [0, 1, 2]:
            raise MemoryError("gone")
        return make_chunk(self, number)

    monkeypatch.setattr(Generation, "make_chunk", dies_at_the_third)
    job = enqueue("matching.generate_events", ring_bell=False, count=100)
    with pytest.raises(MemoryError):
        run_job(str(job.pk))
    batch = EventBatch.objects.get()
    assert batch.state == EventBatch.State.BUILDING
    assert not EventBatch.objects.complete().exists()

    retried = retry_job(Job.objects.get(pk=job.pk))
    run_job(str(retried.pk))
    batch.refresh_from_db()
    assert made == [0, 1, 2, 2, 3]
    assert batch.state == EventBatch.State.COMPLETE
    rows = [pk - batch.first_event_id for pk in MatchEvent.objects.values_list("pk", flat=True)]
    assert rows == list(range(100))


def test_a_run_that_died_after_its_last_chunk_only_has_to_end(travellers, monkeypatch):
    def dies(*_):
        raise MemoryError("gone")

    monkeypatch.setattr("matching.jobs.generation.complete_batch", dies)
    job = enqueue("matching.generate_events", ring_bell=False, count=100)
    with pytest.raises(MemoryError):
        run_job(str(job.pk))
    monkeypatch.undo()
    run_job(str(retry_job(Job.objects.get(pk=job.pk)).pk))
    assert EventBatch.objects.get().state == EventBatch.State.COMPLETE
    assert MatchEvent.objects.count() == 100


def test_a_stopped_generation_leaves_no_events_behind(travellers, monkeypatch):
    monkeypatch.setattr("matching.domain.generation.CHUNK_ROWS", 30)
    job = enqueue("matching.generate_events", ring_bell=False, count=100)

    def stop_at_the_second(columns, batch):
        if columns["row"][0] == 30:
            stop_job(job)
        return as_rows(columns, batch)

    monkeypatch.setattr("matching.services.generation.as_rows", stop_at_the_second)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    assert EventBatch.objects.get().state == EventBatch.State.ABANDONED
    assert not MatchEvent.objects.exists()
