"""Opens a foreign table for a job: how it is read is decided over all of it, before a row lands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple, TypedDict

import orjson
from django.conf import settings

from project import words
from project.acting import Person
from project.mappings.arguments import AS_IS, PROPOSED, TableArguments, offer_in_part
from project.mappings.models import PREVIEW_ROWS, ImportMapping
from project.mappings.services import confirm_named, keep_proposal, signature_of
from project.outside import one_line
from project.refusal import Refusal
from project.tabular.doors import Door, plain_name
from project.tabular.mapping import Mapper, TableMapping
from project.tabular.own import MARK
from project.tabular.proposing import (
    UNUSABLE_ROWS,
    UNUSABLE_SHARE,
    Proposal,
    Unusable,
    expected,
    judge,
    match_names,
    propose,
    take_exactly,
)
from project.tabular.rows import (
    AGAIN,
    CHUNK_ROWS,
    Limits,
    Row,
    TableFile,
    Told,
    is_readable,
    values_of,
)
from project.tabular.sniff import FileRefused
from project.tabular.survey import Survey

SHOWN_CHARACTERS: Final = 200  # of a value in a preview
SURVEYED: Final = frozenset({"number", "choice", "moment"})


class MappedChunk(NamedTuple):
    """Rows that land together.

    came : the rows as the file has them, with their lines; some cannot be read
    mapped : each of them in the form that the door takes; None for what cannot be read
    """

    came: Sequence[Row]
    mapped: Sequence[dict[str, Any] | None]


class Decision(TypedDict):
    """How a table is read, as JSON that a job keeps.

    mapping : as `TableMapping.as_dict`
    mapping_name : of the record, empty where the table only names
    notes : what was found and applied, a sentence each
    unusable : sentences about columns of which some values cannot be used
    partial : whether that was too many, and accepted
    """

    mapping: dict[str, Any]
    mapping_name: str
    notes: list[str]
    unusable: list[str]
    partial: bool


@dataclass(frozen=True)
class OpenTable:
    """A table whose reading is decided."""

    file: TableFile
    door: Door
    decision: Decision

    @property
    def mapping(self) -> TableMapping:
        """Which column is which field."""
        return TableMapping.from_dict(self.decision["mapping"])

    def chunks(self, told: Told | None = None, size: int = CHUNK_ROWS) -> Iterator[MappedChunk]:
        """Yield the rows, mapped; `told` is called while reading.

        Raises
        ------
        Refusal
            When the file ends as no table.
        """
        mapper = Mapper(self.door, self.mapping)
        with FileInWords(), closing(self.file.chunks(told, size)) as chunks:
            for came in chunks:
                mapped = mapper.apply(values_of(came))
                yield MappedChunk(
                    came, mapped if len(mapped) == len(came) else _spread(came, mapped)
                )


def _spread(
    came: Sequence[Row], mapped: Sequence[dict[str, Any]]
) -> Sequence[dict[str, Any] | None]:
    """Put mapped rows to the places of those that they come from."""
    following = iter(mapped)
    return [next(following) if is_readable(row) else None for row in came]


class FileInWords:
    """A file that cannot be read is a refusal."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, FileRefused):
            raise Refusal(
                str(error), remedy="Choose another file, or say how it is to be read."
            ) from error


