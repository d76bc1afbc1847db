"""How the rows of a source's table are read: decided before one of them lands, and remembered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql

from feedback.domain.door import DOORS
from feedback.models import CollectionRun
from feedback.queries.remote import Remote, RemoteTable
from feedback.queries.schedule import COLLECT_KIND
from feedback.queries.value_counts import survey_table
from project.mappings.arguments import AS_IS, PROPOSED
from project.mappings.door import Decision, as_it_is, changes_values, refusing_sentences
from project.mappings.models import ImportMapping
from project.mappings.services import confirm_named, keep_proposal, signature_of
from project.outside import one_line
from project.tabular.doors import Door
from project.tabular.mapping import TableMapping
from project.tabular.proposing import Asked, Proposal, judge, propose


class ColumnsRefused(Exception):
    """The values of a table wait for a person, or do not fit; nothing of it landed."""


@dataclass(frozen=True)
class HowAsked:
    """What was asked of a collection about values.

    Attributes
    ----------
    mapping : proposed, as-is, the name of a saved one; empty: what was confirmed for the table.
    accept_partial : whether the rest lands where too much of a column cannot be used.
    add_record : links the record of a proposal to the job.
    """

    mapping: str = ""
    accept_partial: bool = False
    add_record: Callable[[ImportMapping], None] | None = None


def decide_reading(
    remote: Remote,
    table: RemoteTable,
    where: sql.Composable,
    reading: CollectionRun,
    known: Mapping[str, str],
    asked: HowAsked,
) -> Decision | None:
    """Decide how values of a table's window are read; None where they stay as they are.

    A mapping belongs to one table of one source: once confirmed, every later window is read by it
    and judged by it.

    Raises
    ------
    ColumnsRefused
        When something that would change values waits for a person, or too much of a column
        cannot be used.
    """
    door = DOORS[reading.table]
    survey = survey_table(remote, table, where, door, known)
    proposal = _of_known(propose(door, survey, Asked(columns=dict(known))), known)
    owner = f"source {reading.source_id}"
    signature = signature_of(door, list(table.columns), owner)
    saved = ImportMapping.objects.for_table(door.name, signature).first()

    def keep(found: Proposal, *, is_confirmed: bool) -> ImportMapping:
        source = reading.source.name
        record = keep_proposal(
            door, list(survey.columns), found, owner=owner, preview=[],
            file_name=f"{source}: {table.name}",
            kind=COLLECT_KIND, arguments={"sources": [source]}, is_confirmed=is_confirmed,
        )  # fmt: skip
        if asked.add_record is not None:
            asked.add_record(record)
        return record

    named = _named(asked.mapping, door, table)
    mapping, name = proposal.mapping, ""
    confirmed: Proposal | None = None
    if asked.mapping == PROPOSED and proposal.changes:
        confirmed = proposal
    elif asked.mapping == AS_IS:
        mapping = as_it_is(proposal)
        confirmed = replace(proposal, mapping=mapping, changes=()) if proposal.changes else None
    elif named is not None:
        mapping, name = named.table, named.name
    elif saved is not None:
        mapping, name = saved.table, saved.name
    elif proposal.changes:
        record = keep(proposal, is_confirmed=False)
        waiting = "; ".join(one.words for one in proposal.changes)
        raise ColumnsRefused(
            f"Reading it would change values: {waiting}. Nothing of it landed. Confirm the mapping "
            f"{record.name} in the admin, or collect with --source {reading.source.name} --mapping "
            f"{PROPOSED}; with --mapping {AS_IS} if they are right as they are."
        )
    unusable = judge(door, mapping, survey)
    sentences = refusing_sentences(door, unusable)
    if sentences and not asked.accept_partial:
        raise ColumnsRefused(
            f"{' '.join(sentences)} That is more than 1 %, and the rest does not stand for all of "
            "them. Nothing of it landed. Mend the column or its mapping, or collect with "
            "--accept-partial; reports then say how many are not in them."
        )
    if confirmed is not None:
        name = keep(confirmed, is_confirmed=True).name
    elif name:
        confirm_named(name)
    if not changes_values(mapping) and not sentences and not reads_deeper(mapping, known):
        return None
    return Decision(
        mapping=mapping.as_dict(),
        mapping_name=name,
        notes=[],
        unusable=sentences,
        partial=bool(sentences),
    )


def reads_deeper(mapping: TableMapping, known: Mapping[str, str]) -> bool:
    """Whether a field within an object is read from a path where it does not stand by itself."""
    for how in mapping.columns:
        head, dot, key = how.field.partition(".")
        if dot and how.column != f"{known.get(head)}.{key}":
            return True
    return False


def _named(name: str, door: Door, table: RemoteTable) -> ImportMapping | None:
    """Return the mapping of a name, for the table that it is of; None for the others."""
    if name in ("", PROPOSED, AS_IS):
        return None
    record = ImportMapping.objects.filter(name=name).first()
    if record is None:
        raise ColumnsRefused(
            f"There is no mapping {one_line(name)[:80]!r}. Nothing of it landed. Name "
            f"one of Mappings in the admin, or {PROPOSED}, or {AS_IS}."
        )
    if record.door != door.name:
        return None
    heads = [how.column.partition(".")[0] for how in record.table.columns]
    absent = [head for head in heads if head not in table.columns]
    if absent:
        raise ColumnsRefused(
            f"The mapping {record.name} reads the column {one_line(absent[0])}, which {table.name} "
            f"does not have. Nothing of it landed. Collect with --mapping {PROPOSED}."
        )
    return record


def mapping_of(decision: Mapping[str, Any]) -> TableMapping:
    """The mapping of a decision."""
    return TableMapping.from_dict(decision["mapping"])


def _of_known(proposal: Proposal, known: Mapping[str, str]) -> Proposal:
    """A proposal for the columns that the source is read by, and what stands in their objects."""
    kept = tuple(one for one in proposal.mapping.columns if one.field.partition(".")[0] in known)
    changes = tuple(one for one in proposal.changes if one.field.partition(".")[0] in known)
    return replace(
        proposal, mapping=replace(proposal.mapping, columns=kept), changes=changes, missing=()
    )
