"""What the columns of a table hold, over all of its rows: a mapping is proposed from it, and judged
by it, before one row lands."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from project.tabular.dates import NAMED, NAMED_C, NAMED_US, SLASHED, YEAR_FIRST
from project.tabular.doors import Door
from project.tabular.even import EvenRows
from project.tabular.mapping import (
    NO_NUMBER,
    column_of,
    loaded,
    out_of,
    plain_numbers,
    read_number,
    written,
)
from project.tabular.rows import AGAIN

FloatArray = npt.NDArray[np.float64]

WORDS_KEPT: Final = 1_000  # distinct texts of a column that are counted one by one
EXAMPLES: Final = 5
MAX_DEPTH: Final = 4  # of objects whose values are columns
MAX_PATHS: Final = 500
# Scales that ratings are given on; the order is that in which they are thought of.
SCALES: Final = ((0.0, 1.0), (-1.0, 1.0), (1.0, 5.0), (0.0, 5.0), (0.0, 10.0), (1.0, 10.0),
                 (0.0, 100.0), (-100.0, 100.0), (-2.0, 2.0), (-3.0, 3.0), (-5.0, 5.0),
                 (-10.0, 10.0), (0.0, 2.0), (1.0, 2.0), (0.0, 3.0), (1.0, 3.0), (0.0, 4.0),
                 (1.0, 6.0), (1.0, 7.0))  # fmt: skip
_ISO = (
    r"(?i)^\d{4}-?\d{2}-?\d{2}"
    r"([T ]\d{2}:?\d{2}(:?\d{2}([.,]\d+)?)?\s*(z|utc|gmt|[+-]\d{2}(:?\d{2})?)?)?$"
    rf"|{YEAR_FIRST}|^[+-]?\d{{5,}}-\d|^-?infinity$| BC$"
)
_ZONED = (
    r"(?i)[T ]\d{1,2}:?\d{2}.*(z|utc|gmt|[+-]\d{2}:?\d{2})$|:\d{2}.*[+-]\d{2}$"
    r"|:\d{2} (z|utc|gmt|[+-]\d{4}) \d{4}$"
)
_TIMED = r"\d{1,2}:\d{2}|T\d{4}"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # what neither a database nor UTF-8 takes


@dataclass
class ColumnSurvey:
    """What one column holds.

    Attributes
    ----------
    name : of the column, or its path in objects.
    rows, blank : how many rows were looked at, and how many of them have nothing in it.
    texts : each distinct text that is no number, to how often; None beyond WORDS_KEPT.
    examples : first values that are not blank, as they came.
    whole, fractions : numbers that are whole, and that lie between 0 and 1 without the ends.
    low, high : least and greatest number.
    outside : for each of the scales asked for, how many numbers lie outside.
    flags : how many values are true or false.
    percents : how many numbers carry a percent sign.
    tops : ends of scales that numbers name themselves, as 5 in "4/5", to how often.
    objects, lists : how many values are such.
    numbers : distinct numbers as they are written, to how often; None beyond WORDS_KEPT.
    """

    name: str
    rows: int = 0
    blank: int = 0
    texts: Counter[str] | None = field(default_factory=Counter)
    numbers: Counter[str] | None = field(default_factory=Counter)
    text_count: int = 0
    examples: list[Any] = field(default_factory=list)
    number_count: int = 0
    comma_count: int = 0
    either_count: int = 0
    whole: int = 0
    fractions: int = 0
    low: float = np.inf
    high: float = -np.inf
    outside: Counter[tuple[float, float]] = field(default_factory=Counter)
    flags: int = 0
    percents: int = 0
    tops: Counter[float] = field(default_factory=Counter)
    objects: int = 0
    lists: int = 0
    iso: int = 0
    zoned: int = 0
    timed: int = 0
    slashed: int = 0
    day_first: int = 0
    month_first: int = 0
    named: int = 0

    @property
    def filled(self) -> int:
        """Rows in which something stands."""
        return self.rows - self.blank

    @property
    def decimal(self) -> str:
        """What stands before the decimals, as far as the numbers tell."""
        return "," if self.comma_count > self.number_count else "."


class Survey:
    """Looks at rows chunk by chunk.

    Attributes
    ----------
    columns : name or path to what is known of it.
    rows : how many were looked at.
    """

    def __init__(self, door: Door, scales: Iterable[tuple[float, float]] = ()) -> None:
        """Prepare; numbers are compared with the ranges of the door, `SCALES` and `scales`."""
        self._scales = {*SCALES, *scales}
        for one in door.fields:
            if one.low is not None and one.high is not None:
                self._scales.add((one.low, one.high))
        self.columns: dict[str, ColumnSurvey] = {}
        self.rows = 0
        self._read: frozenset[str] | None = None  # columns whose values are read; None: of all
        self._numbers: dict[str, tuple[float | None, float | None]] = {}
        self.differing: set[str] = set()

    def narrow(self, columns: Iterable[str]) -> None:
        """From now on look at these columns only; of others it is known that they are there."""
        self._read = frozenset(columns)

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Look at more rows."""
        if self._read is None:
            names = self._paths(rows)
        else:
            # What came late may decide something as well.
            self._read |= self._new_names(rows)
            names = list(self._read)
        for name in names:
            self._column(name, rows)
        self.rows += len(rows)
        self._compare_again(rows)

    def _new_names(self, rows: Sequence[Mapping[str, Any]]) -> set[str]:
        """Columns, and paths in objects, that no row had before."""
        new: set[str] = set()
        for row in _with_all_names(rows):
            if not self.columns.keys() >= row.keys():
                new |= row.keys() - self.columns.keys()
        objects = [one for one, known in self.columns.items() if known.objects]
        for name in (*objects, *list(new)):
            new.update(path for path in self._within(name, rows) if path not in self.columns)
        if len(self.columns) >= MAX_PATHS:
            return set()
        return {name for name in new if not _UNSTORABLE.search(name)}

    def _paths(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Columns and paths that can be kept by their name; others are no columns."""
        names: dict[str, None] = dict.fromkeys(self.columns)
        for row in _with_all_names(rows):
            if not names.keys() >= row.keys():
                names.update(dict.fromkeys(row))
        paths = list(names)
        for name in list(names):
            if name not in self.columns or self.columns[name].objects:
                paths += self._within(name, rows)
        known = dict.fromkeys(path for path in paths if not _UNSTORABLE.search(path))
        return list(known)[:MAX_PATHS]

    def _within(self, name: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        found: dict[str, None] = {}
        for value in column_of(rows[:1_000], name):
            inner = loaded(value) if isinstance(value, str) and value[:1] == "{" else value
            if isinstance(inner, dict):
                _collect(name, inner, found, 1)
        return list(found)

    def _column(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        column = self.columns.get(name)
        if column is None:
            column = self.columns[name] = ColumnSurvey(name, rows=self.rows, blank=self.rows)
        values = column_of(rows, name)
        column.rows += len(values)
        filled = [
            value
            for value in values
            if value is not None and not (isinstance(value, str) and not value.strip())
        ]
        column.blank += len(values) - len(filled)
        if len(column.examples) < EXAMPLES:
            column.examples += filled[: EXAMPLES - len(column.examples)]
        self._classify(column, filled)

    def _classify(self, column: ColumnSurvey, filled: list[Any]) -> None:
        kinds = set(map(type, filled))
        if dict in kinds or list in kinds:
            column.objects += sum(isinstance(value, dict) for value in filled)
            column.lists += sum(isinstance(value, list) for value in filled)
            filled = [value for value in filled if not isinstance(value, dict | list)]
        if bool in kinds:
            column.flags += sum(isinstance(value, bool) for value in filled)
            if column.texts is not None:
                column.texts.update(written(value) for value in filled if isinstance(value, bool))
            filled = [value for value in filled if not isinstance(value, bool)]
        texts = filled
        counted: list[float] = []
        if not kinds <= {str}:
            texts = [value for value in filled if isinstance(value, str)]
            counted = [float(one) for one in filled if isinstance(one, int | float)]
            column.number_count += len(counted)
            column.comma_count += len(counted)
        if texts and texts[0][:1] == "{":
            column.objects += sum(isinstance(loaded(text), dict) for text in texts)
        self._count_numbers(column, np.append(self._numbers_of(column, texts), counted))
        if column.number_count < column.filled * 0.9 or column.slashed:
            self._count_moments(column, texts)

    def _numbers_of(self, column: ColumnSurvey, texts: list[str]) -> FloatArray:
        """Read texts as numbers, with a point and with a comma before the decimals."""
        if not texts:
            return np.array([])
        numbers = plain_numbers(texts)
        if numbers is not None:  # whatever stands before the decimals, there is no comma
            column.number_count += len(numbers)
            column.comma_count += len(numbers)
            return numbers
        distinct = Counter(texts)
        if len(distinct) > WORDS_KEPT and column.texts is None and not column.number_count:
            column.text_count += len(texts)  # texts, all of them different: nothing to read
            return np.array([])
        found = []
        for text, count in distinct.items():
            known = self._numbers.get(text)
            if known is None:
                known = read_number(text), read_number(text, ",") if "," in text else None
                if len(self._numbers) < 200_000:
                    self._numbers[text] = known
            point, comma = known
            if "," not in text:
                comma = point
            if point is None and comma is None:
                if text.strip() in NO_NUMBER:
                    column.blank += count
                    continue
                column.text_count += count
                if column.texts is not None:
                    column.texts[text.strip()] += count
                continue
            column.number_count += count if point is not None else 0
            column.comma_count += count if comma is not None else 0
            column.either_count += count if point is not None and point != comma else 0
            column.percents += count if "%" in text else 0
            if (top := out_of(text)) is not None:
                column.tops[top] += count
            number = comma if point is None else point
            assert number is not None  # noqa: S101 - one of them is
            found += [number] * count
        if column.texts is not None and len(column.texts) > WORDS_KEPT:
            column.texts = None
        return np.array(found)

    def _count_numbers(self, column: ColumnSurvey, values: FloatArray) -> None:
        if not len(values):
            return
        column.low = min(column.low, float(values.min()))
        column.high = max(column.high, float(values.max()))
        column.whole += int((values == np.floor(values)).sum())
        column.fractions += int(((values > 0) & (values < 1)).sum())
        for low, high in self._scales:
            column.outside[low, high] += int(((values < low) | (values > high)).sum())
        if column.numbers is not None:
            kinds, counts = np.unique(values, return_counts=True)
            if len(kinds) + len(column.numbers) > WORDS_KEPT:
                column.numbers = None
            else:
                for number, count in zip(kinds.tolist(), counts.tolist(), strict=True):
                    column.numbers[written(number)] += count

    def _count_moments(self, column: ColumnSurvey, texts: list[str]) -> None:
        if not texts:
            return
        try:
            given = pa.array(texts, pa.string())
        except UnicodeEncodeError:  # half a character: no part of a time
            given = pa.array([text.encode("utf-8", "replace") for text in texts]).cast(pa.string())
        array = pc.utf8_trim_whitespace(given)
        is_iso = pc.match_substring_regex(array, _ISO)
        iso = int(pc.sum(is_iso).as_py() or 0)
        column.iso += iso
        if iso:
            times = array.filter(is_iso)
            column.zoned += int(pc.sum(pc.match_substring_regex(times, _ZONED)).as_py() or 0)
            column.timed += int(pc.sum(pc.match_substring_regex(times, _TIMED)).as_py() or 0)
        if iso == len(texts):
            return
        others = array.filter(pc.invert(is_iso))
        slashed = others.filter(pc.match_substring_regex(others, SLASHED))
        column.slashed += len(slashed)
        named = others.filter(pc.match_substring_regex(others, f"{NAMED}|{NAMED_US}|{NAMED_C}"))
        column.named += len(named)
        for times in (slashed, named):
            column.zoned += int(pc.sum(pc.match_substring_regex(times, _ZONED)).as_py() or 0)
            column.timed += int(pc.sum(pc.match_substring_regex(times, _TIMED)).as_py() or 0)
        if len(slashed):
            parts = pc.extract_regex(slashed, r"^(?P<a>\d{1,2})[./-](?P<b>\d{1,2})")
            first = pc.struct_field(parts, "a").cast(pa.int32()).to_numpy(zero_copy_only=False)
            second = pc.struct_field(parts, "b").cast(pa.int32()).to_numpy(zero_copy_only=False)
            column.day_first += int(((first > 12) & (second <= 12)).sum())
            column.month_first += int(((second > 12) & (first <= 12)).sum())

    def _compare_again(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Note columns of one name whose values differ."""
        for name in self.columns:
            first, again, _ = name.partition(AGAIN)
            if again and column_of(rows, first) != column_of(rows, name):
                self.differing.add(first)


def _with_all_names(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """So many of the rows that each column is in one of them."""
    return rows[:1] if isinstance(rows, EvenRows) else rows


def survey_of_counts(name: str, counts: Iterable[tuple[Any, int]], door: Door) -> ColumnSurvey:
    """What a column holds, of its distinct values and how often each came."""
    total = ColumnSurvey(name)
    for value, count in counts:
        one = Survey(door)
        one.add([{name: value}])
        _add_times(total, one.columns[name], count)
    return total


def _add_times(total: ColumnSurvey, one: ColumnSurvey, count: int) -> None:
    for each in fields(ColumnSurvey):
        known = getattr(one, each.name)
        if isinstance(known, Counter):
            held = getattr(total, each.name)
            if held is not None:
                for key, number in known.items():
                    held[key] += number * count
        elif each.name == "low":
            total.low = min(total.low, known)
        elif each.name == "high":
            total.high = max(total.high, known)
        elif isinstance(known, int):
            setattr(total, each.name, getattr(total, each.name) + known * count)
    if len(total.examples) < EXAMPLES:
        total.examples += one.examples


def _collect(path: str, value: Mapping[str, Any], found: dict[str, None], depth: int) -> None:
    for key, inner in value.items():
        if not isinstance(key, str) or len(found) >= MAX_PATHS:
            continue
        if isinstance(inner, dict) and depth < MAX_DEPTH:
            _collect(f"{path}.{key}", inner, found, depth + 1)
        else:
            found[f"{path}.{key}"] = None
