"""Files and generated feedback land once; refused rows can be tried again."""

import gzip
import json
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.domain.file_rows import feedback_rows
from feedback.domain.synthetic import QUALITY_WEIGHTS, generate_feedback, true_quality
from feedback.domain.tables import QUALITY_METRICS
from feedback.jobs.collection import collect
from feedback.jobs.imports import check_file, import_file
from feedback.jobs.synthetic import fill_synthetic
from feedback.models import (
    ABTestResult,
    CollectionRun,
    Explanation,
    FeedbackSource,
    QualityFeedback,
    RejectedRecord,
    RowsState,
)
from feedback.services.refused import Retried, retry_rejected
from project.origin import Origin
from project.tabular.even import EvenRows
from project.tabular.rows import EvenChunk
from tests.feedback.conftest import QUALITY
from tests.feedback.test_commands import run

HEADER = b"id,quality_rating,created_at\n"
NOW = np.datetime64("2026-06-01T00:00:00", "us")


def import_text(tmp_path, text, *arguments, name="rows.csv", table="quality_feedback"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return run("import_feedback", str(path), "--table", table, "--now", *arguments)


def test_csv_with_other_column_names_lands(tmp_path, db):
    header = "\ufeffid,stars,created_at,Lieblingsfarbe\n"
    text = header + "1,0.5,2026-05-01T00:00Z,grün\n2,,2026-05-01T00:00Z,\n"
    code, result = import_text(tmp_path, text, "--column", "quality_rating=stars")
    assert code == 0
    assert (result["new"], result["reasons"]) == (1, {"target_missing": 1})
    assert QualityFeedback.objects.get().extra == {"Lieblingsfarbe": "grün"}
    assert result["errors"][0]["line"] == 3


def test_csv_lines_that_do_not_fit_are_named(tmp_path, db):
    text = (
        "id,quality_rating,created_at,feedback_text\n1,0.5\n2,0.5,2026-05-01T00:00Z,Zürich\n"
    ).encode() + b"3,0.5,2026-05-01T00:00Z,\xff\n"
    _, result = import_text(tmp_path, text)
    assert result["new"] == 1
    assert [(one["line"], one["reason"]) for one in result["errors"]] == [
        (2, "unreadable"),
        (4, "unreadable"),
    ]


def test_one_broken_line_does_not_make_a_file_of_utf8_another_encoding(tmp_path, db):
    rows = "".join(f"{n},0.5,2026-05-01T00:00Z,Zürich {n}\n" for n in range(20)).encode()
    text = b"id,quality_rating,created_at,feedback_text\n" + rows
    _, result = import_text(tmp_path, text + b"21,0.5,2026-05-01T00:00Z,\xff\n")
    assert (result["new"], result["rejected"]) == (20, 1)
    assert result["errors"][0]["line"] == 22
    assert "0xff" in result["errors"][0]["detail"]
    assert set(QualityFeedback.objects.values_list("feedback_text", flat=True)) >= {"Zürich 7"}


def test_a_json_list_lands_and_a_packed_file_adds_nothing_new(tmp_path, db):
    rows = [
        {
            "id": n,
            "quality_score": 0.5,
            "created_at": "2026-05-01T00:00Z",
            "metadata": {"security": n},
        }
        for n in range(5)
    ]
    _, result = import_text(tmp_path, json.dumps(rows), name="rows.json", table="explanations")
    assert result["new"] == 5
    packed = gzip.compress("\n".join(map(json.dumps, rows)).encode())
    _, result = import_text(tmp_path, packed, name="rows.jsonl.gz", table="explanations")
    assert (result["new"], result["known"]) == (0, 5)
    assert set(Explanation.objects.values_list("security", flat=True)) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("rows.csv", b"\x89PNG\r\n\x1a\n" + bytes(100), "a picture (PNG)"),
        ("rows.xlsx", b"PK\x03\x04" + bytes(100), "no workbook"),
        ("rows.csv", bytes(range(32)) * 100, "no text"),
        ("rows.csv", "", "empty"),
        ("rows.csv", "id,created_at\n1,2026-05-01T00:00Z\n", "quality_rating"),
        ("rows.csv", "id,id\n1,2\n", "twice"),
        ("rows.json", "{}", "has no rows"),
        ("rows.json", '{"a": [], "b": []}', "quality_rating"),
        ("rows.json", "[", "JSON is broken"),
        ("rows.csv", "id,quality_rating,created_at\n", "names 3 columns, and no rows"),
        ("rows.csv", "\n" * 1_000, "empty"),
        ("rows.json", "[]", "has no rows"),
        ("rows.jsonl", "\n \n", "empty"),
        ("rows.jsonl", "id,quality_rating\n1,2\n", "Line 1: Expected JSON"),
        (
            "rows.csv",
            HEADER + b'1,0.5,"' + b"x" * 10**7 + b'"\n',
            "Line 2: Expected at most 65,536",
        ),
        ("rows.jsonl", '{"id": "' + "x" * 10**7 + '"}', "Line 1: Expected at most 65,536"),
        ("rows.csv", "id,zébra\n1,2\n".encode("latin-1"), "quality_rating"),
        ("rows.csv", b"x" * 10**7, "The first line should name the columns"),
        ("rows.json", f'[{{"id": {"9" * 5_000}}}]', "below 1.8e308"),
        ("rows.json", "[" * 5_000, "nested too deeply"),
        ("rows.json", '[{"quality_rating": 1e400}]', "below 1.8e308"),
    ],
    ids=str,
)
def test_a_file_that_cannot_be_read_is_refused_with_the_remedy(tmp_path, db, name, text, says):
    code, result = import_text(tmp_path, text, name=name)
    assert code == 2
    assert says in result["refused"]["message"]
    assert result["refused"]["remedy"]
    assert ("quality_rating" in result["refused"]["message"]) == (says == "quality_rating")
    assert not CollectionRun.objects.exists()


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_csv_of_other_countries_is_read(tmp_path, db, delimiter):
    text = HEADER.decode().replace(",", delimiter) + delimiter.join(
        ["1", "0.5", "2026-03-04T10:00:00Z"]
    )
    assert import_text(tmp_path, text)[1]["new"] == 1


