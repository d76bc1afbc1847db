"""Proposes how a foreign table is read, and judges its columns before one of its rows lands.

What only names is applied and listed. What changes values is proposed, and waits for a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from project.outside import one_line
from project.tabular.dates import COUNTED, DATE_FORMATS, EPOCHS, ZONELESS, digits_lie_between
from project.tabular.doors import Door, FieldSpec, joined_name
from project.tabular.mapping import ColumnMap, TableMapping, spelt
from project.tabular.mend import UNREAD
from project.tabular.rating_words import meanings, plain_word

if TYPE_CHECKING:  # what is asked of a table is known without what looks at it, which computes
    from project.tabular.survey import ColumnSurvey, Survey

_YES: Final = ("true", "yes", "y", "1", "t", "ja", "oui", "si", "sí", "sì", "sim", "wahr", "vrai")
_NO: Final = ("false", "no", "n", "0", "f", "nein", "non", "não", "nee", "falsch", "faux")
UNUSABLE_SHARE: Final = 0.01
UNUSABLE_ROWS: Final = 5
ALIKE: Final = 85.0  # of 100, by rapidfuzz: a name with a slip of the pen
FEW_WORDS: Final = 60  # distinct words of a rating; a column of texts has more
SHOWN: Final = 6
# Whole numbers between such ends, all of them: that many points, the ends of which so many ratings
# would show. Without a 5 from 1 on, or without an 8, 9 or 10, more may be meant.
POINTS: Final = ((0.0, 2.0), (1.0, 2.0), (0.0, 3.0), (1.0, 3.0), (0.0, 4.0), (1.0, 6.0), (1.0, 7.0))
ENOUGH_FOR_ENDS: Final = 30
# Of numbers whose values say on which scale they stand: an age of 17 does not.
JUDGED_RANGES: Final = ((0.0, 1.0), (0.0, 100.0))


@dataclass(frozen=True)
class Change:
    """What would change values, and waits for a person.

    Attributes
    ----------
    words : what is read as what, in a sentence.
    confidence : from 0 to 1, how sure the values and names make it.
    is_of_name : whether it is the column that is likely, and not what its values mean.
    """

    field: str
    column: str
    words: str
    confidence: float
    is_of_name: bool = False


@dataclass(frozen=True)
class Unusable:
    """Values of a column that its field cannot take.

    Attributes
    ----------
    count, filled : how many, and of how many that are there.
    words : what was seen.
    refuses : whether they are too many for the rest to stand for the column.
    """

    field: str
    column: str
    count: int
    filled: int
    words: str
    refuses: bool


@dataclass(frozen=True)
class Asked:
    """What the reader said of a table.

    Attributes
    ----------
    columns : field to the column that it is read from.
    decimal : "," or "."; empty where it is to be found out.
    dates : a key of DATE_FORMATS; empty where it is to be found out.
    zone : of moments that say none.
    zone_here : the zone that is proposed where none is said.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    decimal: str = ""
    dates: str = ""
    zone: str = ""
    zone_here: str = "UTC"


@dataclass(frozen=True)
class Proposal:
    """How a table could be read.

    Attributes
    ----------
    applied : what only names, a sentence each.
    changes : what changes values.
    missing : required fields that no column has.
    ignored : columns that are no field.
    """

    mapping: TableMapping
    applied: tuple[str, ...]
    changes: tuple[Change, ...]
    missing: tuple[str, ...]
    ignored: tuple[str, ...]


