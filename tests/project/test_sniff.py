"""What a file is found to be, by its bytes, and the rows that are read out of it."""

import gzip
import io
import json
import re
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.tabular import packed, workbooks
from project.tabular.rows import Limits, TableFile
from project.tabular.sniff import FileRefused, Reading
from tests.rooms import ROOMS

LIMITS = Limits(row_bytes=10_000, json_bytes=100_000, columns=50, rows=500)
TEXT = "who,city\n" + "".join(f"{n},Zürich bei Nacht {n}\n" for n in range(20))
RUSSIAN = "who,city\n" + "".join(f"{n},Привет из города Москва {n}\n" for n in range(20))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table"


def table(path: Path, content: bytes | str, name: str = "a.csv", **reading: str) -> TableFile:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return TableFile(path, name=name, limits=LIMITS, reading=Reading(**reading))


def values(file: TableFile) -> list[Any]:
    return [row.values for row in file.rows()]


# --- Encodings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
        ("cp1252", "cp1252"),
        ("iso8859_15", "cp1252"),  # the same bytes for these letters
        ("mac_roman", "mac_roman"),
    ],
)
def test_the_encoding_of_western_text_is_told_by_its_bytes(
    path: Path, encoding: str, found: str
) -> None:
    file = table(path, TEXT.encode(encoding))
    assert file.found.encoding == found
    assert bool(file.found.notes) == (found != "utf-8")
    assert values(file)[7] == {"who": "7", "city": "Zürich bei Nacht 7"}


def test_cyrillic_is_told_by_its_letters(path: Path) -> None:
    file = table(path, RUSSIAN.encode("cp1251"))
    assert file.found.encoding == "cp1251"
    assert "look at the preview" in file.found.notes[0]
    assert values(file)[0]["city"] == "Привет из города Москва 0"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Яндекс поиск", "cp1251"), ("Καλημέρα κόσμε", "cp1253"), ("Zürich", "cp850")],
)
def test_a_few_words_tell_their_encoding(path: Path, text: str, encoding: str) -> None:
    file = table(path, ("who,city\n" + f"a,{text}\n" * 20).encode(encoding))
    assert values(file)[0] == {"who": "a", "city": text}


def test_the_euro_of_cp1252_and_of_latin_9_are_read_by_who_says_so(path: Path) -> None:
    assert values(table(path, "a\n5 €\n".encode("cp1252")))[0] == {"a": "5 €"}
    file = table(path, "a\n5 €\n".encode("iso8859_15"), encoding="iso-8859-15")
    assert values(file)[0] == {"a": "5 €"}
    assert file.found.notes == ()


def test_one_broken_line_does_not_change_the_encoding_of_a_file(path: Path) -> None:
    file = table(path, TEXT.encode() + b"20,\xff\n")
    assert file.found.encoding == "utf-8"
    (bad,) = [row for row in file.rows() if row.reason]
    assert (bad.line, bad.reason) == (22, "encoding")
    assert "0xff" in bad.problem


def test_letters_beyond_the_sample_are_looked_at(path: Path) -> None:
    plain = "who,city\n" + "1,nowhere\n" * 100
    content = plain.encode() + "2,Zürich\n".encode("cp1252") * 20
    assert table(path, content).found.encoding == "cp1252"


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13", "hex", "\0", ""])
def test_an_encoding_that_is_none_is_refused(path: Path, encoding: str) -> None:
    with pytest.raises(FileRefused, match="There is no encoding"):
        table(path, TEXT, encoding=encoding)


# --- Delimiters ----------------------------------------------------------------------------------

ROWS = [("a", 'he said "so", twice'), ("b", "two\nlines; or | three"), ("c", "tab\tbar")]


