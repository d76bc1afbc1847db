"""Renamed and merged people in datasets: those of before stay, a rebuild counts them once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from feedback.jobs.synthetic import fill_synthetic
from feedback.models import QualityFeedback
from matching.models import EventBatch, MatchEvent, SeedUser
from matching.services.identity import rename_person
from overview.queries.pipeline import read_pipeline
from project.storage.artifacts import verify
from tests.factories import make_seed_user, make_session
from tests.matching.commands import run_command
from tests.matching.test_behaviour_logs import swipe
from tests.training.batches import make_dataset
from training.domain.kind import Recipe
from training.kinds import get_kind
from training.kinds.rows import matches
from training.models import Dataset
from training.queries.datasets import read_part
from training.queries.lineage import lineage_of
from training.queries.staleness import why_stale

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]


@pytest.fixture
def people(settings: Any, tmp_path: Path) -> list[SeedUser]:
    settings.MEDIA_ROOT = tmp_path / "uploads"
    people = [make_seed_user(f"person_{n}", age=20 + n) for n in range(20)]
    for person in people:
        make_session(person)
    return people


def import_swipes(path: Path, people: list[SeedUser]) -> EventBatch:
    """A log of everybody about everybody."""
    words = ("accept", "ignore", "chat", "unmatch")
    lines = [
        swipe(a.external_id, b.external_id, words[(i * 7 + j) % 4])
        for i, a in enumerate(people)
        for j, b in enumerate(people)
        if a != b
    ]
    path.write_text("".join(f"{line}\n" for line in lines))
    code, result = run_command("import_events", str(path), "--now")
    assert code == 0
    return EventBatch.objects.get(pk=result["batches"][0])


def parts_of(dataset: Dataset) -> dict[str, set[int]]:
    found = {}
    for part in ("train", "val"):
        frame = read_part(dataset, part, ["user_id", "partner_id"])
        found[part] = {*frame["user_id"].tolist(), *frame["partner_id"].tolist()}
    return found


def figures_of(dataset: Dataset) -> tuple[Any, ...]:
    dataset.refresh_from_db()
    verify(dataset.folder, dataset.files)
    return dataset.files, dataset.report, dataset.lineage, dataset.rows, parts_of(dataset)


def test_merge_and_rename_keep_figures_of_before_and_a_rebuild_counts_the_person_once(
    tmp_path: Path, people: list[SeedUser], admin_client: Client
) -> None:
    batch = import_swipes(tmp_path / "log", people)
    before = make_dataset(batch)
    figures, summary = figures_of(before), batch.summary
    assert set.union(*parts_of(before).values()) == {person.pk for person in people}
    assert why_stale(before) == ""
    rename_person(people[2], "somebody")
    assert run_command("people", "merge", "person_0", "person_1", "--now")[0] == 0
    assert run_command("people", "merge", "somebody", "person_3", "--now")[0] == 0

    # What was made before: not a byte is other, and pages say what happened upstream.
    assert figures_of(before) == figures
    batch.refresh_from_db()
    assert batch.summary == summary
    assert batch.made == MatchEvent.objects.of_batch(batch).count() == 380
    named = "name somebody who was merged into another person since"
    assert named in why_stale(Dataset.objects.get())
    assert lineage_of(before).outdated == before
    assert named in read_pipeline().stale
    for address in (
        reverse("admin:training_dataset_change", args=[before.pk]),
        reverse("admin:matching_eventbatch_change", args=[batch.pk]),
    ):
        assert "merged" in admin_client.get(address).content.decode()

    # A rebuild: two people fewer, nobody in both parts twice, the pair of each gone.
    anew = make_dataset(batch)
    assert why_stale(anew) == ""
    gone = {people[1].pk, people[3].pk}
    assert set.union(*parts_of(anew).values()) == {person.pk for person in people} - gone
    assert anew.dropped["pair_of_one_person"] == 4
    kept = [dataset.train_rows + dataset.validation_rows for dataset in (before, anew)]
    assert kept == [380, 376]
    # The same log, sent again under old names, is known; one that names both is of the one.
    code, again = run_command("import_events", str(tmp_path / "log"), "--now")
    assert (code, again["new"]) == (0, 0)
    late = tmp_path / "late"
    late.write_text("\n".join(swipe(n, "person_9") for n in ("person_2", "person_3", "somebody")))
    _, result = run_command("import_events", str(late), "--now")
    (landed,) = result["batches"]
    users = set(MatchEvent.objects.filter(pk__gte=landed << 32).values_list("user_id", flat=True))
    assert users == {people[2].pk}


def test_a_split_by_person_has_nobody_in_both_parts(tmp_path: Path, people: list[SeedUser]) -> None:
    batch = import_swipes(tmp_path / "log", people)
    assert run_command("people", "merge", "person_0", "person_1", "--now")[0] == 0
    dataset = make_dataset(batch, split="user")
    asked = [set(read_part(dataset, part, ["user_id"])["user_id"]) for part in ("train", "val")]
    assert not asked[0] & asked[1]
    assert len(asked[0] | asked[1]) == 19


def test_features_of_drawn_events_are_those_of_the_people_of_then() -> None:
    run_command("seed_users", "--now", "--count", "150", "--seed", "3")
    run_command("create_sessions", "--now")
    made = run_command("generate_events", "--now", "--count", "300", "--allow-repeats")
    assert made[0] == 0, made
    batch = EventBatch.objects.get()
    asked = Recipe(batches=(batch.pk,), feature_set="tiered-1")  # computed anew, from its people
    before = matches.load(asked).frame
    keep, gone = (SeedUser.objects.get(pk=pk) for pk in before["user_id"].unique()[:2])
    code, result = run_command("people", "merge", keep.external_id, gone.external_id, "--now")
    assert (code, result["events_rewritten"]) == (0, 0)
    assert result["events"] > 0
    after = matches.load(asked).frame
    known = [before[name].replace(gone.pk, keep.pk) for name in ("user_id", "partner_id")]
    is_left = (known[0] != known[1]).to_numpy()
    np.testing.assert_array_equal(after["event_key"], before["event_key"][is_left])
    np.testing.assert_array_equal(after["user_id"], known[0][is_left])
    np.testing.assert_array_equal(after["partner_id"], known[1][is_left])
    for name in ("age_score", "distance_score", "true_probability", "feature_probability"):
        np.testing.assert_array_equal(after[name], before[name][is_left])
    assert gone.pk not in {*after["user_id"], *after["partner_id"]}


def test_feedback_of_either_name_is_of_one_user(db: None) -> None:
    fill_synthetic(count=400, seed=2)
    kind = get_kind("csat")
    rows = list(QualityFeedback.objects.order_by("pk")[:20])
    for place, row in enumerate(rows):
        row.user_id = ("ada", "old", "gone", "")[place % 4]
        row.save(update_fields=["user_id"])
    person, other = make_seed_user("old"), make_seed_user("gone")
    rename_person(person, "ada")
    assert run_command("people", "merge", "ada", other.external_id, "--now")[0] == 0
    frame = kind.load(Recipe()).frame
    counts = frame["user_id"].value_counts()
    assert counts["ada"] == 15
    assert not {"old", "gone"} & set(counts.index)
    assert frame["user_id"].isna().sum() == 5
    # The rows themselves say what the application said.
    assert QualityFeedback.objects.filter(user_id="old").count() == 5
