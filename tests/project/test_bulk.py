"""COPY in and Arrow out: every type goes round, and nothing is converted silently."""

import datetime as dt
import json
import math
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from project import bulk

pytestmark = pytest.mark.django_db

MOMENT = dt.datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=dt.UTC)
IDENTIFIER = uuid.UUID("12345678-1234-5678-1234-56781234567f")


@pytest.fixture
def table() -> Iterator[str]:
    """Give a table with one column of each supported type; its name needs quoting."""
    name = 'bulk "rows"'
    with connection.cursor() as cursor:
        cursor.execute(
            'CREATE TEMPORARY TABLE "bulk ""rows""" (flag bool, small int2, whole int4, large int8,'
            " single float4, number float8, day date, clock timestamp, moment timestamptz,"
            ' "Key" uuid, note text, short varchar(5), raw bytea, doc jsonb, exact numeric)'
        )
    yield name
    with connection.cursor() as cursor:
        cursor.execute('DROP TABLE "bulk ""rows"""')


def written(columns: dict[str, Any], table: str, **options: Any) -> list[Any]:
    """Write columns and return the rows as psycopg reads them, in the order they were written."""
    bulk.copy_rows(connection, table, columns, **options)
    quoted = ", ".join(connection.ops.quote_name(name) for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT {quoted} FROM "bulk ""rows"""')
        rows = cursor.fetchall()
    return [row[0] for row in rows] if len(columns) == 1 else rows


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("flag", np.array([True, False]), [True, False]),
        ("flag", [True, None], [True, None]),
        ("small", np.array([-32768, 32767]), [-32768, 32767]),
        ("whole", np.array([-(2**31), 2**31 - 1]), [-(2**31), 2**31 - 1]),
        ("whole", np.array([0, 255], np.uint8), [0, 255]),
        ("large", np.array([-(2**63), 2**63 - 1]), [-(2**63), 2**63 - 1]),
        ("large", np.ma.masked_array([1, 2], mask=[False, True]), [1, None]),
        ("small", np.ma.masked_array([1, 99999], mask=[False, True]), [1, None]),
        ("large", pa.array([1, None, 3]), [1, None, 3]),
        ("large", [None, None], [None, None]),
        ("single", np.array([0.5, -1.25], np.float32), [0.5, -1.25]),
        ("number", np.array([1e300, np.nan, -0.0]), [1e300, None, 0.0]),
        ("number", np.array([np.inf, -np.inf]), [math.inf, -math.inf]),
        ("number", np.array([1, 2]), [1.0, 2.0]),
        ("number", pa.chunked_array([[0.5], [None, 1.5]]), [0.5, None, 1.5]),
        ("number", np.ma.masked_array([0.5, 0.6], mask=[True, False]), [None, 0.6]),
        ("day", np.array(["1999-12-31", "NaT"], "M8[D]"), [dt.date(1999, 12, 31), None]),
        ("day", [dt.date(2024, 2, 29), None], [dt.date(2024, 2, 29), None]),
        (
            "clock",
            np.array(["1999-12-31T23:59:59.999999"], "M8[us]"),
            [
                MOMENT.replace(
                    year=1999,
                    month=12,
                    day=31,
                    hour=23,
                    minute=59,
                    second=59,
                    microsecond=999999,
                    tzinfo=None,
                )
            ],
        ),
        ("moment", np.array([MOMENT.replace(tzinfo=None), "NaT"], "M8[us]"), [MOMENT, None]),
        ("moment", np.array([1_000], "M8[ms]"), [dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC)]),
        ("moment", pa.array([MOMENT, None]), [MOMENT, None]),
        ("Key", [IDENTIFIER, None], [IDENTIFIER, None]),
        ("Key", np.frombuffer(IDENTIFIER.bytes, "V16"), [IDENTIFIER]),
        ("Key", np.frombuffer(IDENTIFIER.bytes, np.uint8).reshape(1, 16), [IDENTIFIER]),
        ("Key", pa.array([IDENTIFIER.bytes], pa.binary(16)), [IDENTIFIER]),
        ("note", ["", "Grüße 🌍", None, "a\tb\n\\."], ["", "Grüße 🌍", None, "a\tb\n\\."]),
        ("note", np.array(["one", "three"]), ["one", "three"]),
        ("note", np.array(["one", None], object), ["one", None]),
        ("note", np.ma.masked_array(["a", "b"], mask=[True, False]), [None, "b"]),
        ("note", pa.array(["x", "yy", "zzz", None])[1:], ["yy", "zzz", None]),
        ("note", pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
        ("note", [None, None], [None, None]),
        ("short", ["12345"], ["12345"]),
        ("raw", [b"\0\xff", None, b""], [b"\0\xff", None, b""]),
        ("doc", [json.dumps({"a": [1]}), None, "[]"], ['{"a": [1]}', None, "[]"]),
    ],
)
def test_each_type_goes_round(table: str, column: str, values: Any, expected: list[Any]) -> None:
    found = written({column: values}, table)
    assert [bytes(v) if isinstance(v, memoryview) else v for v in found] == expected