@pytest.mark.parametrize(
    ("delimiter", "note"),
    [(",", None), (";", "separated by semicolons"), ("\t", "separated by tabs"),
     ("|", "separated by bars")],
)  # fmt: skip
@pytest.mark.parametrize("separator_line", [False, True])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_cells_are_separated_by_what_splits_them_evenly(
    path: Path, delimiter: str, note: str | None, separator_line: bool, ending: str
) -> None:
    lines = [
        delimiter.join('"' + cell.replace('"', '""') + '"' for cell in (key, text, "0.5"))
        for key, text in ROWS
    ]
    lines.insert(0, delimiter.join(("id", "text", "rating")))
    if separator_line:
        lines.insert(0, f"sep={delimiter}")
    file = table(path, ending.join(lines) + ending)
    assert file.found.delimiter == delimiter
    assert (note in file.found.notes) == (note is not None)
    assert ("a line sep= before the names" in file.found.notes) == separator_line
    found = list(file.rows())
    assert [(row.values or {})["text"] for row in found] == [text for _, text in ROWS]
    assert found[0].line == 2 + separator_line


@pytest.mark.parametrize(
    ("before", "note"),
    [
        ("Feedback of 2025\n\n", "2 lines before the names of columns"),
        ("Feedback of 2025,,\nby a tool,,\n", "2 lines before the names of columns"),
        ("# exported, on a Monday\n", "1 line before the names of columns"),
        ("\n\n,,\n", ""),
    ],
)
def test_a_title_above_the_names_of_columns_is_none_of_them(
    path: Path, before: str, note: str
) -> None:
    for delimiter in ",;":
        rows = "id,note,at\n1,a b,x\n2,c,y\n"
        file = table(path, before.replace(",,", 2 * delimiter) + rows.replace(",", delimiter))
        assert [one for one in file.found.notes if "before" in one] == [note][: bool(note)]
        assert values(file)[1] == {"id": "2", "note": "c", "at": "y"}
        assert [row.line for row in file.rows()] == [
            2 + before.count("\n"), 3 + before.count("\n")
        ]  # fmt: skip
    path.write_bytes(workbook({"A": [["A title"], [], ["id", "note", "at"], [1, "a", "b"]]}))
    (row,) = TableFile(path, name="a.xlsx", limits=LIMITS).rows()
    assert (row.line, row.values) == (4, {"id": 1, "note": "a", "at": "b"})


def test_one_column_of_sentences_has_no_title(path: Path) -> None:
    assert values(table(path, "text\nhello\nyou\n")) == [{"text": "hello"}, {"text": "you"}]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ('id, note, at\n1, "a, b", "x"\n2, c, "y"\n', "a space before quotes"),
        ('id,note,at\n1,"a \\"b\\", c",x\n2,c,y\n', "quotes behind backslashes"),
    ],
)
def test_quotes_of_other_programs_are_read(path: Path, text: str, note: str) -> None:
    file = table(path, text)
    assert note in file.found.notes
    first, second = values(file)
    assert first in ({"id": "1", "note": "a, b", "at": "x"},
                     {"id": "1", "note": 'a "b", c', "at": "x"})  # fmt: skip
    assert second == {"id": "2", "note": "c", "at": "y"}


def test_decimal_commas_do_not_make_commas_the_delimiter(path: Path) -> None:
    file = table(path, "id;rating;lat\n1;0,5;47,37\n2;0,25;8,54\n")
    assert values(file) == [
        {"id": "1", "rating": "0,5", "lat": "47,37"},
        {"id": "2", "rating": "0,25", "lat": "8,54"},
    ]


def test_a_delimiter_that_is_said_is_taken(path: Path) -> None:
    for said in ("semicolon", ";"):
        assert values(table(path, "a;b,c\n1;2\n", delimiter=said)) == [{"a": "1", "b,c": "2"}]
    assert values(table(path, "a~b\n1~2\n", delimiter="~")) == [{"a": "1", "b": "2"}]
    for odd in ("", "::", '"', "\n"):
        with pytest.raises(FileRefused, match="one character"):
            table(path, "a\n1\n", delimiter=odd)


# --- JSON ----------------------------------------------------------------------------------------

OBJECTS = [{"a": 1, "in": {"b": [1, 2]}}, {"a": None}]


