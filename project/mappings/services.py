"""Keeps mappings: what is proposed, what a person confirms, what is changed."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from project import clock
from project.acting import Actor, Person, current_actor
from project.mappings.models import ImportMapping
from project.tabular.doors import Door, plain_name
from project.tabular.mapping import TableMapping
from project.tabular.mend import UNREAD
from project.tabular.proposing import Proposal


def signature_of(door: Door, columns: Sequence[str], owner: str = "") -> str:
    """Digest of the names of columns, in any order: what tells one kind of table from another.

    Where a table has an owner, it is told from those of others that have the same columns.
    """
    heads = {column.partition(".")[0] for column in columns} - UNREAD
    heads |= {owner} - {""}
    plain = sorted(map(plain_name, heads))
    return hashlib.sha256("\0".join([door.name, *plain]).encode()).hexdigest()


@transaction.atomic
def keep_proposal(
    door: Door,
    columns: Sequence[str],
    proposal: Proposal,
    *,
    preview: Sequence[Mapping[str, Any]],
    file_name: str,
    kind: str = "",
    arguments: Mapping[str, Any] | None = None,
    by: Person = None,
    is_confirmed: bool = False,
    owner: str = "",
) -> ImportMapping:
    """Keep a proposal; an equal one that waits already is given new rows to look at."""
    actor = current_actor() if by is None else Actor.of(by)
    signature = signature_of(door, columns, owner)
    same = ImportMapping.objects.select_for_update().filter(door=door.name, signature=signature)
    newest = same.order_by("-version").first()
    changed = {
        "header": list(columns),
        "mapping": proposal.mapping.as_dict(),
        "proposed": proposal.mapping.as_dict(),
        "applied": list(proposal.applied),
        "changes": [
            {"field": one.field, "words": one.words, "confidence": one.confidence}
            for one in proposal.changes
        ],
        "ignored": list(proposal.ignored),
        "preview": list(preview),
        "file_name": file_name,
        "kind": kind,
        "arguments": dict(arguments or {}),
        "proposed_by": actor.name,
        "proposed_at": clock.now(),
        "created_by": actor.user,
    }
    if is_confirmed:
        changed |= {"confirmed_by": actor.name, "confirmed_at": clock.now()}
    version = 1 if newest is None else newest.version + newest.is_confirmed
    noun = door.name.rpartition(".")[2].replace("_", "-")
    # Two imports of tables with one header may come to this at once: the later has its say.
    record, _ = ImportMapping.objects.update_or_create(
        door=door.name,
        signature=signature,
        version=version,
        defaults={"name": f"{noun}-{signature[:8]}-{version}", **changed},
    )
    return record


def confirm_named(name: str, *, by: Person = None) -> None:
    """Note that somebody took a mapping by its name, which says yes to one that waits."""
    for record in ImportMapping.objects.filter(name=name, confirmed_at__isnull=True):
        confirm_mapping(record, by=by)


@transaction.atomic
def confirm_mapping(
    record: ImportMapping, *, mapping: TableMapping | None = None, by: Person = None
) -> ImportMapping:
    """Say yes to a mapping, as it is proposed or as it was changed."""
    actor = current_actor() if by is None else Actor.of(by)
    if mapping is not None:
        record.mapping = mapping.as_dict()
    record.confirmed_by, record.confirmed_at = actor.name, clock.now()
    record.save(update_fields=["mapping", "confirmed_by", "confirmed_at"])
    return record
