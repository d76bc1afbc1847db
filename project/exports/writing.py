"""Tables of Arrow as files that are read again to the same values: CSV, JSON Lines, parquet.

Every file has the column MARK, by which imports know that its values stand for themselves.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from project.exports.models import Format
from project.outside import MARKED
from project.tabular.own import EDITION, MARK

BATCH_ROWS: Final = 8_192  # whose text is held at once
_JSON: Final = {b"holds": b"json"}
_QUOTED: Final = '[",\r\n]'  # RFC 4180


def json_field(name: str) -> pa.Field:
    """Return a column of texts that hold JSON: objects in JSON Lines."""
    return pa.field(name, pa.string(), metadata=_JSON)


def write_rows(table: pa.Table, form: Format, path: Path, *, is_first: bool) -> None:
    """Write rows as a part of a file: parts of CSV and JSON Lines are put one after another.

    Parameters
    ----------
    table : columns of texts, numbers, true and false, days, moments, lists of texts, and JSON.
    is_first : whether CSV begins with the names of the columns.
    """
    if form == "parquet":
        marked = pa.array([EDITION] * table.num_rows, pa.int8())
        pq.write_table(table.append_column(pa.field(MARK, pa.int8()), marked), path)
        return
    with path.open("wb") as file:
        for batch in table.combine_chunks().to_batches(max_chunksize=BATCH_ROWS):
            if form == "csv":
                if is_first:
                    file.write(_header(table.schema.names))
                    is_first = False
                file.write(_csv_lines(batch))
            else:
                file.writelines(_json_lines(batch))
        if form == "csv" and is_first:
            file.write(_header(table.schema.names))


def join_parquet(parts: Sequence[Path], path: Path) -> None:
    """Write parts as one file, a row group each."""
    with pq.ParquetFile(parts[0]) as first:
        schema = first.schema_arrow
    with pq.ParquetWriter(path, schema) as writer:
        for part in parts:
            with pq.ParquetFile(part) as file:
                for number in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(number))


def _header(names: Sequence[str]) -> bytes:
    cells = pa.array([*names, MARK], pa.string())
    return (",".join(_quoted(_harmless(cells)).to_pylist()) + "\r\n").encode()


def _csv_lines(batch: pa.RecordBatch) -> bytes:
    if not batch.num_rows:
        return b""
    cells = [
        _cells(column, field) for column, field in zip(batch.columns, batch.schema, strict=True)
    ]
    end_of_line, comma = (pa.scalar(one, pa.large_string()) for one in (f"{EDITION}\r\n", ","))
    joined = pc.binary_join_element_wise(*cells, end_of_line, comma)
    _, offsets, data = joined.buffers()
    end = memoryview(offsets).cast("q")[len(joined) + joined.offset]
    return bytes(memoryview(data)[:end])


def _cells(column: pa.Array, field: pa.Field) -> pa.Array:
    """Return the cells of a column, empty where nothing stands."""
    if pa.types.is_list(field.type):
        texts = (None if one is None else orjson.dumps(one).decode() for one in column.to_pylist())
        column = pa.array(texts, pa.large_string())
    elif pa.types.is_timestamp(field.type):
        column = pc.replace_substring(column.cast(pa.string()), " ", "T", max_replacements=1)
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    column = column.cast(pa.large_string())
    if is_text:
        column = _quoted(_harmless(column))
    return pc.fill_null(column, "")


def _harmless(texts: pa.Array) -> pa.Array:
    """What no spreadsheet takes for a formula; as `project.outside.csv_cell`."""
    if not pc.any(pc.match_substring_regex(texts, MARKED)).as_py():
        return texts
    return pc.replace_substring_regex(texts, f"({MARKED})", r"'\1")


def _quoted(texts: pa.Array) -> pa.Array:
    needs = pc.match_substring_regex(texts, _QUOTED)
    if not pc.any(needs).as_py():
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    quote = pa.scalar('"', texts.type)
    quoted = pc.binary_join_element_wise(quote, doubled, quote, pa.scalar("", texts.type))
    return pc.if_else(needs, quoted, texts)


def _json_lines(batch: pa.RecordBatch) -> Iterator[bytes]:
    """Yield a line for each row; what is missing is left out."""
    columns = [
        _values(column, field) for column, field in zip(batch.columns, batch.schema, strict=True)
    ]
    names = batch.schema.names
    for row in zip(*columns, strict=True):
        said = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        yield orjson.dumps({MARK: EDITION, **said}, option=orjson.OPT_APPEND_NEWLINE)


def _values(column: pa.Array, field: pa.Field) -> list[Any]:
    if (field.metadata or {}).items() >= _JSON.items():
        texts = column.to_pylist()
        return [None if text is None else orjson.Fragment(text) for text in texts]
    if pa.types.is_timestamp(field.type):
        column = pc.replace_substring(column.cast(pa.string()), " ", "T", max_replacements=1)
    values: list[Any] = column.to_pylist()
    return values