@pytest.mark.parametrize(
    ("content", "name", "form"),
    [
        (json.dumps(OBJECTS), "a.json", "json"),
        (json.dumps(OBJECTS, indent=1), "a.txt", "json"),
        (json.dumps({"data": OBJECTS, "next": None}), "a.json", "json"),
        (json.dumps({"page": 1, "rows": OBJECTS}, indent=2), "a.json", "json"),
        ("\n".join(map(json.dumps, OBJECTS)), "a.csv", "jsonl"),
        ("\n\n".join(map(json.dumps, OBJECTS)) + "\n", "a", "jsonl"),
    ],
)
def test_json_is_read_whatever_stands_around_the_rows(
    path: Path, content: str, name: str, form: str
) -> None:
    file = table(path, content, name)
    assert file.found.format == form
    assert values(file) == OBJECTS


@pytest.mark.parametrize(
    "prefix",
    ["[ML_MATCH_EVENT] ", "2025-01-01 10:00:00,123 INFO app: ", "Jan  1 host app[12]: event="],
)
def test_objects_behind_the_prefix_of_a_log_are_rows(path: Path, prefix: str) -> None:
    lines = [f"{prefix}{json.dumps(one)}" for one in OBJECTS]
    file = table(path, "\n".join(["something started", *lines, "something ended"]), "app.log")
    assert (file.found.format, file.found.wrapping) == ("jsonl", "prefix")
    assert [(row.line, row.values) for row in file.rows()] == [(2, OBJECTS[0]), (3, OBJECTS[1])]
    assert file.skipped == 2


def test_objects_in_the_log_of_docker_are_rows(path: Path) -> None:
    said = [f"[X] {json.dumps(one)}\n" for one in OBJECTS]
    lines = [
        json.dumps({"log": one, "stream": "stdout", "time": "2025-01-01T00:00:00Z"})
        for one in ["started\n", *said]
    ]
    file = table(path, "\n".join(lines), "container-json.log")
    assert file.found.wrapping == "docker"
    assert values(file) == OBJECTS
    assert file.skipped == 1


def test_a_list_that_was_cut_is_no_log_with_a_prefix(path: Path) -> None:
    with pytest.raises(FileRefused, match="the JSON is broken"):
        values(table(path, '[{"a": 1}', "a.json"))


# --- Workbooks, parquet, packs -------------------------------------------------------------------

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OF = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACK = "http://schemas.openxmlformats.org/package/2006"


def workbook(sheets: dict[str, list[list[Any]]], more: bytes = b"") -> bytes:
    """A workbook of text, numbers and moments, as small as one can be."""
    names, links, parts, content = [], [], [], io.BytesIO()
    for number, (name, rows) in enumerate(sheets.items(), start=1):
        names.append(f'<sheet name="{name}" sheetId="{number}" r:id="r{number}"/>')
        links.append(
            f'<Relationship Id="r{number}" Type="{_OF}/worksheet" '
            f'Target="worksheets/sheet{number}.xml"/>'
        )
        lines = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
        parts.append(f'<worksheet xmlns="{_MAIN}"><sheetData>{lines}</sheetData></worksheet>')
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed_file:
        packed_file.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{_PACK}/content-types"><Default Extension="xml" '
            'ContentType="application/xml"/></Types>',
        )
        packed_file.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{_PACK}/relationships"><Relationship Id="w" '
            f'Type="{_OF}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        packed_file.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_OF}"><sheets>{"".join(names)}</sheets>'
            "</workbook>",
        )
        links.append(f'<Relationship Id="s" Type="{_OF}/styles" Target="styles.xml"/>')
        packed_file.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{_PACK}/relationships">{"".join(links)}</Relationships>',
        )
        packed_file.writestr(  # style 1 is a moment
            "xl/styles.xml",
            f'<styleSheet xmlns="{_MAIN}"><cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs>'
            "</styleSheet>",
        )
        for number, part in enumerate(parts, start=1):
            packed_file.writestr(f"xl/worksheets/sheet{number}.xml", part)
        if more:
            packed_file.writestr("xl/media/big.bin", more)
    return content.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return "<c/>"
    if isinstance(value, tuple):  # days since 1900, shown as a moment
        return f'<c s="1"><v>{value[0]}</v></c>'
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
    return f"<c><v>{value}</v></c>"


