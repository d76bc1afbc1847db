"""What a file is: its format, its encoding, what separates its cells. Looked at, never guessed at
from its name alone."""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import orjson

from project.tabular.own import begins_as_own
from project.tabular.packed import Unpackable, open_unpacked

Format = Literal["csv", "json", "jsonl", "xlsx", "parquet"]
Wrapping = Literal["", "prefix", "docker"]

AUTO: Final = "auto"
SAMPLE_BYTES: Final = 256 * 1024
SAMPLE_LINES: Final = 50
LITTLE: Final = 16  # letters beyond ASCII, which do not tell one encoding from another
MAX_TITLES: Final = 10  # lines before the names of columns
MIN_TITLED_COLUMNS: Final = 3  # so many columns make it sure that a line of one cell is a title
LEGACY_BYTES: Final = 64 * 1024  # of lines that are no UTF-8, from which their encoding is told
DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
DELIMITER_NAMES: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
# Encodings that are told apart, the likeliest first: among equals, the first is taken.
LEGACY_ENCODINGS: Final = (
    "cp1252", "iso8859_15", "mac_roman", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1257",
    "cp850", "cp437", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr",
)  # fmt: skip
_MARKS: Final = (  # the longer first: UTF-32 begins like UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY: Final = {
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"GIF8": "a picture (GIF)",
    b"%PDF": "a PDF",
    b"\xd0\xcf\x11\xe0": "a spreadsheet or document of old Office (.xls, .doc)",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"SQLite format 3": "an SQLite database",
    b"\x7fELF": "a program",
}
_SEPARATOR_LINE = re.compile(r'^"?sep=(.)"?\r?$', re.IGNORECASE)
# Beyond ASCII: a character of UTF-8 as a whole.
_MULTIBYTE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)


class FileRefused(ValueError):
    """A file cannot be read as rows at all; the message says what would be accepted."""


@dataclass(frozen=True)
class Reading:
    """How a file is to be read, where its reader says so; AUTO looks at the file.

    encoding : a name that Python knows
    delimiter : one character, or a key of DELIMITER_NAMES
    sheet : name of a sheet of a workbook
    """

    encoding: str = AUTO
    delimiter: str = AUTO
    sheet: str = AUTO


@dataclass(frozen=True)
class Found:
    """What a file was found to be.

    format : how its rows stand in it
    encoding : of its text
    delimiter : of its cells
    skipped_lines : lines before the one that names the columns: `sep=;`, a title
    is_spaced : whether a space stands between what separates cells and a quote
    is_escaped : whether a quote within a cell has a backslash before it
    wrapping : what stands around each row of a log
    sheet : of a workbook
    is_own : whether it was exported here, as it is
    notes : what differs from a plain file, in words
    """

    format: Format
    encoding: str = "utf-8"
    delimiter: str = ","
    skipped_lines: int = 0
    is_spaced: bool = False
    is_escaped: bool = False
    wrapping: Wrapping = ""
    sheet: str = ""
    is_own: bool = False
    notes: tuple[str, ...] = field(default=())


def sniff(path: Path, name: str = "", reading: Reading = Reading()) -> Found:
    """Look at a file, packed with gzip or not, and say what it is.

    Raises
    ------
    FileRefused
        When it is no table of rows, or not what `reading` says.
    """
    name = name or path.name
    try:
        with path.open("rb") as file:
            if not Path(name).suffix and not path.stat().st_size:
                raise FileRefused(f"{name} is empty; the first line should name the columns.")
            return _sniff(open_unpacked(file), path, name, reading)
    except (OSError, Unpackable) as error:
        raise FileRefused(f"{name} cannot be read: {error}") from error
    except UnicodeError as error:  # of an encoding that the reader names
        raise not_so_encoded(name, reading.encoding, error) from error


def not_so_encoded(name: str, encoding: str, error: UnicodeError) -> FileRefused:
    """Say that a file is not in the encoding that it is read in."""
    return FileRefused(f"{name} is not in the encoding {encoding[:40]}: {error}. Name another one.")


