"""Logs that say only who, about whom, what and when: features of the people as they are now."""

import json
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from matching.domain.features.names import FEATURE_NAMES
from matching.jobs import imports
from matching.models import EventBatch, MatchEvent, SeedUser, TravelSession
from matching.queries.behaviour import NONE, OF_NOW, OF_THEN
from matching.queries.known_events import preview_log
from project.jobs.models import Job
from project.refusal import Refusal
from tests.factories import make_group, make_seed_user, make_session
from tests.matching.test_import_events import log, run
from training.domain.kind import Recipe
from training.kinds.rows import matches
from training.models import Dataset
from training.queries.datasets import read_part

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]

TRIP_FEATURES = ("distance_score", "date_overlap_score", "budget_score", "destination_interest")


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def swipe(who: str, whom: str, outcome: str = "ignore", at: datetime | None = None) -> str:
    moment = at or timezone.now() + timedelta(hours=1)
    return json.dumps(
        {
            "matchType": "user_user",
            "userId": who,
            "targetId": whom,
            "outcome": outcome,
            "timestamp": milliseconds(moment),
            "source": "real",
        }
    )


def couple() -> tuple[SeedUser, SeedUser]:
    users = make_seed_user(age=30), make_seed_user(age=33)
    for user in users:
        make_session(user, budget=900 + 10 * (user.age or 0))
    return users


def events_of(result: dict[str, Any]) -> list[MatchEvent]:
    return list(MatchEvent.objects.of_batch(EventBatch(pk=result["batches"][0])).order_by("id"))


def swipes_like(batch: int, path: Path) -> list[str]:
    """Write the events of a generated batch as people's own log would say them."""
    run("export_events", "--batch", batch, "--output", path)
    said = ("matchType", "userId", "targetId", "groupId", "outcome", "timestamp")
    return [
        json.dumps({k: v for k, v in json.loads(text).items() if k in said} | {"source": "real"})
        for text in path.read_text().splitlines()
    ]


def assert_same_features(batch: int, other: int) -> pd.DataFrame:
    """Compare the rows of two batches, pair by pair and moment by moment."""
    by = ["user_id", "partner_id", "occurred_at"]
    frames = []
    for number in (batch, other):
        frame = matches.load(Recipe(batches=(number,))).frame
        frame["occurred_at"] = frame["occurred_at"].dt.floor("ms")
        frames.append(frame)
    first, second = (
        frame[[*by, *FEATURE_NAMES]].drop_duplicates(by).sort_values(by, ignore_index=True)
        for frame in frames
    )
    pd.testing.assert_frame_equal(first, second, check_dtype=False)
    return frames[1]


def test_ten_thousand_swipes_become_a_dataset_with_the_features_of_generated_events(
    tmp_path: Path,
) -> None:
    run("seed_users", "--count", 600, "--seed", 3)
    run("create_sessions")
    made = run("generate_events", "--count", 10_000)
    lines = swipes_like(made["batch"], tmp_path / "generated")
    assert len(set(lines)) == 10_000
    result = run("import_events", log(tmp_path / "swipes", *lines))
    (one,) = result["files"]
    assert (result["new"], one["feature_set"], one["features"]) == (10_000, "smooth-1", "computed")
    assert one["people_known"] == 1.0
    logged = assert_same_features(made["batch"], result["batches"][0])
    run("build_dataset", "--batch", result["batches"][0])
    dataset = Dataset.objects.get()
    assert (dataset.rows, dataset.feature_set) == (10_000, "smooth-1")
    rows = pd.concat([read_part(dataset, part) for part in ("train", "val")])
    joined = rows.merge(logged, on="event_key", suffixes=("", "_of_batch"))
    assert len(joined) == dataset.train_rows + dataset.validation_rows > 5_000
    for name in FEATURE_NAMES:
        if name in rows:
            np.testing.assert_array_equal(joined[name], joined[f"{name}_of_batch"])
    assert dataset.report["people_known"]["share"] == 1.0


@pytest.mark.parametrize("feature_set", ["smooth-1", "tiered-1"])
def test_pairs_and_groups_have_the_features_of_generated_events(
    tmp_path: Path, feature_set: str
) -> None:
    run("seed_users", "--count", 40, "--seed", 5)
    run("create_sessions")
    asked = ("--feature-set", feature_set)
    made = run(
        *("generate_events", "--count", 400, "--match-type", "both", "--allow-repeats"), *asked
    )
    lines = swipes_like(made["batch"], tmp_path / "generated")
    result = run("import_events", log(tmp_path / "swipes", *lines), *asked)
    assert_same_features(made["batch"], result["batches"][0])