SHEETS = {
    "notes": [],
    "ratings": [["id", "rating", "at"], [1, 0.5, (45658.5,)], ["Zoë", None, (45659,)], [], [3, 4]],
    "other": [["x"], ["y"]],
}


def test_a_workbook_is_read_from_its_first_filled_sheet(path: Path) -> None:
    file = table(path, workbook(SHEETS), "a.csv")
    assert file.found.format == "xlsx"
    assert values(file) == [
        {"id": 1, "rating": 0.5, "at": "2025-01-01T12:00:00"},
        {"id": "Zoë", "rating": None, "at": "2025-01-02"},
        {"id": 3, "rating": 4, "at": None},
    ]
    assert next(row.line for row in file.rows()) == 2


def test_a_sheet_is_named(path: Path) -> None:
    assert values(table(path, workbook(SHEETS), sheet="other")) == [{"x": "y"}]
    with pytest.raises(FileRefused, match="no sheet 'third'; it has notes, ratings, other"):
        values(table(path, workbook(SHEETS), sheet="third"))


def test_a_workbook_that_is_none_or_too_large_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileRefused, match="no workbook"):
        values(table(path, workbook(SHEETS)[:300]))
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.csv", "a\n1\n")
    with pytest.raises(FileRefused, match="is a ZIP archive"):
        values(table(path, other.getvalue()))
    monkeypatch.setattr(workbooks, "RATIO_APPLIES_FROM", 1_000)
    with pytest.raises(FileRefused, match="unpacked"):
        values(table(path, workbook(SHEETS, more=bytes(10_000_000))))


def test_parquet_is_read_with_its_types(path: Path) -> None:
    moments = pa.array([0, 1_700_000_000_000], pa.timestamp("ms", tz="UTC"))
    columns = {"id": [1, 2], "rating": [0.5, None], "words": [["a"], []], "at": moments}
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written)
    file = table(path, written.getvalue(), "a.csv")
    assert file.found.format == "parquet"
    first, second = values(file)
    assert first == {"id": 1, "rating": 0.5, "words": ["a"], "at": "1970-01-01T00:00:00+00:00"}
    assert (second["rating"], second["at"]) == (None, "2023-11-14T22:13:20+00:00")
    with pytest.raises(FileRefused, match="no parquet"):
        values(table(path, written.getvalue()[:-20]))


@pytest.mark.parametrize("content", [TEXT.encode("utf-16"), json.dumps(OBJECTS).encode()])
def test_what_is_packed_is_read_as_what_is_not(path: Path, content: bytes) -> None:
    plain = values(table(path, content, "a.json" if content[:1] == b"[" else "a.csv"))
    file = table(path, gzip.compress(content), "a.gz")
    assert values(file) == plain


def test_a_bomb_is_refused_before_it_is_unpacked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "RATIO_APPLIES_FROM", 1_000_000)
    with pytest.raises(FileRefused, match="which no text does"):
        values(table(path, gzip.compress(b"a\n" + b"1\n" * 3_000_000)))
    monkeypatch.setattr(packed, "MAX_BYTES", 1_000)
    with pytest.raises(FileRefused, match="unpacked; there is more"):
        values(table(path, gzip.compress(b"a\n" + bytes(range(48, 58)) * 300)))


# --- Refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "a picture"),
        (b"\xff\xd8\xff\xe0" + bytes(99), "a picture"),
        (b"%PDF-1.7", "a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Office"),
        (b"BZh91AY", "bzip2"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\x7fELF\x02", "a program"),
        (bytes(range(256)) * 10, "neither UTF-8 nor UTF-16"),
        (b"a,b\n1,\0\n", "no text"),
    ],
)
def test_what_is_no_table_is_refused_by_what_it_is(path: Path, content: bytes, words: str) -> None:
    with pytest.raises(FileRefused, match=words):
        values(table(path, content))


def test_json_by_its_name_that_is_none_is_refused(path: Path) -> None:
    with pytest.raises(FileRefused, match=r"Name it \.csv"):
        table(path, "a,b\n1,2\n", "a.json")


