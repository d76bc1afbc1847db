"""What is exported imports again, through the ordinary doors, to the same rows: of every door, in
every format."""

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedback.domain.row_format import MAX_ROW_BYTES
from feedback.jobs.synthetic import fill_synthetic
from feedback.models import RejectedRecord
from feedback.models.records import MODELS
from feedback.services.sources import file_source, synthetic_source
from matching.domain.features.names import FEATURE_NAMES
from matching.domain.profiles import CLEANERS
from matching.models import (
    EventBatch,
    MatchEvent,
    RefusedProfile,
    RejectedEvent,
    SeedUser,
    TravelGroup,
    TravelSession,
)
from matching.queries.exports import export_batches
from project.origin import Origin
from project.tabular.doors import Door, FieldSpec
from project.tabular.mapping import Mapper
from project.tabular.plain import as_plain_csv
from project.tabular.proposing import take_exactly
from project.tabular.rows import Limits, TableFile
from project.tabular.survey import Survey
from serving.domain.inputs import names_of
from serving.models import ScoredPair
from tests.factories import COMPLETE_PROFILE, make_seed_user, make_session
from tests.matching.commands import run_command as run
from tests.serving.logged import log_pairs
from training.domain.foreign_csv import read_foreign_csv
from training.kinds import Recipe, get_kind
from training.models import Dataset
from training.queries.datasets import analyze_csv, read_part

pytestmark = pytest.mark.django_db

