"""Importing and exporting event logs: good lines land once, nothing is lost and all is accounted
for."""

import gzip
import io
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from matching.domain.features.names import FEATURE_NAMES
from matching.jobs import imports
from matching.models import EventBatch, MatchEvent, RejectedEvent
from matching.queries.known_events import preview_log
from project.jobs.models import Job
from project.jobs.runner import run_job
from project.jobs.services import enqueue, retry_job, stop_job
from project.uploads.models import Upload
from project.uploads.services import keep_upload
from tests.factories import make_group, make_seed_user, make_session, write_poor_log

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


def event(number: int = 0, **changes: Any) -> str:
    given = {
        "matchType": "user_user",
        "features": {"distanceScore": 0.85, "ageScore": 0.5},
        "outcome": "ignore",
        "timestamp": 1_700_000_000_000 + number,
        "source": "real",
        "userId": f"u{number}",
        **changes,
    }
    return json.dumps(given)


def log(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def run(*arguments: Any, code: int = 0) -> dict[str, Any]:
    out = io.StringIO()
    command, *rest = arguments
    options = ["--now"] if command in ("import_events", "generate_events") else []
    if "--dry-run" in rest:
        options = []
    ended = pytest.raises(SystemExit, match=str(code)) if code else nullcontext()
    with ended:
        call_command(command, *map(str, rest), *options, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_the_poor_log_lands_as_it_was_logged(tmp_path: Path) -> None:
    path = write_poor_log(tmp_path / "poor.jsonl")
    result = run("import_events", path)
    assert (result["found"], result["new"], result["known"], result["rejected"]) == (232, 232, 0, 0)
    (pk,) = result["batches"]
    batch = EventBatch.objects.get(pk=pk)
    assert (batch.state, batch.made, batch.get_origin_display()) == ("complete", 232, "real")
    assert batch.feature_set == "tiered-1"
    first = MatchEvent.objects.of_batch(batch).first()
    assert first is not None
    assert (first.age_score, first.group_size_score, first.true_probability) == (0.5, None, None)
    assert first.occurred_at.year == 2025
    assert first.external == {"userId": "app_user_0", "targetId": "app_user_40"}
    assert first.batch_id == batch.pk
    assert not Upload.objects.exists()


def test_the_same_file_twice_adds_nothing_and_says_so(tmp_path: Path) -> None:
    path = write_poor_log(tmp_path / "poor.jsonl")
    first = run("import_events", path)
    packed = tmp_path / "again.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    second = run("import_events", packed)
    assert (second["found"], second["new"], second["known"]) == (232, 0, 232)
    assert second["files"][0]["is_known_file"]
    assert second["batches"] == first["batches"]
    assert MatchEvent.objects.count() == 232
    assert EventBatch.objects.count() == 1


def test_an_event_that_another_file_brought_is_known_and_its_batch_is_named(tmp_path: Path) -> None:
    first = run("import_events", log(tmp_path / "a", event(1), event(2, eventId="e2")))
    second = run(
        "import_events",
        log(
            tmp_path / "b",
            event(3),
            event(1),
            "[ML_MATCH_EVENT] " + event(9, eventId="e2"),
            event(3),
        ),
    )
    assert (second["found"], second["new"], second["known"], second["changed"]) == (4, 1, 2, 1)
    assert second["files"][0]["known_in"] == {str(first["batches"][0]): 1}
    assert second["files"][0]["changed_in"] == {str(first["batches"][0]): 1}
    landed = EventBatch.objects.get(pk=second["batches"][0])
    assert (landed.asked, landed.made, landed.label_share) == (4, 1, 0.0)
    assert landed.summary["outcomes"] == {"accept": 0, "chat": 0, "ignore": 1, "unmatch": 0}
    third = run("import_events", log(tmp_path / "c", event(9, eventId="e2"), "", event(1)))
    assert (third["new"], third["known"], third["batches"]) == (0, 2, [])
    assert EventBatch.objects.count() == 2


def test_good_lines_land_and_bad_ones_are_kept_with_number_and_reason(tmp_path: Path) -> None:
    path = log(
        tmp_path / "a", event(1), "broken", "", event(2, label=1), event(3, matchType="x\0y")
    )
    result = run("import_events", path)
    assert (result["found"], result["new"]) == (4, 1)
    assert result["rejected_by_reason"] == {
        "bad_json": 1,
        "label_contradicts_outcome": 1,
        "nul": 1,
    }
    kept = RejectedEvent.objects.values_list("line", "reason", "batch")
    (pk,) = result["batches"]
    assert list(kept) == [
        (2, "bad_json", pk),
        (4, "label_contradicts_outcome", pk),
        (5, "nul", pk),
    ]
    again = run("import_events", path)
    assert (again["new"], again["known"], again["rejected"]) == (0, 1, 3)


def test_a_file_without_a_single_good_line_ends_with_2(tmp_path: Path) -> None:
    for lines, words in ((["broken"], "no rows"), ([], "empty")):
        result = run("import_events", log(tmp_path / "a", *lines), code=2)
        assert words in result["refused"]["message"]
    assert not EventBatch.objects.exists()
    refused = run("import_events", log(tmp_path / "b", event(1, label=1)), code=2)["refused"]
    assert refused["rejected"] == 1
    assert not EventBatch.objects.exists()
    assert Job.objects.filter(state="refused").count() == 3


def test_a_file_of_which_nothing_lands_leaves_no_batch_beside_one_that_does(
    tmp_path: Path,
) -> None:
    bad, good = log(tmp_path / "a", event(2, label=1)), log(tmp_path / "b", event(1))
    result = run("import_events", bad, good)
    assert (len(result["batches"]), result["new"], result["rejected"]) == (1, 1, 1)
    assert EventBatch.objects.count() == 1
    assert not RejectedEvent.objects.exists()


def test_a_file_that_cannot_be_read_keeps_those_beside_it_from_landing(tmp_path: Path) -> None:
    run("import_events", log(tmp_path / "a", "broken"), log(tmp_path / "b", event(1)), code=2)
    assert not EventBatch.objects.exists()


def test_several_files_become_a_batch_each(tmp_path: Path) -> None:
    result = run(
        "import_events", log(tmp_path / "a", event(1)), log(tmp_path / "b", event(2), event(1))
    )
    assert len(result["batches"]) == 2
    assert [(one["new"], one["known"]) for one in result["files"]] == [(1, 0), (1, 1)]


def test_a_product_that_a_line_leaves_out_is_derived_from_its_factors(tmp_path: Path) -> None:
    both = {"distanceScore": 0.8, "interestScore": 0.25, "dateOverlapScore": 0.5}
    lines = [
        event(1, features=both),
        event(2, features={**both, "destination_interest": 0.9}),
        event(3, features={"distanceScore": 0.8}),
    ]
    told = run("import_events", log(tmp_path / "a", *lines))
    batch = EventBatch.objects.get(pk=told["batches"][0])
    landed = MatchEvent.objects.of_batch(batch).values_list("destination_interest", "date_budget")
    assert list(landed) == [(pytest.approx(0.2), None), (pytest.approx(0.9), None), (None, None)]
    assert batch.summary["features"]["destination_interest"]["missing"] == 1


def test_synthetic_events_never_land_as_real_ones(tmp_path: Path) -> None:
    lines = [event(1, source="synthetic"), event(2, source="real"), event(3)]
    path = log(tmp_path / "a", *lines)
    result = run("import_events", path, "--origin", "real")
    assert result["rejected_by_reason"] == {"source_contradicts_import": 1}
    told = run("import_events", log(tmp_path / "b", event(4, source="synthetic_v2"), event(5)))
    batch = EventBatch.objects.get(pk=told["batches"][0])
    assert batch.get_origin_display() == "synthetic"
    assert {e.get_origin_display() for e in MatchEvent.objects.of_batch(batch)} == {"synthetic"}


def test_users_and_groups_that_are_here_are_recognised(tmp_path: Path) -> None:
    user, group = make_seed_user("seed_one"), make_group("group_one")
    run(
        "import_events",
        log(tmp_path / "a", event(1, userId="seed_one", targetId="nobody", groupId="group_one")),
    )
    landed = MatchEvent.objects.get()
    assert (landed.user_id, landed.group_id) == (user.pk, group.pk)
    assert landed.target_id is not None


def test_people_without_a_profile_have_a_number_of_their_own_in_every_log(tmp_path: Path) -> None:
    run("import_events", log(tmp_path / "a", event(1, userId="x", targetId="y")))
    run("import_events", log(tmp_path / "b", event(2, userId="y", targetId=None, groupId="g")))
    first, second = MatchEvent.objects.order_by("pk")
    assert first.target_id == second.user_id
    assert len({first.user_id, first.target_id, second.group_id}) == 3
    assert max(first.user_id, first.target_id, second.group_id) < 0
    assert second.target_id is None


def test_unknown_names_are_told(tmp_path: Path) -> None:
    result = run(
        "import_events",
        log(tmp_path / "a", event(1, features={"ageScore": 1, "agescore": 1}, extra=1)),
    )
    assert result["files"][0]["ignored"] == {"extra": 1, "features.agescore": 1}
    assert EventBatch.objects.get().parameters["ignored"] == result["files"][0]["ignored"]


def test_dry_run_says_what_would_happen_and_adds_nothing(tmp_path: Path) -> None:
    run("import_events", log(tmp_path / "a", event(1)))
    path = log(tmp_path / "b", event(1), event(2), event(2), event(3), "broken")
    dry = run("import_events", path, "--dry-run")
    assert dry["dry_run"] is True
    assert (EventBatch.objects.count(), MatchEvent.objects.count()) == (1, 1)
    assert RejectedEvent.objects.count() == 0
    assert Job.objects.count() == 1
    assert not Upload.objects.exists()
    real = run("import_events", path)
    for name in ("found", "new", "known", "rejected", "rejected_by_reason"):
        assert dry[name] == real[name], name


def test_a_preview_may_end_early_and_says_so(tmp_path: Path) -> None:
    path = log(tmp_path / "a", *(event(k) for k in range(20_000)))
    assert not preview_log(path, "a", max_lines=10)["is_whole"]
    whole = preview_log(path, "a")
    assert whole["is_whole"]
    assert whole["new"] == 20_000


def test_stdin_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(gzip.compress(event(1).encode()))

    monkeypatch.setattr("sys.stdin", Stdin)
    assert run("import_events", "-")["files"][0]["file"] == "stdin"
    assert MatchEvent.objects.count() == 1


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nowhere"):
        run("import_events", tmp_path / "nowhere")


def prepare_failure(monkeypatch: pytest.MonkeyPatch, path: Path, chunk: int) -> Job:
    """Enqueue the import of a log in chunks of 10 lines whose given chunk fails."""
    monkeypatch.setattr(imports, "CHUNK_LINES", 10)
    with path.open("rb") as stream:
        upload = keep_upload(stream, "a.jsonl")
    job = enqueue("matching.import_events", files=[str(upload.pk)], ring_bell=False)
    land, calls = imports.land_chunk, []

    def failing(batch: EventBatch, part: Any, **options: Any) -> Any:
        calls.append(part)
        landed = land(batch, part, **options)
        if len(calls) == chunk:
            raise OSError("the disk is full")
        return landed

    monkeypatch.setattr(imports, "land_chunk", failing)
    with pytest.raises(OSError, match="disk is full"):
        run_job(str(job.pk))
    monkeypatch.setattr(imports, "land_chunk", land)
    return job


def test_an_import_goes_on_at_the_first_missing_chunk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = [event(k) if k % 7 else "broken" for k in range(45)]
    job = prepare_failure(monkeypatch, log(tmp_path / "a", *lines), chunk=3)
    batch = EventBatch.objects.get()
    assert batch.state == "building"
    assert not EventBatch.objects.complete().exists()
    landed = MatchEvent.objects.count()
    assert 0 < landed < 20

    job.refresh_from_db()
    again = retry_job(job)
    read: list[int] = []
    land = imports.land_chunk
    monkeypatch.setattr(
        imports,
        "land_chunk",
        lambda b, part, **o: read.append(part.next_line) or land(b, part, **o),
    )
    run_job(str(again.pk))
    again.refresh_from_db()
    assert again.state == "succeeded"
    assert read == [31, 41, 46]
    assert again.result["new"] == MatchEvent.objects.count() == 38
    assert again.result["rejected"] == RejectedEvent.objects.count() == 7
    rows = set(MatchEvent.objects.values_list("id", flat=True))
    assert rows == {batch.first_event_id + k for k in range(45) if k % 7}
    batch.refresh_from_db()
    assert batch.state == "complete"


def test_a_stopped_import_leaves_nothing_half_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = log(tmp_path / "a", *(event(k) if k else "broken" for k in range(45)))
    job = prepare_failure(monkeypatch, path, chunk=3)
    job.refresh_from_db()
    again = retry_job(job)
    stop_job(again)
    run_job(str(again.pk))
    again.refresh_from_db()
    assert again.state == "cancelled"
    assert MatchEvent.objects.count() == RejectedEvent.objects.count() == 0
    assert EventBatch.objects.get().state == "abandoned"
    third = retry_job(again)
    run_job(str(third.pk))
    assert MatchEvent.objects.count() == 44


@pytest.mark.parametrize("state", ["building", "abandoned"])
def test_a_file_whose_import_did_not_finish_is_not_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str
) -> None:
    path = log(tmp_path / "a", *(event(k) for k in range(45)))
    job = prepare_failure(monkeypatch, path, chunk=3)
    if state == "abandoned":
        stopped = retry_job(Job.objects.get(pk=job.pk))
        stop_job(stopped)
        run_job(str(stopped.pk))
    first = EventBatch.objects.get()
    assert first.state == state
    landed = MatchEvent.objects.count()

    result = run("import_events", path)
    assert not result["files"][0]["is_known_file"]
    assert result["new"] == 45 - landed
    assert MatchEvent.objects.count() == 45
    (pk,) = result["batches"]
    assert pk != first.pk
    if landed:  # nobody can read them yet
        assert result["files"][0]["known_in"] == {str(first.pk): landed}
        (warning,) = Job.objects.latest("created_at").log_lines.filter(level="warning")
        assert f"{landed} events are already in batch {first.pk}" in warning.message


@pytest.mark.parametrize("state", ["building", "abandoned"])
def test_events_of_a_generated_batch_that_is_not_complete_are_not_known(
    generated: EventBatch, tmp_path: Path, state: str
) -> None:
    path = tmp_path / "a.jsonl"
    export(generated, to=path)
    EventBatch.objects.update(state=state)
    assert run("import_events", path, "--dry-run")["new"] == 16
    result = run("import_events", path)
    assert (result["new"], result["known"], result["files"][0]["known_in"]) == (16, 0, {})
    (pk,) = result["batches"]
    assert MatchEvent.objects.of_batch(EventBatch.objects.get(pk=pk)).count() == 16


# --- Export --------------------------------------------------------------------------------------


@pytest.fixture
def generated() -> EventBatch:
    """A batch of 40 events of users with users and with a group."""
    users = [make_seed_user(age=20 + k) for k in range(10)]
    for user in users:
        make_session(user, budget=900 + user.age)
    make_session(make_group(members=[make_seed_user(), make_seed_user()]), mode="group")
    result = run("generate_events", "--count", "16", "--match-type", "both", "--allow-repeats")
    return EventBatch.objects.get(pk=result["batch"])


def export(*batches: EventBatch, to: Path) -> bytes:
    run("export_events", "--output", to, "--batch", *(batch.pk for batch in batches))
    return to.read_bytes()


def test_an_export_has_the_same_bytes_each_time_packed_or_not(
    generated: EventBatch, tmp_path: Path
) -> None:
    plain = export(generated, to=tmp_path / "a.jsonl")
    packed = export(generated, to=tmp_path / "a.jsonl.gz")
    assert packed == export(generated, to=tmp_path / "b.jsonl.gz")
    assert gzip.decompress(packed) == plain == export(generated, to=tmp_path / "b.jsonl")
    events = [json.loads(line) for line in plain.splitlines()]
    assert len(events) == 16
    assert {e["source"] for e in events} == {"synthetic"}
    assert events[3]["eventId"] == f"seedbed:{generated.uid}:3"
    assert {e["matchType"] for e in events} == {"user_user", "user_group"}
    assert all(("groupId" in e) != ("targetId" in e) for e in events)
    assert all(e["userId"].startswith("seed_") for e in events)
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.jsonl",
        "a.jsonl.gz",
        "b.jsonl",
        "b.jsonl.gz",
    }