def propose(door: Door, survey: Survey, asked: Asked) -> Proposal:
    """Propose how a table is read.

    Raises
    ------
    ValueError
        When a column that `asked` names is not there.
    """
    named, fuzzy = match_names(door, survey, asked.columns)
    applied: list[str] = []
    changes: list[Change] = []
    columns = []
    for spec in door.fields:
        column = named.get(spec.name)
        if column is None:
            continue
        known = survey.columns[column]
        if spec.name in fuzzy:
            changes.append(
                Change(
                    spec.name,
                    column,
                    f"column {one_line(column)} is {spec.name}",
                    fuzzy[spec.name],
                    is_of_name=True,
                )
            )
        elif column not in (spec.name, spec.name.rpartition(".")[2]):
            applied.append(f"column {one_line(column)} is {spec.name}")
        how, said, waiting = _read(spec, known, asked)
        columns.append(how)
        applied += said
        changes += waiting
    absent = [spec for spec in door.fields if spec.is_required and spec.name not in named]
    for spec in absent:
        if spec.is_made:
            words = f"no column is {spec.name}: each row is given one, made from what it holds"
            changes.append(Change(spec.name, "", words, 0.6))
    missing = tuple(spec.name for spec in absent if not spec.is_made)
    taken = set(named.values())
    roots = {column.partition(".")[0] for column in taken}
    ignored = tuple(
        name
        for name in survey.columns
        if name not in taken
        and name not in roots
        and name.partition(".")[0] not in taken
        and name not in UNREAD
    )
    mapping = TableMapping(door.name, tuple(columns))
    return Proposal(mapping, tuple(applied), tuple(changes), missing, ignored)


def take_exactly(door: Door, survey: Survey) -> Proposal:
    """Say how a table is read that was exported here: by the names of fields, values as they stand.

    Nothing waits for a person: nothing is changed.
    """
    specs = [spec for spec in (*door.fields, *door.own) if spec.name in survey.columns]
    dates = {"moment": "iso"}
    columns = tuple(
        ColumnMap(
            spec.name, spec.name, dates="ms" if spec.in_milliseconds else dates.get(spec.kind, "")
        )
        for spec in specs
    )
    named = {spec.name for spec in specs}
    roots = {name.partition(".")[0] for name in named}
    missing = tuple(s.name for s in door.fields if s.is_required and s.name not in named)
    ignored = tuple(
        name
        for name in survey.columns
        if name not in named and name.partition(".")[0] not in roots and name not in UNREAD
    )
    applied = ("exported by Seedbed: values as they are",)
    return Proposal(TableMapping(door.name, columns, is_exact=True), applied, (), missing, ignored)


# --- Names ---------------------------------------------------------------------------------------


def match_names(
    door: Door, survey: Survey, asked: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, float]]:
    """Return field to column, and the confidence of those that are no more than likely."""
    found: dict[str, str] = {}
    for name, column in asked.items():
        if column not in survey.columns:
            raise ValueError(
                f"There is no column {column[:80]!r} for {name}; there are "
                f"{one_line(', '.join(survey.columns))[:500]}."
            )
        found[name] = column
    plain = {
        column: {joined_name(".".join(column.split(".")[-parts:])) for parts in (0, 1, 2)}
        for column in survey.columns
    }
    candidates = []
    for order, spec in enumerate(door.fields):
        if spec.name in found:
            continue
        own = {joined_name(spec.name), joined_name(spec.name.rpartition(".")[2])}
        for column, names in plain.items():
            is_nested = "." in column and column not in (spec.name,)
            for rank, name in enumerate(spec.all_names):
                if name not in names:
                    continue
                known = survey.columns[column]
                is_whole = spec.kind != "object" and known.objects > 0.5 * max(known.filled, 1)
                if is_whole or (name not in own and not _is_plausible(spec, known)):
                    break
                exact = column == spec.name
                # `actor.id` is who it was, before it is any id.
                is_loose = is_nested and name == joined_name(column.rpartition(".")[2])
                candidates.append((not exact, is_nested, is_loose, rank, order, spec.name, column))
                break
    taken = set(found.values())
    for *_, name, column in sorted(candidates):
        if name not in found and column not in taken:
            found[name] = column
            taken.add(column)
    for spec in door.fields:
        if spec.instead and spec.name not in found and spec.instead in found:
            found[spec.name] = found.pop(spec.instead)
    return found, _match_likely(door, survey, found, taken)


def _match_likely(
    door: Door, survey: Survey, found: dict[str, str], taken: set[str]
) -> dict[str, float]:
    """Add columns for required fields that are only likely: written alike, or the only such."""
    from rapidfuzz import fuzz, process  # only for tables of other names

    fuzzy: dict[str, float] = {}
    for spec in door.fields:
        if not spec.is_required or spec.name in found:
            continue
        free = {
            column: joined_name(column.rpartition(".")[2])
            for column, known in survey.columns.items()
            if column not in taken and _is_plausible(spec, known)
        }
        best = max(
            (
                hit
                for name in spec.all_names
                if (hit := process.extractOne(name, free, scorer=fuzz.ratio)) is not None
            ),
            key=lambda hit: hit[1],
            default=None,
        )
        if best is not None and best[1] >= ALIKE:
            found[spec.name], fuzzy[spec.name] = best[2], round(best[1] / 100, 2)
        elif spec.kind == "moment" and len(free) == 1:
            found[spec.name], fuzzy[spec.name] = next(iter(free)), 0.7
        else:
            continue
        taken.add(found[spec.name])
    return fuzzy


