"""Turns rows as they came into columns to store, and says of every other row why it is refused."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, compress
from operator import itemgetter
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from feedback.domain.refusals import (
    REASONS,
    Findings,
    RejectedRow,
    describe_refusal,
    kept_payload,
    shortened,
)
from feedback.domain.row_format import (
    MAX_ROW_BYTES,
    OVERSIZED_KEY,
    Row,
    RowFormat,
    decode_row,
    digest_of,
)
from feedback.domain.tables import METRICS, Column
from project import words
from project.tabular.even import EvenRows
from project.tabular.own import BESIDE

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

EARLIEST = np.datetime64("2000-01-01", "us")  # before that, 1970 above all, a clock was not set
FUTURE_TOLERANCE = np.timedelta64(10, "m")  # clocks of two machines may differ by so much
HAS_ZONE = r"(?i)\d{2}:\d{2}.*(z|[+-]\d{2}(:?\d{2})?)$"
LONG_YEAR = r"^[+-]?\d{5,}-"
OWN_UID = re.compile(r"^[0-9a-f]{32}\Z")
RESPONSE_KEYS = ("response_id", "responseId")  # in metadata, where the table has no such column


@dataclass
class ParsedRows:
    """What became of rows.

    Attributes
    ----------
    columns : database column -> values of the accepted rows, ready for COPY: texts of Arrow, so
        that who lands them has nothing left to do but to hand them over; else of NumPy.
    rejected : the others, in order.
    missing : optional column -> number of accepted rows without it.
    last_moment : time of the last row, accepted or not; NaT where it cannot be read.
    own : of rows that were exported here, the uid that each accepted one had where it has no id.
    """

    columns: dict[str, pa.Array | npt.NDArray[Any]]
    rejected: list[RejectedRow]
    missing: dict[str, int]
    last_moment: np.datetime64
    own: Sequence[bytes | None] = ()

    @property
    def accepted(self) -> int:
        return len(self.columns["created_at"])


def parse_rows(
    raw: Sequence[bytes],
    form: RowFormat,
    *,
    now: np.datetime64,
    rows: Sequence[Any] | None = None,
    came: Sequence[Mapping[str, Any] | None] | None = None,
) -> ParsedRows:
    """Check rows and turn them into columns.

    Parameters
    ----------
    raw : rows as JSON objects, UTF-8.
    form : how to read them.
    now : datetime64[us], UTC; later times than this, and a tolerance, are refused.
    rows : the same rows decoded, where the caller has them; even ones are read as columns.
    came : the rows as they came, where a mapping made `raw` of them; kept of those refused.

    Returns
    -------
    Accepted rows as columns and the refused ones with their reason; together all of them.
    """
    return _Parser(raw, form, now, _decode(raw) if rows is None else rows, came).parse()


def _decode(raw: Sequence[bytes]) -> list[Any]:
    try:
        decoded: list[Any] = orjson.loads(b"[" + b",".join(raw) + b"]")
        if len(decoded) == len(raw):
            return decoded
    except orjson.JSONDecodeError:
        pass
    # Some row is not JSON: find out which.
    return [decode_row(one) for one in raw]


class _Parser:
    def __init__(
        self,
        raw: Sequence[bytes],
        form: RowFormat,
        now: np.datetime64,
        rows: Sequence[Any],
        came: Sequence[Mapping[str, Any] | None] | None,
    ) -> None:
        self.raw, self.form, self.now, self.came = raw, form, now, came
        self.count = len(raw)
        self.findings = Findings(np.zeros(self.count, np.int8))
        self.rows: Sequence[Row]
        if isinstance(rows, EvenRows):
            self.rows = rows
        else:
            is_row = np.fromiter((type(row) is dict for row in rows), bool, self.count)
            if not is_row.all():
                self.findings.refuse(~is_row, "unreadable", "", rows)
            self.rows = [row if type(row) is dict else {} for row in rows]
        self.missing: dict[str, int] = {}
        self.columns: dict[str, Any] = {}

    def parse(self) -> ParsedRows:
        table = self.form.table
        self._refuse_oversized()
        for column in table.columns:
            values = self._values(column.name)
            if column.kind == "text":
                self.columns[_column_of(column.name)] = self._text(column, values)
            elif column.kind == "share":
                self.columns[column.name] = self._number(column.name, values, 0.0, 1.0)
                if column.name == table.target:
                    absent = self._where(value is None or value == "" for value in values)
                    self.findings.refuse(absent, "target_missing", column.name, values)
            elif column.kind == "moment":
                self.columns[column.name] = self._moments(column.name, values)
            else:
                self._metadata(column.name, values)
        self._extra()
        return self._result()

    def _values(self, name: str) -> list[Any]:
        source = self.form.columns.get(name)
        if source is None:
            return [None] * self.count
        if isinstance(self.rows, EvenRows):
            return self.rows.columns.get(source) or [None] * self.count
        try:
            return list(map(itemgetter(source), self.rows))  # each row names each column, mostly
        except KeyError:
            return [row.get(source) for row in self.rows]

    def _refuse_oversized(self) -> None:
        names = self.rows.columns if isinstance(self.rows, EvenRows) else None
        most = MAX_ROW_BYTES + (BESIDE if self.form.is_own else 0)
        if max(map(len, self.raw), default=0) <= most and not (
            any(OVERSIZED_KEY in row for row in self.rows)
            if names is None
            else OVERSIZED_KEY in names
        ):
            return
        sizes = [
            row.get(OVERSIZED_KEY, len(raw)) for row, raw in zip(self.rows, self.raw, strict=True)
        ]
        self.findings.refuse(
            np.array(sizes) > most,
            "oversized_row",
            "",
            [words.tally(n, "byte") for n in sizes],
        )

    def _where(self, flags: Iterable[bool]) -> BoolArray:
        return np.fromiter(flags, bool, self.count)

    def _text(self, column: Column, values: list[Any]) -> list[str]:
        kinds = set(map(type, values))
        if not kinds <= {str, NoneType}:
            wrong = [not _is_text_or_number(value) for value in values]
            self.findings.refuse(self._where(wrong), "wrong_type", column.name, values)
            values = [
                None if value is None or bad else str(value)
                for value, bad in zip(values, wrong, strict=True)
            ]
            kinds = {str, NoneType}
        texts = [value or "" for value in values] if NoneType in kinds else values
        if "\0" in "".join(texts):
            nul = self._where("\0" in text for text in texts)
            self.findings.refuse(nul, "nul_character", column.name, texts)
        most = column.max_characters
        if max(map(len, texts), default=0) > most:
            self.findings.refuse(
                self._where(len(text) > most for text in texts),
                "oversized_text",
                column.name,
                [f"{words.tally(len(text), 'character')}, the limit is {most:,}" for text in texts],
            )
        return texts

    def _number(self, name: str, values: list[Any], low: float, high: float) -> FloatArray:
        if set(map(type, values)) <= {float, int, NoneType}:
            numbers = np.array(values, float)  # None becomes NaN
        else:
            numbers = self._mixed_numbers(name, values)
        with np.errstate(invalid="ignore"):
            outside = (numbers < low) | (numbers > high)
        if outside.any():
            self.findings.refuse(np.isinf(numbers), "not_a_number", name, values)
            self.findings.refuse(outside, "out_of_range", f"{name} ({low:g} to {high:g})", values)
        return numbers

    def _mixed_numbers(self, name: str, values: list[Any]) -> FloatArray:
        """Read numbers and texts of numbers; a text that says NaN is no missing value."""
        wrong = [not _is_text_or_number(value) for value in values]
        given = [
            None if bad or value == "" else value for value, bad in zip(values, wrong, strict=True)
        ]
        numbers = pd.to_numeric(pd.Series(given, dtype=object), errors="coerce").to_numpy(float)
        unread = np.isnan(numbers) & self._where(value is not None for value in given)
        named = self._where(str(value).strip().lower() in ("nan", "-nan") for value in given)
        self.findings.refuse(unread & named, "not_a_number", name, values)
        self.findings.refuse(self._where(wrong) | (unread & ~named), "wrong_type", name, values)
        return np.array(numbers, float)

    def _moments(self, name: str, values: list[Any]) -> npt.NDArray[np.datetime64]:
        absent = self._where(value is None or value == "" for value in values)
        self.findings.refuse(absent, "time_missing", name, values)
        if not set(map(type, values)) <= {str, NoneType}:
            wrong = self._where(not isinstance(value, str | None) for value in values)
            self.findings.refuse(wrong, "wrong_type", name, values)
            values = [value if isinstance(value, str) else None for value in values]
        texts = pa.array(values, pa.string())
        zoned = pc.fill_null(pc.match_substring_regex(texts, HAS_ZONE), True)
        zoned = zoned.to_numpy(zero_copy_only=False)
        series = pd.Series(values, dtype="str")
        moments = _utc(series)
        if not zoned.all() and self.form.naive_timezone:
            local = pd.to_datetime(series[~zoned], format="ISO8601", errors="coerce")
            there = local.dt.tz_localize(
                self.form.naive_timezone,
                ambiguous=np.ones(len(local), bool),  # the earlier of the hour that comes twice
                nonexistent="shift_forward",
            )
            moments[~zoned] = there.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("M8[us]")
            zoned = np.ones(self.count, bool)
        unread = np.isnat(moments) & ~absent
        if unread.any():
            infinite = [str(value).strip().lower() in ("infinity", "-infinity") for value in values]
            self.findings.refuse(np.array(infinite) & unread, "time_infinite", name, values)
            long = np.array([bool(re.match(LONG_YEAR, str(value))) for value in values])
            self.findings.refuse(long & unread, "time_out_of_range", name, values)
            ancient = np.array([str(value).rstrip().endswith("BC") for value in values])
            self.findings.refuse(ancient & unread, "time_too_early", name, values)
            self.findings.refuse(unread, "time_unreadable", name, values)
        self.findings.refuse(~zoned, "time_without_zone", name, values)
        self.findings.refuse(moments < EARLIEST, "time_too_early", name, values)
        self.findings.refuse(moments > self.now + FUTURE_TOLERANCE, "time_in_future", name, values)
        return moments

    def _metadata(self, name: str, values: list[Any]) -> None:
        if str in set(map(type, values)):  # a column of text that holds JSON
            values = [_json_or_text(value) if isinstance(value, str) else value for value in values]
        if not set(map(type, values)) <= {dict, NoneType}:
            wrong = self._where(not isinstance(value, dict | None) for value in values)
            self.findings.refuse(wrong, "wrong_type", name, values)
            values = [value if isinstance(value, dict) else None for value in values]
        objects = [value or {} for value in values]
        keys = set(chain.from_iterable(objects))
        for key, (column, low, high) in METRICS.items():
            if key != column and column in keys:  # written as it is called here
                found = [one.get(key, one.get(column)) for one in objects]
            else:
                found = [one.get(key) for one in objects]
            self.columns[column] = self._number(f"{name}.{key}", found, low, high)
        if not self.form.columns.get("response_id") and keys & set(RESPONSE_KEYS):
            first, second = RESPONSE_KEYS
            found = [one.get(first, one.get(second)) for one in objects]
            self.columns["response_id"] = self._text(self.form.table.column("response_id"), found)
        self.columns[name] = self._json(name, values)

    def _extra(self) -> None:
        taken = set(self.form.columns.values())
        if self.form.is_own:
            self._own_extra(taken)
            return
        if isinstance(self.rows, EvenRows):
            others = {k: v for k, v in self.rows.columns.items() if k not in taken}
            self.columns["extra"] = self._extra_of(others) if others else [None] * self.count
            return
        if all(taken.issuperset(keys) for keys in set(map(tuple, self.rows))):
            self.columns["extra"] = [None] * self.count
            return
        extra = [{k: v for k, v in row.items() if k not in taken} or None for row in self.rows]
        self.columns["extra"] = self._json("extra", extra)

    def _own_extra(self, taken: set[str]) -> None:
        """Take back what was kept beside a row when it was exported, and what was added since."""
        kept = self._values("extra")
        wrong = self._where(not isinstance(value, dict | None) for value in kept)
        if wrong.any():
            self.findings.refuse(wrong, "wrong_type", "extra", kept)
            kept = [value if isinstance(value, dict) else None for value in kept]
        added: Iterable[Row]
        if isinstance(self.rows, EvenRows):
            others = {k: v for k, v in self.rows.columns.items() if k not in taken}
            added = EvenRows(others, self.count)
        else:
            added = ({k: v for k, v in row.items() if k not in taken} for row in self.rows)
        extra = [{**one, **more} if one and more else one or more or None
                 for one, more in zip(kept, added, strict=True)]  # fmt: skip
        self.columns["extra"] = self._json("extra", extra)

    def _extra_of(self, others: Mapping[str, list[Any]]) -> list[str | None]:
        """Encode columns without a place; what repeats is encoded once."""
        try:
            distinct = set(zip(*others.values(), strict=True))
        except TypeError:  # a list or an object
            distinct = set()
        if not distinct or len(distinct) > self.count // 4 or not _are_texts(distinct):
            return self._json("extra", list(EvenRows(others, self.count)))
        rows = {key: dict(zip(others, key, strict=True)) for key in distinct}
        if any(_holds_nul(row) for row in rows.values()):
            return self._json("extra", list(EvenRows(others, self.count)))
        encoded: dict[Any, str | None] = {k: orjson.dumps(row).decode() for k, row in rows.items()}
        return [encoded[key] for key in zip(*others.values(), strict=True)]

    def _json(self, name: str, values: list[Any]) -> list[str | None]:
        encoded = [None if value is None else orjson.dumps(value).decode() for value in values]
        suspected = self._where(text is not None and "\\u0000" in text for text in encoded)
        if suspected.any():
            # The six characters may also stand for themselves.
            holds = [bool(one) and _holds_nul(v) for one, v in zip(suspected, values, strict=True)]
            self.findings.refuse(self._where(holds), "nul_character", name, values)
        return encoded

    def _identities(self) -> list[str]:
        ids = self.columns["external_id"]
        responses = self.columns["response_id"]
        own_response = bool(self.form.columns.get("response_id"))
        if all(ids):
            return [f"i{one}" for one in ids]
        if self.form.is_own:
            return self._own_identities(ids, responses)
        names = sorted(self.form.columns.values())
        return [
            f"i{one}"
            if one
            else f"r{response}"
            if response and own_response
            else f"d{digest_of(orjson.dumps([row.get(name) for name in names])).hex()}"
            for one, response, row in zip(ids, responses, self.rows, strict=True)
        ]

    def _own_identities(self, ids: list[str], responses: list[str]) -> list[str]:
        """Of rows that were exported here: what has no id is known by the uid that it had."""
        found = []
        for one, response, uid, raw in zip(ids, responses, self._own_uids(), self.raw, strict=True):
            if one:
                found.append(f"i{one}")
            elif uid is None:
                found.append(f"r{response}" if response else f"d{digest_of(raw).hex()}")
            elif response and self.form.uid(f"r{response}") == uid:
                found.append(f"r{response}")
            else:
                found.append(f"x{uid.hex()}")
        return found

    def _own_uids(self) -> list[bytes | None]:
        texts = map(str, self._values("row_uid"))
        return [bytes.fromhex(text) if OWN_UID.match(text) else None for text in texts]

    def _result(self) -> ParsedRows:
        identities = self._identities()
        uids = _digests(
            f"{self.form.identity_prefix}\0".encode(), [one.encode() for one in identities]
        )
        # A changed mapping makes another row of the same bytes.
        key = repr((sorted(self.form.columns.items()), self.form.naive_timezone)).encode()
        digests = _digests(key, self.raw)

        good = np.flatnonzero(self.findings.codes == 0)
        repeated = pd.Series([uids[number] for number in good.tolist()], dtype=object).duplicated()
        if repeated.any():
            mask = np.zeros(self.count, bool)
            mask[good[repeated.to_numpy()]] = True
            self.findings.refuse(mask, "duplicate", "", [identity[1:] for identity in identities])
        accepted = self.findings.codes == 0

        everything = bool(accepted.all())
        columns: dict[str, Any] = {}
        for name, values in self.columns.items():
            if isinstance(values, np.ndarray):
                columns[name] = values if everything else values[accepted]
            else:
                columns[name] = values if everything else list(compress(values, accepted))
        columns["uid"] = _wide(uids if everything else compress(uids, accepted))
        columns["row_digest"] = _wide(digests if everything else compress(digests, accepted))
        moments = self.columns["created_at"]
        return ParsedRows(
            {
                name: pa.array(values, pa.large_string()) if isinstance(values, list) else values
                for name, values in columns.items()
            },
            self._rejected(uids, identities, digests),
            _missing(columns),
            last_moment=moments[-1] if self.count else np.datetime64("NaT", "us"),
            own=list(compress(self._own_uids(), accepted)) if self.form.is_own else (),
        )

    def _rejected(
        self, uids: list[bytes], identities: list[str], digests: list[bytes]
    ) -> list[RejectedRow]:
        reasons = list(REASONS)
        rejected = []
        seen: set[bytes] = set()
        for number in np.flatnonzero(self.findings.codes).tolist():
            reason = reasons[self.findings.codes[number] - 1]
            column, value = self.findings.columns[number]
            row = self.rows[number]
            uid = uids[number]
            if not row:  # no JSON: known by its bytes
                uid = self.form.uid(f"u{digests[number].hex()}")
            elif reason == "duplicate" or uid in seen:
                uid = self.form.uid(f"{identities[number]}#{digests[number].hex()}")
            seen.add(uid)
            rejected.append(
                RejectedRow(
                    uid=uid,
                    reason=reason,
                    detail=describe_refusal(reason, column, value),
                    external_id=shortened(self.columns["external_id"][number], 200),
                    payload=kept_payload(reason, self._as_it_came(number), self.raw[number]),
                    number=number,
                    field=column.partition(" ")[0],
                )
            )
        return rejected

    def _as_it_came(self, number: int) -> Row:
        came = None if self.came is None else self.came[number]
        return self.rows[number] if came is None else dict(came)


def _column_of(name: str) -> str:
    return "external_id" if name == "id" else name


def _is_text_or_number(value: Any) -> bool:
    return isinstance(value, str | int | float | None) and not isinstance(value, bool)


def _digests(prefix: bytes, texts: Iterable[bytes]) -> list[bytes]:
    """Return 16 bytes for each text, different for each prefix."""
    begun = blake2b(prefix, digest_size=16)
    digests = []
    for text in texts:
        state = begun.copy()
        state.update(text)
        digests.append(state.digest())
    return digests


def _wide(digests: Iterable[bytes]) -> npt.NDArray[np.void]:
    return np.frombuffer(b"".join(digests), "V16")


def _utc(texts: "pd.Series[str]") -> npt.NDArray[np.datetime64]:
    moments = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    return np.array(moments.dt.tz_localize(None).to_numpy("M8[us]"))


def _json_or_text(text: str) -> Any:
    """Decode JSON; a text that is none stays a text, an empty one is None."""
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _are_texts(keys: Iterable[tuple[Any, ...]]) -> bool:
    return all(type(value) is str for key in keys for value in key)


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_holds_nul, value))


def _missing(columns: Mapping[str, Any]) -> dict[str, int]:
    counts = {}
    for name, values in columns.items():
        if name in ("uid", "row_digest", "created_at", "extra"):
            continue
        if isinstance(values, np.ndarray):
            counts[name] = int(np.isnan(values).sum())
        elif name == "metadata":
            counts[name] = values.count(None)
        else:
            counts[name] = values.count("")
    return {name: count for name, count in counts.items() if count}
