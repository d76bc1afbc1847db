"""The admin of batches and events, posted for real."""

import gzip
import json
import re
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from matching.admin import batches
from matching.admin.batches import TABS
from matching.models import EventBatch, MatchEvent, RejectedEvent, TravelSession
from project.jobs.models import Job
from project.jobs.presentation import headline
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.origin import Origin
from project.pages import admins as tables
from project.pages.badges import tone_of
from project.removal.models import Receipt
from project.uploads.models import Upload
from tests.factories import make_admin, make_seed_user, make_session, make_staff
from tests.matching.commands import run_command
from tests.removing import remove
from tests.training.batches import draw_events, make_batch, make_good_batch
from training.models import Dataset, ModelVersion
from training.queries.staleness import why_stale

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


def url(name: str, *arguments: Any) -> str:
    return reverse(f"admin:matching_{name}", args=arguments)


@pytest.fixture
def admin_client() -> Client:
    client = Client()
    client.force_login(make_admin())
    return client


def client_with(*permissions: str) -> Client:
    client = Client()
    client.force_login(make_staff(*permissions))
    return client


def said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def lines(count: int, *, first: int = 0) -> bytes:
    events = [
        {
            "matchType": "user_user",
            "features": {"ageScore": 0.5, "interestScore": 1.0},
            "outcome": "accept" if number % 4 == 0 else "ignore",
            "timestamp": 1_700_000_000_000 + number,
            "source": "real",
            "userId": f"u{number}",
        }
        for number in range(first, first + count)
    ]
    return "".join(f"{json.dumps(event)}\n" for event in events).encode()


def upload(client: Client, text: bytes, **fields: str) -> Any:
    file = SimpleUploadedFile("my log.jsonl", text)
    data = {"file": file, "origin": "", "feature_set": "tiered-1", **fields}
    return client.post(url("eventbatch_upload"), data)


def imported(text: bytes) -> EventBatch:
    """Import a log through the pages, as a person would."""
    client = client_with("matching.import_events", "matching.view_eventbatch")
    response = upload(client, text)
    confirmed = response.context["confirm"]
    assert client.post(url("eventbatch_upload"), confirmed).status_code == 302
    job = Job.objects.order_by("created_at").last()
    assert job is not None
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == "succeeded", job.error
    return EventBatch.objects.get(pk=job.result["batches"][0])


# --- Import --------------------------------------------------------------------------------------


def test_a_log_that_does_not_say_where_it_comes_from_is_asked_at_the_field(
    admin_client: Client,
) -> None:
    text = lines(8).replace(b'"source": "real", ', b"")
    asked = upload(admin_client, text)
    assert "--origin real" in str(asked.context["form"].errors["origin"])
    assert "found" not in asked.context
    assert upload(admin_client, text, origin="real").context["found"]["new"] == 8


def test_an_upload_is_shown_before_anything_lands(admin_client: Client) -> None:
    response = upload(admin_client, lines(8) + b"broken\n")
    page = response.content.decode()
    assert "9 events" in page
    assert "8 new" in page
    assert "Line 9: Expected JSON" in page
    assert not EventBatch.objects.exists()
    assert not Job.objects.exists()
    assert Upload.objects.count() == 1


def test_a_confirmed_upload_is_imported_by_a_job() -> None:
    batch = imported(lines(8) + b"broken\n")
    assert (batch.made, batch.file_name, batch.label_share) == (8, "my log.jsonl", 0.25)
    assert batch.created_by is not None
    assert RejectedEvent.objects.get().line == 9


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"state": "building", "asked": 9}, "building"),
        ({"asked": 9, "made": 9}, "complete"),
        ({"asked": 9, "made": 4}, "in part"),
        ({"asked": 9, "made": 0}, "without effect"),
        ({"method": "imported", "made": 4, "skipped": {"already_known": {"count": 5}}}, "complete"),
        ({"method": "imported", "made": 4, "skipped": {"bad_utf8": {"count": 5}}}, "in part"),
        ({"method": "imported", "skipped": {"bad_utf8": {"count": 5}}}, "without effect"),
        ({"method": "imported", "skipped": {"already_known": {"count": 5}}}, "nothing new"),
    ],
)
def test_a_batch_is_green_only_where_all_of_it_is_there(values: dict[str, Any], word: str) -> None:
    batch = EventBatch(**{"method": "generated", "state": "complete", **values})
    assert batch.verdict == word
    assert (tone_of(word) == "good") is (word == "complete")