def _is_plausible(spec: FieldSpec, known: ColumnSurvey) -> bool:
    """Whether the values of a column can be what a field is, by far most of them."""
    half = 0.5 * max(known.filled, 1)
    numbers = max(known.number_count, known.comma_count)
    if not known.filled:
        return True
    if spec.kind != "object" and known.objects >= half:  # what is looked for stands within it
        return False
    if spec.kind == "moment":
        times = known.iso + known.slashed + known.named
        return times >= half or (numbers >= half and bool(_counted_as(known)))
    if spec.is_rating or spec.kind == "choice":
        few = known.texts is not None and len(known.texts) <= FEW_WORDS
        is_number = numbers >= half and abs(known.high) <= 1_000
        return known.flags >= half or is_number or (few and known.text_count >= half)
    if spec.kind == "number":
        return numbers + known.flags >= half
    if spec.kind == "object":
        return known.objects >= half
    return True


# --- Values --------------------------------------------------------------------------------------


def _read(
    spec: FieldSpec, known: ColumnSurvey, asked: Asked
) -> tuple[ColumnMap, list[str], list[Change]]:
    how = ColumnMap(spec.name, known.name)
    if spec.kind == "number":
        return _read_number(spec, known, how, asked)
    if spec.kind == "moment":
        return _read_moment(spec, known, how, asked)
    if spec.kind == "choice":
        return _read_choice(spec, known, how)
    return how, [], []


def _read_number(
    spec: FieldSpec, known: ColumnSurvey, how: ColumnMap, asked: Asked
) -> tuple[ColumnMap, list[str], list[Change]]:
    applied, changes = [], []
    decimal = asked.decimal or known.decimal
    how = replace(how, decimal=decimal)
    if decimal == "," and not asked.decimal:
        applied.append(f"{spec.name}: decimal commas")
    elif not asked.decimal and known.either_count and known.comma_count == known.number_count:
        changes.append(
            Change(
                spec.name,
                known.name,
                f"{spec.name}: {_examples(known)} is read with commas between thousands; say "
                "--decimal comma if they stand before decimals",
                0.6,
            )
        )
    if spec.is_flag and known.flags + known.text_count and not known.fractions:
        values = {word: float(word.casefold() in _YES) for word in _flags(known)}
        if values:
            return replace(how, values=values), [f"{spec.name}: true is 1, false is 0"], []
    if spec.low is None or spec.high is None:
        return how, applied, changes
    ends = (spec.low, spec.high)
    if spec.is_rating or ends == (0.0, 1.0):
        how, words, confidence = _rating(spec, known, how)
    elif (
        ends == (0.0, 100.0)
        and known.fractions
        and not known.outside[0.0, 1.0]
        and known.percents == 0
    ):
        how, confidence = replace(how, scale=(0.0, 1.0)), 0.8
        words = f"0 to 1 becomes 0 to 100: no value of {one_line(known.name)} leaves 0 to 1"
    else:
        words = ""
    if words:
        changes.append(Change(spec.name, known.name, f"{spec.name}: {words}", confidence))
    return how, applied, changes


def _flags(known: ColumnSurvey) -> list[str]:
    """The words of a column that say yes and no; none where others stand there too."""
    words = [*(known.texts or {}), *(known.numbers or {})]
    return words if all(word.casefold() in (*_YES, *_NO) for word in words) else []


