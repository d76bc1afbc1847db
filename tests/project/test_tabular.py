"""Rows out of files: what is wrong with a row stands in the row, what spoils a file is refused."""

import contextlib
import gzip
import json
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.outside import as_it_was, csv_cell
from project.tabular.out import csv_lines
from project.tabular.rows import EvenChunk, Limits, Row, TableFile
from project.tabular.sniff import FileRefused, Found, Reading

LIMITS = Limits(row_bytes=100, json_bytes=10_000, columns=10, rows=1_000)
FORMATS: tuple[Literal["csv", "json", "jsonl"], ...] = ("csv", "json", "jsonl")
PATH = Path("unused")


@pytest.fixture(autouse=True)
def _folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    global PATH
    PATH = tmp_path_factory.mktemp("tables") / "table"


def read(content: bytes | str, kind: str, reading: Reading | None = None) -> list[Row]:
    PATH.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(
        TableFile(PATH, name=f"table.{kind}", limits=LIMITS, reading=reading or Reading()).rows()
    )


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
def test_a_byte_order_mark_is_no_part_of_a_file(kind: str) -> None:
    content = {"csv": "a\n1\n", "json": '[{"a": "1"}]', "jsonl": '{"a": "1"}'}[kind]
    assert [row.values for row in read("\ufeff" + content, kind)] == [{"a": "1"}]


def test_a_bad_row_says_why_and_the_others_come() -> None:
    rows = read(b'a,b\n1\n"x"y,2\n' + b"3,\xff\n4,\xc3\xbc\n", "csv")
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
def test_too_long_a_row_says_its_size_and_is_not_held(kind: str) -> None:
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


def test_a_blank_cell_is_an_empty_text_and_what_fills_a_row_up_is_no_cell() -> None:
    rows = read("a;b\n1,5;\n2;x;;\n3;y;z\n", "csv")
    assert rows[0].values == {"a": "1,5", "b": ""}
    assert rows[1].values == {"a": "2", "b": "x"}
    assert rows[2].problem == "Expected 2 cells, got 3."


def test_columns_without_a_name_or_of_one_name_are_numbered() -> None:
    (row,) = read("a,,a\n1,2,3\n", "csv")
    assert row.values == {"a": "1", "column 2": "2", "a \N{MULTIPLICATION SIGN}3": "3"}


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", "csv", "first line should name the columns"),
        (b",".join(b"c%d" % n for n in range(11)) + b"\n", "csv", "at most 10 columns, got 11"),
        (b"a\n" + b"1\n" * 1_001, "csv", "at most 1,000 rows"),
        (b'[{"a": 1}', "json", "Line 1: the JSON is broken"),
        (b'{"a": [1], "b": [2],\n"c": 1}', "json", "got an object with 2 lists"),
        (b'[{"a": NaN}]', "json", "NaN is no number"),
        (b'[{"a": "\xff", "b": "\xc3\xbc\xc3\xbc"}]', "json", "got byte 0xff"),
        (b"[" * 9_000, "json", "nested too deeply"),
        (b"[" + b" " * 20_000 + b"]", "json", "at most 0 MiB"),
    ],
)
def test_what_spoils_the_file_is_refused_in_words(content: bytes, kind: str, words: str) -> None:
    with pytest.raises(FileRefused, match=words):
        read(content, kind)


def test_the_bytes_say_what_a_file_is_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "packed"
    path.write_bytes(gzip.compress(b'{"a": 1}\n'))
    for name in ("rows.jsonl.gz", "rows.jsonl", "rows.csv", "rows", "rows.xlsx"):
        (row,) = TableFile(path, name=name, limits=LIMITS).rows()
        assert row.values == {"a": 1}
    path.write_bytes(b"a\n1\n")
    (row,) = TableFile(path, name="rows.csv.gz", limits=LIMITS).rows()
    assert row.values == {"a": "1"}
    path.write_bytes(gzip.compress(b"a\n1\n")[:-4])
    with pytest.raises(FileRefused, match="Copy it again"):
        list(TableFile(path, name="rows.csv.gz", limits=LIMITS).rows())