@given(st.binary(max_size=300), st.sampled_from(["", "PAR1", "PK\x03\x04", "[", "{", "\x1f\x8b"]))
def test_no_bytes_raise_anything_but_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, start: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    try:
        values(table(path, start.encode("latin-1") + content))
    except FileRefused:
        return


@pytest.mark.parametrize("encoding", ["idna", "punycode", "utf-32"])
def test_a_file_that_is_not_in_the_encoding_that_is_said_is_refused(
    path: Path, encoding: str
) -> None:
    with pytest.raises(FileRefused, match="encoding"):
        list(table(path, "name\nZürich\n", encoding=encoding).rows())


# --- Files whose libraries take what the file asks for ------------------------------------------

SHEET = "<worksheet xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'>"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def write_workbook(path: Path, rows: str) -> None:
    """Write a workbook of one sheet by hand: no library would write this one."""
    kind = f"<Relationship Id='r1' Type='{RELATIONS}/"
    files = {
        "[Content_Types].xml": f"<Types xmlns='{PACKAGE}/content-types'/>",
        "_rels/.rels": f"<Relationships xmlns='{PACKAGE}/relationships'>{kind}officeDocument' "
        "Target='xl/workbook.xml'/></Relationships>",
        "xl/workbook.xml": f"<workbook xmlns:r='{RELATIONS}'><sheets><sheet name='S' sheetId='1' "
        "r:id='r1'/></sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f"<Relationships xmlns='{PACKAGE}/relationships'>{kind}"
        "worksheet' Target='worksheets/sheet1.xml'/></Relationships>",
        "xl/worksheets/sheet1.xml": f"{SHEET}<sheetData>{rows}</sheetData></worksheet>",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            packed.writestr(name, text)


def cell(at: str, row: int) -> str:
    return f"<row r='{row}'><c r='{at}{row}'><v>{row}</v></c></row>"


def write_corners(path: Path) -> None:
    write_workbook(path, cell("A", 1) + cell("XFD", 1_048_576))


def write_wide(path: Path) -> None:
    write_workbook(path, cell("A", 1) + cell("XFD", 8_000))


def write_one_text_for_all(path: Path) -> None:
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), ["x" * 10**6])
    pq.write_table(pa.table({"quality_rating": text}), path)


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (write_corners, "corners.xlsx"),
        (write_wide, "wide.xlsx"),
        (write_one_text_for_all, "one_text.parquet"),
    ],
)
def test_a_small_file_that_asks_for_gigabytes_is_refused_and_takes_none(
    tmp_path: Path, write: Callable[[Path], None], name: str
) -> None:
    path = tmp_path / name
    write(path)
    assert path.stat().st_size < 300_000
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with pytest.raises(FileRefused, match="MiB of memory"):
        list(TableFile(path, limits=LIMITS).rows())
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    # A child begins as large as this process is, before it becomes another program.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after <= max(before, own, workbooks.READER_BYTES * 2 // 1024)


def test_a_workbook_by_hand_is_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "small.xlsx"
    write_workbook(path, cell("A", 1) + cell("A", 2))
    assert [row.values for row in TableFile(path, limits=LIMITS).rows()] == [{"1": 2}]


def test_nobody_else_reads_foreign_workbooks_and_parquet() -> None:
    """Files of ours are signed; what came from outside is read apart."""
    root = Path(__file__).parents[2]
    readers = {
        str(path.relative_to(root))
        for app in ROOMS
        for path in (root / app).rglob("*.py")
        if re.search(r"python_calamine|ParquetFile|read_table|read_parquet|read_excel",
                     path.read_text())
    }  # fmt: skip
    assert readers == {
        *("project/tabular/typed.py", "project/tabular/workbooks.py"),  # the latter: metadata
        *("matching/domain/generation.py", "training/queries/datasets.py"),  # ours, verified
        *("project/exports/writing.py", "training/queries/exports.py"),  # ours, verified
        "training/services/erasing.py",  # ours, verified
    }