def test_what_will_be_copies_is_no_pass(admin_client: Client, monkeypatch: Any) -> None:
    forecast = {
        "distinct_pairs": {"user_user": 9},
        "expected_duplicate_share": 0.999,
        "met": True,
        "remedy": "",
        "skipped": {},
    }
    monkeypatch.setattr(batches, "preview", lambda **_: forecast)
    shown = admin_client.post(url("eventbatch_generate"), RECIPE).content.decode()
    assert "99.9 % of the feature vectors will be copies" in shown
    assert 'class="sb-badge sb-good"' not in shown
    assert 'class="sb-badge sb-warn"' in shown
    forecast["expected_duplicate_share"] = 0.0
    shown = admin_client.post(url("eventbatch_generate"), RECIPE).content.decode()
    assert 'class="sb-badge sb-good"' in shown
    assert re.search(r'name="start" value="Generate [\d,]+ events"', shown)


def test_a_damaged_pack_is_an_error_of_the_form(admin_client: Client) -> None:
    response = upload(admin_client, gzip.compress(lines(3))[:-9])
    assert "Copy it again" in str(response.context["form"].errors["file"])


def test_a_confirmation_without_its_file_starts_nothing(admin_client: Client) -> None:
    given = {"origin": "", "feature_set": "tiered-1"}
    somebody = client_with("matching.import_events")
    theirs = upload(somebody, lines(3)).context["confirm"]["kept"]
    other = client_with("matching.import_events")
    for kept in (str(uuid4()), "../../etc/passwd", "", theirs + "\0"):
        gone = admin_client.post(url("eventbatch_upload"), {**given, "kept": kept})
        assert "Upload the file again" in said(gone), kept
    # The upload of somebody else is none.
    foreign = other.post(url("eventbatch_upload"), {**given, "kept": theirs})
    assert "Upload the file again" in said(foreign)
    assert not Job.objects.exists()


# --- Generation ----------------------------------------------------------------------------------

RECIPE = {
    "count": "6",
    "match_type": "user_user",
    "preset": "balanced",
    "seed": "7",
    "feature_set": "smooth-1",
}


def test_generation_says_what_to_expect_and_then_starts(admin_client: Client) -> None:
    for number in range(5):
        make_session(make_seed_user(age=20 + 3 * number), budget=500 + 100 * number)
    looked = admin_client.post(url("eventbatch_generate"), RECIPE)
    assert "20 distinct pairs" in looked.content.decode()
    assert not Job.objects.exists()
    response = admin_client.post(url("eventbatch_generate"), {**RECIPE, "start": "Generate"})
    assert response.status_code == 302
    job = Job.objects.get()
    assert job.arguments["count"] == 6
    run_job(str(job.pk))
    batch = EventBatch.objects.get()
    assert (batch.made, batch.get_origin_display()) == (6, "synthetic")
    at = url("eventbatch_change", batch.pk)
    page = admin_client.get(at).content.decode()
    assert "synthetic" in page
    (place,) = {trip.destination_name for trip in TravelSession.objects.all()}
    assert f'<th scope="row">{place}</th>' in page
    assert batch.summary["destinations"] == {"named": {place: 6}, "others": 0, "unknown": 0}
    assert "distance_score (6 values)" in admin_client.get(f"{at}?tab=inputs").content.decode()


def test_generation_without_anybody_says_what_to_do(admin_client: Client) -> None:
    page = admin_client.post(url("eventbatch_generate"), RECIPE).content.decode()
    assert "“Create sessions” (Trips)" in page
    assert "`manage.py" not in page
    assert 'name="start"' not in page


def test_incomplete_users_are_named_before_and_after(admin_client: Client) -> None:
    for number in range(5):
        make_session(make_seed_user(age=20 + 3 * number), budget=500 + 100 * number)
    make_session(make_seed_user("seed_incomplete", age=None, interests=[]))
    looked = admin_client.post(url("eventbatch_generate"), RECIPE).content.decode()
    assert "seed_incomplete without age, interests" in looked
    admin_client.post(url("eventbatch_generate"), {**RECIPE, "start": "Generate"})
    run_job(str(Job.objects.get().pk))
    page = admin_client.get(url("eventbatch_change", EventBatch.objects.get().pk) + "?tab=left")
    assert "seed_incomplete without age, interests" in page.content.decode()