def test_a_table_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"sep=;\na;b\n1;2\n")
    table = TableFile(path, limits=LIMITS)
    assert list(table.rows()) == list(table.rows())
    assert table.header == ["a", "b"]


@given(st.binary(max_size=200), st.sampled_from([*FORMATS, "xlsx", "parquet", "gz"]))
def test_no_bytes_break_the_reader(content: bytes, kind: str) -> None:
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
    rows = read(text, "csv", Reading(delimiter="comma", encoding="utf-8"))
    expected = [cells for cells in table if any(cell.strip() for cell in cells)]
    assert len(rows) == len(expected)
    for row, cells in zip(rows, expected, strict=True):
        if not row.reason:
            values = [str(value) for value in (row.values or {}).values()]
            assert values == [csv_cell(cell) for cell in cells]
            assert [as_it_was(value) for value in values] == cells


def test_no_cell_is_taken_for_a_formula() -> None:
    (_, line) = csv_lines(["a", "b", "c", "d"], [["=1+1", -5, None, "fine"]])
    assert line == "'=1+1,-5,,fine\r\n"


CELLS = st.text(st.sampled_from("ab, \t\x85\u2028é\0"), max_size=4)
CSV_TEXTS = st.one_of(
    st.binary(max_size=60).map(lambda some: b"a,b\n" + some),
    st.lists(st.sampled_from(['a,b', '"', "é,", ",", "\n", "\r\n", "\r", "x", " ", "\x85"]),
             max_size=40).map(lambda parts: b"a,b\n" + "".join(parts).encode()),
    st.lists(st.tuples(CELLS, CELLS), max_size=12).map(
        lambda rows: "".join(csv_lines(["a", "b"], rows, is_shown=False)).encode()),
)  # fmt: skip


@given(content=CSV_TEXTS, size=st.integers(1, 5))
def test_rows_read_as_columns_are_the_rows_read_one_by_one(content: bytes, size: int) -> None:
    PATH.write_bytes(content)

    def found() -> list[list[Row]]:
        table = TableFile(PATH, name="table.csv", limits=LIMITS)
        return [list(chunk) for chunk in table.chunks(size=size)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("project.tabular.rows.sniff", lambda *_: Found("csv"))
        by_columns = found()
        patch.setattr("project.tabular.rows._even_chunk", lambda *_: None)
        one_by_one = found()
    assert by_columns == one_by_one
    assert all(len(chunk) == size for chunk in one_by_one[:-1])  # whoever goes on counts chunks


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("cells", [["x", "é"], ["a, b", 'say "no"']])
def test_ordinary_rows_are_read_as_columns(cells: list[str], ends: str) -> None:
    content = "".join(csv_lines(["a", "b"], [cells] * 70, is_shown=False)).replace("\r\n", ends)
    PATH.write_bytes(content.encode() + f"{ends}1,2".encode())  # a blank line stands before it
    chunks = list(TableFile(PATH, name="table.csv", limits=LIMITS).chunks(size=32))
    assert [isinstance(chunk, EvenChunk) for chunk in chunks] == [True, True, False]
    assert [(row.line, row.values) for row in chunks[1][:1]] == [
        (34, {"a": cells[0], "b": cells[1]})
    ]
    assert chunks[2][-1] == Row(73, {"a": "1", "b": "2"})
    assert chunks[0][3] == list(chunks[0])[3]
    with pytest.raises(IndexError):
        chunks[0][32]


@pytest.mark.parametrize("length", [101, 401, 5_000, 300_000, 3_000_000])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [20, 16_384])  # rows at a time
def test_a_row_that_is_too_long_is_one_row_however_long_it_is(
    length: int, ends: str, size: int
) -> None:
    plain = [f"{number},b" for number in range(50)]
    content = ends.join(["a,b", *plain, f"9,{'x' * length}", *plain]) + ends
    PATH.write_bytes(content.encode())
    table = TableFile(PATH, name="table.csv", limits=LIMITS)
    found = [row for chunk in table.chunks(size=size) for row in chunk]
    assert [row.line for row in found] == [*range(2, 103)]
    assert [row.line for row in found if row.reason] == [52]
    assert found[50].reason == "oversized"
    assert found[50].size > length