def _rating(spec: FieldSpec, known: ColumnSurvey, how: ColumnMap) -> tuple[ColumnMap, str, float]:
    """Return how a rating is read, what that changes in words, and how sure it is."""
    numbers = max(known.number_count, known.comma_count)
    if known.flags or (known.text_count and known.texts):
        values, unknown = _word_values(known)
        # A word or two among numbers are rows that say something else.
        if values and _count_known(known, values) >= 0.5 * known.filled:
            words = ", ".join(f"{one_line(w)} is {v:g}" for w, v in list(values.items())[:12])
            if unknown:
                words += f"; not known: {one_line(', '.join(unknown[:SHOWN]))}"
            return replace(how, values=values), words, 0.5 if unknown else 0.9
    if not numbers or not known.outside[0.0, 1.0]:
        return how, "", 1.0
    if known.percents > 0.5 * numbers:
        return replace(how, scale=(0.0, 100.0)), "percent, 0 to 100 % becomes 0 to 1", 0.95
    # Numbers strictly between 0 and 1 say that this is the scale, and the others are slips.
    if known.fractions >= 0.5 * numbers and known.outside[0.0, 1.0] < 0.5 * numbers:
        return how, "", 1.0
    scale, confidence = _scale(known, numbers)
    if scale is None:
        return how, "", 1.0
    low, high = scale
    seen = f"seen {known.low:g} to {known.high:g}"
    return replace(how, scale=scale), f"{low:g} to {high:g} becomes 0 to 1 ({seen})", confidence


def _scale(known: ColumnSurvey, numbers: int) -> tuple[tuple[float, float] | None, float]:
    """Return the scale that numbers stand on, of those that people use, and how sure that is."""
    few = max(UNUSABLE_ROWS if numbers > 10 * UNUSABLE_ROWS else 0, UNUSABLE_SHARE * numbers)
    high, low = known.high, known.low
    for top, count in known.tops.most_common(1):
        if count > 0.5 * numbers and low >= 0 and high <= top:  # 4/5 are stars, 9/10 is nine tenths
            return (1.0 if low >= 1 and top < 10 else 0.0, top), 0.9

    def fits(ends: tuple[float, float]) -> bool:
        """Whether all numbers lie on a scale, or all but a few that lie far beyond it."""
        outside = known.outside[ends]
        is_far = high > 2 * ends[1] or low < min(2 * ends[0], -2.0)
        return outside == 0 or (outside <= few and is_far)

    if low < 0 and fits((-1.0, 1.0)):
        return (-1.0, 1.0), 0.95
    for end in (2.0, 3.0, 5.0, 10.0):
        if low < 0 and fits((-end, end)):
            return (-end, end), 0.8
    if low < 0 and not known.outside[-100.0, 100.0]:
        return (-100.0, 100.0), 0.7
    if known.whole == numbers >= ENOUGH_FOR_ENDS and (low, high) in POINTS:
        return (low, high), 0.8
    if fits((1.0, 5.0)):
        return (1.0, 5.0), 0.95 if high >= 4 else 0.7
    if fits((0.0, 5.0)):
        return (0.0, 5.0), 0.9 if high >= 4 else 0.7
    if fits((1.0, 10.0)):
        return (1.0, 10.0), 0.7
    if fits((0.0, 10.0)):
        return (0.0, 10.0), 0.9
    if fits((0.0, 100.0)):
        return (0.0, 100.0), 0.9 if high > 50 else 0.7
    return None, 0.0


def _word_values(known: ColumnSurvey) -> tuple[dict[str, float], list[str]]:
    """Return what the words of a rating mean, and those of them that are not known."""
    words = dict(known.texts or {})
    numbers = list(known.numbers or {})
    plain = {word: plain_word(word) for word in words}
    meaning = meanings(set(plain.values()))
    values: dict[str, float] = {}
    unknown = []
    for word in sorted(words, key=lambda one: -words[one]):
        value = meaning.get(plain[word])
        if value is None:
            unknown.append(word)
        else:
            values[word] = value
    if len(values) < len(unknown) or len(words) > FEW_WORDS:
        return {}, []
    # Numbers beside words: -1, 0 and 1 mean what thumbs mean.
    if numbers and values:
        thumbs = {"-1": 0.0, "0": 0.0, "1": 1.0}
        if "-1" in numbers:
            thumbs["0"] = 0.5
        for number in numbers:
            if number in thumbs:
                values[number] = thumbs[number]
            else:
                unknown.append(number)
    return values, unknown