def test_a_quote_that_is_never_closed_costs_its_row_and_not_the_file(tmp_path, db):
    good = b"%d,0.5,2026-03-04T10:00:00Z\n"
    lines = [HEADER, good % 1, b'2,"0.5,2026-03-04\n', *[good % n for n in range(3, 40_000)]]
    _, result = import_text(tmp_path, b"".join(lines))
    assert result["errors"][0]["line"] == 3
    assert result["errors"][0]["reason"] == "oversized_row"
    assert result["new"] > 20_000


def test_a_file_of_blank_lines_can_be_stopped(tmp_path, db, monkeypatch):
    """Whoever asks to stop is heard while no row comes."""
    monkeypatch.setattr("project.tabular.rows.TOLD_BYTES", 1_000_000)
    path = tmp_path / "rows.csv"
    path.write_bytes(HEADER + b"\n" * 3_000_000 + b"1,0.5,2026-03-04T10:00:00Z\n")

    class Stopped(Exception):
        pass

    class Asked:
        """A run that somebody stops when it has read something."""

        said = ""

        by = None

        def result_of(self, step):
            return None

        def add_record(self, record):
            raise AssertionError("nothing is proposed")

        def report(self, done, total=None, message=""):
            self.said = message

        def check(self):
            raise Stopped

    for work in (check_file, partial(import_file, source=FeedbackSource())):
        asked = Asked()
        with pytest.raises(Stopped):
            work(path, table="quality_feedback", run=asked)
        assert asked.said == "rows.csv: looking at it, 1 MB read"


def test_a_line_without_end_is_refused_by_its_size(tmp_path, db):
    good = '{"id": 1, "quality_rating": 1, "created_at": "2026-05-01T00:00Z"}'
    text = f"{good}\n{'x' * 300_000}\n{good.replace('1,', '2,', 1)}\n"
    _, result = import_text(tmp_path, text, name="rows.jsonl")
    assert result["new"] == 2
    assert result["errors"][0]["reason"] == "oversized_row"
    assert "300,001 bytes" in result["errors"][0]["detail"]


def test_the_generator_stands_in_only_while_there_is_no_source(db):
    code, result = run("collect_feedback", "--now")
    assert code == 0
    assert result["synthetic"]
    assert FeedbackSource.objects.get().origin == Origin.SYNTHETIC
    count = QualityFeedback.objects.synthetic().count()
    assert count == result["sources"][0]["tables"][1]["new"] > 1000
    run("collect_feedback", "--now")
    assert QualityFeedback.objects.count() == count
    FeedbackSource.objects.create(name="files", kind="file")
    assert not run("collect_feedback", "--now")[1]["synthetic"]


def test_generated_rows_keep_their_true_means_and_the_same_seed_adds_nothing(db):
    runs = fill_synthetic(count=500, seed=3)
    assert all(one.rejected == 0 for one in runs)
    assert [one.new for one in fill_synthetic(count=500, seed=3)] == [0, 0, 0]
    for model, target in ((Explanation, "quality_score"), (ABTestResult, "actual")):
        rows = model.objects.values_list(target, "extra")
        values = np.array([(value, extra["true_mean"]) for value, extra in rows])
        assert np.corrcoef(values.T)[0, 1] > 0.3
        assert abs((values[:, 0] - values[:, 1]).mean()) < 0.02


