"""The rebuild as one job, and the demo."""

import os
import stat

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from matching.models import PROFILE_FIELDS, EventBatch, SeedUser, TravelSession
from matching.services.people import seed_block
from matching.services.session_repairs import mend_copies, mend_records
from matching.services.sessions import SESSION_FIELDS
from overview.jobs.arguments import RebuildModel
from overview.jobs.rebuild import rebuild
from overview.management.commands import demo
from project.jobs.models import Job
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.refusal import Refusal
from tests.factories import make_seed_user, make_staff
from tests.training.batches import claimed_run
from tests.training.test_datasets import run_json
from training.models import Dataset, ModelVersion, Promotion
from training.services import registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]


@pytest.fixture
def population(db, valkey):
    seed_block(seed=7, block=0, count=120, by=None)


def test_one_command_goes_from_users_to_scores_that_differ(population, capsys):
    result = run_json(capsys, "rebuild", "--count", "400", "--now")
    assert result["events"]["made"] == 400
    assert result["sessions"]["created"] >= 120
    assert result["promotion"]["version"] == 1
    assert len({row["score"] for row in result["scores"]}) > 10
    assert {row["served_by"] for row in result["scores"]} == {"model"}
    job = Job.objects.get()
    assert [stage["state"] for stage in job.stages] == ["done"] * len(job.stages)
    assert {record["model"] for record in job.records} == {
        "matching.eventbatch", "training.dataset", "training.modelversion",
    }  # fmt: skip


def test_resumed_rebuild_makes_nothing_twice(population):
    run = claimed_run("overview.rebuild_model")
    first = rebuild(run, RebuildModel(count=300))
    assert rebuild(run, RebuildModel(count=300)) == first
    for records in (EventBatch, Dataset, ModelVersion, Promotion):
        assert records.objects.count() == 1


def test_rebuild_without_users_is_refused_with_what_to_do(db, valkey, capsys):
    said = run_json(capsys, "rebuild", "--now", code=2)
    assert "seed_users" in said["refused"]["remedy"]
    reached = [stage for stage in Job.objects.get().stages if stage["state"] != "pending"]
    assert reached[-1]["name"] == "Check profiles"


def test_rebuild_stops_at_the_first_refusal(population):
    with pytest.raises(Refusal, match="distinct pairs"):
        rebuild(claimed_run("overview.rebuild_model"), RebuildModel(count=900_000))
    assert not EventBatch.objects.exists()


def test_rebuild_names_incomplete_users_and_goes_on(population):
    make_seed_user("seed_gap", age=None)
    run = claimed_run("overview.rebuild_model")
    result = rebuild(run, RebuildModel(count=300))
    assert result["profiles"]["incomplete"] == 1
    assert "seed_gap lacks age" in run.job.log_lines.get(level="warning").message


def test_rebuild_whose_promotion_is_refused_keeps_the_champion(population, monkeypatch):
    rebuild(claimed_run("overview.rebuild_model"), RebuildModel(count=300))

    def refuse(*_, **__):
        raise Refusal("significantly worse", remedy="keep the champion")

    monkeypatch.setattr(registry, "promote", refuse)
    with pytest.raises(Refusal, match="significantly worse"):
        rebuild(claimed_run("overview.rebuild_model"), RebuildModel(count=300, seed=8))
    assert ModelVersion.objects.champions().get().version == 1


@pytest.mark.parametrize("is_asked", [True, False])
def test_a_rebuild_of_somebody_who_may_not_promote_trains_only(population, is_asked):
    person = make_staff("training.rebuild_model")
    job = enqueue("overview.rebuild_model", by=person, count=300, promote=is_asked)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.error, job.result["promotion"]) == ("succeeded", "", None)
    assert ModelVersion.objects.get().stage == ModelVersion.Stage.CANDIDATE
    assert not Promotion.objects.exists()
    said = job.log_lines.filter(message__contains="may not promote models")
    assert said.exists() is is_asked


