"""Why a row is refused, and what is kept of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from feedback.domain.row_format import (
    MAX_ROW_BYTES,
    OVERSIZED_KEY,
    Row,
    RowFormat,
    decode_row,
    digest_of,
)
from feedback.domain.tables import ID_CHARACTERS

BoolArray = npt.NDArray[np.bool_]

# Reasons in the order in which they are looked for, and what each asks for.
REASONS: Mapping[str, str] = {
    "unreadable": "expected one JSON object",
    "oversized_row": f"expected at most {MAX_ROW_BYTES:,} bytes in a row",
    "nul_character": "expected text without the character NUL",
    "wrong_type": "expected another type",
    "oversized_text": "expected a shorter text",
    "target_missing": "expected a value: a row without it says nothing",
    "not_a_number": "expected a finite number",
    "out_of_range": "expected a value inside the range",
    "time_missing": "expected the time at which the row was made",
    "time_without_zone": "expected a time with its zone, or a zone set for the source",
    "time_unreadable": "expected an ISO 8601 time",
    "time_infinite": "expected a time, not infinity",
    "time_out_of_range": "expected a year of four digits",
    "time_too_early": "expected a time since 2000: a clock was not set",
    "time_in_future": "expected a time that has been",
    "duplicate": "another row has the same identity",
    "changed_content": "the row is stored with other content",
}
_CODES = {reason: number for number, reason in enumerate(REASONS, start=1)}


class Problem(str):
    """Why a row of a file cannot be read, in its place among decoded rows."""


@dataclass(frozen=True)
class RejectedRow:
    """A row that does not land.

    Attributes
    ----------
    uid : 16 bytes that identify the row among all refused ones.
    detail : what was expected and what came, in a sentence.
    payload : the row as it came; NUL replaced, a row that is too long by its size.
    number : position of the row in what was parsed.
    field : the column at fault, as we call it; empty where all of the row is.
    """

    uid: bytes
    reason: str
    detail: str
    external_id: str
    payload: Any
    number: int
    field: str = ""


@dataclass
class Findings:
    """The first reason found against each row, and the column it was found in."""

    codes: npt.NDArray[np.int8]
    columns: dict[int, tuple[str, Any]] = field(default_factory=dict)

    def refuse(self, mask: BoolArray, reason: str, column: str, values: Sequence[Any]) -> None:
        """Note a reason against the rows of a mask that have none yet."""
        fresh = np.flatnonzero(mask & (self.codes == 0))
        self.codes[fresh] = _CODES[reason]
        for number in fresh.tolist():
            self.columns[number] = (column, values[number])


def duplicate_of_stored(form: RowFormat, row: bytes, *, stored_at: str, number: int) -> RejectedRow:
    """Refuse a row whose identity is stored with another time of creation.

    A row that is changed at its source keeps the time it was made at; another time means that an
    identity is used twice, and taking the row would make the two replace one another for ever.
    """
    decoded = decode_row(row)
    external_id = decoded.get(form.columns.get("id", "id")) if isinstance(decoded, dict) else None
    return RejectedRow(
        uid=form.uid(f"s{digest_of(row).hex()}"),
        reason="duplicate",
        detail=describe_refusal(
            "duplicate", "", f"{external_id or 'a row'}, stored with the time {stored_at}"
        ),
        external_id=shortened(str(external_id or ""), 200),
        payload=_shown(decoded),
        number=number,
    )


def changed_uid(uid: bytes) -> bytes:
    """Return what identifies other content of a stored row among all refused rows."""
    return digest_of(b"changed content\0" + uid)


def changed_content(
    form: RowFormat, row: bytes, *, uid: bytes, detail: str, number: int
) -> RejectedRow:
    """Refuse a row that is stored with other content, which stays."""
    decoded = decode_row(row)
    external_id = decoded.get(form.columns.get("id", "id")) if isinstance(decoded, dict) else None
    return RejectedRow(
        uid=changed_uid(uid),
        reason="changed_content",
        detail=detail,
        external_id=shortened(str(external_id or ""), 200),
        payload=_shown(decoded),
        number=number,
    )


def describe_refusal(reason: str, column: str, value: Any) -> str:
    """Say what was expected and what came."""
    if isinstance(value, Problem) and value:
        return str(value)
    came = "nothing" if value is None or value == "" else shortened(repr(value).strip("'"), 200)
    came = came.replace("\0", "\\0").replace("\\x00", "\\0")
    where = f"{column}: " if column else ""
    return f"{where}{REASONS[reason]}, got {came}."


def kept_payload(reason: str, row: Row, raw: bytes) -> Any:
    """Return what is kept of a refused row, as JSON."""
    if not row:
        return _shown(raw.decode("utf-8", "replace"))
    if reason == "oversized_row":
        kept = {key: shortened(str(value), ID_CHARACTERS) for key, value in list(row.items())[:20]}
        return {**kept, OVERSIZED_KEY: row.get(OVERSIZED_KEY, len(raw))}
    return _shown(row)


def shortened(text: str, length: int) -> str:
    """Cut a text to a length that fits, without NUL."""
    text = text.replace("\0", "�")
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _shown(value: Any) -> Any:
    """Return a row as it can be kept: JSON in the database knows no NUL."""
    if isinstance(value, str):
        return value[:MAX_ROW_BYTES].replace("\0", "�")
    if isinstance(value, dict):
        return {key.replace("\0", "�"): _shown(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shown(one) for one in value]
    return value