def open_table(
    path: Path,
    name: str,
    door: Door,
    asked: TableArguments,
    *,
    limits: Limits,
    columns: Mapping[str, str] | None = None,
    kind: str = "",
    arguments: Mapping[str, Any] | None = None,
    by: Person = None,
    told: Told | None = None,
    complete: Callable[[frozenset[str], Sequence[str]], Mapping[str, Any]] | None = None,
    add_record: Callable[[ImportMapping], None] | None = None,
    is_trial: bool = False,
) -> OpenTable:
    """Look at all of a table and decide how it is read.

    Parameters
    ----------
    columns : field to the column that it is read from, where the reader says so.
    kind, arguments : of the job, so that the page of a proposal can start it again.
    add_record : links the record of a proposal to the job.
    is_trial : whether nothing is to land, so that nothing is confirmed either.
    complete : given the fields that the table has and the columns that are none, returns the fields
        that are the same in every row.

    Raises
    ------
    Refusal
        When the file is no table, lacks a field that cannot be done without, when something that
        changes values waits for a person, or when too much of a column cannot be used.
    """
    with FileInWords():
        file = TableFile(path, name=name, limits=limits, reading=asked.reading)
    survey, head, unread = _look(file, door, columns or {}, told)
    if survey.differing:
        raise Refusal(
            f"{name}: the column {one_line(sorted(survey.differing)[0])} stands twice, with "
            "different values.",
            remedy="Remove one of them, or name it otherwise.",
        )
    is_own = MARK in survey.columns and not columns and asked.mapping in ("", AS_IS)
    reading = asked.asked(columns or {}, zone_here=settings.TIME_ZONE)
    try:
        proposal = take_exactly(door, survey) if is_own else propose(door, survey, reading)
    except ValueError as error:
        raise Refusal(str(error), remedy="Name columns that the file has.") from None
    _require_fields(name, door, survey, proposal)
    if complete is not None:
        fields = frozenset(one.field for one in proposal.mapping.columns)
        mapping = replace(proposal.mapping, constants=complete(fields, proposal.ignored))
        said = [f"{name} is {value}" for name, value in mapping.constants.items()]
        proposal = replace(proposal, mapping=mapping, applied=(*proposal.applied, *said))

    def keep(*, is_confirmed: bool = False) -> ImportMapping:
        record = keep_proposal(
            door, list(survey.columns), proposal,
            preview=_preview(door, proposal.mapping, head), file_name=name, kind=kind,
            arguments=arguments, by=by, is_confirmed=is_confirmed,
        )  # fmt: skip
        if add_record is not None:
            add_record(record)
        return record

    if is_own:
        mapping, mapping_name, notes = proposal.mapping, "", list(proposal.applied)
    else:
        mapping, mapping_name, notes = _choose(name, door, survey, proposal, asked, keep)
    found = judge(door, mapping, survey)
    said = [_sentence(door, one) for one in found]
    refusing = [one for one in found if one.refuses]
    too_many = unread.count > max(UNUSABLE_ROWS, UNUSABLE_SHARE * (survey.rows + unread.count))
    if too_many:
        said.insert(0, unread.sentence(survey.rows))
        if not asked.accept_partial:
            raise _refuse_unread(name, door, unread, survey.rows)
    if refusing and not asked.accept_partial:
        # Kept to be changed: but not in place of one that was confirmed for these columns.
        named = mapping_name or ("" if is_trial else keep().name)
        raise _refuse_column(name, door, refusing, named)
    if asked.mapping == PROPOSED and proposal.changes and not is_trial:
        mapping_name = keep(is_confirmed=True).name
    elif mapping_name and not is_trial:
        confirm_named(mapping_name, by=by)
    return OpenTable(
        file,
        door,
        Decision(
            mapping=mapping.as_dict(),
            mapping_name=mapping_name,
            notes=[*file.found.notes, *_skipped(file), *notes, *_left(proposal, door)],
            unusable=said,
            partial=bool(refusing) or too_many,
        ),
    )


def reopen_table(
    path: Path, name: str, door: Door, asked: TableArguments, decision: Decision, limits: Limits
) -> OpenTable:
    """Open a table of which it was decided before how it is read."""
    with FileInWords():
        file = TableFile(path, name=name, limits=limits, reading=asked.reading)
    return OpenTable(file, door, decision)


# --- Looking -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Unread:
    """Rows of a table that cannot be read at all: how many, and the first of them."""

    count: int
    first: Row | None

    def sentence(self, readable: int) -> str:
        where = "" if self.first is None else f", the first on line {self.first.line:,}: "
        problem = "" if self.first is None else self.first.problem
        return f"{self.count:,} of {self.count + readable:,} rows cannot be read{where}{problem}"


def _look(
    file: TableFile, door: Door, columns: Mapping[str, str], told: Told | None
) -> tuple[Survey, list[Mapping[str, Any]], _Unread]:
    survey = Survey(door)
    head: list[Mapping[str, Any]] = []
    first_problem: Row | None = None
    unread = 0
    with FileInWords(), closing(file.chunks(told, CHUNK_ROWS)) as chunks:
        for chunk in chunks:
            good = values_of(chunk)
            unread += len(chunk) - len(good)
            if first_problem is None and len(good) < len(chunk):
                first_problem = next((row for row in chunk if row.reason), None)
            head += good[: PREVIEW_ROWS - len(head)]
            is_first = not survey.rows
            survey.add(good)
            if is_first and good:
                survey.narrow(_wanted(door, survey, columns))
    if not survey.rows:
        raise _nothing_readable(file, first_problem)
    return survey, head, _Unread(unread, first_problem)