def leave_couples(valkey, *, count, different):
    """Leave so many pairs who could meet, each in a place of its own; so many of them differ."""
    users = list(SeedUser.objects.order_by("pk")[: 2 * count])
    TravelSession.objects.exclude(user__in=users).delete()
    one = TravelSession.objects.earliest("pk")
    trip = {name: getattr(one, name) for name in SESSION_FIELDS}
    for number, user in enumerate(users):
        couple, side = divmod(number, 2)
        model = users[2 * (couple % different) + side]
        profile = {name: getattr(model, name) for name in PROFILE_FIELDS}
        SeedUser.objects.filter(pk=user.pk).update(**profile)
        place = {"destination_lat": -60.0, "destination_lon": 15.0 * couple}
        TravelSession.objects.filter(user=user).update(**trip | place)
    valkey.flushdb()
    mend_copies(mend_records(by=None))


def test_rebuild_needs_ten_different_scores_or_as_many_as_there_are_pairs(population, valkey):
    run = claimed_run("overview.rebuild_model")
    rebuild(run, RebuildModel(count=300))
    for count, different, is_enough in (
        (11, 10, True),
        (11, 9, False),
        (3, 3, True),
        (3, 2, False),
    ):
        leave_couples(valkey, count=count, different=different)
        # All is done but the last step, which looks at today's pairs.
        if is_enough:
            scores = [row["score"] for row in rebuild(run, RebuildModel(count=300))["scores"]]
            assert (len(scores), len(set(scores))) == (count, different)
            continue
        with pytest.raises(Refusal, match=f"{count} pairs got only {different} different scores"):
            rebuild(run, RebuildModel(count=300))


def test_demo_runs_twice_and_keeps_its_password(
    db, valkey, settings, tmp_path, capsys, monkeypatch
):
    settings.VAR = tmp_path
    monkeypatch.setattr(demo, "EVENTS", 400)
    for version in (1, 2):
        call_command("demo")
        printed = capsys.readouterr().out
        assert f"Champion: version {version}" in printed
        assert "20 different scores" in printed
        assert demo.ADDRESS in printed
    password = (tmp_path / "demo_password").read_text().strip()
    assert password in printed
    assert stat.S_IMODE((tmp_path / "demo_password").stat().st_mode) == 0o600
    assert User.objects.get(username="admin").check_password(password)
    assert SeedUser.objects.count() >= demo.USERS


def test_demo_leaves_the_account_of_somebody_else_alone(db, settings, tmp_path):
    settings.VAR = tmp_path
    User.objects.create_superuser("admin", password="somebody else's own")
    kept = tmp_path / "demo_password"
    kept.touch(mode=0o600)
    kept.write_text("not theirs")
    assert demo.make_admin()["password"] == ""
    assert User.objects.get().check_password("somebody else's own")
    assert kept.read_text() == "not theirs"


def test_demo_of_a_second_database_leaves_the_password_of_the_first_where_it_is(
    db, settings, tmp_path
):
    settings.VAR = tmp_path
    first = demo.make_admin()["password"]
    User.objects.all().delete()  # as another DATABASE_URL would find it
    assert demo.make_admin()["password"] == first
    assert (tmp_path / "demo_password").read_text().strip() == first
    assert User.objects.get().check_password(first)


@pytest.mark.parametrize("lay", ["link", "pipe", "open to others"])
def test_demo_takes_no_password_from_a_file_that_somebody_may_have_planted(
    db, settings, tmp_path, lay
):
    settings.VAR = tmp_path
    path = tmp_path / "demo_password"
    if lay == "pipe":
        os.mkfifo(path, mode=0o600)
    else:
        target = path if lay == "open to others" else tmp_path / "elsewhere"
        target.touch(mode=0o644 if lay == "open to others" else 0o600)
        target.write_text("planted")
        if lay == "link":
            path.symlink_to(target)
    with pytest.raises(CommandError, match="Move it away"):
        demo.make_admin()
    assert not User.objects.exists()


def test_status_names_the_next_step_all_the_way(population, capsys):
    def step():
        return run_json(capsys, "status")["next_step"]["command"]

    assert step() == "create_sessions"
    rebuild(claimed_run("overview.rebuild_model"), RebuildModel(count=300))
    state = run_json(capsys, "status")
    assert state["next_step"]["command"].startswith("predict")
    assert state["kinds"][0]["champion"]["version"] == 1
    assert state["people"]["complete"] == state["people"]["users"] >= 120
    call_command("status")
    assert "Nothing waits" in capsys.readouterr().out


def test_status_of_nothing_begins_at_the_beginning(db, capsys):
    assert run_json(capsys, "status")["next_step"]["command"] == "seed_users"
