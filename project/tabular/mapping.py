"""How the columns of a table become the fields of a door; pure, and the same as JSON and back."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Self

import orjson

from project.tabular.dates import COUNTED, EPOCHS, are_plain, as_iso, of_digits
from project.tabular.doors import Door, FieldSpec
from project.tabular.even import EvenRows
from project.tabular.mend import UNREAD

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NO_VALUE: Final = frozenset({"NULL", "null", "\\N", "#N/A", "#NV", "undefined"})
NO_TEXT: Final = NO_VALUE | {""}
NO_NUMBER: Final = NO_VALUE | {"N/A", "n/a", "NA", "NaN", "nan", "None", "none", "-", "--"}
_NO_NUMBER: Final = NO_NUMBER | {""}
MEMO: Final = 50_000  # distinct values of a column of which the outcome is remembered

_BETWEEN = re.compile(r"[\n;|,]| / ")  # words of a list
_THOUSANDS = {
    ".": re.compile(r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$"),
    ",": re.compile(r"^[+-]?[1-9]\d{0,2}([.\u202f\u00a0 ']\d{3})+(,\d+)?$"),
}
_NUMBER = {
    ".": re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"),
    ",": re.compile(r"^[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d{1,3})?$"),
}
_PLAIN: Final = r"^-?\d{1,18}(\.\d{1,18})?$"
_STARS = re.compile(
    r"^(\d+(?:[.,]\d+)?)\s*(?:(?:/|of|out of|von|sur|de)\s*(\d+)|stars?|points?|pts?|sterne?"
    r"|punkte?|years?(?: old)?|yrs?|jahre)$",
    re.I,
)
_STAR_SIGNS: Final = "★⭐"
_NO_STAR_SIGNS: Final = "☆✩\N{VARIATION SELECTOR-16}"


@dataclass(frozen=True)
class ColumnMap:
    """How one field is read.

    Attributes
    ----------
    field : name of the field.
    column : name of the column, or its path in an object: `metadata.metrics.codeQuality`.
    scale : the ends of the column's scale, which become the ends of the field's range.
    values : text of the column to what it means; numbers are looked up as they are written.
    dates : a key of DATE_FORMATS; empty for what is no moment.
    zone : of moments that say none; empty where all of them say theirs.
    decimal : what stands before the decimals of numbers.
    """

    field: str
    column: str
    scale: tuple[float, float] | None = None
    values: Mapping[str, Any] | None = None
    dates: str = ""
    zone: str = ""
    decimal: str = "."


@dataclass(frozen=True)
class TableMapping:
    """How the rows of one kind of table are read.

    Attributes
    ----------
    door : name of the door.
    columns : one for each field that the table has.
    constants : fields that are the same in every row.
    is_exact : whether values are taken as they stand: of what was exported here.
    """

    door: str
    columns: tuple[ColumnMap, ...]
    constants: Mapping[str, Any] = field(default_factory=dict)
    is_exact: bool = False

    def of(self, name: str) -> ColumnMap | None:
        """How a field is read; None where the table has no column for it."""
        return next((one for one in self.columns if one.field == name), None)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        """Return what `as_dict` made.

        Raises
        ------
        ValueError
            When it is none.
        """
        try:
            columns = tuple(
                ColumnMap(
                    **{
                        **one,
                        "scale": None if one.get("scale") is None else _ends(one["scale"]),
                    }
                )
                for one in kept["columns"]
            )
            constants = dict(kept.get("constants") or {})
            return cls(str(kept["door"]), columns, constants, bool(kept.get("is_exact")))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"Expected a mapping of columns; {error!r}.") from error


def _ends(scale: Sequence[Any]) -> tuple[float, float]:
    low, high = (float(end) for end in scale)
    if not low < high or not math.isfinite(high - low):
        raise ValueError(f"Expected a scale from a lower to a higher end, got {low:g} to {high:g}.")
    return low, high


# --- Applying ------------------------------------------------------------------------------------


class Mapper:
    """Applies one mapping to the rows of a table, chunk by chunk.

    What cannot be converted stays as it was, so that the door says of each row why it is refused.
    """

    def __init__(self, door: Door, mapping: TableMapping) -> None:
        self.door, self.mapping = door, mapping
        reader = _exactly if mapping.is_exact else _converter
        self._converters = [(one, reader(door.field(one.field), one)) for one in mapping.columns]
        self._taken = {one.column for one in mapping.columns}
        self._fields = {one.field for one in mapping.columns} | set(mapping.constants)
        self._inner = _inner_names(self._fields)

    def apply(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[dict[str, Any]]:
        """Return each row in the form that the door takes; even rows stay even where they can."""
        columns = {
            one.field: convert(column_of(rows, one.column)) for one, convert in self._converters
        }
        for name, value in self.mapping.constants.items():
            columns[name] = [value] * len(rows)
        even = EvenRows(self._put_inside(columns), len(rows))
        if not self.door.keeps_extra or not rows:
            return even
        if isinstance(rows, EvenRows):
            names = sorted(rows.columns.keys() - self._taken - self._fields - UNREAD)
            beside = {name: rows.columns[name] for name in names if any(rows.columns[name])}
            if all(map(all, beside.values())):
                return EvenRows({**even.columns, **beside}, len(rows))
        mapped = list(even)
        self._keep_extra(mapped, rows)
        return mapped

    def _put_inside(self, columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Make one column of objects of those whose names are paths in it.

        Nothing is put for a value that is missing, and no object is made for nothing.
        """
        for head, names in self._inner.items():
            keys = [name.removeprefix(f"{head}.") for name in names]
            cells = zip(*(columns.pop(name) for name in names), strict=True)
            found: list[Any] = [
                {key: value for key, value in zip(keys, row, strict=True) if value is not None}
                for row in cells
            ]
            outer = columns.get(head)
            if outer is None:
                columns[head] = [one or None for one in found]
            else:  # an object on the way is copied, never changed
                columns[head] = [
                    ({**(whole if isinstance(whole, dict) else {}), **one}) if one else whole
                    for whole, one in zip(outer, found, strict=True)
                ]
        return columns

    def _keep_extra(
        self, mapped: Sequence[dict[str, Any]], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Leave columns that are no field beside the row, under their own names."""
        names = rows[0].keys()
        is_even = all(row.keys() == names for row in rows)
        others = {*names} if is_even else set().union(*(row.keys() for row in rows))
        for name in sorted(others - self._taken - self._fields - UNREAD):
            for row, came in zip(mapped, rows, strict=True):
                value = came.get(name)
                if value is not None and value != "":
                    row[name] = value


def _inner_names(fields: Iterable[str]) -> dict[str, list[str]]:
    """Return objects to the fields that are paths in them, of one level."""
    inner: dict[str, list[str]] = {}
    for name in sorted(fields):
        head, _, rest = name.partition(".")
        if rest:
            inner.setdefault(head, []).append(name)
    return inner


def column_of(rows: Sequence[Mapping[str, Any]], column: str) -> list[Any]:
    """Return the values of a column, or of a path in objects; None where a row has none."""
    if isinstance(rows, EvenRows) and column in rows.columns:
        return rows.columns[column]
    if "." not in column:
        return [row.get(column) for row in rows]
    return [value_at(row, column) for row in rows]


def value_at(row: Mapping[str, Any], column: str) -> Any:
    """Return the value of a column, or at a path in an object or a text that holds one."""
    if column in row:
        return row[column]
    head, _, rest = column.partition(".")
    inner = row.get(head)
    if isinstance(inner, str) and inner.lstrip().startswith("{"):
        inner = loaded(inner)
    return value_at(inner, rest) if isinstance(inner, dict) and rest else None


def loaded(text: str) -> Any:
    """The value of a text that holds JSON; None where it holds none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _exactly(spec: FieldSpec, how: ColumnMap) -> Callable[[list[Any]], list[Any]]:
    """Take values for what they say: a cell is what was exported, whatever others mean by it."""
    if spec.kind == "moment" and spec.in_milliseconds:
        return lambda values: moments(values, how, in_milliseconds=True)
    if spec.kind == "number":
        return lambda values: _exact_numbers(values, spec)
    if spec.kind in ("words", "object"):
        return lambda values: [
            (loaded(value) if value else None) if isinstance(value, str) else value
            for value in values
        ]
    return lambda values: values if "" not in values else [value or None for value in values]


def _exact_numbers(values: list[Any], spec: FieldSpec) -> list[Any]:
    known: dict[str, Any] = {}
    for text in {value for value in values if isinstance(value, str)}:
        number = read_number(text)
        known[text] = text or None if number is None else _as_asked_for(number, spec)
    return [known[value] if isinstance(value, str) else value for value in values]


def _converter(spec: FieldSpec, how: ColumnMap) -> Callable[[list[Any]], list[Any]]:
    if spec.kind == "moment":
        return lambda values: moments(values, how, in_milliseconds=spec.in_milliseconds)
    readers: dict[str, Callable[[Any], Any]] = {
        "number": lambda value: _number(value, spec, how),
        "choice": lambda value: _choice(value, spec, how),
        "words": words_of,
        "object": _object,
        "text": lambda value: _text(value, how),
    }
    one = readers[spec.kind]
    memo: dict[Any, Any] = {}
    is_plain = spec.kind == "text" and how.values is None
    is_number = spec.kind == "number" and how.values is None and how.decimal == "."

    def convert(values: list[Any]) -> list[Any]:
        kinds = set(map(type, values))
        if list in kinds or dict in kinds:
            return [one(value) for value in values]
        if kinds <= {str, NoneType}:
            if is_plain and NO_TEXT.isdisjoint(values):
                return values
            if is_number and (numbers := plain_numbers(values)) is not None:
                found = _on_scale(numbers, spec, how).tolist()
                return [_as_asked_for(one, spec) for one in found] if spec.is_whole else found
            found = {value: one(value) for value in set(values)}
            return [found[value] for value in values]
        if len(memo) > MEMO:
            memo.clear()
        # True and 1 are one key, and are not one value.
        for value in set(zip(map(type, values), values, strict=True)):
            if value not in memo:
                memo[value] = one(value[1])
        return [memo[key] for key in zip(map(type, values), values, strict=True)]

    return convert


def plain_numbers(texts: Sequence[Any]) -> "npt.NDArray[np.float64] | None":
    """Read texts that are all digits, perhaps with a sign and a point; None where one is another.

    They are what `read_number` makes of them.
    """
    import pyarrow as pa  # loaded where rows are read: the models of mappings know this module
    import pyarrow.compute as pc

    try:
        given = pa.array(texts, pa.string())
    except (UnicodeEncodeError, pa.ArrowInvalid):
        return None
    is_plain = pc.all(pc.match_substring_regex(given, _PLAIN), skip_nulls=False)
    return given.cast(pa.float64()).to_numpy() if is_plain.as_py() else None


def _on_scale(number: Any, spec: FieldSpec, how: ColumnMap) -> Any:
    """Lay a number, or an array of them, from the column's scale to the field's range."""
    if how.scale is None or spec.low is None or spec.high is None:
        return number
    low, high = how.scale
    return spec.low + (number - low) / (high - low) * (spec.high - spec.low)


def _as_asked_for(number: float, spec: FieldSpec) -> float | int:
    return int(number) if spec.is_whole and number.is_integer() else number


def written(value: Any) -> str:
    """A value as a value map has it: text stripped, numbers without needless decimals."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value).strip()


def read_number(value: Any, decimal: str = ".") -> float | None:
    """Read a number; a percent sign, thousands and `4/5` or `4 stars` are understood.

    Returns
    -------
    The number as it is written (85 for "85 %", 4 for "4/5"), None for what is none.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        number = float(value) if abs(value) < 1e300 else None
        return number if number is not None and math.isfinite(number) else None
    if not isinstance(value, str) or len(value) > 60:
        return None
    text = value.strip().removesuffix("%").strip().replace("\N{MINUS SIGN}", "-")
    if text and not text.strip(_STAR_SIGNS + _NO_STAR_SIGNS):
        return float(sum(map(text.count, _STAR_SIGNS)))
    if (counted := _STARS.match(text)) is not None:
        text = counted.group(1)
    if _THOUSANDS[decimal].match(text):
        text = re.sub(r"[^\d+\-.,]", "", text).replace("," if decimal == "." else ".", "")
    elif not _NUMBER[decimal].match(text):
        return None
    try:
        number = float(text.replace(",", ".")) if decimal == "," else float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def out_of(text: str) -> float | None:
    """The top of a scale that a number names itself: 5 of "4/5"; None where it names none."""
    counted = _STARS.match(text.strip())
    return float(counted.group(2)) if counted is not None and counted.group(2) else None


def _number(value: Any, spec: FieldSpec, how: ColumnMap) -> Any:
    if value is None or (isinstance(value, str) and value.strip() in _NO_NUMBER):
        return None
    if how.values is not None:
        known = how.values.get(written(value))
        if known is None and isinstance(value, str):
            known = how.values.get(value.strip().casefold())
        if known is not None:
            return _as_asked_for(known, spec) if isinstance(known, float) else known
        return value if isinstance(value, str) else written(value)
    number = read_number(value, how.decimal)
    if number is None:
        return value
    return _as_asked_for(_on_scale(number, spec, how), spec)


def _choice(value: Any, spec: FieldSpec, how: ColumnMap) -> Any:
    if value is None or (isinstance(value, str) and value.strip() in NO_VALUE | {""}):
        return None
    text = written(value)
    if how.values is not None:
        known = how.values.get(text, how.values.get(text.casefold()))
        return value if known is None else known
    return spelt(text, spec) or value


def spelt(text: str, spec: FieldSpec) -> str | None:
    """The choice that a text spells, whatever its case and separators; None where it is another."""
    plain = re.sub(r"[\s_-]+", "", text.casefold())
    for word in spec.choices:
        if re.sub(r"[\s_-]+", "", word.casefold()) == plain:
            return word
    return None


def _text(value: Any, how: ColumnMap) -> Any:
    if how.values is not None and (known := how.values.get(written(value))) is not None:
        return known
    if isinstance(value, str):
        return None if value.strip() in NO_TEXT else value
    if isinstance(value, bool) or value is None or isinstance(value, list | dict):
        return value
    return written(value)


def _object(value: Any) -> Any:
    if isinstance(value, str):
        if not value.strip() or value.strip() in NO_VALUE:
            return None
        return found if isinstance(found := loaded(value), dict) else value
    return value


def words_of(value: Any) -> Any:
    """A list of words out of JSON, PostgreSQL's `{a,b}`, or text with `;`, `|`, `,`."""
    if value is None or isinstance(value, list):
        return value
    if not isinstance(value, str):
        return [written(value)]
    text = value.strip()
    if not text or text in NO_VALUE:
        return None
    if text.startswith("[") and text.endswith("]"):
        found = loaded(text)
        if found is None and '"' not in text:
            found = loaded(text.replace("'", '"'))  # as Python writes a list
        if isinstance(found, list):
            return [one if isinstance(one, str) else written(one) for one in found]
    if text.startswith("{") and text.endswith("}") and ":" not in text:
        text = text[1:-1].replace('"', "")
    return [part.strip().strip("\"'").strip() for part in _BETWEEN.split(text) if part.strip()]


# --- Moments -------------------------------------------------------------------------------------


def moments(values: list[Any], how: ColumnMap, *, in_milliseconds: bool) -> list[Any]:
    """Return moments as the door takes them; what cannot be read stays as it came."""
    if how.dates in EPOCHS:
        micro = _of_epochs(values, how.dates)
        if how.dates == "excel":
            micro = _in_zone(micro, how.zone)
        return _as_asked(micro, values, in_milliseconds=in_milliseconds)
    order = how.dates if how.dates in ("dmy", "mdy") else ""
    if how.dates in COUNTED:
        texts = [None if value is None else of_digits(written(value)) for value in values]
    elif are_plain(values):
        texts = values
    else:
        texts = [
            value
            if not isinstance(value, str)
            else None
            if value.strip() in _NO_NUMBER
            else as_iso(value, order)
            for value in values
        ]
    if not how.zone and not in_milliseconds:
        return texts
    return _in_utc(texts, how.zone, in_milliseconds=in_milliseconds)


_ZONED: Final = r"(?i)[T ]\d{2}:?\d{2}.*(?:z|utc|gmt|[+-]\d{2}(?::?\d{2})?)$"
_LOCAL: Final = r"^\d{4}-?\d{2}-?\d{2}(?:[T ]\d{2}:?\d{2}(?::?\d{2}(?:[.,]\d+)?)?)?$"


def _in_utc(texts: list[Any], zone: str, *, in_milliseconds: bool) -> list[Any]:
    import pandas as pd  # loaded where rows are read: the models of mappings know this module

    given = pd.Series([one if isinstance(one, str) else None for one in texts], dtype="str")
    zoned = given.str.contains(_ZONED, na=False)
    moment = pd.to_datetime(given.where(zoned), format="ISO8601", errors="coerce", utc=True)
    micro = moment.dt.tz_localize(None).to_numpy("M8[us]")
    if zone and not zoned.all():
        is_local = ~zoned & given.str.contains(_LOCAL, na=False)
        local = pd.to_datetime(given.where(is_local), format="ISO8601", errors="coerce")
        here = is_local.to_numpy()
        micro = micro.copy()
        micro[here] = _in_zone(local.to_numpy("M8[us]")[here], zone)
    return _as_asked(micro, texts, in_milliseconds=in_milliseconds)


def _in_zone(moments: Any, zone: str) -> Any:
    """Take moments for those of a zone; returns them in UTC."""
    import numpy as np
    import pandas as pd

    if not zone:
        return moments
    there = pd.Series(moments).dt.tz_localize(
        zone,
        ambiguous=np.ones(len(moments), bool),  # the earlier of the hour that comes twice
        nonexistent="shift_forward",
    )
    return there.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("M8[us]")


def _of_epochs(values: list[Any], dates: str) -> Any:
    """Moments of numbers, NaT where a value is none."""
    import numpy as np

    numbers = plain_numbers(values) if {str} == set(map(type, values)) else None
    if numbers is None:
        numbers = np.array([np.nan if (n := read_number(v)) is None else n for v in values], float)
    factor, begins = EPOCHS[dates]
    with np.errstate(over="ignore", invalid="ignore"):
        micro = np.round((numbers - begins) * factor)
        if dates == "excel":  # which writes no more of a day than gives its seconds
            micro = np.round(micro / 1e6) * 1e6
        micro[~(np.abs(micro) < 2**62)] = np.nan
    moment = np.full(len(values), np.datetime64("NaT", "us"))
    is_number = ~np.isnan(micro)
    moment[is_number] = micro[is_number].astype(np.int64).astype("M8[us]")
    return moment


def _as_asked(moment: Any, values: list[Any], *, in_milliseconds: bool) -> list[Any]:
    import numpy as np

    is_read = ~np.isnat(moment)
    found: list[Any]
    if in_milliseconds:
        found = moment.astype("M8[ms]").astype(np.int64).tolist()
    else:
        found = [f"{text}Z" for text in np.datetime_as_string(moment, unit="us").tolist()]
    return [
        new if ok else old for new, ok, old in zip(found, is_read.tolist(), values, strict=True)
    ]