def _sniff(stream: BinaryIO, path: Path, name: str, reading: Reading) -> Found:
    start = stream.read(SAMPLE_BYTES)
    if start.startswith(b"PK\x03\x04"):
        return Found("xlsx", sheet="" if reading.sheet == AUTO else reading.sheet)
    if start.startswith(b"PAR1"):
        return Found("parquet")
    for magic, what in _BINARY.items():
        if start.startswith(magic):
            raise FileRefused(
                f"Expected rows as CSV, JSON, JSON Lines, xlsx or parquet; {name} is {what}."
            )
    if reading.encoding == reading.delimiter == AUTO and (own := begins_as_own(start)):
        return Found("csv" if own == "csv" else "jsonl", is_own=True)
    encoding, notes = _encoding(start, stream, name, reading)
    text = _decoded(start, encoding)
    if "\0" in text[:4096] or _is_binary(text):
        raise FileRefused(
            f"Expected rows as CSV, JSON, JSON Lines, xlsx or parquet; {name} holds bytes that are "
            "no text."
        )
    found = _format_of_text(text, name, len(start) < SAMPLE_BYTES)
    found = replace(found, encoding=encoding, notes=(*notes, *found.notes))
    return _with_delimiter(found, text, reading) if found.format == "csv" else found


# --- Encoding ------------------------------------------------------------------------------------


def _encoding(
    start: bytes, stream: BinaryIO, name: str, reading: Reading
) -> tuple[str, tuple[str, ...]]:
    if reading.encoding != AUTO:
        try:
            codec = codecs.lookup(reading.encoding)
            "".encode(codec.name)
            if not codec._is_text_encoding:
                raise LookupError
        except (LookupError, ValueError):
            raise FileRefused(
                f"There is no encoding {reading.encoding[:40]!r}; such as utf-8, utf-16, cp1252."
            ) from None
        named = "utf-8-sig" if codec.name == "utf-8" else codec.name
        return named, ()
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            shown = encoding.upper().removesuffix("-SIG")
            return encoding, (f"encoding {shown}, by its mark",)
    if (wide := _wide_without_mark(start)) is not None:
        return wide, (f"encoding {wide.upper()}",)
    legacy = _lines_that_are_no_utf8(start, stream)
    if not legacy:
        return "utf-8", ()
    return _told_apart(legacy, name)


def _wide_without_mark(start: bytes) -> str | None:
    """UTF-16 of mostly western text has a zero in every second byte."""
    head = start[: 4096 - len(start[:4096]) % 2]
    if len(head) < 8:
        return None
    half = len(head) // 2
    if head[1::2].count(0) > 0.7 * half and not head[::2].count(0):
        return "utf-16-le"
    if head[::2].count(0) > 0.7 * half and not head[1::2].count(0):
        return "utf-16-be"
    return None


def _lines_that_are_no_utf8(start: bytes, stream: BinaryIO) -> bytes:
    """Return the first lines that are no UTF-8; none where some character of the file is UTF-8.

    A file in which UTF-8 stands is UTF-8, and its other lines are broken: each says so itself.
    """
    found: list[bytes] = []
    size, rest, block = 0, b"", start
    while block or rest:
        if block.isascii() and rest.isascii():
            rest, block = b"", stream.read(SAMPLE_BYTES)
            continue
        lines = (rest + block).split(b"\n")
        rest = lines.pop() if block and len(lines[-1]) < SAMPLE_BYTES else b""
        for line in lines:
            if line.isascii():
                continue
            try:
                line.decode()
            except UnicodeDecodeError:
                if size < LEGACY_BYTES:
                    found.append(line)
                    size += len(line)
            else:
                return b""
        if not block:
            break
        block = stream.read(SAMPLE_BYTES)
    if any(_MULTIBYTE.search(line) and _mostly_utf8(line) for line in found):
        return b""
    return b"\n".join(found)