def test_features_absent_empty_or_null_are_the_same_log(tmp_path: Path) -> None:
    a, b = couple()
    given = json.loads(swipe(a.external_id, b.external_id))
    lines = [
        json.dumps({**given, "timestamp": given["timestamp"] + n, **features})
        for n, features in enumerate(({}, {"features": {}}, {"features": None}))
    ]
    result = run("import_events", log(tmp_path / "a", *lines))
    assert result["new"] == 3
    vectors = {tuple(getattr(e, n) for n in FEATURE_NAMES) for e in events_of(result)}
    assert len(vectors) == 1
    assert None not in next(iter(vectors))[:9]


def test_the_feature_set_that_is_asked_for_computes_them(tmp_path: Path) -> None:
    a, b = couple()
    path = log(tmp_path / "a", swipe(a.external_id, b.external_id))
    result = run("import_events", path, "--feature-set", "tiered-1")
    assert result["files"][0]["feature_set"] == "tiered-1"
    batch = EventBatch.objects.get(pk=result["batches"][0])
    (event,) = events_of(result)
    assert (batch.feature_set, event.age_score) == ("tiered-1", pytest.approx(0.9))


def test_no_features_are_computed_where_they_are_said_to_be_logged(tmp_path: Path) -> None:
    a, b = couple()
    path = log(tmp_path / "a", swipe(a.external_id, b.external_id))
    refused = run("import_events", path, "--feature-set", "logged-1", code=2)["refused"]
    assert refused["rejected_by_reason"] == {"no_features": 1}
    assert not EventBatch.objects.exists()


def test_events_of_groups_are_computed_too(tmp_path: Path) -> None:
    asker = make_seed_user()
    group = make_group(members=[make_seed_user(), make_seed_user()])
    make_session(asker)
    make_session(group, mode="group")
    given = json.loads(swipe(asker.external_id, ""))
    del given["targetId"]
    line = json.dumps({**given, "matchType": "user_group", "groupId": group.external_id})
    (event,) = events_of(run("import_events", log(tmp_path / "a", line)))
    assert (event.group_id, event.target_id) == (group.pk, None)
    assert event.group_size_score is not None
    assert event.interest_score is not None


def test_rows_of_strangers_are_counted_and_left_out_of_datasets(
    tmp_path: Path, admin_client: Client
) -> None:
    people = [make_seed_user(age=20 + n) for n in range(20)]
    for person in people:
        make_session(person)
    names = [person.external_id for person in people]
    words = ("accept", "ignore", "chat", "unmatch")
    lines = [
        swipe(a, b, words[(i * 7 + j) % 4])
        for i, a in enumerate(names)
        for j, b in enumerate(names)
        if a != b
    ]
    strange = [swipe("nobody", names[0]), swipe(names[1], "nobody"), swipe("x", "y")]
    nameless = {k: v for k, v in json.loads(swipe("a", "b")).items() if "Id" not in k}
    result = run("import_events", log(tmp_path / "a", *lines, *strange, json.dumps(nameless)))
    (one,) = result["files"]
    assert (result["new"], one["people_known"]) == (384, pytest.approx(380 / 384))
    assert any("4 of 384 events are of people who are not known" in w for w in one["warnings"])
    stranger = events_of(result)[-2]
    assert all(getattr(stranger, name) is None for name in FEATURE_NAMES)
    # Whether rows of so few people pass the gates is not asked here.
    with suppress(SystemExit):
        call_command("build_dataset", "--batch", str(result["batches"][0]), "--now", "--json")
    dataset = Dataset.objects.get()
    assert dataset.dropped["people_not_known"] == 4
    assert dataset.rows == 384
    assert dataset.report["people_known"]["known"] == 380
    page = admin_client.get(
        reverse("admin:training_dataset_change", args=[dataset.pk]) + "?tab=inputs"
    )
    assert "Features of profiles of that day" in page.content.decode()
    page = admin_client.get(
        reverse("admin:matching_eventbatch_change", args=[result["batches"][0]]) + "?tab=made"
    )
    assert "features of profiles of that day" in page.content.decode()
    assert "380 of 384 events" in page.content.decode()