def test_nan_stays_nan_where_that_is_asked_for(table: str) -> None:
    (found,) = written({"number": np.array([np.nan])}, table, nan_is_null=False)
    assert math.isnan(found)


def test_a_row_of_every_type_with_nulls_anywhere_keeps_its_values_apart(table: str) -> None:
    columns = {
        "note": ["a", None, "ccc", ""],
        "number": np.array([np.nan, 1.0, 2.0, np.nan]),
        "doc": [None, "1", "22", None],
        "Key": [IDENTIFIER, None, IDENTIFIER, None],
        "short": ["x", "yy", None, None],
        "whole": pa.array([1, None, 3, None]),
    }
    assert written(columns, table) == [
        ("a", None, None, IDENTIFIER, "x", 1),
        (None, 1.0, "1", None, "yy", None),
        ("ccc", 2.0, "22", IDENTIFIER, None, 3),
        ("", None, None, None, None, None),
    ]


@settings(max_examples=30)
@given(
    rows=st.lists(
        st.tuples(
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.floats(allow_nan=False),
            st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
            st.none() | st.booleans(),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_any_rows_go_round_in_order(rows: list[tuple[Any, ...]]) -> None:
    names = ("large", "number", "note", "flag")
    types = (pa.int64(), pa.float64(), pa.string(), pa.bool_())
    columns = zip(names, types, zip(*rows, strict=True), strict=True)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TEMPORARY TABLE any_rows (large int8, number float8, note text, flag bool) "
                "ON COMMIT DROP"
            )
        bulk.copy_rows(
            connection, "any_rows", {name: pa.array(values, kind) for name, kind, values in columns}
        )
        found = bulk.read_arrow("SELECT * FROM any_rows")
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE any_rows")
    assert [tuple(row.values()) for row in found.to_pylist()] == rows


def test_rows_cross_chunks_unharmed(table: str) -> None:
    n_rows = bulk.CHUNK_ROWS * 2 + 7
    number = np.arange(n_rows, dtype=float)
    number[::5] = np.nan
    texts = [None if i % 3 == 0 else "é" * (i % 11) for i in range(n_rows)]
    whole = np.arange(n_rows)
    assert (
        bulk.copy_rows(connection, table, {"whole": whole, "number": number, "note": texts})
        == n_rows
    )
    found = bulk.read_arrow('SELECT whole, number, note FROM "bulk ""rows""" ORDER BY whole')
    assert found["whole"].to_pylist() == whole.tolist()
    assert found["note"].to_pylist() == texts
    expected = pa.array(number, from_pandas=True)
    assert found["number"].combine_chunks().equals(expected)


def test_long_texts_are_cut_into_chunks_of_bounded_size(
    table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "CHUNK_TEXT_BYTES", 100)
    texts = ["x" * length for length in (0, 99, 1, 1, 250, 0, 0, 100, 101, 3)]
    assert written({"note": texts}, table) == texts


def test_no_rows_write_nothing_and_say_so(table: str) -> None:
    assert bulk.copy_rows(connection, table, {"number": np.empty(0), "note": []}) == 0
    assert written({"note": pa.array([], pa.string())}, table) == []


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"whole": np.array([1.0])}, r"whole is of type int4, the values are float64"),
        ({"flag": np.array([1])}, r"flag is of type bool, the values are int64"),
        ({"number": np.array(["1.5"])}, r"number is of type float8"),
        ({"number": ["1.5"]}, r"number is of type float8, the values are Arrow string"),
        ({"number": [1.5, "x"]}, r"mixed"),
        ({"small": np.array([40_000])}, r"holds -32768 to 32767; the values reach from 40000"),
        ({"large": np.array([2**64 - 1], np.uint64)}, r"large is of type int8"),
        ({"moment": np.array([1_700_000_000_000])}, r"give datetime64 \(UTC\), not int64"),
        ({"day": np.array(["2024-01-01T10"], "M8[h]")}, r"give datetime64\[D\]"),
        ({"Key": ["12345678-1234-5678-1234-567812345678"]}, r"give uuid.UUID objects"),
        ({"Key": np.zeros((1, 8), np.uint8)}, r"shape \(1, 8\)"),
        ({"note": np.array([1])}, r"note is of type text: give text, not int64"),
        ({"raw": ["text"]}, r"raw is of type bytea: give bytes"),
        ({"number": np.zeros((2, 2))}, r"one dimension"),
        ({"exact": np.zeros(1)}, r"numeric, which is not written in bulk"),
        ({"nothing": np.zeros(1)}, r"no column nothing; it has flag, small"),
        ({}, r"none was given"),
        ({"whole": np.zeros(2, int), "number": np.zeros(3)}, r"one length"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    table: str, columns: dict[str, Any], said: str
) -> None:
    with pytest.raises(bulk.ColumnRefused, match=said):
        bulk.copy_rows(connection, table, columns)