def _wanted(door: Door, survey: Survey, columns: Mapping[str, str]) -> set[str]:
    """The columns whose values decide something, as far as the first rows tell."""
    known = {name: column for name, column in columns.items() if column in survey.columns}
    named, _ = match_names(door, survey, known)
    wanted = {column for name, column in named.items() if door.field(name).kind in SURVEYED}
    if any(spec.is_required and spec.name not in named for spec in door.fields):
        wanted |= set(survey.columns) - set(named.values())
    return wanted


def _nothing_readable(file: TableFile, first: Row | None) -> Refusal:
    if first is None:
        had = "no rows"
        if file.header:
            had = f"a first line that names {words.tally(len(file.header), 'column')}, and no rows"
        return Refusal(
            f"{file.name} has {had}.", remedy="Choose a file with rows, or export it anew."
        )
    return Refusal(
        f"None of the rows of {file.name} can be read. Line {first.line}: {first.problem}",
        remedy="Mend the file: rows as CSV, JSON, JSON Lines, xlsx or parquet, at most "
        f"{file.limits.row_bytes:,} bytes a row.",
    )


def _require_fields(name: str, door: Door, survey: Survey, proposal: Proposal) -> None:
    if not proposal.missing:
        return
    has = one_line(", ".join(list(survey.columns)[:40]))
    separated = "" if len(survey.columns) > 1 else "what stands between cells with --delimiter; or "
    raise Refusal(
        f"{name} has no column for {' and '.join(proposal.missing)}; it has {has}.",
        remedy=f"Say {separated}which column it is: --column KNOWN=THEIRS; both stand in the form "
        f"too. Or choose what the rows are: these would be {door.title}.",
        details={"missing": list(proposal.missing), "columns": list(survey.columns)[:200]},
    )


# --- Choosing ------------------------------------------------------------------------------------


def _choose(
    name: str,
    door: Door,
    survey: Survey,
    proposal: Proposal,
    asked: TableArguments,
    keep: Callable[..., ImportMapping],
) -> tuple[TableMapping, str, list[str]]:
    """Return the mapping, the name of its record, and what it does in words."""
    changes = [one.words for one in proposal.changes]
    if asked.mapping == PROPOSED:  # confirmed once its columns are judged
        said = [f"confirmed: {words}" for words in changes]
        return proposal.mapping, "", [*proposal.applied, *said]
    if asked.mapping == AS_IS:
        return as_it_is(proposal), "", [*proposal.applied, "values as they are"]
    if asked.mapping:
        record = _saved(door, asked.mapping, survey)
        table = _as_written_here(record.table, survey, proposal)
        return table, record.name, [f"read by the mapping {record.name}"]
    signature = signature_of(door, list(survey.columns))
    saved = list(ImportMapping.objects.for_table(door.name, signature))
    for one in saved:
        table = _as_written_here(one.table, survey, proposal)
        before = one.as_proposed and _as_written_here(one.as_proposed, survey, proposal)
        if _agrees(table, proposal) or _agrees(before, proposal):
            return table, one.name, [f"read by the mapping {one.name}, confirmed before"]
    if not changes:
        for one in saved:
            table = _as_written_here(one.table, survey, proposal)
            if changes_values(table) and _could_read(table, door, survey):
                raise _refuse_other_values(name, one)
        return proposal.mapping, "", list(proposal.applied)
    record = keep()
    raise _refuse_waiting(name, proposal, record)


def _as_written_here(saved: TableMapping, survey: Survey, proposal: Proposal) -> TableMapping:
    """A saved mapping for a table that spells the same columns and its decimals otherwise."""
    spelt = {plain_name(column): column for column in survey.columns}
    columns = []
    for how in saved.columns:
        here = proposal.mapping.of(how.field)
        columns.append(
            replace(
                how,
                column=how.column
                if how.column in survey.columns
                else spelt.get(plain_name(how.column), how.column),
                decimal=how.decimal if here is None else here.decimal,
            )
        )
    return replace(saved, columns=tuple(columns))