def _mostly_utf8(line: bytes) -> bool:
    rest = _MULTIBYTE.sub(b"", line)
    return len(rest) < len(line) and sum(byte > 127 for byte in rest) < (len(line) - len(rest)) / 2


def _told_apart(legacy: bytes, name: str) -> tuple[str, tuple[str, ...]]:
    from charset_normalizer import from_bytes  # loaded for such files only

    matches = from_bytes(
        legacy[:LEGACY_BYTES], cp_isolation=list(LEGACY_ENCODINGS), enable_fallback=False
    )
    found = [(match.chaos, -match.coherence, match.encoding) for match in matches]
    named = {one for match in matches for one in (match.encoding, *match.could_be_from_charset)}
    if not found:
        raise FileRefused(
            f"{name} is neither UTF-8 nor UTF-16, nor any of {', '.join(LEGACY_ENCODINGS[:6])} and "
            "their like. Save it as UTF-8, or say its encoding."
        )
    chaos, _, best = min(found)
    # Where the usual one of a western desk reads the bytes as well, it is that.
    usual = LEGACY_ENCODINGS[0]
    beyond = sum(byte > 127 for byte in legacy)
    is_little = beyond < LITTLE and beyond < 0.5 * len(legacy)
    odd = _odd_letters(legacy, usual)
    if usual in named and best in ("iso8859_15", "cp1254", "cp1257", "cp1250", "mac_roman"):
        usual_chaos = min((c for c, _, e in found if e == usual), default=chaos)
        if usual_chaos <= chaos + 0.02:
            best = usual
    elif is_little and odd == 0:
        best = usual
    if best == usual and odd and _odd_letters(legacy, "mac_roman") == 0:
        best = "mac_roman"
    if best == "mac_roman" and _odd_letters(
        legacy, best
    ):  # of the tables of DOS, which Excel still writes
        best = next((one for one in ("cp850", "cp437") if not _odd_letters(legacy, one)), best)
    if best == "cp1253" and not _is_greek(legacy) and not _odd_letters(legacy, "cp1251"):
        best = "cp1251"
    return best, (f"encoding {best}, told by its letters: look at the preview",)


def _is_greek(legacy: bytes) -> bool:
    """Whether most longer words have the one accent of Greek; Cyrillic read as Greek lacks it."""
    long_words = [
        word
        for word in re.findall(r"[^\W\d_]{4,}", legacy.decode("cp1253", "replace"))
        if not word.isascii()
    ]
    accents = [sum(one in "άέήίόύώΐΰ" for one in word.lower()) for word in long_words]
    return sum(count == 1 for count in accents) > 0.6 * len(accents)


def _odd_letters(legacy: bytes, encoding: str) -> int:
    """How many characters beyond ASCII stand in the middle of a word and are no small letters."""
    try:
        text = legacy.decode(encoding)
    except UnicodeDecodeError:
        return len(legacy)
    return sum(
        one > "\x7f" and not one.islower() and before.isalpha() and after.islower()
        for before, one, after in zip(text, text[1:], text[2:], strict=False)
    )


def _decoded(start: bytes, encoding: str) -> str:
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    return decoder.decode(start).replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")


def _is_binary(text: str) -> bool:
    head = text[:4096]
    odd = sum(1 for one in head if ord(one) < 32 and one not in "\n\r\t\f\x1b")
    return odd > 0.05 * max(len(head), 1)


# --- Format --------------------------------------------------------------------------------------


