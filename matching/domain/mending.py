"""Refused lines of the event log, corrected, as lines of the log again."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from matching.domain.doors import EVENTS
from project.tabular.doors import FieldSpec
from project.tabular.mapping import read_number, value_at
from project.tabular.mend import Came, put

_FIELDS: Final = {field.name: field for field in EVENTS.fields}


def as_log_line(row: Came, correction: Mapping[str, Any]) -> bytes:
    """Write a corrected row as a line of the log.

    A form gives text, the log has numbers: what was corrected is written as its field asks for it,
    and nothing for an empty text. The label follows from a corrected outcome unless it was
    corrected too.

    Parameters
    ----------
    row : the row with its correction, or all of its line
    correction : field to what it says since
    """
    if isinstance(row, str):
        return row.encode()
    line: dict[str, Any] = dict(row)
    if "outcome" in correction and "label" not in correction:
        line.pop("label", None)
    for name in correction:
        field = _FIELDS.get(name)
        value = value_at(line, name)
        if field is not None and isinstance(value, str):
            put(line, name, _written(field, value.strip()))
    return orjson.dumps({name: value for name, value in line.items() if value is not None})


def _written(field: FieldSpec, text: str) -> Any:
    if not text:
        return None
    number = read_number(text) if field.kind in ("number", "moment") else None
    if number is None:
        return text
    is_whole = field.is_whole or field.kind == "moment"
    return int(number) if is_whole and number.is_integer() else number