def _could_read(saved: TableMapping, door: Door, survey: Survey) -> bool:
    """Whether a mapping that changes values could be of these too: then only a person can tell."""
    changed = {how.field for how in saved.columns if how.scale or how.values}
    return not any(
        one.field in changed and one.count > 0.5 * one.filled for one in judge(door, saved, survey)
    )


def _saved(door: Door, name: str, survey: Survey) -> ImportMapping:
    named = ImportMapping.objects.filter(door=door.name)
    record = named.filter(name=name).first()
    if record is None:
        known = named.values_list("name", flat=True)[:20]
        there = f"there are {', '.join(known)}" if known else "there is none yet"
        raise Refusal(
            f"There is no mapping {one_line(name)[:80]!r} of {door.title}; {there}.",
            remedy=f"Name one of them, or {PROPOSED}, or {AS_IS}.",
        )
    spelt = {plain_name(column) for column in survey.columns}
    absent = [
        how.column
        for how in record.table.columns
        if plain_name(how.column) not in spelt
        and (door.field(how.field).is_required or how.column in record.header)
    ]
    required = [column for column in absent if _is_required(door, record.table, column)]
    if required:
        raise Refusal(
            f"The mapping {record.name} reads the column {one_line(required[0])}, which this table "
            "does not have.",
            remedy=f"Import it with --mapping {PROPOSED}, or with another file.",
        )
    return record


def _is_required(door: Door, mapping: TableMapping, column: str) -> bool:
    return any(
        how.column == column and door.field(how.field).is_required for how in mapping.columns
    )


def as_it_is(proposal: Proposal) -> TableMapping:
    """The mapping without what waits for a person; what only names stays.

    Raises
    ------
    Refusal
        Where a field that cannot be done without is only likely to be a column.
    """
    guessed = [one for one in proposal.changes if one.is_of_name]
    if guessed:
        raise Refusal(
            f"{guessed[0].words[:1].upper()}{guessed[0].words[1:]} only as it is likely, and as-is "
            "takes nothing that is likely.",
            remedy=f"Say it: --column {guessed[0].field}={guessed[0].column}.",
        )
    waiting = {one.field for one in proposal.changes}
    columns = (
        replace(one, scale=None, values=None, zone="", dates="iso" if one.dates else "")
        if one.field in waiting
        else one
        for one in proposal.mapping.columns
    )
    return replace(proposal.mapping, columns=tuple(columns))


def refusing_sentences(door: Door, found: Sequence[Unusable]) -> list[str]:
    """Say of each column of which too much cannot be used what was seen."""
    return [_sentence(door, one) for one in found if one.refuses]


def changes_values(mapping: TableMapping) -> bool:
    """Whether a mapping does more than to name."""
    return any(one.scale or one.values for one in mapping.columns)


def _agrees(saved: TableMapping | None, proposal: Proposal) -> bool:
    """Whether what was confirmed is what these rows say too, where it changes values."""
    if saved is None:
        return False
    for how in proposal.mapping.columns:
        before = saved.of(how.field)
        if before is None or before.column != how.column:
            if any(one.field == how.field for one in proposal.changes):
                return False
            continue
        if before.scale != how.scale:
            return False
        if (before.values is None) != (how.values is None):
            return False
        if how.zone and not before.zone:  # its times had zones, these have none
            return False
        if before.dates != how.dates and not (before.dates in ("dmy", "mdy") and how.dates == ""):
            is_open = any(one.field == how.field for one in proposal.changes)
            if not (is_open and {before.dates, how.dates} <= {"dmy", "mdy"}):
                return False
    return True


# --- Refusing ------------------------------------------------------------------------------------


def _refuse_waiting(name: str, proposal: Proposal, record: ImportMapping) -> Refusal:
    waiting = "; ".join(one.words for one in proposal.changes)
    return Refusal(
        f"{name} can be read, but that would change values: {waiting}. Nothing has landed.",
        remedy=f"If that is right, import it with --mapping {PROPOSED}, or confirm the mapping "
        f"{record.name} in the admin; if values are right as they are, with --mapping {AS_IS}.",
        details={
            "mapping": record.name,
            "mapping_id": record.pk,
            "proposal": {
                "columns": proposal.mapping.as_dict()["columns"],
                "changes": [
                    {"field": one.field, "column": one.column, "words": one.words,
                     "confidence": one.confidence}
                    for one in proposal.changes
                ],
                "applied": list(proposal.applied),
                "ignored": list(proposal.ignored),
                "preview": record.preview,
            },
        },
    )  # fmt: skip


