"""Two records of one person become one: profile, trip, groups, names, events."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from matching.jobs import identity as work
from matching.jobs.arguments import MergePeople
from matching.models import (
    EventBatch,
    MatchEvent,
    PersonAlias,
    SeedUser,
    TravelGroup,
    TravelSession,
)
from matching.queries.merging import plan_merge
from matching.queries.session_checks import check_sessions
from matching.services import session_repairs
from matching.services.identity import merge_people, rename_person
from matching.services.sessions import publish_sessions
from project.audit.models import AuditEntry
from project.jobs.models import Job
from project.jobs.run import JobRun
from project.origin import Origin
from project.refusal import Refusal
from tests.factories import make_group, make_seed_user, make_session
from tests.matching.commands import run_command, show_command
from tests.training.batches import claimed_run, draw_events, make_batch
from training.domain.kind import Recipe
from training.kinds.rows import matches

pytestmark = pytest.mark.django_db
EMPTY: dict[str, Any] = {
    **dict.fromkeys(("gender", "personality", "smoking", "religion", "home_city"), ""),
    **dict.fromkeys(("age", "extraversion", "home_lat", "home_lon"), None),
    "interests": [],
}


def merge(keep: SeedUser, gone: SeedUser) -> Any:
    return merge_people(keep.pk, gone.pk)


def test_what_is_set_stays_and_what_is_missing_is_filled_in() -> None:
    keep = make_seed_user("ada", **{**EMPTY, "profession": "teacher", "age": 60})
    gone = make_seed_user("bob", age=29, home_city="Berlin")
    plan = plan_merge(keep, gone)
    taken = {one["name"] for one in plan["fields"] if one["taken"]}
    assert taken == EMPTY.keys() - {"age"}
    assert {one["name"] for one in plan["fields"]} - taken == {"age", "profession"}
    assert sorted(merge(keep, gone)["fields_taken"]) == sorted(taken)
    keep.refresh_from_db()
    assert (keep.age, keep.profession, keep.home_city, keep.home_lat) == (
        60, "teacher", "Berlin", 52.52,
    )  # fmt: skip
    assert keep.history.first().history_change_reason == f"Filled in from person {gone.pk}"
    assert not SeedUser.objects.filter(external_id="bob").exists()


@pytest.mark.parametrize(
    ("own", "taken"),
    [
        ({"home_city": "Rome", "home_lat": None, "home_lon": None}, set()),
        ({"home_city": "Berlin", "home_lat": None, "home_lon": None}, {"home_lat", "home_lon"}),
        ({"personality": "", "extraversion": 0.1}, set()),
        ({"interests": []}, {"interests"}),
    ],
)
def test_fields_that_say_what_others_mean_are_taken_together(
    own: dict[str, Any], taken: set[str]
) -> None:
    merged = merge(make_seed_user("ada", **own), make_seed_user("bob"))
    assert set(merged["fields_taken"]) == taken


def test_history_and_the_audit_list_tell_and_the_list_names_nobody() -> None:
    keep, gone = make_seed_user("ada"), make_seed_user("bob")
    number = gone.pk
    merge(keep, gone)
    last = SeedUser.history.filter(id=number).first()
    assert (last.history_type, last.history_change_reason) == ("-", f"Merged into person {keep.pk}")
    entry = AuditEntry.objects.first()
    assert entry is not None
    told = f"{entry.title}: {entry.detail}"
    assert told == f"Person {keep.pk}: took in person {number}"
    alias = PersonAlias.objects.get()
    assert (alias.external_id, alias.person_id, alias.number, alias.why) == (
        "bob", keep.pk, number, "merged",
    )  # fmt: skip


def test_names_of_who_goes_are_names_of_who_stays_in_a_chain() -> None:
    first, second, third = (make_seed_user(name) for name in ("ada", "bob", "cleo"))
    rename_person(first, "ada-2")
    numbers = {first.pk, second.pk}
    merge(second, SeedUser.objects.get(pk=first.pk))
    merge(third, second)
    assert set(PersonAlias.objects.values_list("external_id", "person_id")) == {
        ("ada", third.pk),
        ("ada-2", third.pk),
        ("bob", third.pk),
    }
    assert set(PersonAlias.objects.exclude(number=None).values_list("number", flat=True)) == numbers


def test_who_returns_to_the_name_of_a_merged_record_stays_known_by_its_number() -> None:
    keep, gone = make_seed_user("ada"), make_seed_user("bob")
    number = gone.pk
    merge(keep, gone)
    rename_person(keep, "bob")
    alias = PersonAlias.objects.get()
    assert (alias.external_id, alias.number) == ("ada", number)


def test_groups_are_those_of_both() -> None:
    keep, gone, other = (make_seed_user(name) for name in ("ada", "bob", "cleo"))
    make_group("theirs", [gone, other])
    make_group("shared", [keep, gone])
    make_group("own", [keep])
    plan = plan_merge(keep, gone)
    assert (plan["groups_joined"], plan["groups_shared"]) == (["theirs"], ["shared"])
    assert merge(keep, gone)["groups"] == 2
    of_group = {
        group.external_id: set(group.members.values_list("external_id", flat=True))
        for group in TravelGroup.objects.all()
    }
    assert of_group == {"theirs": {"ada", "cleo"}, "shared": {"ada"}, "own": {"ada"}}
    reason = TravelGroup.history.filter(external_id="theirs").first().history_change_reason
    assert reason == "A member was merged"


@pytest.mark.parametrize("who", ["keep", "gone", "both", "nobody"])
def test_one_trip_is_left_that_of_who_stays_before_the_other(
    who: str, valkey: Any, django_capture_on_commit_callbacks: Any
) -> None:
    keep, gone = make_seed_user("ada"), make_seed_user("bob")
    for name, person in (("keep", keep), ("gone", gone)):
        if who in (name, "both"):
            make_session(person, destination_name=f"Of {name}")
    publish_sessions(["ada", "bob"])
    stays = {"keep": "kept", "both": "kept", "gone": "moved", "nobody": "none"}[who]
    plan = plan_merge(SeedUser.objects.get(pk=keep.pk), SeedUser.objects.get(pk=gone.pk))
    assert (plan["trip"], plan["trip_ends"]) == (stays, who == "both")
    with django_capture_on_commit_callbacks(execute=True):
        assert merge(keep, gone)["trip"] == stays
    assert valkey.get("session:bob") is None
    if who == "nobody":
        assert not TravelSession.objects.exists()
        return
    session = TravelSession.objects.get()
    assert (session.user_id, session.external_id) == (keep.pk, "ada")
    assert session.destination_name == ("Of gone" if who == "gone" else "Of keep")
    assert json.loads(valkey.get("session:ada"))["destination"]["name"] == session.destination_name
    assert check_sessions(minimum=1)["verdict"] == "pass"


@pytest.mark.parametrize("who", ["gone", "both"])
def test_a_crash_before_the_copies_followed_is_mended(who: str, valkey: Any) -> None:
    keep, gone = make_seed_user("ada"), make_seed_user("bob")
    if who == "both":
        make_session(keep, destination_name="Of keep")
    make_session(gone, destination_name="Of gone")
    publish_sessions(["ada", "bob"])
    merge(keep, gone)  # what waits for the commit never comes
    session_repairs.mend_copies(session_repairs.mend_records(by=None))
    assert TravelSession.objects.get().destination_name == f"Of {'keep' if who == 'both' else who}"
    assert valkey.get("session:bob") is None
    assert check_sessions(minimum=1)["verdict"] == "pass"
    assert SeedUser.objects.count() == 1


def test_a_real_person_and_a_synthetic_one_are_never_merged() -> None:
    real, drawn = make_seed_user("ada", origin=Origin.REAL.code), make_seed_user("bob")
    for keep, gone in ((real, drawn), (drawn, real)):
        with pytest.raises(Refusal, match="ada is a real person and bob a synthetic one"):
            merge(keep, gone)
        with pytest.raises(Refusal, match="never merged"):
            plan_merge(keep, gone)
    with pytest.raises(Refusal, match="one person already"):
        merge(real, real)
    assert SeedUser.objects.count() == 2


@contextmanager
def killed_at(step: int, *, is_kept: bool, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kill a run in a step: before it is committed, or right after."""
    reached, real = 0, JobRun.transaction

    @contextmanager
    def struck(run: JobRun, name: str | None = None, number: int = 0) -> Iterator[dict[str, Any]]:
        nonlocal reached
        reached += 1
        is_here = reached == step
        with real(run, name, number) as result:
            yield result
            if is_here and not is_kept:
                raise KeyboardInterrupt
        if is_here:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(JobRun, "transaction", struck)
        yield