LIMITS = Limits(row_bytes=100_000, json_bytes=100_000)
FORMATS = ("csv", "jsonl", "parquet")
NASTY = (
    "=1+1", "+1", "-5", "@SUM(A1)", "'=1", "''=1", "'", "007", "1e5", "TRUE", "NULL", "null",
    "\\N", "undefined", "N/A", "None", "#N/A", 'say "no"', "a,b;c|d\te", "two\nlines",
    "two\r\nlines", "\rcr", "Zürich 東京 🧳", "{\"a\": 1}", "[1]", "2026-05-01", " ", "0.1",
    "½", "'+", "\t=x",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _store(settings: Any, tmp_path: Path, valkey: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


def export(path: Path, what: str, form: str, *options: str) -> Path:
    file = path / f"{what}.{form}"
    code, result = run("export", what, "--format", form, "--output", str(file), "--now", *options)
    assert code == 0, result
    return file


def done(answer: tuple[int, dict[str, Any]]) -> dict[str, Any]:
    code, result = answer
    assert code == 0, result
    return result


# --- People, groups, trips -----------------------------------------------------------------------

NAMES = [text for text in NASTY if text.isprintable() and text.strip()]
# Of us, and of the moment of writing: no door takes them.
NOT_KEPT = {"id", "created_at", "updated_at", "completeness", "imported_in"}


def rows_of(model: Any, *without: str) -> list[dict[str, Any]]:
    fields = [one.attname for one in model._meta.concrete_fields]
    left = NOT_KEPT | set(without)
    rows = model.objects.order_by("external_id").values(*(f for f in fields if f not in left))
    return list(rows)


def same(before: Any, after: Any) -> None:
    """Compare as Python writes it, which tells -0.0 from 0.0."""
    assert len(after) == len(before)
    for one, other in zip(before, after, strict=True):
        if repr(one) != repr(other):
            assert other == one
            assert repr(other) == repr(one)


def make_people() -> None:
    for number, name in enumerate(NAMES):
        make_seed_user(
            f"p{number:03d}",
            name=name,
            home_city=name,
            archetype=name[:40],
            profession=CLEANERS["profession"](name),
            religion="",
            interests=["a;b", "c,d", "e|f", '"quoted"', "=x", "food"],
            home_lat=(-0.0 if number % 2 else 0.1 + 0.2),
            home_lon=-179.99999999999997,
            origin=(Origin.REAL if number % 3 else Origin.SYNTHETIC).code,
        )
    for external_id in ("007", "1e5", "TRUE", "null", "0x1F", "1.0", "a:b", "NaN"):
        make_seed_user(external_id, name="")
    blank = {name: [] if isinstance(value, list) else "" if isinstance(value, str) else None
             for name, value in COMPLETE_PROFILE.items()}  # fmt: skip
    make_seed_user("nothing-said", **blank)
    make_seed_user("youngest", age=18, extraversion=0.0, personality="introvert")
    make_seed_user("oldest", age=100, extraversion=1.0, personality="extrovert", home_lat=90.0)


@pytest.mark.parametrize("form", FORMATS)
def test_people_come_home_as_they_left(tmp_path: Path, form: str) -> None:
    make_people()
    before = rows_of(SeedUser)
    file = export(tmp_path, "people", form)
    assert done(run("seed_users", "--file", str(file), "--now"))["unchanged"] == len(before)
    SeedUser.objects.all().delete()
    result = done(run("seed_users", "--file", str(file), "--now"))
    assert (result["added"], result["rows_refused"]) == (len(before), 0)
    same(before, rows_of(SeedUser))


@pytest.mark.parametrize("form", FORMATS)
def test_groups_come_home_with_their_members(tmp_path: Path, form: str) -> None:
    people = [make_seed_user(one) for one in ("007", "1e5", "TRUE", "a.b:c-d")]
    for number, name in enumerate(NAMES):
        group = TravelGroup.objects.create(
            external_id=f"g{number:03d}", name=name.strip(), origin=Origin.SYNTHETIC.code
        )
        group.members.set(people[: number % 5])
    TravelGroup.objects.create(external_id="empty")

    def state() -> list[Any]:
        members = {
            group.pk: sorted(one.external_id for one in group.members.all())
            for group in TravelGroup.objects.prefetch_related("members")
        }
        names = TravelGroup.objects.order_by("external_id")
        return [(g.external_id, g.name, g.origin, members[g.pk]) for g in names]

    before = state()
    file = export(tmp_path, "groups", form)
    assert done(run("import_groups", str(file), "--now"))["unchanged"] == len(before)
    TravelGroup.objects.all().delete()
    assert done(run("import_groups", str(file), "--now"))["added"] == len(before)
    same(before, state())


@pytest.mark.parametrize("form", FORMATS)
def test_trips_come_home_as_they_left(tmp_path: Path, form: str) -> None:
    floats = [0.0, -0.0, 0.1 + 0.2, 5e-324, 1 / 3, 9_999_999.999999998, None]
    for number, name in enumerate(NAMES):
        make_session(
            make_seed_user(f"t{number:03d}"),
            destination_name=name.strip(),
            destination_lat=[-90.0, 90.0, -0.0, 38.722252899999996][number % 4],
            destination_lon=[-180.0, 180.0, -9.139336599999999][number % 3],
            budget=floats[number % len(floats)],
            start_date=[date(2000, 1, 1), date(2026, 2, 28)][number % 2],
            end_date=[date(2026, 2, 28), date(2099, 12, 31)][number % 2],
            interests=[["a;b", "c,d"], [], ["=x"]][number % 3],
            origin=Origin.SYNTHETIC.code,
        )
    # When a session ends follows from its trip; whoever imports it has it from us.
    before = rows_of(TravelSession, "expires_at", "is_adopted")
    file = export(tmp_path, "sessions", form)
    assert done(run("import_sessions", str(file), "--now"))["unchanged"] == len(before)
    TravelSession.objects.all().delete()
    assert done(run("import_sessions", str(file), "--now"))["added"] == len(before)
    same(before, rows_of(TravelSession, "expires_at", "is_adopted"))


# --- Events --------------------------------------------------------------------------------------


def write_log(path: Path) -> Path:
    ids = [*(text for text in NASTY if text.strip()), "x" * 200]
    lines = []
    for number, name in enumerate(ids):
        lines.append(
            {
                "matchType": ["user_user", "user_group"][number % 2],
                "features": {
                    "distanceScore": [0.0, 1.0, 0.1, 1 / 3, 1.1754943508222875e-38][number % 5],
                    "ageScore": 0.30000001192092896,
                    **({"budgetScore": number / len(ids)} if number % 3 else {}),
                },
                "outcome": ["accept", "chat", "ignore", "unmatch"][number % 4],
                "timestamp": [946_684_800_000, 1_700_000_000_001][number % 2] + number,
                "source": "synthetic",
                "userId": name,
                ("groupId" if number % 2 else "targetId"): f"{name[:190]}-other",
                **({"eventId": f"{name[:190]}#{number}"} if number % 4 else {}),
                **({"preset": "strict"} if number % 5 else {}),
                **({"modelVersion": name} if number % 6 else {}),
            }
        )
    path.write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    return path


def events_of(pk: int) -> list[dict[str, Any]]:
    """All of events but the numbers that are ours: their batch, and the strangers of a log."""
    ours = {"id", "event_key", "user_id", "target_id", "group_id"}
    fields = [one.attname for one in MatchEvent._meta.concrete_fields if one.attname not in ours]
    batch = EventBatch.objects.get(pk=pk)
    return list(MatchEvent.objects.of_batch(batch).order_by("id").values(*fields))


@pytest.mark.parametrize("form", FORMATS)
def test_events_come_home_as_they_left(tmp_path: Path, form: str) -> None:
    log = write_log(tmp_path / "log.jsonl")
    (first,) = done(run("import_events", str(log), "--now"))["batches"]
    before = events_of(first)
    text = b"".join(export_batches([EventBatch.objects.get(pk=first)]))
    file = export(tmp_path, "events", form, "--batch", str(first))
    if form == "jsonl":
        assert file.read_bytes() == text
    assert done(run("import_events", str(file), "--now"))["known"] == len(before)
    MatchEvent.objects.all().delete()
    EventBatch.objects.all().delete()
    result = done(run("import_events", str(file), "--now"))
    assert (result["new"], result["rejected"]) == (len(before), 0)
    (second,) = result["batches"]
    after = events_of(second)
    named = {one["external"].get("eventId", "") for one in before if one["external"]}
    for one, other in zip(before, after, strict=True):
        # What had no id of its own has the one that its export gave it.
        if "eventId" not in (one["external"] or {}):
            assert other["external"].pop("eventId").startswith("seedbed:")
    assert len(named) > 1
    same(before, after)
    batch = EventBatch.objects.get(pk=second)
    assert (batch.get_origin_display(), batch.feature_set) == ("synthetic", "logged-1")


# --- Feedback ------------------------------------------------------------------------------------

LAST = datetime(2026, 5, 31, 23, 59, 59, 999_999, tzinfo=UTC)
SHARES = (0.0, 1.0, -0.0, 0.1 + 0.2, 1 / 3, 5e-324, 0.9999999999999999, 1e-17)


def feedback_rows(table: str) -> list[dict[str, Any]]:
    rows = []
    for number, text in enumerate(NASTY):
        row: dict[str, Any] = {
            "id": [text, "", f"id {number}"][number % 3],
            "response_id": ["", f"r{number}"][number % 2],
            "provider": text,
            "model": text,
            "action_type": text,
            "created_at": [f"2000-01-01T00:00:00.{number:06d}Z", LAST.isoformat()][number % 2],
            "Lieblingsfarbe": text,
            "tags": [text, {"deep": [None, 1.5, -0.0, "x"]}],
        }
        share = SHARES[number % len(SHARES)]
        if table == "quality_feedback":
            row |= {"quality_rating": share, "feedback_text": text * 3, "session_id": text,
                    "user_id": text}  # fmt: skip
        elif table == "explanations":
            row |= {"quality_score": share, "scenario_id": text}
            if number % 2:
                row["metadata"] = {"codeQuality": share, "responseTime": 12.000000000000002,
                                   "note": text, "list": [1, text, None]}  # fmt: skip
        else:
            row |= {"user_rating": share, "experiment_name": text, "variant": text,
                    **({"predicted_quality": share} if number % 2 else {})}  # fmt: skip
        rows.append(row)
    return rows


def records_of(table: str, *without: str) -> list[dict[str, Any]]:
    ours = {"run_id", "source_id", "row_digest", "also_in", "gone_at", *without}
    fields = [one.attname for one in MODELS[table]._meta.concrete_fields if one.attname not in ours]
    rows = MODELS[table].objects.values(*fields)
    return sorted(rows, key=lambda row: repr({k: v for k, v in row.items() if k != "uid"}))


@pytest.mark.parametrize("table", MODELS)
@pytest.mark.parametrize("form", FORMATS)
def test_feedback_comes_home_as_it_left(tmp_path: Path, table: str, form: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in feedback_rows(table)))
    land = ("import_feedback", str(path), "--table", table, "--now", "--mapping", "as-is")
    assert done(run(*land))["new"] == len(NASTY)
    before = records_of(table)
    what = table.replace("_", "-")
    file = export(tmp_path, what, form)
    again = ("import_feedback", str(file), "--table", table, "--now")
    result = done(run(*again))
    assert (result["new"], result["changed"], result["rejected"]) == (0, 0, 0)
    same(before, records_of(table))
    MODELS[table].objects.all().delete()
    result = done(run(*again))
    assert (result["new"], result["rejected"]) == (len(NASTY), 0)
    same(
        [{**row, "uid": None} for row in before],
        [{**row, "uid": None} for row in records_of(table)],
    )
    kept = {row["uid"] for row in before if row["external_id"]}
    assert kept <= {row["uid"] for row in records_of(table)}
    assert done(run(*again))["new"] == 0
    assert done(run(*again, "--source", "others"))["new"] == len(NASTY)


@pytest.mark.parametrize("form", FORMATS)
def test_the_longest_row_that_is_taken_comes_home(tmp_path: Path, form: str) -> None:
    row = {"id": "", "quality_rating": 0.5, "created_at": "2026-05-01T00:00:00Z", "t": []}
    room = MAX_ROW_BYTES - len(orjson.dumps(row))
    row["t"] = [1] * (room // 2)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(orjson.dumps(row, option=orjson.OPT_SORT_KEYS))
    land = ("--table", "quality_feedback", "--now")
    assert done(run("import_feedback", str(path), *land))["new"] == 1
    before = records_of("quality_feedback")
    file = export(tmp_path, "quality-feedback", form)
    MODELS["quality_feedback"].objects.all().delete()
    assert done(run("import_feedback", str(file), *land))["new"] == 1
    after = records_of("quality_feedback")
    assert [one["extra"] for one in after] == [one["extra"] for one in before]


@pytest.mark.parametrize("form", FORMATS)
def test_generated_feedback_stays_labelled_as_such(tmp_path: Path, form: str) -> None:
    done(run("collect_feedback", "--now"))
    source = synthetic_source()
    model = MODELS["quality_feedback"]
    before = records_of("quality_feedback")
    assert before
    export(tmp_path, "quality-feedback", form)
    assert not (tmp_path / f"quality-feedback.{form}").read_bytes().count(b"synthetic")
    file = export(tmp_path, "quality-feedback", form, "--source", source.name)
    model.objects.all().delete()
    land = ("import_feedback", str(file), "--table", "quality_feedback", "--now")
    code, refused = run(*land, "--source", "people")
    assert (code, model.objects.count()) == (2, 0)
    assert "this one says that it is synthetic" in refused["refused"]["message"]
    assert done(run(*land))["new"] == len(before)
    assert set(model.objects.values_list("source", flat=True)) == {source.pk}
    same(before, records_of("quality_feedback"))
    file_source("files")


# --- Refused rows --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_refused_people_are_mended_in_their_file_and_land(tmp_path: Path, form: str) -> None:
    rows = [
        {"external_id": "good", "origin": "real", "name": "=1", "age": "30"},
        {"external_id": "one", "origin": "real", "name": "'=1", "age": "BAD"},
        {"external_id": "two", "origin": "real", "name": 'a "b", c', "age": "BAD"},
    ]
    path = tmp_path / "theirs.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    run("seed_users", "--file", str(path), "--now", "--accept-partial", "--mapping", "as-is")
    refused = RefusedProfile.objects.open()
    assert refused.count() == 2
    file = export(tmp_path, "refused-people", form, "--import", str(refused[0].source_id))
    if form == "parquet":
        table = pq.read_table(file)
        assert table.column_names[-1] == "refused_because"
        ages = pa.array(["31"] * len(table))
        pq.write_table(table.set_column(table.column_names.index("age"), "age", ages), file)
    else:
        assert b"Expected a whole number of years" in file.read_bytes()
        file.write_bytes(re.sub(rb"\bBAD\b", b"31", file.read_bytes()))
        if form == "csv":  # the reason quotes what came
            assert b"'=1" in file.read_bytes()
    result = done(run("seed_users", "--file", str(file), "--now"))
    assert (result["added"], result["rows_refused"]) == (2, 0)
    people = SeedUser.objects.exclude(external_id="good").order_by("external_id")
    assert list(people.values_list("external_id", "name", "age")) == [
        ("one", "'=1", 31),
        ("two", 'a "b", c', 31),
    ]
    assert not RefusedProfile.objects.open()


@pytest.mark.parametrize("form", FORMATS)
def test_rejected_lines_are_mended_in_their_file_and_land(tmp_path: Path, form: str) -> None:
    log = write_log(tmp_path / "log.jsonl")
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines[3:], *(one.replace("0.1", "7.5") for one in lines[2:3])]))
    (batch,) = done(run("import_events", str(log), "--now", "--accept-partial"))["batches"]
    row = RejectedEvent.objects.open().get()
    assert row.reason == "out_of_range"
    file = export(tmp_path, "refused-events", form, "--batch", str(batch))
    if form == "parquet":
        table = pq.read_table(file)
        mended = [one.replace("7.5", "0.25") for one in table["features"].to_pylist()]
        place = table.column_names.index("features")
        pq.write_table(table.set_column(place, "features", pa.array(mended)), file)
    else:
        file.write_bytes(file.read_bytes().replace(b"7.5", b"0.25", 1))
    before = MatchEvent.objects.count()
    result = done(run("import_events", str(file), "--now"))
    assert (result["new"], result["rejected"], MatchEvent.objects.count()) == (1, 0, before + 1)