def _refuse_other_values(name: str, saved: ImportMapping) -> Refusal:
    words = "; ".join(str(one["words"]) for one in saved.changes)
    return Refusal(
        f"{name} has the columns of tables that the mapping {saved.name} reads ({words}), but its "
        "values look as if they needed none of that. Nothing has landed.",
        remedy=f"Import it with --mapping {AS_IS} if they are right as they are, or with --mapping "
        f"{saved.name}.",
        details={"mapping": saved.name, "mapping_id": saved.pk},
    )


def _refuse_column(
    name: str, door: Door, refusing: Sequence[Unusable], mapping_name: str
) -> Refusal:
    where = f" ({mapping_name} in the admin, Mappings)" if mapping_name else ""
    return Refusal(
        f"{name}: {' '.join(_sentence(door, one) for one in refusing)} That is more than 1 %, and "
        "the rest does not stand for all of them. Nothing has landed.",
        remedy=f"Mend the column, or give it a mapping that fits{where}; with --accept-partial the "
        "other rows land, and every report says how many are not in it.",
        details={
            **offer_in_part(_left_out(refusing), door.title),
            "unusable": [
                {"field": one.field, "column": one.column, "count": one.count,
                 "filled": one.filled, "seen": one.words}
                for one in refusing
            ]
        },
    )  # fmt: skip


def _refuse_unread(name: str, door: Door, unread: _Unread, readable: int) -> Refusal:
    count, rows = unread.count, unread.count + readable
    left = (
        f"{count:,} of {rows:,} rows ({words.share(count / rows)}) are left out: they are no rows."
    )
    return Refusal(
        f"{name}: {unread.sentence(readable)} That is more than 1 %, and the rest does not stand "
        "for all of them. Nothing has landed.",
        remedy="Mend the file, or say how it is to be read (delimiter, encoding); with "
        "--accept-partial the other rows land, and every report says how many are not in it.",
        details=offer_in_part(left, door.title),
    )


def _left_out(refusing: Sequence[Unusable]) -> str:
    """Say how much of a table would be left out."""
    one = max(refusing, key=lambda each: each.count)
    return (
        f"{one.count:,} of {one.filled:,} rows ({words.share(one.count / one.filled)}) are left "
        f"out, because their {one_line(one.column)} cannot be {one.field}."
    )


def _sentence(door: Door, one: Unusable) -> str:
    return (
        f"{one.count:,} of {one.filled:,} values of {one_line(one.column)} cannot be {one.field}: "
        f"expected {expected(door.field(one.field))}, seen {one.words}."
    )


def _skipped(file: TableFile) -> list[str]:
    if not file.skipped:
        return []
    holds = words.bend(file.skipped, "holds", "hold")
    return [f"{words.tally(file.skipped, 'line')} of the log {holds} no row"]


def _left(proposal: Proposal, door: Door) -> list[str]:
    twice = [name.partition(AGAIN)[0] for name in proposal.ignored if AGAIN in name]
    others = [name for name in proposal.ignored if AGAIN not in name]
    what = "kept beside the row" if door.keeps_extra else "ignored"
    told = (
        ("columns that stand twice with equal values, read once", list(dict.fromkeys(twice))),
        (f"columns that are no field, {what}", others),
    )
    return [f"{said}: {one_line(', '.join(names[:20]))}" for said, names in told if names]


def _preview(
    door: Door, mapping: TableMapping, head: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Rows before and after, as JSON that a page can show."""
    after = Mapper(door, mapping).apply(head)
    return [
        {"before": _short(before), "after": _short(mapped)}
        for before, mapped in zip(head, after, strict=True)
    ]


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(name)[:SHOWN_CHARACTERS].replace("\0", "\N{REPLACEMENT CHARACTER}"): _shown(value)
        for name, value in list(row.items())[:60]
    }


def _shown(value: Any) -> Any:
    if isinstance(value, dict | list):
        value = orjson.dumps(value, default=str).decode("utf-8", "replace")
    if isinstance(value, str):
        safe = value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
        return safe[:SHOWN_CHARACTERS]
    return value
