"""Refused lines of logs and tables of events: kept whole, mended, tried again under their line."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from matching.models import EventBatch, EventChange, MatchEvent, RejectedEvent
from matching.services import imports
from project.jobs.models import Job
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.tabular.mend import KEPT_BYTES
from tests.factories import make_seed_user, make_staff
from tests.matching.commands import run_command
from tests.matching.test_door import as_lines, events, write
from tests.refused_rows import correct_row, page_of
from training.models import Dataset
from training.queries.staleness import why_stale

pytestmark = pytest.mark.django_db
LIST = "admin:matching_rejectedevent_changelist"
WRONG = {1: "maybe", 4: "perhaps", 7: "maybe"}  # place to what stands for an outcome


@pytest.fixture(autouse=True)
def _uploads(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


def import_log(tmp_path: Path, content: str | bytes, *more: str, name: str = "a.jsonl") -> Any:
    return run_command("import_events", write(tmp_path / name, content), "--now", *more)[1]


def log_of(count: int = 20, wrong: dict[int, str] = WRONG) -> str:
    rows = events(count)
    for place, outcome in wrong.items():
        rows[place]["outcome"] = outcome
    return as_lines(rows)


def table_of(count: int = 20) -> str:
    rows = [
        f"u{n},t{n % 7},{WRONG.get(n, 'accept')},2025-01-0{n % 9 + 1}T10:00Z,note {n}\n"
        for n in range(count)
    ]
    return f"user,target,action,time,note\n{''.join(rows)}"


def post(client: Client, action: str, rows: Any, **more: str) -> Any:
    chosen = [str(row.pk) for row in rows]
    asked = {"action": action, "_selected_action": chosen, **more}
    return client.post(reverse(LIST), asked, follow=True)


def retry(client: Client, rows: Any) -> Job:
    """Try lines again from their list, and let the job run."""
    post(client, "retry", rows, confirmed="1")
    job = Job.objects.filter(kind="matching.retry_events").latest("created_at")
    run_job(str(job.pk))
    job.refresh_from_db()
    return job


@pytest.fixture
def refused(tmp_path: Path) -> list[RejectedEvent]:
    """Three refused lines of a log of twenty."""
    assert import_log(tmp_path, log_of())["rejected"] == 3
    return list(RejectedEvent.objects.order_by("line"))


# --- Kept ----------------------------------------------------------------------------------------


def test_a_refused_line_is_kept_whole_and_names_its_field(tmp_path: Path) -> None:
    import_log(tmp_path, log_of(300))
    refused = RejectedEvent.objects.order_by("line")
    lines = log_of(300).splitlines()
    assert [row.text for row in refused] == [lines[n] for n in WRONG]
    assert all(row.is_whole for row in refused)
    assert {row.column for row in refused} == {"outcome"}


def test_a_line_beyond_64_kib_is_kept_by_its_beginning(tmp_path: Path) -> None:
    long = as_lines(events(1, outcome="x", note="y" * KEPT_BYTES))
    import_log(tmp_path, log_of(wrong={}) + long)
    row = RejectedEvent.objects.get()
    assert (row.is_whole, row.text, row.mended) == (False, long[:200], None)


def test_an_import_keeps_no_more_whole_lines_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = log_of(300).splitlines()
    monkeypatch.setattr(imports, "KEPT_TOTAL", len(lines[1]) + len(lines[4]))
    import_log(tmp_path, log_of(300))
    kept = RejectedEvent.objects.order_by("line").values_list("is_whole", flat=True)
    assert list(kept) == [True, True, False]


def test_what_is_no_text_is_not_kept_whole(tmp_path: Path) -> None:
    import_log(tmp_path, log_of(wrong={}).encode() + b'{"outcome": "\xff"}\n')
    assert not RejectedEvent.objects.get().is_whole


# --- One by one, and together --------------------------------------------------------------------


def test_a_line_lands_under_its_number_once_it_is_corrected(
    refused: list[RejectedEvent], admin_client: Client
) -> None:
    batch = EventBatch.objects.get()
    page = admin_client.get(page_of(refused[0]))
    assert [one["field"].label for one in page.context["shown"] if one["is_at_fault"]] == [
        "outcome"
    ]
    answer = correct_row(admin_client, refused[0], button="again", outcome="accept")
    assert answer.url == f"{reverse(LIST)}?batch={batch.pk}&state=open"
    job = Job.objects.get(kind="matching.retry_events")
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.result["landed"], job.result["still_refused"]) == (1, 2)
    landed = MatchEvent.objects.get(pk=batch.first_event_id + refused[0].line - 1)
    assert (landed.get_outcome_display(), landed.label) == ("accept", True)
    batch.refresh_from_db()
    assert (batch.made, batch.asked) == (18, 20)
    assert sum(batch.summary["outcomes"].values()) == 18
    assert batch.skipped["unknown_value"]["count"] == 2
    refused[0].refresh_from_db()
    assert refused[0].resolved_at is not None
    assert json.loads(refused[0].text)["outcome"] == "maybe"


def test_lines_are_corrected_together_and_the_page_of_the_batch_says_that_all_landed(
    refused: list[RejectedEvent], admin_client: Client
) -> None:
    asked = post(admin_client, "correct", refused)
    assert "3 refused rows" in asked.content.decode()
    post(admin_client, "correct", refused, column="outcome", where="maybe", value="accept")
    assert RejectedEvent.objects.filter(correction={"outcome": "accept"}).count() == 2
    post(admin_client, "correct", refused, column="outcome", where="perhaps", value="ignore")
    job = retry(admin_client, refused)
    assert (job.state, job.result["landed"]) == (Job.State.SUCCEEDED, 3)
    assert job.said["text"].startswith("All landed")
    batch = EventBatch.objects.get()
    assert (batch.made, batch.skipped) == (20, {})
    page = admin_client.get(reverse("admin:matching_eventbatch_change", args=[batch.pk]))
    assert "All 3 lines that were refused at first have landed" in page.content.decode()


def test_a_line_that_is_refused_again_keeps_its_number_and_says_why(
    refused: list[RejectedEvent], admin_client: Client
) -> None:
    correct_row(admin_client, refused[1], outcome="accept", timestamp="1")
    job = retry(admin_client, refused[1:2])
    assert job.state == Job.State.REFUSED
    again = RejectedEvent.objects.open().order_by("line")
    assert [row.line for row in again] == [row.line for row in refused]
    assert again[1].reason == "impossible_timestamp"
    assert again[1].column == "timestamp"
    batch = EventBatch.objects.get()
    assert {reason: one["count"] for reason, one in batch.skipped.items()} == {
        "unknown_value": 2,
        "impossible_timestamp": 1,
    }


def test_a_line_that_is_no_json_is_written_anew_as_a_whole(
    tmp_path: Path, admin_client: Client
) -> None:
    rows = as_lines(events(20)).splitlines()
    import_log(tmp_path, "\n".join([*rows[:5], rows[5][:-9], *rows[6:]]))
    row = RejectedEvent.objects.get()
    assert row.reason == "bad_json"
    correct_row(admin_client, row, whole=rows[5])
    assert retry(admin_client, [row]).result["landed"] == 1
    assert MatchEvent.objects.count() == 20


def test_a_line_of_which_not_all_was_kept_waits_for_a_correction(
    tmp_path: Path, admin_client: Client
) -> None:
    broken = as_lines(events(1, userId="Zo\u00eb")).encode("utf-8").replace(b"\\u00eb", b"\xeb")
    import_log(tmp_path, log_of(wrong={}).encode() + broken)
    row = RejectedEvent.objects.get()
    assert row.reason == "bad_utf8"
    assert retry(admin_client, [row]).result["refused"]["untried"] == 1
    assert "once you have written here" in admin_client.get(page_of(row)).content.decode()
    correct_row(admin_client, row, userId="Zoe")
    assert retry(admin_client, [row]).result["landed"] == 1


def test_rows_of_a_table_are_read_by_its_mapping_again(
    tmp_path: Path, admin_client: Client
) -> None:
    make_seed_user("u2")
    make_seed_user("t2")
    result = import_log(tmp_path, table_of(), "--origin", "real", name="a.csv")
    assert result["rejected"] == 3
    refused = list(RejectedEvent.objects.order_by("line"))
    assert [row.line for row in refused] == [3, 6, 9]
    assert {row.column for row in refused} == {"action"}
    post(admin_client, "correct", refused, column="action", value="accept")
    assert retry(admin_client, refused).result["landed"] == 3
    batch = EventBatch.objects.get()
    lines = MatchEvent.objects.order_by("pk").values_list("pk", flat=True)
    assert [pk - batch.first_event_id + 1 for pk in lines] == list(range(2, 22))


def test_many_lines_are_tried_in_chunks(
    tmp_path: Path, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matching.jobs import refused as job_of_refused

    monkeypatch.setattr(job_of_refused, "CHUNK_LINES", 2)
    import_log(tmp_path, log_of(600, dict.fromkeys(range(5), "maybe")))
    rows = RejectedEvent.objects.all()
    post(admin_client, "correct", rows, column="outcome", value="ignore")
    assert retry(admin_client, rows).result["landed"] == 5
    assert EventBatch.objects.get().made == 600


# --- Rights and what else was made ---------------------------------------------------------------


def test_who_may_only_look_corrects_and_tries_nothing(
    refused: list[RejectedEvent], client: Client
) -> None:
    client.force_login(make_staff("matching.view_rejectedevent"))
    page = client.get(page_of(refused[0]))
    assert not page.context["may_change"]
    client.post(page_of(refused[0]), {"value_0": "accept", "keep": "1"})
    post(client, "correct", refused, column="outcome", value="accept")
    post(client, "retry", refused, confirmed="1")
    assert not RejectedEvent.objects.exclude(correction={}).exists()
    assert not Job.objects.filter(kind="matching.retry_events").exists()


def test_a_line_that_changes_an_event_does_so_by_the_rights_of_who_tries_it(
    tmp_path: Path, admin_client: Client
) -> None:
    ids = [{**row, "eventId": f"e{n}"} for n, row in enumerate(events(20))]
    import_log(tmp_path, as_lines(ids))
    changed = [{**ids[3], "outcome": "chat"}, *events(20, userId="other")]
    import_log(tmp_path, as_lines(changed), "--on-change", "refuse", name="b.jsonl")
    row = RejectedEvent.objects.get()
    assert row.reason == "changed_event"
    EventBatch.objects.filter(pk=row.batch_id).update(
        parameters={**row.batch.parameters, "may_not_change": "somebody"}
    )
    assert retry(admin_client, [row]).result["changed"] == 1
    change = EventChange.objects.get()
    assert (change.state, change.line) == (EventChange.State.REPLACED, 1)
    assert EventBatch.objects.get(pk=row.batch_id).parameters["may_not_change"] == "somebody"


def test_a_dataset_of_before_says_that_lines_landed_since(
    tmp_path: Path, admin_client: Client
) -> None:
    content = log_of(2_160, dict.fromkeys(range(2_100, 2_160), "maybe"))
    import_log(tmp_path, content, "--accept-partial")
    batch = EventBatch.objects.get()
    assert run_command("build_dataset", "--batch", str(batch.pk), "--now")[0] in (0, 2)
    rows = RejectedEvent.objects.all()
    post(admin_client, "correct", rows[:1], column="outcome", value="ignore")
    retry(admin_client, rows[:1])
    batch.refresh_from_db()
    assert batch.parameters["partial"].startswith("59 of 2,160 lines")
    assert "1 line of batch" in why_stale(Dataset.objects.get())
    post(admin_client, "correct", rows, column="outcome", value="ignore")
    retry(admin_client, rows)
    batch.refresh_from_db()
    assert "partial" not in batch.parameters


def test_there_is_nothing_to_try_where_all_has_landed(tmp_path: Path) -> None:
    import_log(tmp_path, log_of(wrong={}))
    job = enqueue("matching.retry_events", batch=EventBatch.objects.get().pk)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.REFUSED


# --- Downloaded, mended, imported again ----------------------------------------------------------


def test_a_log_is_downloaded_as_a_log_and_imports_again(
    refused: list[RejectedEvent], admin_client: Client, tmp_path: Path
) -> None:
    answer = post(admin_client, "download_to_mend", refused)
    rows = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert all("Expected outcome" in row["refused_because"] for row in rows)
    mended = [{**row, "outcome": "accept"} for row in rows]
    for row in mended:
        del row["refused_because"]
    result = import_log(tmp_path, as_lines(mended), name="mended.jsonl")
    assert (result["new"], result["rejected"]) == (3, 0)
    with_reasons = as_lines([{**row, "outcome": "accept"} for row in rows])
    again = import_log(tmp_path, with_reasons, name="again.jsonl")
    # What a file says of its refusal is no part of an event.
    assert (again["new"], again["known"], again["files"][0]["ignored"]) == (0, 3, {})


def test_a_table_is_downloaded_as_a_table_and_imports_again(
    admin_client: Client, tmp_path: Path
) -> None:
    for name in ("u1", "t1", "u2", "t2"):
        make_seed_user(name)
    import_log(tmp_path, table_of(), "--origin", "real", name="a.csv")
    answer = post(admin_client, "download_to_mend", RejectedEvent.objects.all())
    text = b"".join(answer.streaming_content).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["user", "target", "action", "time", "note", "refused_because"]
    assert [row["action"] for row in rows] == list(WRONG.values())
    mended = text.replace("maybe", "accept", 1).replace("perhaps", "accept", 1)
    mended = mended.replace(",maybe,", ",accept,")
    result = import_log(tmp_path, mended, "--origin", "real", name="mended.csv")
    assert (result["new"], result["rejected"]) == (3, 0)


def test_lines_of_two_batches_do_not_go_into_one_file(
    refused: list[RejectedEvent], admin_client: Client, tmp_path: Path
) -> None:
    import_log(tmp_path, log_of().replace("u1", "v1"), name="b.jsonl")
    answer = post(admin_client, "download_to_mend", RejectedEvent.objects.all())
    assert "Choose lines of one batch" in answer.content.decode()