def test_one_seed_and_population_give_one_file(generated: EventBatch, tmp_path: Path) -> None:
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "c.jsonl"]
    for file, seed in zip(files, (5, 5, 6), strict=True):
        recipe = ("--count", "12", "--seed", seed, "--allow-repeats")
        run("generate_events", *recipe, "--output", file)
    first, again, other = (file.read_bytes() for file in files)
    assert first == again != other
    assert len(first.splitlines()) == 12


def test_an_output_that_cannot_be_written_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="There is no folder"):
        run("generate_events", "--output", tmp_path / "no" / "a.jsonl")
    with pytest.raises(CommandError, match="--detach"):
        call_command("generate_events", "--output", str(tmp_path / "a"), "--detach")
    assert not Job.objects.exists()


def test_generated_events_that_come_home_are_known(generated: EventBatch, tmp_path: Path) -> None:
    export(generated, to=tmp_path / "a.jsonl")
    result = run("import_events", tmp_path / "a.jsonl")
    assert (result["found"], result["new"], result["known"]) == (16, 0, 16)
    assert result["files"][0]["known_in"] == {str(generated.pk): 16}
    assert run("import_events", tmp_path / "a.jsonl", "--dry-run")["known"] == 16


def test_generated_events_of_elsewhere_land_once_with_their_values(
    generated: EventBatch, tmp_path: Path
) -> None:
    before = list(MatchEvent.objects.values_list(*FEATURE_NAMES, "outcome", "occurred_at"))
    text = export(generated, to=tmp_path / "a.jsonl")
    MatchEvent.objects.of_batch(generated).delete()
    generated.delete()
    result = run("import_events", tmp_path / "a.jsonl")
    assert result["new"] == 16
    after = list(MatchEvent.objects.values_list(*FEATURE_NAMES, "outcome", "occurred_at"))
    assert after == before
    (pk,) = result["batches"]
    assert export(EventBatch.objects.get(pk=pk), to=tmp_path / "b.jsonl") == text
    tail = b"".join(text.splitlines(keepends=True)[5:])
    (tmp_path / "c.jsonl").write_bytes(tail)
    assert run("import_events", tmp_path / "c.jsonl")["known"] == 11


