"""What came from outside, as it may be shown: on a terminal, in a log, in JSON and in CSV.

HTML has its own escaping, in the templates. Nothing here changes what is kept.
"""

import logging
import re
from typing import Any, Final

# What moves a cursor, colours a screen, ends a line or turns the direction of what follows:
# controls (C0, C1), directional marks, line and paragraph separators; and halves of surrogate
# pairs, which no encoding knows.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
# Spreadsheets take a cell that begins so for a formula.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
# What is written with an apostrophe before it: such a beginning, and what would be taken for that.
MARKED: Final = f"^'*[{re.escape(''.join(FORMULA_STARTS))}]"
_MARKED: Final = re.compile(MARKED)


def visible(text: str) -> str:
    r"""Return a text whose control characters are written out: `\x1b`; lines stay lines."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    r"""Return a text as one line: line ends are written out too, as `\n`."""
    return visible(text.replace("\n", "\\n"))


def visible_json(text: str) -> str:
    r"""Return JSON whose strings hide nothing: the same value, control characters as `\u009b`."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def csv_cell(value: Any) -> Any:
    """Return a cell that a spreadsheet shows as it is; numbers are numbers, none is empty."""
    if value is None:
        return ""
    if isinstance(value, int | float):
        return value
    text = str(value)
    return f"'{text}" if _MARKED.match(text) else text


def as_it_was(cell: str) -> str:
    """Return what `csv_cell` was given, of a cell of a file that was written with it."""
    return cell[1:] if cell.startswith("'") and _MARKED.match(cell) else cell


class LineFormatter(logging.Formatter):
    """Writes a record as one line, so that no message can look like a second one.

    A traceback follows on lines of its own, each of which begins with a space or with the name of
    an exception, never with a time.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        return one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        return visible(super().formatException(ei)).replace("\n", "\n  ")
