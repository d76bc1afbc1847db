"""How values are read: numbers, times, words and lists; and a mapping as JSON and back."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.tabular.dates import DATE_FORMATS, as_iso
from project.tabular.doors import Door, FieldSpec, joined_name, plain_name
from project.tabular.even import EvenRows
from project.tabular.mapping import (
    ColumnMap,
    Mapper,
    TableMapping,
    plain_numbers,
    read_number,
    value_at,
    words_of,
)

DOOR = Door(
    "tests.rows",
    "rows",
    (
        FieldSpec("id"),
        FieldSpec("rating", "number", low=0.0, high=1.0, is_rating=True),
        FieldSpec("age", "number", low=18, high=100, is_whole=True),
        FieldSpec("words", "words"),
        FieldSpec("outcome", "choice", choices={"accept": ("like",), "ignore": ()}),
        FieldSpec("at", "moment"),
        FieldSpec("ms", "moment", in_milliseconds=True),
        FieldSpec("in.quality", "number", low=0.0, high=100.0),
        FieldSpec("in", "object"),
    ),
    keeps_extra=True,
)


def apply(how: ColumnMap, *values: Any) -> list[Any]:
    mapper = Mapper(DOOR, TableMapping(DOOR.name, (how,)))
    return [row.get(how.field) for row in mapper.apply([{"c": value} for value in values])]


@pytest.mark.parametrize(
    ("written", "decimal", "number"),
    [
        ("0.5", ".", 0.5),
        (" -1 ", ".", -1.0),
        ("+3", ".", 3.0),
        ("\N{MINUS SIGN}1", ".", -1.0),
        (".5", ".", 0.5),
        ("1e3", ".", 1000.0),
        ("1,234", ".", 1234.0),
        ("1,234,567.5", ".", 1_234_567.5),
        ("0,5", ",", 0.5),
        ("1.234,5", ",", 1234.5),
        ("1 234,5", ",", 1234.5),
        ("1\u202f234", ",", 1234.0),
        ("1'234'567", ",", 1_234_567.0),
        ("85 %", ".", 85.0),
        ("85,5%", ",", 85.5),
        ("4/5", ".", 4.0),
        ("4.5 / 5", ".", 4.5),
        ("4 stars", ".", 4.0),
        ("3 out of 5", ".", 3.0),
        ("★★★☆☆", ".", 3.0),
        ("☆☆☆☆☆", ".", 0.0),
        (True, ".", None),
        (None, ".", None),
        ("", ".", None),
        ("0,5", ".", None),
        ("0,123", ".", None),
        ("1,23", ".", None),
        ("12,34,567", ".", None),
        ("0x10", ".", None),
        ("1_000", ".", None),
        ("١٢", ".", 12.0),
        ("NaN", ".", None),
        ("Infinity", ".", None),
        ("1e999", ".", None),
        (float("inf"), ".", None),
        (float("nan"), ".", None),
        (10**400, ".", None),
        ([1], ".", None),
    ],
)
def test_numbers_are_read_as_people_write_them(
    written: Any, decimal: str, number: float | None
) -> None:
    assert read_number(written, decimal) == number


@pytest.mark.parametrize(
    ("scale", "came", "meant"),
    [
        ((-1, 1), ["-1", 0, "1"], [0.0, 0.5, 1.0]),
        ((1, 5), ["1", "3", 5], [0.0, 0.5, 1.0]),
        ((0, 5), ["0.5", "2,5"], [0.1, "2,5"]),
        ((0, 100), ["85 %", "100"], [0.85, 1.0]),
        ((1, 5), ["7", "no idea", None, "NULL", ""], [1.5, "no idea", None, None, None]),
    ],
)
def test_a_scale_becomes_the_range_of_the_field(
    scale: tuple[float, float], came: list[Any], meant: list[Any]
) -> None:
    assert apply(ColumnMap("rating", "c", scale=scale), *came) == pytest.approx(meant)


def test_words_stand_for_numbers_and_others_stay_what_they_are() -> None:
    how = ColumnMap("rating", "c", values={"good": 1.0, "true": 1.0, "-1": 0.0})
    came = ["good", " GOOD ", True, -1, -1.0, "fine", 0.5, None]
    assert apply(how, *came) == [1.0, 1.0, 1.0, 0.0, 0.0, "fine", "0.5", None]


def test_a_choice_is_spelt_in_any_case_and_mapped_where_a_person_said_so() -> None:
    assert apply(ColumnMap("outcome", "c"), "ACCEPT", "Ignore ", "like", None) == [
        "accept", "ignore", "like", None,
    ]  # fmt: skip
    how = ColumnMap("outcome", "c", values={"like": "accept"})
    assert apply(how, "like", "LIKE", "pass") == ["accept", "accept", "pass"]


def test_whole_numbers_stay_whole() -> None:
    assert apply(ColumnMap("age", "c"), "30", 30.0, "30.5") == [30, 30, 30.5]


@pytest.mark.parametrize(
    ("came", "words"),
    [
        ("a, b; c", ["a", "b", "c"]),
        ("a|b", ["a", "b"]),
        ("hiking / food", ["hiking", "food"]),
        ("a\nb", ["a", "b"]),
        ('["a", "b c"]', ["a", "b c"]),
        ("['a', 'b']", ["a", "b"]),
        ("[1, true]", ["1", "true"]),
        ('{a,"b c"}', ["a", "b c"]),
        ("{}", []),
        (["a", "b"], ["a", "b"]),
        ("one", ["one"]),
        (5, ["5"]),
        ("", None),
        ("NULL", None),
        (None, None),
    ],
)
def test_lists_of_words_are_read_as_they_are_written(came: Any, words: Any) -> None:
    assert words_of(came) == words


@pytest.mark.parametrize(
    ("text", "order", "iso"),
    [
        ("31/12/2024", "dmy", "2024-12-31"),
        ("12/31/2024", "mdy", "2024-12-31"),
        ("1.2.2025", "dmy", "2025-02-01"),
        ("01-02-25 9:05", "mdy", "2025-01-02T09:05:00"),
        ("31/12/2024 10:05:06.5", "dmy", "2024-12-31T10:05:06.5"),
        ("12/31/2024 1:05 PM", "mdy", "2024-12-31T13:05:00"),
        ("12/31/2024 12:05 am", "mdy", "2024-12-31T00:05:00"),
        ("31/12/2024 10:05 +02:00", "dmy", "2024-12-31T10:05:00+02:00"),
        ("4 March 2025", "", "2025-03-04"),
        ("Tue, 4 Mar 2025 10:00:00 GMT", "", "2025-03-04T10:00:00Z"),
        ("March 4th, 2025, 10:00 AM", "", "2025-03-04T10:00:00"),
        ("04-Mar-2025", "", "2025-03-04"),
        ("31/12/2024", "mdy", "31/12/2024"),
        ("31/02/2024", "dmy", "31/02/2024"),
        ("01/02/2025", "", "01/02/2025"),
        ("4 Nonsense 2025", "", "4 Nonsense 2025"),
        ("2025/1/20 14:05", "", "2025-01-20T14:05:00"),
        ("2025.01.20", "", "2025-01-20"),
        ("2025-01-20 14:05:00 UTC", "", "2025-01-20T14:05:00Z"),
        ("20250120T140500Z", "", "2025-01-20T14:05:00Z"),
        ("2025-01-20 14:05:00,123", "", "2025-01-20T14:05:00.123"),
        ("Mon Jan 20 14:05:00 2025", "", "2025-01-20T14:05:00"),
        ("Mon Jan 20 14:05:00 +0000 2025", "", "2025-01-20T14:05:00+00:00"),
        ("2025-01-20 14:05 +0530", "", "2025-01-20T14:05:00+05:30"),
        ("3. März 2024 10:00", "", "2024-03-03T10:00:00"),
        ("5 juillet 2024", "", "2024-07-05"),
        ("7 de octubre de 2024", "", "2024-10-07"),
        ("20-01-2025 14h05", "dmy", "20-01-2025 14h05"),
        ("2025/02/31", "", "2025/02/31"),
        ("tomorrow", "dmy", "tomorrow"),
        ("01/01/2025 25:00", "dmy", "01/01/2025 25:00"),
    ],
)
def test_times_of_other_formats_are_written_anew(text: str, order: str, iso: str) -> None:
    assert as_iso(text, order) == iso


@pytest.mark.parametrize(
    ("dates", "came"),
    [("s", 1_741_082_400), ("ms", "1741082400000"), ("us", 1_741_082_400_000_000),
     ("s", "1741082400.0"), ("ns", "1741082400000000000"), ("excel", "45720.41666666")],
)  # fmt: skip
def test_counts_since_1970_are_moments(dates: str, came: Any) -> None:
    how = ColumnMap("at", "c", dates=dates)
    assert apply(how, came) == ["2025-03-04T10:00:00.000000Z"]
    assert apply(ColumnMap("ms", "c", dates=dates), came) == [1_741_082_400_000]
    assert apply(how, "soon", 1e300, None) == ["soon", 1e300, None]


def test_digits_and_days_of_a_spreadsheet_are_those_of_the_zone_that_is_said() -> None:
    in_winter = [("digits", "20250304100000"), ("digits", 202503041000), ("excel", 45720.41666667)]
    for dates, came in in_winter:
        how = ColumnMap("at", "c", dates=dates, zone="Europe/Zurich")
        assert apply(how, came, "soon") == ["2025-03-04T09:00:00.000000Z", "soon"]
    assert apply(ColumnMap("at", "c", dates="digits"), "20250304", "20251304") == [
        "2025-03-04",
        "20251304",
    ]


def test_times_without_a_zone_are_those_of_the_zone_that_is_said() -> None:
    how = ColumnMap("at", "c", dates="dmy", zone="Europe/Zurich")
    came = ["01/07/2025 12:00", "01/01/2025", "2025-07-01T12:00:00Z", "soon", None]
    assert apply(how, *came) == [
        "2025-07-01T10:00:00.000000Z",
        "2024-12-31T23:00:00.000000Z",
        "2025-07-01T12:00:00.000000Z",
        "soon",
        None,
    ]
    # The hour that comes twice is the earlier, the one that never comes is the next.
    assert apply(how, "26/10/2025 02:30", "30/03/2025 02:30") == [
        "2025-10-26T00:30:00.000000Z",
        "2025-03-30T01:00:00.000000Z",
    ]


def test_paths_lead_into_objects_and_into_texts_that_hold_one() -> None:
    row = {"m": {"x": {"y": 1}}, "t": '{"a": {"b": 2}}', "d.e": 3, "n": None}
    found = [value_at(row, path) for path in ("m.x.y", "t.a.b", "d.e", "n.x", "m.q", "t.a.b.c")]
    assert found == [1, 2, 3, None, None, None]


def test_a_field_within_an_object_changes_a_copy_and_others_stay() -> None:
    came = {"m": {"quality": 0.8, "seconds": 3}, "x": "kept", "y": None}
    columns = (ColumnMap("in", "m"), ColumnMap("in.quality", "m.quality", scale=(0.0, 1.0)))
    (row,) = Mapper(DOOR, TableMapping(DOOR.name, columns, {"id": "1"})).apply([came])
    assert row == {"in": {"quality": 80.0, "seconds": 3}, "id": "1", "x": "kept"}
    assert came["m"] == {"quality": 0.8, "seconds": 3}


@pytest.mark.parametrize(
    "name",
    ["quality_rating", "qualityRating", "Quality Rating", "QUALITY-RATING", " quality.rating"],
)
def test_names_are_compared_without_case_humps_and_separators(name: str) -> None:
    assert joined_name(name) == "qualityrating"
    assert plain_name("HTTPStatusCode") == "http status code"
    assert plain_name("Crème-Brûlée") == "creme brulee"


NAMES = st.text(max_size=8)
ENDS = st.tuples(st.integers(-100, 0), st.integers(1, 100)).map(
    lambda e: (float(e[0]), float(e[1]))
)
COLUMNS = st.builds(
    ColumnMap,
    field=st.sampled_from([one.name for one in DOOR.fields]),
    column=NAMES,
    scale=st.none() | ENDS,
    values=st.none() | st.dictionaries(NAMES, st.floats(0, 1) | NAMES, max_size=3),
    dates=st.sampled_from(["", *DATE_FORMATS]),
    zone=st.sampled_from(["", "UTC", "Europe/Zurich"]),
    decimal=st.sampled_from([".", ","]),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.from_regex(r"\A[0-9./:, T%-]{1,16}\Z"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


@given(st.lists(COLUMNS, max_size=4), st.dictionaries(NAMES, NAMES, max_size=2))
def test_a_mapping_survives_json(columns: list[ColumnMap], constants: dict[str, str]) -> None:
    mapping = TableMapping("tests.rows", tuple(columns), constants)
    assert TableMapping.from_dict(mapping.as_dict()) == mapping
    assert TableMapping.from_dict(orjson.loads(orjson.dumps(mapping.as_dict()))) == mapping


@pytest.mark.parametrize(
    "kept",
    [{}, {"door": "x"}, {"door": "x", "columns": 5}, {"door": "x", "columns": [{}]},
     {"door": "x", "columns": [{"field": "a", "column": "b", "odd": 1}]},
     {"door": "x", "columns": [{"field": "a", "column": "b", "scale": [1, 0]}]},
     {"door": "x", "columns": [{"field": "a", "column": "b", "scale": [1, 2, 3]}]},
     {"door": "x", "columns": [{"field": "a", "column": "b", "scale": ["x", "y"]}]}],
)  # fmt: skip
def test_what_is_no_mapping_is_refused(kept: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        TableMapping.from_dict(kept)


@given(ANYTHING, st.sampled_from([".", ","]))
def test_nothing_breaks_what_reads_one_value(value: Any, decimal: str) -> None:
    number = read_number(value, decimal)
    assert number is None or isinstance(number, float)
    words_of(value)
    for order in ("", "dmy", "mdy"):
        assert isinstance(as_iso(str(value), order), str)


@given(COLUMNS, st.lists(ANYTHING, max_size=3))
def test_nothing_breaks_a_mapping_that_is_applied(how: ColumnMap, values: list[Any]) -> None:
    rows = [{how.column: value} for value in values]
    assert len(Mapper(DOOR, TableMapping(DOOR.name, (how,))).apply(rows)) == len(rows)


TEXTS = st.sampled_from(
    ["", " ", "1", "-2.5", "3.0", "80 %", "4/5", "1e3", "1,5", "NULL", "NaN", "null", "Like", "a;b",
     "2026-01-02", "03/02/2026", "1767225600", "12345678901234567890", '{"quality": 3}', "\u0661"]
)  # fmt: skip


@given(
    columns=st.lists(
        COLUMNS, max_size=5, unique_by=(lambda how: how.field, lambda how: how.column)
    ),
    cells=st.lists(st.lists(TEXTS, min_size=6, max_size=6), min_size=1, max_size=4),
)
def test_columns_are_mapped_as_rows_are(columns: list[ColumnMap], cells: list[list[str]]) -> None:
    names = [*dict.fromkeys(how.column for how in columns), *"vwxyz"][:6]
    even = EvenRows({name: [row[at] for row in cells] for at, name in enumerate(names)}, len(cells))
    mapping = TableMapping(DOOR.name, tuple(columns), {"outcome": "accept"} if not columns else {})
    by_columns = Mapper(DOOR, mapping).apply(even)
    assert list(by_columns) == list(Mapper(DOOR, mapping).apply(list(even)))
    assert [by_columns[at] for at in range(len(cells))] == list(by_columns)


@given(st.lists(TEXTS, min_size=1))
def test_plain_numbers_are_what_each_of_them_is(texts: list[str]) -> None:
    numbers = plain_numbers(texts)
    assert numbers is None or numbers.tolist() == [read_number(text) for text in texts]


def test_plain_numbers_are_read_at_once() -> None:
    found = plain_numbers(["1", "-2.5", "0.123456789012345678"])
    assert found is not None
    assert found.tolist() == [1.0, -2.5, 0.123456789012345678]
    assert plain_numbers(["1", None]) is None
    assert plain_numbers(["1", ""]) is None


def test_a_missing_value_puts_nothing_into_an_object_and_changes_none() -> None:
    columns = (ColumnMap("in", "o"), ColumnMap("in.quality", "q"))
    mapper = Mapper(DOOR, TableMapping(DOOR.name, columns))
    whole = {"other": 1}
    found = mapper.apply([{"o": whole, "q": ""}, {"o": whole, "q": "5"}, {"o": "", "q": "6"}, {}])
    assert [row["in"] for row in found] == [whole, {"other": 1, "quality": 5}, {"quality": 6}, None]
    assert whole == {"other": 1}