@pytest.mark.parametrize("form", FORMATS)
def test_refused_feedback_is_mended_in_its_file_and_lands(tmp_path: Path, form: str) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [
        {"id": f"a{n}", "stars": 0.5 if n else 7.5, "created_at": "2026-05-01T00:00:00Z",
         "feedback_text": "=1", "more": {"deep": [1, "x"]}}
        for n in range(3)
    ]  # fmt: skip
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    column = ("--column", "quality_rating=stars", "--mapping", "as-is")
    table = ("--table", "quality_feedback", "--now")
    assert done(run("import_feedback", str(path), *table, *column, "--accept-partial"))["new"] == 2
    file = export(tmp_path, "refused-quality-feedback", form)
    if form == "parquet":
        kept = pq.read_table(file)
        stars = pa.array(["0.25"])
        pq.write_table(kept.set_column(kept.column_names.index("stars"), "stars", stars), file)
    else:
        file.write_bytes(file.read_bytes().replace(b"7.5", b"0.25", 1))
    assert done(run("import_feedback", str(file), *table, *column))["new"] == 1
    landed = MODELS["quality_feedback"].objects.get(external_id="a0")
    assert (landed.quality_rating, landed.feedback_text) == (0.25, "=1")
    assert "refused_because" not in landed.extra
    assert not RejectedRecord.objects.open()


