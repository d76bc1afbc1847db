"""Files of rows: written chunk by chunk, gone on with where they were killed, downloaded by who may
see what is inside, and forgotten in time."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from matching.models import EventBatch, SeedUser
from matching.queries import exports as matching_exports
from overview.management.commands.export import WHAT
from project import clock
from project.audit.models import Act, AuditEntry
from project.exporting import making
from project.exporting.arguments import say_exported
from project.exports import services
from project.exports.models import Export, ExportPart
from project.exports.services import sweep_exports
from project.exports.writing import json_field, write_rows
from project.jobs.contract import all_kinds, get_kind
from project.jobs.models import Job
from project.jobs.runner import run_job
from project.jobs.said import Outcome
from project.jobs.services import NotPermitted, enqueue, retry_job, stop_job
from project.pages.registry import all_pages
from project.storage.blobs import is_there, read
from project.storage.tending import tend_store
from project.tabular.doors import Door, FieldSpec
from project.tabular.mapping import Mapper
from project.tabular.own import MARK
from project.tabular.proposing import take_exactly
from project.tabular.rows import Limits, TableFile
from project.tabular.survey import Survey
from tests.factories import make_admin, make_seed_user, make_staff, write_poor_log
from tests.matching.commands import run_command as run

pytestmark = pytest.mark.django_db
FORMATS = ("csv", "jsonl", "parquet")


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> Path:
    settings.ARTIFACT_ROOT = tmp_path / "store"
    settings.MEDIA_ROOT = tmp_path / "uploads"
    return settings.ARTIFACT_ROOT


def export_people(form: str = "csv", by: Any = None) -> Job:
    job = enqueue("matching.export_people", what="people", format=form, by=by or make_admin())
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED, job.error
    return job


def content_of(job: Job) -> bytes:
    assert job.result is not None
    return read(Export.objects.get(pk=job.result["export"]).blob)


class Killed(Exception):
    """A worker ends here."""


# --- Chunks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("step", [*range(5), "join"])
def test_a_killed_export_goes_on_to_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch, form: str, step: int | str
) -> None:
    for number in range(9):
        make_seed_user(f"p{number}", name=f"=Ann {number}")
    monkeypatch.setattr(matching_exports, "PEOPLE_ROWS", 2)
    whole = content_of(export_people(form))
    Export.objects.all().delete()

    name = "complete_export" if step == "join" else "keep_part"
    original = getattr(making, name)

    def killed(*given: Any, **named: Any) -> Any:
        if step in ("join", given[1]):
            original(*given, **named)  # what it has written goes with its transaction
            raise Killed
        return original(*given, **named)

    with monkeypatch.context() as broken:
        broken.setattr(making, name, killed)
        job = enqueue("matching.export_people", what="people", format=form, by=make_admin())
        with pytest.raises(Killed):
            run_job(str(job.pk))
    export = Export.objects.get()
    assert export.sha256 == ""
    assert export.parts.count() == (5 if step == "join" else step)
    read_again: list[Any] = []
    reading = matching_exports.read_arrow

    def counted(*asked: Any) -> Any:
        read_again.append(asked)
        return reading(*asked)

    monkeypatch.setattr(matching_exports, "read_arrow", counted)
    again = retry_job(Job.objects.get(pk=job.pk), by=make_admin())
    run_job(str(again.pk))
    again.refresh_from_db()
    assert content_of(again) == whole
    assert len(read_again) == (0 if step == "join" else 5 - int(step))
    assert Export.objects.get().rows == 9
    assert not ExportPart.objects.exists()


def test_a_stopped_export_leaves_nothing(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    for number in range(4):
        make_seed_user(f"p{number}")
    monkeypatch.setattr(matching_exports, "PEOPLE_ROWS", 2)
    job = enqueue("matching.export_people", by=make_admin())
    original = services.keep_part

    def then_stop(*given: Any) -> Any:
        stop_job(Job.objects.get(pk=job.pk))
        return original(*given)

    monkeypatch.setattr(making, "keep_part", then_stop)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    assert not Export.objects.exists()
    assert not ExportPart.objects.exists()


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_of_nobody_is_a_file_without_rows(form: str) -> None:
    job = export_people(form)
    assert say_exported(job.result or {}).outcome == Outcome.UNCHANGED
    content = content_of(job)
    if form == "csv":
        assert content.startswith(b"external_id,name,")
        assert content.endswith(f"{MARK}\r\n".encode())
    elif form == "parquet":
        assert pq.read_table(io.BytesIO(content)).num_rows == 0
    else:
        assert content == b""


def test_no_cell_of_a_spreadsheet_is_a_formula() -> None:
    make_seed_user("p", name='=HYPERLINK("http://evil")', home_lat=-5.25)
    text = content_of(export_people("csv")).decode()
    assert '"\'=HYPERLINK(""http://evil"")"' in text
    assert ",-5.25," in text


# --- Who takes a file away -----------------------------------------------------------------------


def url(name: str, *arguments: Any) -> str:
    return reverse(f"admin:exports_export_{name}", args=arguments)


def client_with(*permissions: str) -> Client:
    client = Client()
    client.force_login(make_staff(*permissions))
    return client


def test_the_right_to_what_is_inside_opens_a_file_and_no_other() -> None:
    make_seed_user("p")
    export = Export.objects.get(pk=(export_people().result or {})["export"])
    address = url("download", export.pk)
    others = ("matching.export_events", "feedback.export_feedback", "training.download_dataset",
              "serving.export_scores", "matching.view_seeduser")  # fmt: skip
    looks = client_with("exports.view_export", *others)
    page = looks.get(url("changelist")).content.decode()
    assert export.name in page
    assert address not in page
    assert looks.get(address).status_code == 403
    assert address not in looks.get(url("change", export.pk)).content.decode()
    assert client_with("matching.export_people").get(address).status_code == 403
    may = client_with("exports.view_export", "matching.export_people")
    assert address in may.get(url("changelist")).content.decode()
    answer = may.get(address)
    assert b"".join(answer.streaming_content) == read(export.blob)  # type: ignore[attr-defined]
    assert answer["Content-Disposition"] == f'attachment; filename="{export.name}"'
    noted = AuditEntry.objects.of(Act.EXPORT).first()
    assert noted is not None
    assert (noted.model, noted.object_id) == ("exports.export", str(export.pk))
    assert noted.title == export.name


def test_an_expired_file_is_not_given_and_then_forgotten(
    monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    make_seed_user("p")
    export = Export.objects.get(pk=(export_people().result or {})["export"])
    client = Client()
    client.force_login(make_admin())
    assert sweep_exports() == 0
    answer: Any = client.get(url("download", export.pk))
    assert b"".join(answer.streaming_content) == read(export.blob)
    Export.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    assert client.get(url("download", export.pk)).status_code == 404
    assert export.name not in client.get(url("changelist")).content.decode()
    assert "Nothing is kept" in client.get(url("changelist")).content.decode()
    assert client.get(url("change", export.pk)).status_code == 404
    assert sweep_exports() == 1
    assert not Export.objects.exists()
    blob = export.blob
    assert is_there(blob)
    later = clock.now() + timedelta(days=2)
    monkeypatch.setattr("project.storage.tending.clock.now", lambda: later)
    tend_store()
    assert not is_there(blob)


def test_who_may_not_see_the_rows_starts_no_export() -> None:
    nobody = client_with("exports.view_export")
    assert reverse("admin:index")  # which has every app declare its pages
    pages = [page for page in all_pages() if page.name.startswith("export_")]
    assert len(pages) == 12
    for page in pages:
        assert nobody.get(reverse(f"admin:{page.name}")).status_code == 403


def test_who_lacks_the_right_starts_none_by_any_way() -> None:
    nobody = make_staff("exports.view_export", "jobs.add_schedule")
    with pytest.raises(NotPermitted):
        enqueue("matching.export_events", batches=[1], by=nobody)
    with pytest.raises(NotPermitted):
        enqueue("feedback.export_feedback", by=nobody)
    with pytest.raises(NotPermitted):
        enqueue("training.export_dataset", by=nobody)
    with pytest.raises(NotPermitted):
        enqueue("serving.export_scores", by=nobody)
    assert not Job.objects.exists()


def links_of(client: Client, address: str) -> list[str]:
    answer = client.get(address)
    shown = answer.content.decode()
    links = [link["url"] for link in answer.context["start_links"]]
    assert all(f'<a class="sb-btn" href="{link}">' in shown for link in links)
    return links


@pytest.mark.parametrize(
    ("page", "model", "what"),
    [
        ("people", "matching_seeduser", "people"),
        ("groups", "matching_travelgroup", "groups"),
        ("sessions", "matching_travelsession", "sessions"),
        ("quality_feedback", "feedback_qualityfeedback", "quality-feedback"),
        ("scores", "serving_alarm", "scores"),
    ],
)
def test_a_list_leads_to_the_export_of_its_rows(page: str, model: str, what: str) -> None:
    client = Client()
    client.force_login(make_admin())
    address = reverse(f"admin:export_{page}")
    listed = reverse(f"admin:{model}_changelist")
    assert address not in links_of(client, listed)  # there is nothing to export
    make_seed_user("p")
    if model == "matching_seeduser":
        assert address in links_of(client, listed)
    assert client.get(address).status_code == 200
    answer = client.post(address, {"format": "jsonl"})
    assert answer.status_code == 302
    job = Job.objects.latest("created_at")
    run_job(str(job.pk))
    assert Export.objects.get().what == what
    assert Export.objects.get().format == "jsonl"


def test_who_sees_no_exports_is_led_home_after_a_start() -> None:
    may = client_with("matching.export_people")
    address = reverse("admin:export_people")
    assert may.get(address).status_code == 200
    assert may.post(address, {"format": "csv"}).url == reverse("admin:index")  # type: ignore[attr-defined]


def test_the_page_of_a_batch_fills_its_number_in(tmp_path: Path) -> None:
    code, result = run("import_events", str(write_poor_log(tmp_path / "a.jsonl")), "--now")
    assert code == 0
    (batch,) = result["batches"]
    client = Client()
    client.force_login(make_admin())
    address = f"{reverse('admin:export_events')}?batches={batch}"
    assert address in client.get(reverse("admin:matching_eventbatch_changelist")).content.decode()
    page = client.get(address).content.decode()
    assert f'<option value="{batch}" selected>' in page
    assert client.get(f"{address}&batches=x&batches=-1&format=nonsense").status_code == 200


# --- The command ---------------------------------------------------------------------------------


def test_the_command_writes_what_its_kind_says(tmp_path: Path) -> None:
    make_seed_user("p")
    code, result = run("export", "people", "--now", "--format", "jsonl")
    assert (code, result["rows"], result["format"]) == (0, 1, "jsonl")
    assert "output" not in result
    out = tmp_path / "people.jsonl"
    code, result = run("export", "people", "--now", "--format", "jsonl", "--output", str(out))
    assert (code, json.loads(out.read_text())["external_id"]) == (0, "p")
    assert AuditEntry.objects.of(Act.EXPORT).filter(detail=f"to {out}").exists()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["people.jsonl"]
    shown = io.StringIO()
    call_command("export", "people", "--now", stdout=shown, stderr=shown)
    assert "1 row of people" in shown.getvalue()
    assert "kept for 7 days" in shown.getvalue()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["people", "--batch", "1"], "--batch does not belong to people"),
        (["events"], "events needs --batch"),
        (["scores", "--detach", "--output", "x"], "--output waits"),
        (["people", "--output", "/nowhere/x"], "There is no folder /nowhere"),
        (["refused-people"], "import of refused rows"),
        (["scores", "--since", "2026-02-01", "--until", "2026-01-01"], "start before end"),
    ],
)
def test_the_command_refuses_what_does_not_fit(words: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("export", *words, *([] if "--detach" in words else ["--now"]))
    assert not Export.objects.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["events", "--batch", "999"],
        ["refused-people", "--import", "999"],
        ["quality-feedback", "--source", "nobody"],
        ["dataset"],
    ],
)
def test_what_is_not_there_is_refused_with_a_remedy(words: list[str]) -> None:
    code, result = run("export", *words, "--now")
    assert code == 2
    assert result["refused"]["remedy"]


def test_an_unfinished_batch_is_refused(tmp_path: Path) -> None:
    _, result = run("import_events", str(write_poor_log(tmp_path / "a.jsonl")), "--now")
    EventBatch.objects.update(state=EventBatch.State.BUILDING)
    code, refused = run("export", "events", "--batch", str(result["batches"][0]), "--now")
    assert code == 2
    assert "only a complete one is exported" in refused["refused"]["message"]


def test_every_export_has_words_for_the_command() -> None:
    kinds = {kind for kind, _ in WHAT.values()}
    assert kinds == {kind.name for kind in all_kinds() if ".export_" in kind.name}
    assert all(get_kind(kind).cleanup is not None for kind in kinds)


def test_an_export_stays_when_its_people_go() -> None:
    make_seed_user("p")
    job = export_people()
    SeedUser.objects.all().delete()
    assert b"p," in content_of(job)


# --- Cells ---------------------------------------------------------------------------------------

ANYTHING = Door(
    "test.anything",
    "anything",
    (
        FieldSpec("text"),
        FieldSpec("number", "number"),
        FieldSpec("whole", "number", is_whole=True),
        FieldSpec("words", "words"),
        FieldSpec("object", "object"),
        FieldSpec("at", "moment"),
    ),
)
TEXTS = st.text(
    st.one_of(
        st.sampled_from("=+-@'\"\t\r\n,;| \\\ufeff\u2028é🧳"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=8,
)
ROWS = st.fixed_dictionaries(
    {
        "text": st.none() | TEXTS.filter(bool),
        "number": st.none() | st.floats(-1e299, 1e299, allow_nan=False),
        "whole": st.none() | st.integers(-(2**53) + 1, 2**53 - 1),
        "words": st.none() | st.lists(TEXTS, max_size=3),
        "object": st.none()
        | st.dictionaries(
            TEXTS, TEXTS | st.integers(-9, 9) | st.floats(-1, 1), min_size=1, max_size=2
        ),
        "at": st.none() | st.datetimes(),
    }
)
SCHEMA = pa.schema(
    [
        pa.field("text", pa.string()),
        pa.field("number", pa.float64()),
        pa.field("whole", pa.int64()),
        pa.field("words", pa.list_(pa.string())),
        json_field("object"),
        pa.field("at", pa.timestamp("us", tz="UTC")),
    ]
)


@given(rows=st.lists(ROWS, min_size=1, max_size=6), form=st.sampled_from(["csv", "jsonl"]))
def test_what_is_written_is_read_to_the_same_values(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], form: Any
) -> None:
    path = tmp_path_factory.mktemp("cells") / f"rows.{form}"
    kept = [{**row, "object": row["object"] and json.dumps(row["object"])} for row in rows]
    write_rows(pa.Table.from_pylist(kept, SCHEMA), form, path, is_first=True)
    table = TableFile(path, limits=Limits(row_bytes=100_000, json_bytes=100_000))
    assert table.found.is_own
    assert table.found.format == form
    survey = Survey(ANYTHING)
    survey.add([row.values or {} for row in table.rows()])
    mapping = take_exactly(ANYTHING, survey).mapping
    found = Mapper(ANYTHING, mapping).apply([row.values or {} for row in table.rows()])
    assert len(found) == len(rows)
    for one, was in zip(found, rows, strict=True):
        moment = None if was["at"] is None else was["at"].isoformat(timespec="microseconds") + "Z"
        expected = {**was, "at": moment}
        for name in SCHEMA.names:
            assert repr(one.get(name)) == repr(expected[name]) or (
                name == "number" and str(float(one[name])) == str(was[name])
            )
