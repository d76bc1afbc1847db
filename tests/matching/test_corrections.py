"""Events whose id is known and whose content changed: counted, replaced, kept or refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.summaries import summarise_events
from matching.domain.words import OnChange, Outcome
from matching.jobs import imports
from matching.models import EventBatch, EventChange, MatchEvent
from matching.queries.known_events import preview_log
from overview.queries.status import describe_everything
from project.acting import Actor, acting
from project.jobs.models import Job
from project.jobs.runner import run_job
from project.jobs.services import enqueue, stop_job
from project.uploads.services import keep_upload
from tests.factories import make_seed_user, make_session
from tests.matching.test_import_events import event, log, run
from tests.removing import remove
from training.models import Dataset
from training.queries.datasets import describe_dataset
from training.queries.staleness import why_stale

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


def named(number: int, outcome: str = "ignore", **changes: Any) -> str:
    return event(number, eventId=f"e{number}", outcome=outcome, **changes)


def land(tmp_path: Path, name: str, *lines: str, **options: Any) -> dict[str, Any]:
    given = [text for key, value in options.items() for text in (f"--{key}", value)]
    return run("import_events", log(tmp_path / name, *lines), *[g.replace("_", "-") for g in given])


def outcomes(batch: int) -> list[str]:
    events = MatchEvent.objects.of_batch(EventBatch(pk=batch)).order_by("id")
    return [Outcome.of_code(event.outcome) for event in events]


def test_a_line_of_a_known_id_with_other_content_replaces_the_event_where_it_is(
    tmp_path: Path,
) -> None:
    first = land(tmp_path, "a", *(named(n) for n in range(4)))
    (old,) = first["batches"]
    other = {"distanceScore": 0.25, "ageScore": 1}
    second = land(
        tmp_path, "b", named(0), named(1, "accept"), named(2, "chat", features=other), named(9)
    )
    (new,) = second["batches"]
    assert [second[name] for name in ("found", "new", "known", "changed")] == [4, 1, 1, 2]
    assert second["files"][0]["changed_in"] == {str(old): 2}
    assert second["files"][0]["known_in"] == {str(old): 1}
    assert outcomes(old) == ["ignore", "accept", "chat", "ignore"]
    assert outcomes(new) == ["ignore"]
    replaced = MatchEvent.objects.of_batch(EventBatch(pk=old)).order_by("id")[2]
    assert (replaced.label, replaced.distance_score, replaced.age_score) == (True, 0.25, 1.0)
    change = EventChange.objects.order_by("line")[1]
    assert (change.event_id, change.batch_id, change.line) == (replaced.pk, new, 3)
    assert (change.state, change.changed_batch_id) == ("replaced", old)
    assert change.before == {
        "outcome": Outcome.IGNORE.code,
        "label": False,
        "distance_score": 0.85,
        "age_score": 0.5,
    }
    assert change.after == {
        "outcome": Outcome.CHAT.code,
        "label": True,
        "distance_score": 0.25,
        "age_score": 1,
    }
    assert change.by


def test_the_summary_of_a_corrected_batch_is_that_of_its_events(tmp_path: Path) -> None:
    (old,) = land(tmp_path, "a", *(named(n) for n in range(5)))["batches"]
    land(tmp_path, "b", named(3, "accept", features={"ageScore": 0.1}), named(4, "chat"))
    batch = EventBatch.objects.get(pk=old)
    rows = list(MatchEvent.objects.of_batch(batch).values_list("outcome", *FEATURE_NAMES))
    columns = list(zip(*rows, strict=True))
    import numpy as np

    features = [np.array([np.nan if v is None else v for v in c], np.float32) for c in columns[1:]]
    assert batch.summary == summarise_events(np.array(columns[0]), features)
    assert (batch.corrections, batch.made) == (2, 5)
    assert batch.corrected_at is not None


def test_an_import_of_nothing_but_changes_stays_as_the_record_of_them(tmp_path: Path) -> None:
    land(tmp_path, "a", named(1))
    result = land(tmp_path, "b", named(1, "accept"))
    batch = EventBatch.objects.get(pk=result["batches"][0])
    assert (batch.state, batch.made, batch.changes.count()) == ("complete", 0, 1)
    again = land(tmp_path, "b", named(1, "accept"))
    assert (again["changed"], again["known"], EventChange.objects.count()) == (0, 1, 1)


@pytest.mark.parametrize("chunk_lines", [2, 100])
def test_of_several_lines_of_one_event_the_last_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_lines: int
) -> None:
    monkeypatch.setattr(imports, "CHUNK_LINES", chunk_lines)
    lines = [named(1), named(1, "accept"), named(2), named(2, "chat"), named(2)]
    (pk,) = (first := land(tmp_path, "a", *lines))["batches"]
    assert (first["new"], first["changed"] + first["known"]) == (2, 3)
    assert outcomes(pk) == ["accept", "ignore"]
    assert EventBatch.objects.get(pk=pk).summary["outcomes"] == {
        "accept": 1,
        "chat": 0,
        "ignore": 1,
        "unmatch": 0,
    }
    assert not EventChange.objects.filter(state="waiting").exists()


def test_kept_events_stay_and_their_changes_are_listed(tmp_path: Path) -> None:
    (old,) = land(tmp_path, "a", named(1), named(2))["batches"]
    result = land(tmp_path, "b", named(1, "accept"), named(2), on_change="keep")
    assert (result["changed"], result["known"], result["rejected"]) == (1, 1, 0)
    assert outcomes(old) == ["ignore", "ignore"]
    assert EventBatch.objects.get(pk=old).corrections == 0
    assert EventChange.objects.get().state == "kept"
    assert EventChange.objects.get().after["outcome"] == Outcome.ACCEPT.code


def test_refused_changes_are_rejected_lines_with_their_number_and_text(tmp_path: Path) -> None:
    (old,) = land(tmp_path, "a", named(1), named(2))["batches"]
    line = named(1, "accept")
    result = land(tmp_path, "b", named(3), line, named(2), on_change="refuse")
    assert [result[n] for n in ("new", "known", "changed", "rejected")] == [1, 1, 0, 1]
    assert result["rejected_by_reason"] == {"changed_event": 1}
    rejected = EventBatch.objects.get(pk=result["batches"][0]).rejected.get()
    assert (rejected.line, rejected.excerpt) == (2, line[:200])
    assert f"batch {old}" in rejected.message
    assert "--on-change replace" in rejected.message
    assert outcomes(old) == ["ignore", "ignore"]


def import_as(user: User, path: Path) -> Job:
    with path.open("rb") as stream, acting(Actor.of(user)):
        upload = keep_upload(stream, path.name)
        job = enqueue(
            "matching.import_events",
            ring_bell=False,
            files=[str(upload.pk)],
            origin="real",
            by=user,
        )
    run_job(str(job.pk))
    job.refresh_from_db()
    return job


def test_who_may_not_change_events_has_changes_refused_with_that_reason(tmp_path: Path) -> None:
    (old,) = land(tmp_path, "a", named(1))["batches"]
    user = User.objects.create_user("imports-only", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="import_events"))
    path = log(tmp_path / "b", named(1, "accept"), named(5))
    result = import_as(user, path).result
    assert result is not None
    assert (result["changed"], result["new"], result["rejected"]) == (0, 1, 1)
    rejected = EventBatch.objects.get(pk=result["batches"][0]).rejected.get()
    assert "imports-only has no right to change events" in rejected.message
    assert outcomes(old) == ["ignore"]


def test_a_line_without_an_id_is_known_by_its_content_and_changes_nothing(tmp_path: Path) -> None:
    land(tmp_path, "a", event(1))
    result = land(tmp_path, "b", event(1), event(1, outcome="accept"))
    assert (result["known"], result["changed"], result["new"]) == (1, 0, 1)


def test_an_event_of_another_origin_is_not_replaced(tmp_path: Path) -> None:
    (old,) = land(tmp_path, "a", named(1))["batches"]
    result = land(
        tmp_path, "b", named(1, "accept", source="synthetic"), named(7, source="synthetic")
    )
    assert (result["new"], result["rejected_by_reason"]) == (1, {"changed_event": 1})
    assert "is real, this import synthetic" in result["files"][0]["examples"][0]["message"]
    assert outcomes(old) == ["ignore"]


def test_features_of_other_formulas_do_not_replace_those_of_a_batch(tmp_path: Path) -> None:
    (old,) = land(tmp_path, "a", named(1), feature_set="smooth-1")["batches"]
    result = land(tmp_path, "b", named(1, "accept"), named(2), feature_set="tiered-1")
    assert result["rejected_by_reason"] == {"changed_event": 1}
    assert outcomes(old) == ["ignore"]


def test_a_generated_event_that_comes_home_changed_is_refused(tmp_path: Path) -> None:
    for _ in range(6):
        make_session(make_seed_user())
    made = run("generate_events", "--count", 5, "--allow-repeats")
    path = tmp_path / "log"
    run("export_events", "--batch", made["batch"], "--output", path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    before = outcomes(made["batch"])
    for line in lines[:2]:
        is_accept = line["outcome"] == "accept"
        line.update(outcome="ignore" if is_accept else "accept", label=int(not is_accept))
    result = run("import_events", log(tmp_path / "b", *map(json.dumps, lines)))
    assert (result["known"], result["rejected_by_reason"]) == (3, {"changed_event": 2})
    assert outcomes(made["batch"]) == before


def test_a_change_of_an_imported_event_comes_home_by_the_name_its_export_gave_it(
    tmp_path: Path,
) -> None:
    (pk,) = land(tmp_path, "a", event(1), event(2))["batches"]
    path = tmp_path / "log"
    run("export_events", "--batch", pk, "--output", path)
    text = path.read_text()
    assert run("import_events", path)["known"] == 2
    log(tmp_path / "b", *text.replace('"ignore"', '"accept"').replace('"label":0', '"label":1')
        .splitlines())  # fmt: skip
    result = run("import_events", tmp_path / "b")
    assert (result["changed"], result["known"]) == (2, 0)
    assert outcomes(pk) == ["accept", "accept"]


def test_a_look_before_an_import_counts_the_changes(tmp_path: Path) -> None:
    land(tmp_path, "a", named(1), named(2))
    path = log(tmp_path / "b", named(1, "accept"), named(2), named(3))
    found = preview_log(path, "b")
    assert [found[n] for n in ("new", "known", "changed")] == [1, 1, 1]
    assert EventChange.objects.count() == 0


def test_a_stopped_import_has_changed_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "CHUNK_LINES", 1)
    (old,) = land(tmp_path, "a", named(1), named(2))["batches"]
    path = log(tmp_path / "b", named(1, "accept"), named(2, "accept"))
    with path.open("rb") as stream:
        upload = keep_upload(stream, path.name)
    job = enqueue("matching.import_events", ring_bell=False, files=[str(upload.pk)], origin="real")
    land_chunk = imports.land_chunk

    def stop_after(*given: Any, **options: Any) -> Any:
        landed = land_chunk(*given, **options)
        stop_job(job)
        return landed

    monkeypatch.setattr(imports, "land_chunk", stop_after)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert outcomes(old) == ["ignore", "ignore"]
    assert EventChange.objects.count() == 0


def test_changes_go_with_the_batch_whose_events_they_are_of_and_stay_with_the_other(
    tmp_path: Path,
) -> None:
    (old,) = land(tmp_path, "a", named(1))["batches"]
    (new,) = land(tmp_path, "b", named(1, "accept"))["batches"]
    assert remove("batch", new).state == "succeeded"
    assert EventChange.objects.get().batch is None
    assert remove("batch", old).state == "succeeded"
    assert not EventChange.objects.exists()


def test_values_that_no_tier_gives_make_a_corrected_batch_a_logged_one(tmp_path: Path) -> None:
    tiers = {"distanceScore": 0.85, "ageScore": 0.5}
    (old,) = land(tmp_path, "a", named(1, features=tiers))["batches"]
    assert EventBatch.objects.get(pk=old).feature_set == "tiered-1"
    land(tmp_path, "b", named(1, features={"distanceScore": 0.123}))
    assert EventBatch.objects.get(pk=old).feature_set == "logged-1"


def many(outcome: str = "") -> list[str]:
    words = ("accept", "ignore", "chat", "unmatch")
    return [
        named(
            n,
            outcome or words[n * 7 % 4],
            targetId=f"t{n % 13}",
            features={"distanceScore": (n * 37 % 101) / 101, "ageScore": (n * 61 % 103) / 103},
        )
        for n in range(120)
    ]


def test_a_dataset_of_a_corrected_batch_is_stale_and_stays_as_it_was(
    tmp_path: Path, admin_client: Client
) -> None:
    (old,) = land(tmp_path, "a", *many())["batches"]
    run("build_dataset", "--batch", old)
    dataset = Dataset.objects.get()
    files, report = dataset.files, dataset.report
    assert why_stale(dataset) == ""
    land(tmp_path, "b", *many("accept")[:30])
    dataset = Dataset.objects.get()
    assert f"batch {old} came with later imports" in why_stale(dataset)
    assert describe_dataset(dataset)["stale"] == why_stale(dataset)
    assert (dataset.files, dataset.report) == (files, report)
    (kind,) = [
        one for one in describe_everything()["kinds"] if one["kind"] == "match_compatibility"
    ]
    assert kind["dataset"] is not None
    assert "Stale" in kind["dataset"]["stale"]
    step = describe_everything()["next_step"]
    for address in (
        reverse("admin:training_dataset_changelist"),
        reverse("admin:training_dataset_change", args=[dataset.pk]),
    ):
        assert "Stale" in admin_client.get(address).content.decode()
    run("build_dataset", "--batch", old)
    assert why_stale(Dataset.objects.order_by("-version")[0]) == ""
    assert why_stale(dataset)
    assert step["text"]


def test_the_admin_shows_what_stood_there_and_what_came(
    tmp_path: Path, admin_client: Client
) -> None:
    (old,) = land(tmp_path, "a", named(1), named(2))["batches"]
    (new,) = land(tmp_path, "b", named(1, "accept"))["batches"]
    listed = reverse("admin:matching_eventchange_changelist")
    for query in ("", f"?batch={old}", f"?import={new}"):
        page = admin_client.get(listed + query).content.decode()
        assert "outcome ignore" in page
        assert "outcome accept" in page
    assert "outcome ignore" not in admin_client.get(f"{listed}?batch={new}").content.decode()
    changed = admin_client.get(reverse("admin:matching_eventbatch_change", args=[new]))
    assert "Known with other content" in changed.content.decode()
    corrected = admin_client.get(reverse("admin:matching_eventbatch_change", args=[old]))
    assert "Changed since" in corrected.content.decode()
    change = EventChange.objects.get()
    page = admin_client.get(reverse("admin:matching_eventchange_change", args=[change.pk]))
    assert "outcome accept" in page.content.decode()
    assert admin_client.post(
        reverse("admin:matching_eventchange_delete", args=[change.pk]), {"post": "yes"}
    ).status_code in (403, 404)


def test_every_mode_is_offered() -> None:
    assert [mode.value for mode in OnChange] == ["replace", "keep", "refuse"]