# --- Generated events, datasets, scores ----------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_generated_events_come_home_labelled_as_such(tmp_path: Path, form: str) -> None:
    done(run("seed_users", "--count", "60", "--now"))
    done(run("create_sessions", "--now"))
    made = done(run("generate_events", "--count", "100", "--now"))
    before = events_of(made["batch"])
    file = export(tmp_path, "events", form, "--batch", str(made["batch"]))
    MatchEvent.objects.all().delete()
    EventBatch.objects.all().delete()
    result = done(run("import_events", str(file), "--now"))
    assert (result["new"], result["rejected"]) == (len(before), 0)
    after = events_of(result["batches"][0])
    # The truth behind drawn outcomes is no part of a log; a log counts in milliseconds.
    for row in [*before, *after]:
        for name in ("true_probability", "feature_probability", "external"):
            row.pop(name)
        row["occurred_at"] = row["occurred_at"].replace(
            microsecond=row["occurred_at"].microsecond // 1000 * 1000
        )
    same(before, after)
    batch = EventBatch.objects.get(pk=result["batches"][0])
    assert (batch.get_origin_display(), batch.feature_set) == ("synthetic", "smooth-1")


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize("form", FORMATS)
def test_a_part_of_a_dataset_is_measured_as_the_part_itself(
    tmp_path: Path, settings: Any, form: str, part: str
) -> None:
    settings.ARTIFACT_ROOT = tmp_path / "store"
    fill_synthetic(count=300, seed=2)
    names = [text for text in NASTY if text.strip() and text != "N/A"]
    rows = MODELS["quality_feedback"].objects.all()
    for number, name in enumerate(names):
        rows.filter(external_id__endswith=f"{number}").update(provider=name)
    done(run("build_dataset", "--kind", "csat", "--now"))
    dataset = Dataset.objects.get()
    kept = read_part(dataset, {"train": "train", "validation": "val"}[part])
    file = export(tmp_path, "dataset", form, "--kind", "csat", "--part", part)
    spec = get_kind("csat").quality_of(Recipe())
    with as_plain_csv(file) as plain:
        frame = read_foreign_csv(plain, spec)
    assert len(frame) == len(kept)
    for name in (*spec.feature_names, spec.target):
        if kept[name].dtype.kind in "fi":
            np.testing.assert_array_equal(frame[name], kept[name].astype(frame[name].dtype))
        else:
            words = kept[name].astype(object)
            same(words.where(words.notna(), "").tolist(), frame[name].fillna("").tolist())
    numbers = [name for name in kept if kept[name].dtype == np.float64]
    assert spec.target in numbers
    for row, was in zip(
        TableFile(file, limits=LIMITS).rows(), kept[numbers].itertuples(), strict=True
    ):
        came = [np.nan if row.values.get(one) in (None, "") else float(row.values[one])
                for one in numbers]  # fmt: skip
        np.testing.assert_array_equal(came, was[1:])
    report, _ = analyze_csv(get_kind("csat"), file)
    assert report.rows == len(kept)