# --- Pages ---------------------------------------------------------------------------------------


def test_the_page_of_a_batch_shows_what_landed_and_what_did_not(admin_client: Client) -> None:
    batch = imported(lines(8) + b"broken <script>\n" + lines(2).replace(b"ageScore", b"agescore"))
    at = url("eventbatch_change", batch.pk)
    page = "".join(
        admin_client.get(f"{at}?tab={tab}").content.decode() for tab in (*TABS, "no such tab")
    )
    for words in (
        "broken &lt;script&gt;",
        "bad json",
        "features.agescore",
        "30.0 %",
        "my log.jsonl",
    ):
        assert words in page
    assert "<script>\n" not in page


def test_rejected_lines_are_listed_and_downloaded(admin_client: Client) -> None:
    like = lines(1).replace(b"accept", b"like")
    batch = imported(lines(1) + b"=cmd|evil\nbroken\n" + like + lines(2, first=1))
    rows = admin_client.get(url("rejectedevent_changelist"), {"batch": batch.pk})
    assert rows.context["cl"].result_count == 3
    some = admin_client.get(url("rejectedevent_changelist"), {"reason": "unknown_value"})
    assert [row.line for row in some.context["cl"].result_list] == [4]
    table = b"".join(admin_client.get(url("eventbatch_rejected", batch.pk))).decode()
    assert table.splitlines()[0] == "line,reason,message,excerpt"
    assert "'=cmd|evil" in table
    assert len(table.splitlines()) == 4


def test_events_are_found_by_batch_outcome_and_label(admin_client: Client) -> None:
    first, second = imported(lines(8)), imported(lines(4, first=100))

    def found(**query: Any) -> int:
        count: int = (
            admin_client.get(url("matchevent_changelist"), query).context["cl"].result_count
        )
        return count

    assert found() == 12
    assert (found(batch=first.pk), found(batch=second.pk)) == (8, 4)
    assert (found(batch=999), found(batch="x")) == (0, 0)
    assert found(batch=first.pk, outcome__exact=1) == 2
    assert found(label__exact=0) == 9
    event = MatchEvent.objects.of_batch(first).earliest("pk")
    page = admin_client.get(url("matchevent_change", event.pk)).content.decode()
    assert f"Batch {first.pk}" in page
    assert "known only from the log" in page


def test_events_of_an_unfinished_batch_are_not_shown(admin_client: Client) -> None:
    batch = imported(lines(3))
    EventBatch.objects.update(state="building")
    assert admin_client.get(url("matchevent_changelist")).context["cl"].result_count == 0
    event = MatchEvent.objects.of_batch(batch).earliest("pk")
    assert admin_client.get(url("matchevent_change", event.pk)).status_code == 404


