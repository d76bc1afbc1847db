"""Giving a folder of artefacts to this database on purpose, after saying what it would own."""

from typing import Any, TypedDict

from django.db import transaction

from project.refusal import Refusal
from project.storage.artifacts import glance, why_not_own_folder
from project.storage.blobs import BLOBS, key_of, the_store
from project.storage.failures import ArtifactCorrupt, ArtifactMissing
from project.storage.installation import Owner, folder_owner, take_folder, this_owner
from project.storage.records import models_with_files, named_digests

SHOWN = 20  # files and records that are named; the counts are of all


class OwnerFields(TypedDict):
    """An installation and its database, as JSON."""

    installation: str
    database: str


class RecordsFound(TypedDict):
    """The records of one model, and in what state their files are here."""

    records: int
    there: int
    gone: int
    changed: int
    named: list[str]


class Adoption(TypedDict):
    """What a store is, and what this database has to do with it.

    `unrecorded` are files that no row of this database names: they are left where they are.
    """

    folder: str
    is_own: bool
    problem: str
    is_adopted: bool
    this: OwnerFields
    owner: OwnerFields | None
    records: dict[str, RecordsFound]
    unrecorded: int
    unrecorded_files: list[str]


def describe_adoption() -> Adoption:
    """Say what this database would own in the folder; changes nothing."""
    problem = why_not_own_folder()
    records = {}
    for model in models_with_files():
        found: RecordsFound = {"records": 0, "there": 0, "gone": 0, "changed": 0, "named": []}
        for record in model._default_manager.order_by("pk").iterator():
            state = _state(record)
            found["records"] += 1
            found[state] += 1  # type: ignore[literal-required]
            if state != "there" and len(found["named"]) < SHOWN:
                found["named"].append(f"{record}: {state}")
        records[model._meta.label_lower] = found
    unrecorded = _unrecorded()
    owner = _owner()
    return {
        "folder": the_store().title,
        "is_own": problem is None,
        "problem": "" if problem is None else problem.message,
        "is_adopted": False,
        "this": _fields(this_owner()),
        "owner": None if owner is None else _fields(owner),
        "records": records,
        "unrecorded": len(unrecorded),
        "unrecorded_files": unrecorded[:SHOWN],
    }


@transaction.atomic
def adopt_folder() -> Adoption:
    """Make the folder that of this database; its files stay as they are."""
    described = describe_adoption()
    take_folder()
    return {**described, "is_own": True, "problem": "", "is_adopted": True}


def _owner() -> Owner | None:
    try:
        return folder_owner()
    except Refusal:
        return None


def _fields(owner: Owner) -> OwnerFields:
    return {"installation": str(owner.installation), "database": owner.database}


def _state(record: Any) -> str:
    try:
        glance(record.folder, record.files)
    except ArtifactMissing:
        return "gone"
    except ArtifactCorrupt:
        return "changed"
    return "there"


def _unrecorded() -> list[str]:
    named = {key_of(digest) for digest in named_digests()}
    return sorted(one.key for one in the_store().listed(BLOBS) if one.key not in named)