def _read_choice(
    spec: FieldSpec, known: ColumnSurvey, how: ColumnMap
) -> tuple[ColumnMap, list[str], list[Change]]:
    seen = {**(known.texts or {}), **(known.numbers or {})}
    values: dict[str, str] = {}
    spelled = []
    unknown = []
    others = {plain_word(other): word for word, listed in spec.choices.items() for other in listed}
    for text in seen:
        if text in spec.choices:
            continue
        word = spelt(text, spec)
        if word is not None:
            spelled.append(text)
        elif (meant := others.get(plain_word(text))) is not None:
            values[text] = meant
        else:
            unknown.append(text)
    applied = []
    if spelled:
        shown = one_line(", ".join(spelled[:SHOWN]))
        applied.append(f"{spec.name}: {shown} whatever the case")
    if not values:
        return how, applied, []
    words = ", ".join(f"{one_line(text)} is {word}" for text, word in list(values.items())[:12])
    if unknown:
        words += f"; not known: {one_line(', '.join(unknown[:SHOWN]))}"
    change = Change(spec.name, known.name, f"{spec.name}: {words}", 0.5 if unknown else 0.9)
    # Those that spell a word are looked up as well.
    values |= {text: word for text in seen if (word := spelt(text, spec)) is not None}
    return replace(how, values=values), applied, [change]


def _read_moment(
    spec: FieldSpec, known: ColumnSurvey, how: ColumnMap, asked: Asked
) -> tuple[ColumnMap, list[str], list[Change]]:
    applied: list[str] = []
    changes: list[Change] = []
    dates, words, confidence = (asked.dates, "", 1.0) if asked.dates else _dates(known)
    if words and confidence < 0.9:
        changes.append(Change(spec.name, known.name, f"{spec.name}: {words}", confidence))
    elif words and not (spec.in_milliseconds and dates == "ms"):
        applied.append(f"{spec.name}: {words}")
    times = known.number_count
    if dates not in COUNTED:
        times = known.iso + known.slashed + known.named - known.zoned
    zone = asked.zone
    if not spec.is_day and times > 0 and (dates not in COUNTED or dates in ZONELESS):
        if zone:
            applied.append(f"{spec.name}: times without a zone are those of {zone}")
        else:
            zone = asked.zone_here
            changes.append(
                Change(
                    spec.name,
                    known.name,
                    f"{spec.name}: times without a zone ({times:,} of "
                    f"{known.filled:,}) are those of {zone}",
                    0.6,
                )
            )
    else:
        zone = ""
    return replace(how, dates=dates, zone=zone), applied, changes


def _dates(known: ColumnSurvey) -> tuple[str, str, float]:
    """Return a key of DATE_FORMATS, what it means in words where it is not the plain one, and how
    sure it is, for the whole column."""
    if known.number_count > known.iso + known.slashed + known.named:
        unit = _counted_as(known)
        return (unit, DATE_FORMATS[unit], 1.0) if unit else ("iso", "", 1.0)
    if known.slashed <= known.iso:
        return "iso", "dates with the name of their month" if known.named else "", 1.0
    if known.day_first and not known.month_first:
        return "dmy", "day/month/year, as no other order can be", 1.0
    if known.month_first and not known.day_first:
        return "mdy", "month/day/year, as no other order can be", 1.0
    if known.day_first or known.month_first:
        order = "dmy" if known.day_first >= known.month_first else "mdy"
        few = min(known.day_first, known.month_first)
        return order, f"{DATE_FORMATS[order]}, although {few:,} of them cannot be", 0.5
    return "dmy", f"{_examples(known)} is day/month/year; it could be month/day/year too", 0.5


def _counted_as(known: ColumnSurvey) -> str:
    """Return how numbers say a time from 2000 to 2100, by their size; empty where they say none."""
    for unit, (factor, begins) in EPOCHS.items():
        if 946_684_800 <= (known.high - begins) * factor / 1e6 <= 4_102_444_800:
            return unit
    return "digits" if digits_lie_between(known.low, known.high) else ""


def _examples(known: ColumnSurvey) -> str:
    return one_line(str(known.examples[0]))[:40] if known.examples else "nothing"


# --- Judging -------------------------------------------------------------------------------------