def test_a_large_table_is_neither_counted_nor_paged_to_its_end(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(lines(300))
    monkeypatch.setattr(tables, "REACH", 150)
    monkeypatch.setattr(tables, "EXACT_BELOW", 150)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = admin_client.get(url("matchevent_changelist"))
    assert response.context["cl"].result_count == 150
    assert "in all" in response.content.decode()
    counts = [
        query["sql"]
        for query in queries
        if "COUNT(" in query["sql"] and 'FROM "matching_matchevent"' in query["sql"]
    ]
    assert counts
    assert all("LIMIT 150" in sql for sql in counts)
    assert response.context["total"] >= 150


@pytest.mark.parametrize("name", ["eventbatch", "matchevent", "rejectedevent"])
def test_a_list_needs_as_many_queries_for_many_rows_as_for_one(
    admin_client: Client, name: str
) -> None:
    imported(lines(1) + b"broken\n")
    address = url(f"{name}_changelist")
    admin_client.get(address)
    with CaptureQueriesContext(connection) as few:
        admin_client.get(address)
    for number in range(1, 4):
        imported(lines(9, first=100 * number) + b"broken\n" * 5)
    with CaptureQueriesContext(connection) as many:
        admin_client.get(address)
    assert len(few) == len(many)


@pytest.mark.parametrize("name", ["eventbatch", "matchevent", "rejectedevent"])
def test_empty_lists_are_shown(admin_client: Client, name: str) -> None:
    assert admin_client.get(url(f"{name}_changelist")).status_code == 200


def test_the_front_page_shows_real_and_synthetic_events_apart(admin_client: Client) -> None:
    assert "What people did" in admin_client.get(reverse("admin:index")).content.decode()
    imported(lines(8))
    page = admin_client.get(reverse("admin:index")).content.decode()
    assert "8 real · 0 synthetic" in page


# --- Export and deletion -------------------------------------------------------------------------


def test_batches_are_downloaded_one_by_one_or_together(admin_client: Client) -> None:
    one, other = imported(lines(3)), imported(lines(2, first=50))
    alone = gzip.decompress(b"".join(admin_client.get(url("eventbatch_export", one.pk))))
    both = admin_client.post(
        url("eventbatch_changelist"),
        {"action": "export", "_selected_action": [one.pk, other.pk]},
    )
    text = gzip.decompress(b"".join(both.streaming_content))
    assert len(alone.splitlines()) == 3
    assert text.startswith(alone)
    assert len(text.splitlines()) == 5


def test_an_unfinished_batch_is_not_downloaded(admin_client: Client) -> None:
    batch = imported(lines(3))
    EventBatch.objects.update(state="building")
    assert admin_client.get(url("eventbatch_export", batch.pk)).status_code == 404
    response = admin_client.post(
        url("eventbatch_changelist"), {"action": "export", "_selected_action": [batch.pk]}
    )
    assert "not complete" in said(response)


def test_a_batch_is_removed_with_its_events_and_can_be_imported_again(admin_client: Client) -> None:
    kept = imported(lines(3))
    batch = imported(lines(2, first=50) + b"broken\n")
    answer = admin_client.get(url("eventbatch_delete", batch.pk), follow=True)
    page = answer.content.decode()
    assert answer.redirect_chain[-1][0].endswith(f"/remove/batch/?number={batch.pk}")
    assert "Match events" in page
    assert "Rejected line" in page
    address = reverse("admin:remove_batch") + f"?number={batch.pk}"
    assert admin_client.post(address, {"why": "", "number": batch.pk}).status_code == 200
    assert not Job.objects.filter(kind="matching.remove_batch").exists(), "a reason is asked for"
    assert admin_client.post(address, {"why": "wrong", "number": batch.pk}).status_code == 302
    job = Job.objects.get(kind="matching.remove_batch")
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.error) == ("succeeded", "")
    went = {"match event": 2, "rejected line": 1, "kept change": 0, "batch": 1}
    assert job.result["counts"] == went
    assert MatchEvent.objects.count() == MatchEvent.objects.of_batch(kept).count() == 3
    assert not RejectedEvent.objects.exists()
    receipt = Receipt.objects.get()
    assert (receipt.thing, receipt.number, receipt.why) == ("batch", batch.pk, "wrong")
    assert receipt.digests["log"] == batch.file_sha256
    assert imported(lines(2, first=50) + b"broken\n").made == 2


def test_a_batch_goes_though_a_dataset_was_made_of_it_which_says_so() -> None:
    batch = imported(lines(3))
    dataset = Dataset.objects.create(
        kind="match_compatibility",
        version=1,
        verdict="refuse",
        lineage=[{"model": "matching.eventbatch", "id": batch.pk}],
    )
    dataset.batches.add(batch)
    job = remove("batch", batch.pk)
    assert job.state == "succeeded", job.error
    assert "Dataset match_compatibility/1 keeps its own rows" in job.result["stale"][0]
    assert f"batch {batch.pk} was removed since" in why_stale(Dataset.objects.get())


def test_a_removal_is_told_without_the_record_itself(admin_client: Client) -> None:
    """“Batch 2, and with it 1 batch” reads as the number of a record."""
    batch = imported(lines(3))
    told = StringIO()
    call_command("remove", "batch", str(batch.pk), "--plan", stdout=told)
    assert told.getvalue().startswith(f"Batch {batch.pk}, and with it 3 match events.")
    page = admin_client.get(f"{reverse('admin:remove_batch')}?number={batch.pk}").content.decode()
    assert ">Match events</" in page
    assert ">Batch</" not in page
    job = remove("batch", batch.pk)
    assert headline(job)["text"] == f"Batch {batch.pk} is removed: 3 match events."
    receipts = admin_client.get(reverse("admin:removal_receipt_changelist")).content.decode()
    assert "3 match events" in receipts
    assert "1 batch" not in receipts