def _format_of_text(text: str, name: str, is_whole: bool) -> Found:
    body = text.lstrip()
    if not body:
        raise FileRefused(f"{name} is empty; the first line should name the columns.")
    lines = [line.strip() for line in body.split("\n", SAMPLE_LINES)[:SAMPLE_LINES]]
    lines = [line for line in lines if line]
    if not is_whole and len(lines) > 1 and len(lines) < SAMPLE_LINES:
        lines.pop()  # cut
    if body[0] == "[" and not _prefixed(lines):
        return Found("json")
    if body[0] == "{":
        values = [_loaded(line) for line in lines]
        if isinstance(values[0], dict):
            if len(values) == 1 and _list_within(values[0]):
                return Found("json")
            if _is_docker(values):
                return Found("jsonl", wrapping="docker", notes=("rows taken out of docker's log",))
            return Found("jsonl")
        if any(isinstance(value, dict) for value in values):
            return Found("jsonl")  # its first line is broken
        if Path(name.lower().removesuffix(".gz")).suffix in (".jsonl", ".ndjson"):
            return Found("jsonl")
        return Found("json")
    if _prefixed(lines):
        return Found(
            "jsonl", wrapping="prefix", notes=("rows taken from behind the prefix of a log",)
        )
    if Path(name.lower().removesuffix(".gz")).suffix in (".jsonl", ".ndjson"):
        return Found("jsonl")
    if Path(name.lower().removesuffix(".gz")).suffix == ".json":
        raise FileRefused(
            f"Expected JSON; {name} begins with {lines[0][:40]!r}. Name it .csv if it is a table."
        )
    return Found("csv")


def _prefixed(lines: list[str]) -> bool:
    """Whether objects stand behind a prefix, in at least one of ten lines."""
    hits = 0
    for line in lines:
        at = line.find("{")
        if (
            line[: max(at, 0)].strip("[, \t")
            and line.endswith("}")
            and isinstance(_loaded(line[at:]), dict)
        ):
            hits += 1
    return hits > 0 and hits >= 0.1 * len(lines) and not _looks_like_csv(lines)


def _looks_like_csv(lines: list[str]) -> bool:
    """A cell of JSON has its quotes doubled, and the first line of a table has no brace."""
    return "{" not in lines[0] and any('""' in line for line in lines[1:])