def test_a_missing_table_is_named() -> None:
    with pytest.raises(bulk.ColumnRefused, match=r"Table nowhere .* does it exist"):
        bulk.copy_rows(connection, "nowhere", {"a": np.zeros(1)})


def test_one_bad_row_leaves_none(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute('CREATE UNIQUE INDEX ON "bulk ""rows""" (whole)')
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk.copy_rows(connection, table, {"whole": np.array([1, 2, 2])})
    assert bulk.read_arrow('SELECT * FROM "bulk ""rows"""').num_rows == 0


EVERY_TYPE = (
    "SELECT true AS flag, 1::int2 AS small, 2 AS whole, 3::int8 AS large, 0.5::float4 AS single, "
    "0.25::float8 AS number, 1.25 AS exact, 'Grüße'::text AS note, 'x'::varchar AS short, "
    "timestamptz '2026-03-01 12:30:15.123456+00' AS moment, timestamp '2026-03-01 12:30' AS clock, "
    "date '2026-03-01' AS day, '12345678-1234-5678-1234-56781234567f'::uuid AS key, "
    "'{\"a\": 1}'::jsonb AS doc, '[1]'::json AS plain, '\\x00ff'::bytea AS raw, "
    "NULL::float8 AS missing, 100 %% 7 AS rest WHERE %s = 'a''b'"
)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("argument", ["a'b", "other"])
def test_types_are_the_same_inside_and_outside_a_transaction(argument: str) -> None:
    outside = bulk.read_arrow(EVERY_TYPE, [argument])
    with transaction.atomic():
        inside = bulk.read_arrow(EVERY_TYPE, [argument])
    assert inside.schema.equals(outside.schema)
    assert inside.to_pylist() == outside.to_pylist()
    assert outside.num_rows == (1 if argument == "a'b" else 0)


@pytest.mark.django_db(transaction=True)
def test_a_large_result_streams_in_batches() -> None:
    query = "SELECT g AS id, repeat('x', 100) AS note FROM generate_series(1, 300000) g"
    batches = bulk.read_batches(query)
    sizes = []
    total = 0
    for batch in batches:
        sizes.append(batch.num_rows)
        total += int(batch["id"].to_numpy().astype(np.int64).sum())
    assert len(sizes) > 1
    assert total == 300_000 * 300_001 // 2


@pytest.mark.django_db(transaction=True)
def test_a_reader_that_stops_early_leaves_the_connection_usable() -> None:
    assert next(bulk.read_batches("SELECT * FROM generate_series(1, 1000000)")).num_rows > 0
    assert bulk.read_arrow("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_a_transaction_sees_what_it_wrote_itself(table: str) -> None:
    bulk.copy_rows(connection, table, {"whole": np.arange(3)})
    found = bulk.read_arrow('SELECT whole FROM "bulk ""rows""" WHERE whole > %s', [0])
    assert sorted(found["whole"].to_pylist()) == [1, 2]


def test_a_type_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(bulk.ColumnRefused, match="Column gap of the query"):
        bulk.read_arrow("SELECT interval '1 day' AS gap")