def test_a_log_of_nobody_who_is_known_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    path = log(tmp_path / "a", swipe("x", "y"), swipe("y", "z"))
    refused = run("import_events", path, code=2)["refused"]
    assert "none of them is of people who are known" in refused["message"]
    assert "Bring in its people first" in refused["remedy"]
    assert not EventBatch.objects.exists()
    assert not MatchEvent.objects.exists()
    assert Job.objects.get().state == "refused"


def trips_of(result: dict[str, Any]) -> dict[str, int]:
    return result["files"][0]["trips"]


def test_a_trip_is_that_of_the_time_of_the_event_where_the_history_has_it(
    tmp_path: Path,
) -> None:
    a, b = couple()
    session = TravelSession.objects.get(user=b)
    before = timezone.now()
    session.destination_lat, session.destination_lon = 48.85, 2.35
    session.budget = 5.0
    session.save()
    history = list(session.history.order_by("history_date"))
    for version, days in zip(history, (20, 10), strict=True):
        version.history_date = before - timedelta(days=days)
        version.save()
    a.session.history.update(history_date=before - timedelta(days=30))
    names = a.external_id, b.external_id
    lines = [swipe(*names, at=before - timedelta(days=n)) for n in (15, 5)]
    result = run("import_events", log(tmp_path / "a", *lines))
    then, now = events_of(result)
    assert trips_of(result) == {OF_THEN: 2}
    assert (then.distance_score, now.distance_score) == (1.0, 0.0)
    assert (then.budget_score or 0) > 0.9
    assert (now.budget_score or 0) < 0.5


def test_before_the_history_begins_the_trip_of_today_stands_in_and_is_counted(
    tmp_path: Path,
) -> None:
    a, b = couple()
    line = swipe(a.external_id, b.external_id, at=timezone.now() - timedelta(days=400))
    result = run("import_events", log(tmp_path / "a", line))
    assert trips_of(result) == {OF_NOW: 1}
    assert events_of(result)[0].distance_score == 1.0
    assert any(OF_NOW in warning for warning in result["files"][0]["warnings"])


def test_a_trip_that_had_run_out_or_was_deleted_is_none_and_its_inputs_are_missing(
    tmp_path: Path,
) -> None:
    a, b = couple()
    now = timezone.now()
    c = make_seed_user(age=36)  # never had one
    for user in (a, b):
        user.session.history.update(history_date=now - timedelta(days=60))
    b.session.history.update(expires_at=now - timedelta(days=50))
    lines = [swipe(a.external_id, b.external_id, at=now - timedelta(days=n)) for n in (55, 40)] + [
        swipe(a.external_id, c.external_id, at=now - timedelta(days=1))
    ]
    result = run("import_events", log(tmp_path / "a", *lines))
    planned, ran_out, never = events_of(result)
    assert trips_of(result) == {OF_THEN: 1, NONE: 2}
    assert planned.distance_score == 1.0
    for event in (ran_out, never):
        assert all(getattr(event, name) is None for name in TRIP_FEATURES)
        assert event.age_score is not None


def test_lines_with_and_without_features_do_not_stand_in_one_batch(tmp_path: Path) -> None:
    a, b = couple()
    bare = [swipe(a.external_id, b.external_id), swipe(b.external_id, a.external_id)]
    full = json.dumps({**json.loads(bare[0]), "features": {"ageScore": 0.25}})
    result = run("import_events", log(tmp_path / "a", *bare, full))
    assert (result["new"], result["rejected_by_reason"]) == (1, {"no_features": 2})
    assert "1 line has features, 2 without" in result["files"][0]["warnings"][0]
    (event,) = events_of(result)
    assert (event.age_score, event.interest_score) == (0.25, None)
    rejected = EventBatch.objects.get(pk=result["batches"][0]).rejected.order_by("line")
    assert [(one.line, one.excerpt) for one in rejected] == [(1, bare[0]), (2, bare[1])]


def test_features_that_come_late_in_a_log_without_them_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "CHUNK_LINES", 2)
    a, b = couple()
    bare = [swipe(a.external_id, b.external_id, word) for word in ("accept", "chat", "ignore")]
    full = json.dumps({**json.loads(bare[0]), "features": {"ageScore": 0.25}})
    result = run("import_events", log(tmp_path / "a", *bare, full))
    assert (result["new"], result["rejected_by_reason"]) == (3, {"has_features": 1})