def _loaded(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _is_docker(values: list[object]) -> bool:
    objects = [value for value in values if isinstance(value, dict)]
    return bool(objects) and all(
        isinstance(one.get("log"), str) and set(one) <= {"log", "stream", "time", "attrs"}
        for one in objects
    )


def _list_within(value: object) -> bool:
    """Whether an object only wraps one list of objects: `{"data": [...]}`."""
    if not isinstance(value, dict):
        return False
    lists = [one for one in value.values() if isinstance(one, list)]
    return len(lists) == 1 and bool(lists[0]) and all(isinstance(one, dict) for one in lists[0])


# --- Delimiter -----------------------------------------------------------------------------------


def _with_delimiter(found: Found, text: str, reading: Reading) -> Found:
    skipped, notes = 0, list(found.notes)
    first, _, rest = text.partition("\n")
    said = _SEPARATOR_LINE.match(first.strip("\r\n \ufeff"))  # a tab may be what it says
    if said:
        skipped, text = 1, rest
    if reading.delimiter != AUTO:
        delimiter = DELIMITER_NAMES.get(reading.delimiter, reading.delimiter)
        if len(delimiter) != 1 or delimiter in '"\r\n\0':
            raise FileRefused(
                f"Expected a delimiter of one character, or {', '.join(DELIMITER_NAMES)}; got "
                f"{reading.delimiter[:20]!r}."
            )
    elif said:
        delimiter = said.group(1)
    else:
        delimiter = _delimiter(text)
    lines = text.split("\n")[:SAMPLE_LINES]
    if (titles := _titles(lines, delimiter, is_said=reading.delimiter != AUTO or bool(said))) > 0:
        if reading.delimiter == AUTO and not said:
            delimiter = _delimiter("\n".join(lines[titles:]))
        skipped, lines = skipped + titles, lines[titles:]
        notes.append(titles_in_words(titles))
    is_spaced = _is_spaced(lines, delimiter)
    is_escaped = _is_escaped(lines, delimiter)
    if is_spaced:
        notes.append("a space before quotes")
    if is_escaped:
        notes.append("quotes behind backslashes")
    if delimiter != ",":
        notes.append(f"separated by {DELIMITERS.get(delimiter, repr(delimiter))}")
    if said:
        notes.append("a line sep= before the names")
    return replace(
        found, delimiter=delimiter, skipped_lines=skipped, notes=tuple(notes),
        is_spaced=is_spaced, is_escaped=is_escaped,
    )  # fmt: skip


def _titles(lines: list[str], delimiter: str, *, is_said: bool) -> int:
    """How many lines stand before the one that names the columns: a title, a remark, blank ones.

    They have one cell at most that is filled, where all that follow have as many as the names.
    """
    if _filled(lines[0], delimiter) > 1 and not lines[0].startswith("#"):
        return 0
    for count in range(1, min(MAX_TITLES, len(lines) - 1) + 1):
        rest = lines[count:]
        if not is_said:
            delimiter = _delimiter("\n".join(rest))
        names = next(iter(_parsed(rest[:1], delimiter)), [])
        if _names_all(names, _parsed(rest[1:], delimiter)):
            before = lines[:count]
            if all(_filled(line, delimiter) <= 1 or line.startswith("#") for line in before):
                return count if any(line.strip(f"{delimiter} ") for line in before) else 0
    return 0


def titles_in_words(count: int) -> str:
    """Say how many lines were left out above the names of columns."""
    return f"{count} line{'s' * (count > 1)} before the names of columns"


def _names_all(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether texts can be the names of the columns of nearly all rows that follow."""
    if len(names) < MIN_TITLED_COLUMNS or len(set(names)) < len(names) or not rows:
        return False
    if any(not name.strip() or _is_number(name) for name in names):
        return False
    return sum(len(row) == len(names) for row in rows) >= 0.9 * len(rows)


def _is_number(text: str) -> bool:
    return text.strip().replace(".", "", 1).replace(",", "", 1).lstrip("+-").isdigit()


def _filled(line: str, delimiter: str) -> int:
    return sum(bool(cell.strip()) for cell in next(iter(_parsed([line], delimiter)), []))


def _parsed(lines: list[str], delimiter: str, **how: Any) -> list[list[str]]:
    """The cells of lines, the last of which may be cut; none where they cannot be read so."""
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter, **how) if any(row)]
    except csv.Error:
        return []
    return rows[:-1] if len(lines) == SAMPLE_LINES else rows


def _is_spaced(lines: list[str], delimiter: str) -> bool:
    """Whether cells are quoted behind a space, so that the quotes would be part of them."""
    if delimiter == " " or not any(f'{delimiter} "' in line for line in lines):
        return False
    spaced = _parsed(lines, delimiter, skipinitialspace=True, strict=True)
    as_is = _parsed(lines, delimiter)
    quoted = sum(cell.startswith(' "') for row in as_is for cell in row)
    return (
        bool(spaced) and quoted > 0 and not any('"' in cell[:1] for row in spaced for cell in row)
    )


def _is_escaped(lines: list[str], delimiter: str) -> bool:
    """Whether backslashes stand before quotes within cells, and the lines are even only so."""
    if not any('\\"' in line for line in lines):
        return False
    escaped = _parsed(lines, delimiter, escapechar="\\", strict=True)
    doubled = _parsed(lines, delimiter, strict=True)
    even, odd = (len(set(map(len, rows))) if rows else 99 for rows in (escaped, doubled))
    return even == 1 and odd > 1


def _delimiter(text: str) -> str:
    """Return what splits the first lines most evenly into the most cells."""
    lines = text.split("\n")[:SAMPLE_LINES]
    best, best_rank = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        try:
            rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            continue
        if len(rows) > 1 and len(lines) == SAMPLE_LINES:
            rows.pop()  # a row may go on beyond
        if not rows:
            continue
        widths = Counter(map(len, rows))
        width, count = max(widths.items(), key=lambda one: (one[1], one[0]))
        if len(rows[0]) < 2:
            continue
        rank = (count / len(rows) if width == len(rows[0]) else 0.0, len(rows[0]))
        if rank > best_rank:
            best, best_rank = delimiter, rank
    return best