def people_read(batches: list[EventBatch]) -> set[int]:
    frame = matches.load(Recipe(batches=tuple(batch.pk for batch in batches))).frame
    return {*frame["user_id"].tolist(), *frame["partner_id"].tolist()}


def two_batches(keep: SeedUser, gone: SeedUser) -> list[EventBatch]:
    """An imported batch and a drawn one, of whose events most name either."""
    batches = []
    for method in (EventBatch.Method.IMPORTED, EventBatch.Method.GENERATED):
        events = draw_events(60, users=200)
        events["user_id"] = np.where(np.arange(60) % 2, keep.pk, gone.pk)
        events["target_id"] = 10_000 + np.arange(60) % 7
        events.loc[:1, ["user_id", "target_id"]] = [[keep.pk, gone.pk], [gone.pk, keep.pk]]
        batches.append(make_batch(events, method=method))
    return batches


STEPS = 6  # people, plan, and four stretches


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_killed_at_each_step_and_resumed_a_reader_sees_two_people_or_one(
    step: int, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, gone = make_seed_user("ada"), make_seed_user("bob")
    number = gone.pk
    batches = two_batches(keep, gone)
    summaries = [batch.summary for batch in batches]
    partners = set(range(10_000, 10_007))
    monkeypatch.setattr(work, "STRETCH", 30)
    run = claimed_run("matching.merge_people", keep=keep.pk, gone=number)
    asked = MergePeople(keep=keep.pk, gone=number)
    assert people_read(batches) == partners | {keep.pk, number}
    with (
        killed_at(step, is_kept=is_kept, monkeypatch=monkeypatch),
        pytest.raises(KeyboardInterrupt),
    ):
        work.merge_people(run, asked)
    is_begun = step > 1 or is_kept
    assert people_read(batches) == partners | ({keep.pk} if is_begun else {keep.pk, number})
    assert SeedUser.objects.count() == (1 if is_begun else 2)
    result = work.merge_people(JobRun(Job.objects.get(pk=run.job_id), 1), asked)
    assert people_read(batches) == partners | {keep.pk}
    assert (result["batches"], result["events"], result["events_rewritten"]) == (2, 62, 31)
    assert result["events_of_one_person"] == 4
    imported, drawn = batches
    assert not MatchEvent.objects.of_batch(imported).filter(user_id=number).exists()
    assert MatchEvent.objects.of_batch(drawn).filter(user_id=number).count() == 30
    for batch, summary in zip(batches, summaries, strict=True):
        batch.refresh_from_db()
        assert (batch.merged_events, batch.made, batch.summary) == (31, 60, summary)
        assert MatchEvent.objects.of_batch(batch).count() == 60
    # Done once more, nothing is left to do.
    again = work.merge_people(claimed_run("matching.merge_people"), asked)
    assert (again["was_merged"], again["events_rewritten"]) == (True, 0)
    assert PersonAlias.objects.count() == 1


def test_the_command_plans_merges_and_takes_up_what_was_begun(
    valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, gone = make_seed_user("ada"), make_seed_user("bob", age=61)
    two_batches(keep, gone)
    code, told = run_command("people", "merge", "ada", "bob", "--plan")
    plan = told["plan"]
    assert (code, plan["events"], plan["events_of_both"]) == (0, 62, 4)
    assert {"name": "age", "keep": 29, "gone": 61, "taken": False} in plan["fields"]
    assert "nothing is done yet" in show_command("people", "merge", "ada", "bob", "--plan")
    assert SeedUser.objects.count() == 2
    code, result = run_command("people", "merge", "ada", "bob", "--now")
    assert (code, result["events"], result["was_merged"]) == (0, 62, False)
    code, again = run_command("people", "merge", "ada", "bob", "--now")
    assert (code, again["was_merged"]) == (0, True)
    assert "was part of person" in show_command("people", "merge", "ada", "bob", "--now")
    job = Job.objects.first()
    assert job is not None
    said = json.dumps([job.arguments, job.result])
    assert "ada" not in said
    assert "bob" not in said


def test_the_command_renames_and_refuses_with_2(valkey: Any) -> None:
    make_seed_user("ada"), make_seed_user("bob")
    code, result = run_command("people", "rename", "ada", "ada-2")
    assert (code, result["external_id"], result["former_names"]) == (0, "ada-2", ["ada"])
    assert "ada is ada-3 now" not in show_command("people", "rename", "ada", "ada-3")
    code, refused = run_command("people", "rename", "ada", "bob")
    assert code == 2
    assert "people merge bob ada-3" in refused["refused"]["remedy"]
    for arguments in (("rename", "nobody", "x"), ("merge", "ada", "nobody")):
        code, refused = run_command("people", *arguments)
        assert code == 2
        assert "Nobody is or was called 'nobody'" in refused["refused"]["message"]
    assert run_command("people", "merge", "ada", "ada-3", "--plan")[0] == 2