def test_the_same_swipes_again_are_known_whatever_became_of_the_profiles(tmp_path: Path) -> None:
    a, b = couple()
    line = json.dumps({**json.loads(swipe(a.external_id, b.external_id)), "eventId": "s1"})
    run("import_events", log(tmp_path / "a", line))
    SeedUser.objects.filter(pk=b.pk).update(age=70)
    again = run("import_events", log(tmp_path / "b", line, ""))
    assert (again["known"], again["changed"]) == (1, 0)
    changed = run("import_events", log(tmp_path / "c", line.replace("ignore", "accept")))
    assert (changed["known"], changed["changed"]) == (0, 1)


def test_a_swipe_does_not_replace_an_event_whose_features_were_logged(tmp_path: Path) -> None:
    a, b = couple()
    given = {**json.loads(swipe(a.external_id, b.external_id)), "eventId": "s1"}
    run("import_events", log(tmp_path / "a", json.dumps({**given, "features": {"ageScore": 0.2}})))
    lines = [json.dumps({**given, "outcome": "accept"}), swipe(b.external_id, a.external_id)]
    result = run("import_events", log(tmp_path / "b", *lines))
    assert (result["new"], result["rejected_by_reason"]) == (1, {"changed_event": 1})


def test_a_log_whose_features_have_all_unknown_names_is_refused_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    a, b = couple()
    given = json.loads(swipe(a.external_id, b.external_id))
    lines = [
        json.dumps({**given, "timestamp": given["timestamp"] + n, "features": {"colour": 0.5}})
        for n in range(3)
    ]
    refused = run("import_events", log(tmp_path / "a", *lines), code=2)["refused"]
    assert "None of the features of the log is known: colour" in refused["message"]
    assert not EventBatch.objects.exists()


def test_a_view_alone_is_counted_and_no_event(tmp_path: Path) -> None:
    a, b = couple()
    names = a.external_id, b.external_id
    lines = [swipe(*names, "view"), swipe(*names, "view"), swipe(*names, "accept")]
    path = log(tmp_path / "a", *lines)
    assert preview_log(path, "a")["exposures"] == 2
    result = run("import_events", path)
    assert [result[n] for n in ("found", "new", "known", "exposures")] == [3, 1, 0, 2]
    batch = EventBatch.objects.get(pk=result["batches"][0])
    assert batch.parameters["exposures"] == 2
    assert sum(batch.summary["outcomes"].values()) == 1
    again = run("import_events", path)
    assert (again["known"], again["exposures"]) == (1, 2)


def test_a_log_of_views_alone_is_refused(tmp_path: Path) -> None:
    a, b = couple()
    refused = run(
        "import_events", log(tmp_path / "a", swipe(a.external_id, b.external_id, "view")), code=2
    )["refused"]
    assert "views, which are no outcomes" in refused["message"]
    assert not EventBatch.objects.exists()


def test_several_outcomes_of_one_pair_are_kept_and_a_recipe_chooses(tmp_path: Path) -> None:
    a, b = couple()
    names = a.external_id, b.external_id
    now = timezone.now()
    lines = [
        swipe(*names, word, at=now + timedelta(minutes=n))
        for n, word in enumerate(("ignore", "accept", "unmatch"))
    ]
    result = run("import_events", log(tmp_path / "a", *lines))
    assert result["new"] == 3
    batches = tuple(result["batches"])
    assert matches.load(Recipe(batches=batches)).frame["label"].tolist() == [0, 1, 0]
    assert matches.load(Recipe(batches=batches, outcomes="last")).frame["label"].tolist() == [0]
    assert matches.load(Recipe(batches=batches, outcomes="best")).frame["label"].tolist() == [1]


def test_rows_of_an_earlier_revision_are_not_taken_for_those_of_now(tmp_path: Path) -> None:
    a, b = couple()
    result = run("import_events", log(tmp_path / "a", swipe(a.external_id, b.external_id)))
    EventBatch.objects.update(feature_revision=1)
    with pytest.raises(Refusal, match="earlier revision"):
        matches.load(Recipe(batches=tuple(result["batches"])))


def test_a_look_before_an_import_says_how_many_people_are_known(
    tmp_path: Path, admin_client: Client
) -> None:
    a, b = couple()
    path = log(tmp_path / "a", swipe(a.external_id, b.external_id), swipe("x", b.external_id))
    found = preview_log(path, "a")
    assert (found["features"], found["people_known"]) == ("computed", 0.5)
    with path.open("rb") as stream:
        page = admin_client.post(
            reverse("admin:matching_eventbatch_upload"),
            {"files": stream, "file": stream, "origin": "real", "feature_set": ""},
        )
    assert page.status_code == 200
