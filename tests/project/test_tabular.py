"""Rows out of files: what is wrong with a row stands in the row, what spoils a file is refused."""

import contextlib
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.tabular.out import csv_lines
from project.tabular.rows import (
    CsvFormat,
    FileRefused,
    Format,
    Limits,
    Row,
    format_of,
    read_file,
    read_rows,
)

LIMITS = Limits(row_bytes=100, json_bytes=10_000)
FORMATS: tuple[Format, ...] = ("csv", "json", "jsonl")


def read(content: bytes | str, kind: Format, **options: Any) -> list[Row]:
    raw = content if isinstance(content, bytes) else content.encode()
    return list(read_rows(io.BytesIO(raw), kind, limits=LIMITS, **options))


def test_every_format_gives_the_same_rows_with_the_lines_where_they_begin() -> None:
    csv_rows = read('a,b\n1,"x\ny"\n\n2,z\n', "csv")
    assert [(row.line, row.values) for row in csv_rows] == [
        (2, {"a": "1", "b": "x\ny"}),
        (5, {"a": "2", "b": "z"}),
    ]
    lines = read('{"a": 1}\n\n{"a": 2}', "jsonl")
    assert [(row.line, row.values) for row in lines] == [(1, {"a": 1}), (3, {"a": 2})]
    listed = read('[\n{"a": 1},\n\n{"a":\n2}]', "json")
    assert [(row.line, row.values) for row in listed] == [(2, {"a": 1}), (4, {"a": 2})]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_byte_order_mark_is_no_part_of_a_file(kind: Format) -> None:
    content = {"csv": "a\n1\n", "json": '[{"a": "1"}]', "jsonl": '{"a": "1"}'}[kind]
    assert [row.values for row in read("\ufeff" + content, kind)] == [{"a": "1"}]


def test_a_bad_row_says_why_and_the_others_come() -> None:
    rows = read(b'a,b\n1\n"x"y,2\n3,\xff\n4,5\n', "csv")
    assert [(row.line, row.reason) for row in rows] == [
        (2, "cells"),
        (3, "unreadable"),
        (4, "encoding"),
        (5, ""),
    ]
    assert rows[0].problem == "Expected 2 cells, got 1."
    assert "0xff" in rows[2].problem
    rows = read('{"a": 1}\n[1]\nbroken\n{"a": 2}\n', "jsonl")
    assert [row.reason for row in rows] == ["", "not_an_object", "unreadable", ""]
    assert [row.reason for row in read('[{"a": 1}, 5]', "json")] == ["", "not_an_object"]


@pytest.mark.parametrize("kind", FORMATS)
def test_too_long_a_row_says_its_size_and_is_not_held(kind: Format) -> None:
    long = "x" * 500
    content = {
        "csv": f"a\n{long}\nb\n",
        "json": json.dumps([{"a": long}, {"a": "b"}]),
        "jsonl": f'{{"a": "{long}"}}\n{{"a": "b"}}\n',
    }[kind]
    rows = read(content, kind)
    assert [row.reason for row in rows] == ["oversized", ""]
    assert rows[0].size >= 500
    assert rows[0].values is None


def test_delimiter_blank_and_header_are_as_asked() -> None:
    rows = read("a;b\n1,5;\n", "csv", csv_format=CsvFormat(delimiters=",;", blank=None))
    assert rows[0].values == {"a": "1,5", "b": None}

    def refuse(header: list[str]) -> None:
        raise FileRefused(f"no {header}")

    with pytest.raises(FileRefused, match="no "):
        read("a\n", "csv", csv_format=CsvFormat(check_header=refuse))


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", "csv", "first line should name the columns"),
        (b"a,a\n1,2\n", "csv", "twice"),
        (b"\xff\xfea\x00\n\x00", "csv", "UTF-8"),
        (b'[{"a": 1}', "json", "Line 1: the JSON is broken"),
        (b'{"a": 1}', "json", "a JSON list of objects, got dict"),
        (b'[{"a": NaN}]', "json", "NaN is no number"),
        (b'[{"a": "\xff"}]', "json", "got byte 0xff"),
        (b"[" * 9_000, "json", "nested too deeply"),
        (b"[" + b" " * 20_000 + b"]", "json", "at most 0 MiB"),
    ],
)
def test_what_spoils_the_file_is_refused_in_words(content: bytes, kind: Format, words: str) -> None:
    with pytest.raises(FileRefused, match=words):
        read(content, kind)


def test_the_name_says_the_format_and_the_bytes_whether_they_are_packed(tmp_path: Path) -> None:
    assert format_of("A.CSV") == "csv"
    assert format_of("a.b.jsonl.gz") == "jsonl"
    with pytest.raises(FileRefused, match=r"\.csv, \.json"):
        format_of("a.xls")
    path = tmp_path / "packed"
    path.write_bytes(gzip.compress(b'{"a": 1}\n'))
    # What the file is, not what its name says: browsers and people rename.
    for name in ("rows.jsonl.gz", "rows.jsonl"):
        (row,) = read_file(path, name=name, limits=LIMITS)
        assert row.values == {"a": 1}
    path.write_bytes(b"a\n1\n")
    (row,) = read_file(path, name="rows.csv.gz", limits=LIMITS)
    assert row.values == {"a": "1"}
    path.write_bytes(gzip.compress(b"a\n1\n")[:-4])
    with pytest.raises(FileRefused, match="Copy it again"):
        list(read_file(path, name="rows.csv.gz", limits=LIMITS))


@given(st.binary(max_size=200), st.sampled_from(FORMATS))
def test_no_bytes_break_the_reader(content: bytes, kind: Format) -> None:
    rows: list[Row] = []
    with contextlib.suppress(FileRefused):
        rows = read(content, kind)
    for row in rows:
        assert row.line >= 1
        assert bool(row.reason) == bool(row.problem)
        assert row.values is not None or row.reason


@given(
    st.lists(
        st.lists(st.text("ab,;\"'\n=+-@ é", min_size=1, max_size=5), min_size=2, max_size=2),
        max_size=5,
    )
)
def test_what_is_written_as_csv_is_read_again(table: list[list[str]]) -> None:
    text = "".join(csv_lines(["a", "b"], table))
    rows = read(text, "csv")
    expected = [cells for cells in table if any(cell.strip() for cell in cells)]
    assert len(rows) == len(expected)
    for row, cells in zip(rows, expected, strict=True):
        if not row.reason:
            assert [value.removeprefix("'") for value in (row.values or {}).values()] == [
                cell.removeprefix("'") for cell in cells
            ]


def test_no_cell_is_taken_for_a_formula() -> None:
    (_, line) = csv_lines(["a", "b", "c", "d"], [["=1+1", -5, None, "fine"]])
    assert line == "'=1+1,-5,,fine\r\n"