def test_an_export_of_several_batches_is_their_concatenation(tmp_path: Path) -> None:
    for name, line in (("a", event(1)), ("b", event(2, preset="loose", modelVersion="7"))):
        run("import_events", log(tmp_path / name, line))
    one, other = EventBatch.objects.order_by("pk")
    both = export(one, other, to=tmp_path / "both.jsonl")
    assert both == export(one, to=tmp_path / "1") + export(other, to=tmp_path / "2")
    second = json.loads(both.splitlines()[1])
    assert (second["preset"], second["modelVersion"], second["userId"]) == ("loose", "7", "u2")
    assert second["features"] == {"distanceScore": 0.85, "ageScore": 0.5}


def test_an_unfinished_batch_is_not_exported(generated: EventBatch, tmp_path: Path) -> None:
    EventBatch.objects.update(state="building")
    refused = run("export_events", "--output", tmp_path / "a", "--batch", generated.pk, code=2)
    assert "only a complete one" in refused["refused"]["message"]
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_batch_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no batch 999"):
        run("export_events", "--output", tmp_path / "a", "--batch", 999)


def test_events_go_to_stdout_as_they_are(
    generated: EventBatch, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    call_command("export_events", "--batch", str(generated.pk))
    assert capfdbinary.readouterr().out == export(generated, to=tmp_path / "a")


def test_the_commands_speak_to_people(tmp_path: Path) -> None:
    out = io.StringIO()
    path = log(tmp_path / "a", event(1), "broken", event(2, extra=1))
    call_command("import_events", str(path), "--now", stdout=out)
    call_command("import_events", str(path), "--now", stdout=out)
    call_command("import_events", str(path), "--dry-run", stdout=out)
    text = out.getvalue()
    assert "3 events found, 2 new, 0 already known, 1 rejected" in text
    assert "line 2: Expected JSON" in text
    assert "extra (1)" in text
    assert "imported before as batch" in text
    assert "0 would be new, 2 already known" in text