def judge(door: Door, mapping: TableMapping, survey: Survey) -> list[Unusable]:
    """Return the columns that hold values which their field cannot take, required ones first."""
    found = []
    for how in mapping.columns:
        spec, known = door.field(how.field), survey.columns.get(how.column)
        if known is None:
            continue
        count = _unusable(spec, known, how)
        if count <= 0:
            continue
        is_judged = spec.is_required or (spec.low, spec.high) in JUDGED_RANGES
        # The numbers of others say no scale, but texts among them say that it is no such column.
        unfit = count if is_judged or count > 0.5 * known.filled else _unread(spec, known, how)
        refuses = unfit > max(UNUSABLE_ROWS, UNUSABLE_SHARE * known.filled)
        found.append(
            Unusable(spec.name, how.column, count, known.filled, _seen(spec, known, how), refuses)
        )
    return sorted(found, key=lambda one: (not one.refuses, -one.count))


def _unread(spec: FieldSpec, known: ColumnSurvey, how: ColumnMap) -> int:
    """How many values of a column of numbers are none."""
    if spec.kind != "number" or how.values is not None:
        return 0
    return known.filled - (known.comma_count if how.decimal == "," else known.number_count)


def _unusable(spec: FieldSpec, known: ColumnSurvey, how: ColumnMap) -> int:
    if spec.kind == "number":
        if how.values is not None:
            return known.filled - _count_known(known, how.values)
        numbers = known.comma_count if how.decimal == "," else known.number_count
        unread = known.filled - numbers
        if spec.low is None or spec.high is None:
            return unread
        return unread + _outside(known, how.scale or (spec.low, spec.high))
    if spec.kind == "choice":
        words = dict(how.values or {})
        for text in {**(known.texts or {}), **(known.numbers or {})}:
            if spelt(text, spec) is not None:
                words.setdefault(text, text)
        return known.filled - _count_known(known, words)
    if spec.kind == "moment":
        if how.dates in COUNTED:
            return known.filled - known.number_count
        times = known.iso + known.named
        if how.dates == "dmy":
            times += known.slashed - known.month_first
        elif how.dates == "mdy":
            times += known.slashed - known.day_first
        if not how.zone and not spec.in_milliseconds and not spec.is_day:
            times = min(times, known.zoned)
        return known.filled - times
    return 0


def _outside(known: ColumnSurvey, ends: tuple[float, float]) -> int:
    """How many numbers lie outside a scale; of one that nobody thought of, by the numbers seen."""
    if ends in known.outside or known.numbers is None:
        return known.outside[ends]
    low, high = ends
    return sum(count for number, count in known.numbers.items() if not low <= float(number) <= high)


def _count_known(known: ColumnSurvey, values: Mapping[str, Any]) -> int:
    counts: dict[str, int] = {**(known.texts or {})}
    for text, count in (known.numbers or {}).items():
        counts[text] = counts.get(text, 0) + count
    return sum(
        count for text, count in counts.items() if text in values or text.casefold() in values
    )


def _seen(spec: FieldSpec, known: ColumnSurvey, how: ColumnMap) -> str:
    """What stands in a column, in words: the range of its numbers, its commonest words."""
    said = []
    numbers = max(known.number_count, known.comma_count)
    if numbers:
        listed = ""
        if known.numbers is not None and len(known.numbers) <= SHOWN:
            listed = f" ({_counted(known.numbers)})"
        said.append(f"numbers from {known.low:g} to {known.high:g}{listed}")
    texts = dict(known.texts or {})
    if texts and spec.kind != "moment":
        said.append(f"words: {_counted(texts)}")
    elif known.filled > numbers:
        said.append(f"such as {', '.join(one_line(str(one))[:40] for one in known.examples[:3])}")
    return "; ".join(said) or "nothing that can be read"


def _counted(counts: Mapping[str, int]) -> str:
    common = sorted(counts.items(), key=lambda one: -one[1])[:SHOWN]
    listed = ", ".join(f"{one_line(text)[:40]} {count:,} times" for text, count in common)
    return f"{listed}, ..." if len(counts) > SHOWN else listed


def expected(spec: FieldSpec) -> str:
    """What a field takes, in words."""
    if spec.kind == "number":
        ends = "" if spec.low is None else f" from {spec.low:g} to {spec.high:g}"
        return f"numbers{ends}"
    if spec.kind == "choice":
        return f"one of {', '.join(spec.choices)}"
    return {"moment": "times with their zone", "object": "objects"}.get(spec.kind, "texts")
