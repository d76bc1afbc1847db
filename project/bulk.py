"""COPY in from NumPy and Arrow columns, and Arrow out, without a Python object per value."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import adbc_driver_postgresql.dbapi
import numpy as np
import numpy.typing as npt
import psycopg.conninfo
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection as default_connection
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql
from psycopg.types.string import TextLoader

CHUNK_ROWS = 16_384  # about 4 MB on the wire for 20 columns: stays in the cache of one core
CHUNK_TEXT_BYTES = 8 * 1024 * 1024
BATCH_ROWS = 65_536  # rows of one batch where the driver does not decide

# The binary COPY format: https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"
NULL_LENGTH = -1
JSONB_VERSION = 1
# PostgreSQL counts time from 2000-01-01.
EPOCH_MICROSECONDS = int(np.datetime64("2000-01-01", "us").astype(np.int64))
EPOCH_DAYS = int(np.datetime64("2000-01-01", "D").astype(np.int64))

# pg_type.typname to the type of a value on the wire; a variable width is None.
WIRE_TYPES: Mapping[str, str | None] = {
    "bool": "?",
    "int2": ">i2",
    "int4": ">i4",
    "int8": ">i8",
    "float4": ">f4",
    "float8": ">f8",
    "date": ">i4",
    "timestamp": ">i8",
    "timestamptz": ">i8",
    "uuid": "V16",
    "text": None,
    "varchar": None,
    "bpchar": None,
    "bytea": None,
    "json": None,
    "jsonb": None,
}
ARROW_TYPES: Mapping[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "numeric": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "uuid": pa.binary(16),
    "bytea": pa.binary(),
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "json", "jsonb"), pa.string()),
}

BoolArray = npt.NDArray[np.bool_]


class ColumnRefused(ValueError):
    """A column cannot be written as it is; the message names it, and what would be accepted."""


@dataclass(frozen=True)
class _Fixed:
    """A column whose values all have the same width."""

    values: npt.NDArray[Any]
    nulls: BoolArray | None
    nan_is_null: bool

    def nulls_in(self, rows: slice) -> BoolArray | None:
        absent = None if self.nulls is None else self.nulls[rows]
        if self.nan_is_null:
            nans = np.isnan(self.values[rows])
            absent = nans if absent is None else absent | nans
        return absent if absent is not None and absent.any() else None


@dataclass(frozen=True)
class _Variable:
    """A column of text or bytes, as Arrow keeps it: all values in one buffer, and where each
    begins."""

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    nulls: BoolArray | None

    def nulls_in(self, rows: slice) -> BoolArray | None:
        absent = None if self.nulls is None else self.nulls[rows]
        return absent if absent is not None and absent.any() else None


def copy_rows(
    connection: BaseDatabaseWrapper,
    table: str,
    columns: Mapping[str, Any],
    *,
    nan_is_null: bool = True,
) -> int:
    """Append rows to a table with binary COPY; all of them or, on an error, none.

    Parameters
    ----------
    connection : a Django connection; an open transaction is joined.
    table : name of the table, temporary ones included.
    columns : column name to values, all of one length.
        NumPy arrays (masked ones too), Arrow arrays, pandas series or lists. They must fit the
        column's type without guessing: floats do not become integers. ``datetime64`` is UTC. uuid
        takes ``uuid.UUID`` objects, an array of dtype V16, or uint8 of shape (n_rows, 16). Masked,
        Arrow null, NaT and None become NULL.
    nan_is_null : whether NaN in a floating-point column becomes NULL (default) or stays NaN.

    Returns
    -------
    The number of rows written.

    Raises
    ------
    ColumnRefused : a column does not exist, has another length, or does not fit its type.
    django.db.Error : the server refused a row; nothing was written.
    """
    types = _column_types(connection, table)
    unknown = sorted(set(columns) - set(types))
    if unknown or not columns:
        raise ColumnRefused(
            f"Table {table} has no column {', '.join(unknown) or '(none was given)'}; it has "
            f"{', '.join(types) or 'no columns: does it exist?'}."
        )
    encoded = [
        _encodable(f"{table}.{name}", types[name], values, nan_is_null=nan_is_null)
        for name, values in columns.items()
    ]
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ColumnRefused(f"The columns of {table} should have one length, but have {lengths}.")
    n_rows = next(iter(lengths.values()))
    if n_rows == 0:
        return 0

    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    frame = _frame([types[name] for name in columns], encoded)
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(statement) as copy,
    ):
        copy.write(COPY_HEADER)
        for rows in _chunks(encoded, n_rows):
            copy.write(_encode(encoded, rows, frame))
        copy.write(COPY_TRAILER)
    return n_rows


def read_arrow(
    query: str, params: Sequence[Any] = (), *, connection: BaseDatabaseWrapper = default_connection
) -> pa.Table:
    """Read the rows of a query into Arrow; see `read_batches` for types and transactions."""
    batches = read_batches(query, params, connection=connection)
    first = next(batches)  # there is always one, so that an empty result has its columns
    return pa.Table.from_batches([first, *batches])


def read_batches(
    query: str, params: Sequence[Any] = (), *, connection: BaseDatabaseWrapper = default_connection
) -> Iterator[pa.RecordBatch]:
    """Read the rows of a query as a stream of Arrow batches, in bounded memory.

    Outside a transaction a connection of its own reads with COPY at some 500,000 rows a second.
    Inside one (`atomic`) the rows come through the caller's connection, so that its own uncommitted
    writes are seen, at a fifth of the speed. Types are the same both ways: numeric becomes float64,
    uuid becomes binary(16), json becomes string.

    Parameters
    ----------
    query : one SELECT, with %s for each parameter.
    params : values for the placeholders.
    connection : the Django connection that says where to read.

    Yields
    ------
    Batches of the query's columns; at least one, which is empty when there are no rows.
    """
    if connection.in_atomic_block:
        yield from _batches_inside(connection, query, params)
    else:
        yield from _batches_outside(connection, query, params)


# --- Writing -------------------------------------------------------------------------------------


def _column_types(connection: BaseDatabaseWrapper, table: str) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname, typname FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid "
            "WHERE attrelid = to_regclass(quote_ident(%s)) AND attnum > 0 AND NOT attisdropped "
            "ORDER BY attnum",
            [table],
        )
        return dict(cursor.fetchall())


def _encodable(name: str, type_name: str, values: Any, *, nan_is_null: bool) -> _Fixed | _Variable:
    if type_name not in WIRE_TYPES:
        raise ColumnRefused(
            f"{name} is of type {type_name}, which is not written in bulk; supported are "
            f"{', '.join(WIRE_TYPES)}."
        )
    if WIRE_TYPES[type_name] is None:
        return _variable(name, type_name, values)
    if type_name == "uuid":
        return _uuids(name, values)
    array, nulls = _as_numpy(name, type_name, values)
    if array.ndim != 1:
        raise ColumnRefused(f"{name} should have one dimension, but has shape {array.shape}.")
    if type_name in ("timestamp", "timestamptz", "date"):
        return _moments(name, type_name, array, nulls)
    target = np.dtype(WIRE_TYPES[type_name])
    accepted = {"b": "b", "i": "iu", "f": "fiu"}[target.kind]
    if array.dtype.kind not in accepted:
        raise ColumnRefused(
            f"{name} is of type {type_name}, the values are {array.dtype}. Convert them first: "
            "what "
            "would be lost or guessed is the caller's decision."
        )
    if target.kind == "i" and array.size and not np.can_cast(array.dtype, target):
        limits = np.iinfo(target)
        lowest, highest = int(array.min()), int(array.max())
        if lowest < limits.min or highest > limits.max:
            raise ColumnRefused(
                f"{name} is of type {type_name}, which holds {limits.min} to {limits.max}; the "
                "values "
                f"reach from {lowest} to {highest}."
            )
    return _Fixed(array, nulls, nan_is_null=nan_is_null and array.dtype.kind == "f")


def _as_numpy(name: str, type_name: str, values: Any) -> tuple[npt.NDArray[Any], BoolArray | None]:
    """Return values and, where there are any, which of them are NULL."""
    if isinstance(values, np.ma.MaskedArray):
        # Under the mask may stand anything; zero passes the checks of range.
        return values.filled(np.zeros(1, values.dtype)[0]), np.ma.getmaskarray(values)
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values, None
    array = _as_arrow(name, type_name, values)
    nulls = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    if pa.types.is_null(array.type):
        array = array.cast(ARROW_TYPES[type_name])
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("us", tz=array.type.tz), safe=False)
        return array.cast(pa.int64()).fill_null(0).to_numpy().view("M8[us]"), nulls
    if pa.types.is_date32(array.type):
        days = array.cast(pa.int32()).fill_null(0).to_numpy()
        return days.astype(np.int64).view("M8[D]"), nulls
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        if not pa.types.is_boolean(array.type):
            raise ColumnRefused(
                f"{name} is of type {type_name}, the values are Arrow {array.type}."
            )
        return array.fill_null(False).to_numpy(zero_copy_only=False), nulls
    return array.fill_null(0).to_numpy(), nulls


def _as_arrow(name: str, type_name: str, values: Any) -> pa.Array:
    if not isinstance(values, pa.Array | pa.ChunkedArray):
        try:
            values = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise ColumnRefused(
                f"{name} is of type {type_name}, the values are mixed or of an unknown kind: "
                f"{error}"
            ) from error
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    return values


def _moments(name: str, type_name: str, array: npt.NDArray[Any], nulls: BoolArray | None) -> _Fixed:
    unit = "D" if type_name == "date" else "us"
    if array.dtype.kind != "M" or (unit == "D" and array.dtype != np.dtype("M8[D]")):
        wanted = "datetime64[D]" if unit == "D" else "datetime64 (UTC)"
        raise ColumnRefused(f"{name} is of type {type_name}: give {wanted}, not {array.dtype}.")
    missing = np.isnat(array)
    if missing.any():
        nulls = missing if nulls is None else nulls | missing
    counts = array.astype(f"M8[{unit}]").astype(np.int64)
    counts -= EPOCH_DAYS if unit == "D" else EPOCH_MICROSECONDS
    return _Fixed(counts, nulls, nan_is_null=False)


def _uuids(name: str, values: Any) -> _Fixed:
    nulls: BoolArray | None = None
    if isinstance(values, pa.Array | pa.ChunkedArray):
        values = values.to_pylist()
    if not isinstance(values, np.ndarray) or values.dtype == object:
        listed = [value.bytes if isinstance(value, uuid.UUID) else value for value in values]
        if not all(
            value is None or (isinstance(value, bytes) and len(value) == 16) for value in listed
        ):
            raise ColumnRefused(
                f"{name} is of type uuid: give uuid.UUID objects or their 16 bytes."
            )
        nulls = np.fromiter((value is None for value in listed), bool, len(listed))
        values = np.frombuffer(b"".join(value or bytes(16) for value in listed), "V16")
    if values.dtype == np.uint8 and values.ndim == 2 and values.shape[1] == 16:
        values = np.ascontiguousarray(values).view("V16").ravel()
    if values.dtype != np.dtype("V16"):
        raise ColumnRefused(
            f"{name} is of type uuid: give dtype V16 or uint8 of shape (n_rows, 16), not "
            f"{values.dtype} of shape {values.shape}."
        )
    return _Fixed(values, nulls if nulls is not None and nulls.any() else None, nan_is_null=False)


def _variable(name: str, type_name: str, values: Any) -> _Variable:
    if isinstance(values, np.ma.MaskedArray):
        values = pa.array(values.data, mask=np.ma.getmaskarray(values))
    array = _as_arrow(name, type_name, values)
    is_bytes = type_name == "bytea"
    wanted = "bytes" if is_bytes else "text"
    fits = (
        pa.types.is_null(array.type)
        or (is_bytes and (pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type)))
        or (
            not is_bytes
            and (pa.types.is_string(array.type) or pa.types.is_large_string(array.type))
        )
        or (not is_bytes and pa.types.is_string_view(array.type))
    )
    if not fits:
        raise ColumnRefused(f"{name} is of type {type_name}: give {wanted}, not {array.type}.")
    nulls = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    # Filling makes the buffer dense: Arrow allows bytes below a null.
    empty = pa.scalar(b"" if is_bytes else "", pa.large_binary() if is_bytes else pa.large_string())
    array = pc.fill_null(array.cast(empty.type), empty)
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.zeros(1, np.int64)
    if len(array):
        begin = array.offset
        offsets = np.frombuffer(offset_buffer, np.int64)[begin : begin + len(array) + 1]
    data = np.frombuffer(data_buffer or b"", np.uint8)
    return _Variable(data, offsets, nulls)


def _frame(type_names: list[str], columns: list[_Fixed | _Variable]) -> npt.NDArray[np.void]:
    """Make the rows of one chunk with everything in place that does not change from row to row."""
    fields: list[tuple[str, str]] = [("n_fields", ">i2")]
    for number, type_name in enumerate(type_names):
        fields.append((f"length_{number}", ">i4"))
        wire = "u1" if type_name == "jsonb" else WIRE_TYPES[type_name]
        if wire is not None:
            fields.append((f"value_{number}", wire))
    n_rows = min(CHUNK_ROWS, max(_row_count(column) for column in columns))
    frame = np.zeros(n_rows, np.dtype(fields))
    frame["n_fields"] = len(type_names)
    for number, type_name in enumerate(type_names):
        if type_name == "jsonb":
            frame[f"value_{number}"] = JSONB_VERSION
    return frame


def _row_count(column: _Fixed | _Variable) -> int:
    return len(column.values) if isinstance(column, _Fixed) else len(column.offsets) - 1


def _chunks(columns: list[_Fixed | _Variable], n_rows: int) -> Iterator[slice]:
    """Cut the rows so that neither their number nor their text is large."""
    texts = [column.offsets for column in columns if isinstance(column, _Variable)]
    written = np.sum(texts, axis=0) if texts else np.zeros(n_rows + 1, np.int64)
    start = 0
    while start < n_rows:
        fitting = int(np.searchsorted(written, written[start] + CHUNK_TEXT_BYTES, side="right")) - 1
        stop = min(n_rows, start + CHUNK_ROWS, max(fitting, start + 1))
        yield slice(start, stop)
        start = stop


def _encode(
    columns: list[_Fixed | _Variable], rows: slice, frame: npt.NDArray[np.void]
) -> memoryview:
    """Write some rows in the binary format: fixed widths by strided assignment, text by joining.

    A row is cut where something of no fixed width stands: a text, or a value that may be NULL and
    then has no bytes. Arrow joins the pieces of all rows in one pass.
    """
    n_rows = rows.stop - rows.start
    chunk = frame[:n_rows]
    fields = dict(frame.dtype.fields or {})
    places = {name: (kind.itemsize, at) for name, (kind, at, *_) in fields.items()}
    absent: dict[int, tuple[int, BoolArray]] = {}  # start: end, and in which rows it is not there
    texts: dict[int, pa.Array] = {}  # what comes after these bytes of the row
    for number, column in enumerate(columns):
        length, value = f"length_{number}", f"value_{number}"
        nulls = column.nulls_in(rows)
        fixed_width, start = places.get(value, (0, 0))
        if isinstance(column, _Fixed):
            chunk[value] = column.values[rows]
            chunk[length] = fixed_width
        else:
            offsets = column.offsets[rows.start : rows.stop + 1]
            chunk[length] = np.diff(offsets) + fixed_width
            text = _binary(offsets - offsets[0], column.data[offsets[0] : offsets[-1]])
            texts[sum(places[value if fixed_width else length])] = text
        if nulls is not None:
            chunk[length][nulls] = NULL_LENGTH
            if fixed_width:
                absent[start] = start + fixed_width, nulls
    fixed = chunk.view(np.uint8).reshape(n_rows, chunk.dtype.itemsize)
    if not texts and not absent:
        return np.ascontiguousarray(fixed).reshape(-1).data

    pieces: list[pa.Array] = []
    at = 0
    for end in sorted(
        {chunk.dtype.itemsize, *texts, *absent, *(end for end, _ in absent.values())}
    ):
        if end > at:
            pieces.append(_piece(fixed[:, at:end], absent[at][1] if at in absent else None))
            at = end
        if end in texts:
            pieces.append(texts[end])
    joined = pc.binary_join_element_wise(*pieces, b"")
    _, offset_buffer, data = joined.buffers()
    n_bytes = int(np.frombuffer(offset_buffer, np.int32)[n_rows])
    return memoryview(data)[:n_bytes]


def _piece(part: npt.NDArray[np.uint8], nulls: BoolArray | None) -> pa.Array:
    """Return these bytes of each row, none where it is NULL."""
    widths = np.full(len(part), part.shape[1], np.int64)
    if nulls is not None:
        part, widths[nulls] = part[~nulls], 0
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(widths)])
    return _binary(offsets, np.ascontiguousarray(part).reshape(-1))


def _binary(offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> pa.Array:
    # Within a chunk 31 bits are enough: PostgreSQL takes no value above a gigabyte.
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)


# --- Reading -------------------------------------------------------------------------------------


def _batches_outside(
    connection: BaseDatabaseWrapper, query: str, params: Sequence[Any]
) -> Iterator[pa.RecordBatch]:
    with connection.cursor() as cursor:
        # The values are put into the text: only a statement without parameters is read with COPY.
        statement = cursor.mogrify(query, params) if params else query
    parameters = connection.get_connection_params()
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    address = psycopg.conninfo.make_conninfo(
        **{key: value for key, value in parameters.items() if key in known}
    )
    with (
        adbc_driver_postgresql.dbapi.connect(address, autocommit=True) as reading,
        reading.cursor() as cursor,
    ):
        cursor.execute(statement)
        with cursor.fetch_record_batch() as reader:
            empty = True
            for batch in reader:
                empty = False
                yield _plain(batch)
            if empty:
                yield _plain(pa.RecordBatch.from_pylist([], schema=reader.schema))


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Give the driver's special types (numeric and json as tagged text) their plain Arrow type."""
    columns, fields = [], []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        told = (field.metadata or {}).get(b"ADBC:postgresql:typname", b"").decode()
        values = column.storage if isinstance(column, pa.ExtensionArray) else column
        wanted = ARROW_TYPES.get(told, values.type)
        if values.type != wanted:
            values = values.cast(wanted)
        columns.append(values)
        fields.append(pa.field(field.name, values.type))
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _batches_inside(
    connection: BaseDatabaseWrapper, query: str, params: Sequence[Any]
) -> Iterator[pa.RecordBatch]:
    with connection.chunked_cursor() as cursor:
        cursor.adapters.register_loader("json", TextLoader)  # as text, not as Python objects
        cursor.execute(query, list(params) or None)
        first = cursor.fetchmany(BATCH_ROWS)
        schema = _schema(cursor)
        yield _batch(first, schema)
        while rows := cursor.fetchmany(BATCH_ROWS):
            yield _batch(rows, schema)


def _schema(cursor: Any) -> pa.Schema:
    fields = []
    for column in cursor.description:
        known = psycopg.adapters.types.get(column.type_code)
        if known is None or known.name not in ARROW_TYPES or column.type_code == known.array_oid:
            raise ColumnRefused(
                f"Column {column.name} of the query has a type that is not read in bulk; cast it "
                "to one "
                f"of {', '.join(ARROW_TYPES)}."
            )
        fields.append(pa.field(column.name, ARROW_TYPES[known.name]))
    return pa.schema(fields)


def _batch(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    columns = []
    for number, field in enumerate(schema):
        values = [row[number] for row in rows]
        if field.type == pa.binary(16):
            values = [None if value is None else value.bytes for value in values]
        elif field.type == pa.float64():
            values = [None if value is None else float(value) for value in values]
        columns.append(pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)