def test_a_batch_that_a_live_model_learnt_from_stays() -> None:
    batch = imported(lines(3))
    dataset = Dataset.objects.create(kind="match_compatibility", version=1)
    dataset.batches.add(batch)
    ModelVersion.objects.create(
        kind="match_compatibility", version=4, dataset=dataset, stage="champion"
    )
    job = remove("batch", batch.pk)
    assert job.state == "refused"
    assert "is live and learnt from it" in job.error
    assert EventBatch.objects.complete().filter(pk=batch.pk).exists()
    ModelVersion.objects.update(stage="archived")
    assert remove("batch", batch.pk).state == "succeeded"


def test_a_batch_that_a_job_is_writing_stays() -> None:
    batch = imported(lines(3))
    job = enqueue("matching.generate_events", ring_bell=False)
    job.steps.create(name="generate.prepare", result={"batch": batch.pk})
    refused = remove("batch", batch.pk)
    assert refused.state == "refused"
    assert f"Job {job.short_id} is writing it" in refused.error


# --- Permissions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "permission"),
    [
        ("eventbatch_generate", "matching.generate_events"),
        ("eventbatch_upload", "matching.import_events"),
    ],
)
def test_starting_work_needs_its_own_permission(name: str, permission: str) -> None:
    viewer = client_with("matching.view_eventbatch", "matching.delete_eventbatch")
    for response in (viewer.get(url(name)), viewer.post(url(name), {**RECIPE, "start": "x"})):
        assert response.status_code == 403
    assert not Job.objects.exists()
    assert client_with(permission).get(url(name)).status_code == 200


def test_looking_at_batches_allows_neither_export_nor_deletion_nor_rejected_lines() -> None:
    batch = imported(lines(3))
    viewer = client_with("matching.view_eventbatch")
    at = url("eventbatch_change", batch.pk)
    page = "".join(viewer.get(f"{at}?tab={tab}").content.decode() for tab in TABS)
    assert "Download as a log" not in page
    assert "deletelink" not in page
    for name in ("eventbatch_export", "eventbatch_rejected", "eventbatch_delete"):
        assert viewer.get(url(name, batch.pk)).status_code == 403, name
    action = {"action": "export", "_selected_action": [batch.pk]}
    refused = viewer.post(url("eventbatch_changelist"), action)
    assert refused["Content-Type"].startswith("text/html")
    allowed = client_with("matching.view_eventbatch", "matching.export_events")
    assert allowed.get(url("eventbatch_export", batch.pk)).status_code == 200
    assert client_with().get(url("eventbatch_change", batch.pk)).status_code == 403
    assert "real · " not in client_with().get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize("name", ["matchevent", "rejectedevent"])
def test_events_and_what_came_of_rejected_lines_are_never_edited(
    admin_client: Client, name: str
) -> None:
    imported(lines(1) + b"broken\n")
    assert admin_client.get(url(f"{name}_add")).status_code == 403
    row = (MatchEvent if name == "matchevent" else RejectedEvent).objects.get()
    before = row.__dict__
    assert admin_client.get(url(f"{name}_change", row.pk)).status_code == 200
    posted = {"label": "on", "text": "other", "batch": "7"}
    answer = admin_client.post(url(f"{name}_change", row.pk), posted)
    assert answer.status_code == (403 if name == "matchevent" else 200)
    now = type(row).objects.get(pk=row.pk).__dict__
    assert {**now, "_state": None} == {**before, "_state": None}
    assert admin_client.get(url(f"{name}_delete", row.pk)).status_code == 403


@pytest.mark.usefixtures("valkey")
def test_events_of_both_origins_are_no_one_log(admin_client: Client, tmp_path: Path) -> None:
    """No import would take it back: the lines of one origin contradict the other's."""
    drawn, real = make_good_batch(40), make_batch(draw_events(4), origin=Origin.REAL)
    both = {"action": "export", "_selected_action": [drawn.pk, real.pk]}
    answer = admin_client.post(url("eventbatch_changelist"), both, follow=True)
    said = f"(synthetic: {drawn.pk}; real: {real.pk})"
    assert said in answer.content.decode()
    output = tmp_path / "log.jsonl"
    numbers = [str(drawn.pk), str(real.pk)]
    for command in (["export_events"], ["export", "events", "--now"]):
        code, result = run_command(*command, "--output", str(output), "--batch", *numbers)
        assert code == 2
        assert said in result["refused"]["message"]
        assert f"--batch {drawn.pk} and --batch {real.pk}" in result["refused"]["remedy"]
    assert not output.exists()
