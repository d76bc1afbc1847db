"""How people write moments, and the same as ISO 8601; pure, and without a word on zones."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

# How a moment is written: ISO 8601, day or month or year first, digits, or a count of something.
DATE_FORMATS: Final = {
    "iso": "ISO 8601",
    "dmy": "day/month/year",
    "mdy": "month/day/year",
    "s": "seconds since 1970",
    "ms": "milliseconds since 1970",
    "us": "microseconds since 1970",
    "ns": "nanoseconds since 1970",
    "excel": "days since 1900, as spreadsheets count",
    "digits": "digits alone: YYYYMMDD, YYYYMMDDhhmmss",
}
# Microseconds in one, and which of them 1970 began with. A spreadsheet's day 1 is 1900-01-01, and
# it counts a 29 February 1900 that there was not: day 0 is 1899-12-30 for all days since.
EPOCHS: Final[dict[str, tuple[float, int]]] = {
    "s": (1e6, 0),
    "ms": (1e3, 0),
    "us": (1.0, 0),
    "ns": (1e-3, 0),
    "excel": (86_400e6, 25_569),
}
COUNTED: Final = frozenset({*EPOCHS, "digits"})  # written as numbers
ZONELESS: Final = frozenset({"excel", "digits"})  # numbers that say no zone
DIGITS: Final = (8, 12, 14)

_ZONE = r"\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?"
_CLOCK = (
    r"(?:[ ,T]+(\d{1,2}):(\d{2})(?::(\d{2})([.,]\d{1,9})?)?\s*([AaPp]\.?[Mm]\.?)?" + _ZONE + r")?$"
)
_WEEKDAY = r"^(?:\pL{2,10}\.?,? +)?"
_MONTH = r"(\pL{3,10})\.?,?"
SLASHED: Final = r"^(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})" + _CLOCK
YEAR_FIRST: Final = r"^(\d{4})[./-](\d{1,2})[./-](\d{1,2})" + _CLOCK
NAMED: Final = (
    _WEEKDAY
    + r"(\d{1,2})(?:st|nd|rd|th|\.|º)?[ -](?:de )?"
    + _MONTH
    + r"[ -](?:de )?(\d{4})"
    + _CLOCK
)
NAMED_US: Final = _WEEKDAY + _MONTH + r" +(\d{1,2})(?:st|nd|rd|th)?,? +(\d{4})" + _CLOCK
# As C and Unix write it, with or without a zone: Mon Jan 20 14:05:00 +0000 2025.
NAMED_C: Final = (
    r"^\pL{3} (\pL{3}) +(\d{1,2}) (\d{2}):(\d{2}):(\d{2})(?: (Z|UTC|GMT|[+-]\d{4}))? (\d{4})$"
)
_COMPACT: Final = re.compile(
    r"^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(?:(\d{2})([.,]\d{1,9})?)?()" + _ZONE + "$"
)
_SLASHED, _YEAR_FIRST, _NAMED, _NAMED_US, _NAMED_C = (
    re.compile(pattern.replace(r"\pL", r"[^\W\d_]"))
    for pattern in (SLASHED, YEAR_FIRST, NAMED, NAMED_US, NAMED_C)
)
# Plain ISO 8601, which needs nothing.
PLAIN: Final = (
    r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?$"
)
_PLAIN: Final = re.compile(PLAIN)
# How months begin, in English, German, French, Spanish, Italian, Portuguese and Dutch.
_MONTHS: Final = {
    beginning: number
    for number, beginnings in enumerate(
        (
            "jan ene gen jän", "feb fev fév", "mar mär maa mrt", "apr avr abr", "may mai mag mei",
            "jun juin giu", "jul juil lug", "aug aoû aou ago", "sep set", "oct okt out ott", "nov",
            "dec dez déc dic",
        ),
        start=1,
    )
    for beginning in beginnings.split()
}  # fmt: skip


def are_plain(values: Sequence[Any]) -> bool:
    """Whether a whole column is texts in plain ISO 8601, told without looking at each in turn."""
    if set(map(type, values)) != {str}:
        return False
    import pyarrow as pa  # loaded where rows are read: the models of mappings know this module
    import pyarrow.compute as pc

    try:
        texts = pa.array(values, pa.string())
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return bool(pc.all(pc.match_substring_regex(texts, PLAIN)).as_py())


def as_iso(text: str, order: str) -> str:
    """Write a moment of another format as ISO 8601; what is none stays as it is.

    Parameters
    ----------
    order : dmy or mdy, of moments whose day and month are two numbers; others need none
    """
    if _PLAIN.match(text):
        return text
    given = text.strip()
    if (slashed := _SLASHED.match(given)) is not None:
        if order not in ("dmy", "mdy"):
            return text
        first, second, year, *clock = slashed.groups()
        day, month = (first, second) if order == "dmy" else (second, first)
    elif (year_first := _YEAR_FIRST.match(given) or _COMPACT.match(given)) is not None:
        year, month, day, *clock = year_first.groups()
    elif (named := _NAMED.match(given)) is not None:
        day, name, year, *clock = named.groups()
        month = _month(name)
    elif (named := _NAMED_US.match(given)) is not None:
        name, day, year, *clock = named.groups()
        month = _month(name)
    elif (named := _NAMED_C.match(given)) is not None:
        name, day, hour, minute, second, zone, year = named.groups()
        month, clock = _month(name), [hour, minute, second, None, None, zone]
    else:
        return text
    whole_year = int(year) + (2000 if len(year) == 2 else 0)
    hour, minute, second, fraction, half, zone = clock
    hours = int(hour or 0)
    if half:
        hours = hours % 12 + (12 if half[0] in "pP" else 0)
    try:
        datetime(
            whole_year, int(month), int(day), hours, int(minute or 0), int(second or 0), tzinfo=UTC
        )
    except ValueError:
        return text
    date = f"{whole_year:04}-{int(month):02}-{int(day):02}"
    if hour is None:
        return date
    shown_zone = "Z" if zone in ("UTC", "GMT", "Z") else (zone or "").replace(":", "")
    if shown_zone[:1] in ("+", "-"):
        shown_zone = f"{shown_zone[:3]}:{shown_zone[3:] or '00'}"
    after = (fraction or "").replace(",", ".")
    return f"{date}T{hours:02}:{minute}:{second or '00'}{after}{shown_zone}"


def of_digits(text: str) -> str:
    """Write digits alone as ISO 8601: 20250120, 20250120140500; others stay as they are."""
    given = text.strip().removesuffix(".0")
    if len(given) not in DIGITS or not given.isascii() or not given.isdigit():
        return text
    date = f"{given[:4]}-{given[4:6]}-{given[6:8]}"
    if len(given) > DIGITS[0]:
        date += f"T{given[8:10]}:{given[10:12]}:{given[12:14] or '00'}"
    try:
        datetime.fromisoformat(date)
    except ValueError:
        return text
    return date


def digits_lie_between(low: float, high: float) -> bool:
    """Whether numbers can be digits of dates from 1970 to 2100, all of one length."""
    return any(
        float("1970".ljust(size, "0")) <= low <= high < float("2101".ljust(size, "0"))
        for size in DIGITS
    )


def _month(name: str) -> str:
    """The number of a month by the beginning of its name; 0 where it is none."""
    plain = name.casefold()
    if plain.startswith(("juin", "juil")):
        return str(_MONTHS[plain[:4]])
    return str(_MONTHS.get(plain[:3], 0))