def test_the_true_quality_is_the_weighted_sum_of_the_metrics():
    metrics = {name: np.full(1, 100.0) for name in QUALITY_METRICS}
    assert true_quality(metrics) == pytest.approx([95.0])  # complexity counts the other way
    assert sum(QUALITY_WEIGHTS.values()) == pytest.approx(1.0)
    assert true_quality({**metrics, "complexity": np.zeros(1)}) == pytest.approx([100.0])


def test_the_same_seed_generates_the_same_rows():
    first, second = (
        generate_feedback(np.random.default_rng(5), 50, seed=5, end=NOW)["ab_testing"]
        for _ in range(2)
    )
    assert first.equals(second)
    assert (first["user_rating"].between(0, 1)).all()


def test_known_rows_in_the_middle_of_a_file_of_new_ones_are_met(tmp_path, db, monkeypatch):
    monkeypatch.setattr("feedback.jobs.imports.LAND_ROWS", 2)  # chunks of two rows

    def table(ids, rating=0.5):
        lines = (f"{one},{rating},2026-05-01T00:00Z" for one in ids)
        return "\n".join(["id,quality_rating,created_at", *lines]) + "\n"

    _, before = import_text(tmp_path, table("gh"))
    assert before["new"] == 2
    changed = table("abcdeg", rating=0.75) + "a,0.75,2026-05-01T00:00Z\nh,0.5,2026-05-01T00:00Z\n"
    code, result = import_text(tmp_path, changed)
    assert code == 0
    counted = (result["found"], result["new"], result["changed"], result["known"])
    assert counted == (8, 5, 1, 2)
    ratings = dict(QualityFeedback.objects.values_list("external_id", "quality_rating"))
    assert ratings == {**dict.fromkeys("abcdeg", 0.75), "h": 0.5}
    assert sum(RowsState.objects.values_list("rows", flat=True)) == 7  # nothing counted twice


def test_a_refused_row_lands_after_it_was_fixed_at_its_source(customer, source):
    customer.fill(600)  # of three rows alone, all would be on another scale
    customer.execute(
        f"INSERT INTO {QUALITY} (id, quality_rating, created_at) SELECT md5(n::text)::uuid, 7, "
        "now() - interval '9 days' FROM generate_series(1, 3) n"
    )
    assert collect(source)[0].rejected == 3
    rejected = list(RejectedRecord.objects.open())
    assert retry_rejected(rejected) == Retried(tried=3, landed=0)
    customer.execute(f"UPDATE {QUALITY} SET quality_rating = .7 WHERE id <> md5('1')::uuid")
    assert retry_rejected(rejected) == Retried(tried=3, landed=2)
    assert RejectedRecord.objects.open().count() == 1
    assert QualityFeedback.objects.count() == 602


def test_a_refused_row_of_a_file_lands_with_its_correction(tmp_path, db):
    text = "id,stars,created_at\n1,7,2026-05-01T00:00Z\n2,8,2026-05-01T00:00Z\n"
    asked = ("--column", "quality_rating=stars", "--mapping", "as-is")
    assert import_text(tmp_path, text, *asked)[0] == 2
    record = RejectedRecord.objects.get(external_id="1")
    record.correction = {"stars": 0.7}
    record.save()
    assert retry_rejected(list(RejectedRecord.objects.open())) == Retried(tried=2, landed=1)
    assert QualityFeedback.objects.get().csat == 0.7
    assert RejectedRecord.objects.open().get().external_id == "2"


def test_an_unreadable_row_is_not_tried_as_something_else(tmp_path, db):
    good = '{"id": 1, "quality_rating": 1, "created_at": "2026-05-01T00:00Z"}\n'
    import_text(tmp_path, good + "{broken\n", name="rows.jsonl")
    assert retry_rejected(list(RejectedRecord.objects.open())) == Retried(tried=1, landed=0)
    assert RejectedRecord.objects.open().count() == 1


TEXTS = st.text(st.sampled_from('ab"\\\n\x7f\u2028é%\ud800\0'))


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                name: st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
                | TEXTS | st.just({"z": 1, "a": 2})
                for name in ("id", "100 %", 'a"b', "quality_rating")
            }
        ),
        min_size=1,
    )
)  # fmt: skip
def test_rows_written_by_columns_are_written_as_each_of_them_is(rows: list[dict[str, Any]]) -> None:
    even = EvenRows({name: [row[name] for row in rows] for name in rows[0]}, len(rows))
    came = EvenChunk(range(2, len(rows) + 2), even)
    by_columns = feedback_rows(came, even)
    one_by_one = feedback_rows(list(came), rows)
    assert list(by_columns.raw) == list(one_by_one.raw)
    assert list(by_columns.decoded) == list(one_by_one.decoded)
    assert list(by_columns.lines) == list(one_by_one.lines)