@pytest.mark.parametrize("form", FORMATS)
def test_scores_are_read_again_to_the_same_values(tmp_path: Path, form: str) -> None:
    ids = [text for text in NASTY if "\r" not in text or form != "xlsx"]
    count = len(ids)
    features = np.linspace(0, 1, 13 * count, dtype="<f4").reshape(count, 13)
    features[::2, 3] = np.nan
    moments = [datetime(2026, 1, 1, 0, 0, n, n + 1, tzinfo=UTC) for n in range(count)]
    log_pairs(
        ids, moments, (0.1 + n / 3 for n in range(count)), right=ids[::-1], why="=why",
        features=[row.tobytes() for row in features],
        missing=[["budget_score", "age_score"] if n % 2 else [] for n in range(count)],
        outcome=pa.array([None if n % 2 else 1 for n in range(count)], pa.int16()),
    )  # fmt: skip
    file = export(tmp_path, "scores", form)
    table = TableFile(file, limits=LIMITS)
    mapper = Mapper(SCORES, take_exactly(SCORES, _surveyed(table)).mapping)
    rows = mapper.apply([row.values or {} for row in table.rows()])
    kept = ScoredPair.objects.order_by("id")
    assert len(rows) == count
    for row, pair, values in zip(rows, kept, features, strict=True):
        assert (row["left"] or "", row["right"] or "") == (pair.left_id, pair.right_id)
        assert (row["score"], row["rule_score"], row["share"]) == (
            pair.score, pair.rule_score, pair.share
        )  # fmt: skip
        assert datetime.fromisoformat(row["scored_at"]) == pair.at
        assert row["response_id"] == str(pair)
        assert (row["missing"] or []) == list(names_of(pair.missing))
        assert row["why_rules"] == "=why"
        assert row["outcome"] == ("accept" if pair.outcome else None)
        read = [np.nan if row[name] is None else row[name] for name in FEATURE_NAMES]
        np.testing.assert_array_equal(np.array(read, np.float32), values)


SCORES = Door(
    "test.scores",
    "scores",
    (
        *(FieldSpec(one) for one in ("response_id", "left", "right", "why_rules", "outcome")),
        *(FieldSpec(one, "number") for one in ("score", "rule_score", "share", *FEATURE_NAMES)),
        FieldSpec("scored_at", "moment"),
        FieldSpec("missing", "words"),
    ),
)


def _surveyed(table: TableFile) -> Survey:
    survey = Survey(SCORES)
    survey.add([row.values or {} for row in table.rows()])
    return survey
