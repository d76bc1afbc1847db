"""Whose store this is: an id stands in the database and in the store, and both must agree.

A number in a database says nothing about a folder that belongs to another database, or to the one
of which this is an older copy. So nothing is written, replaced or removed before this was asked.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import connection
from django.db.models.functions import Now

from project.refusal import Refusal
from project.storage.blobs import ERASED, the_store
from project.storage.failures import (
    ArtifactCorrupt,
    ArtifactMissing,
    ArtifactUnwritable,
    KeyTaken,
    StoreAway,
    StoreRefused,
)
from project.storage.models import Installation

MARKER = "installation.json"
ABOUT = (
    "This folder belongs to the Seedbed installation of this id, and to the database named here as "
    "<system identifier of the server>/<oid>. `manage.py adopt_folder` gives it to another one."
)
ADOPT = "`manage.py adopt_folder` says what this database would own there, and takes it with --yes."


class FolderDisagrees(Refusal):
    """The folder of artefacts is not known to be that of this database."""


@dataclass(frozen=True)
class Owner:
    """An installation and the very database that it is kept in.

    Attributes
    ----------
    installation : its id.
    database : system identifier of the server and oid of the database; a copy that was restored
        elsewhere has the same installation and another one of these.
    """

    installation: UUID
    database: str

    def __str__(self) -> str:
        return f"installation {self.installation} (database {self.database})"

    def as_dict(self) -> dict[str, str]:
        return {"installation": str(self.installation), "database": self.database}


def this_owner() -> Owner:
    """Return this installation and its database."""
    installation, database = _identity()
    return Owner(installation or _row().pk, database)


def folder_owner() -> Owner | None:
    """Return whose folder it is; None for one without an id.

    Raises
    ------
    FolderDisagrees
        When the id cannot be read.
    """
    store = the_store()
    try:
        said = json.loads(b"".join(store.pieces(MARKER)))
        return Owner(UUID(said["installation"]), str(said["database"]))
    except ArtifactMissing:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise FolderDisagrees(
            f"{store.name(MARKER)} holds no installation id, so nobody knows whose folder it is.",
            remedy=f"Restore that file from a backup. {ADOPT}",
        ) from error


def database_identity() -> str:
    """Return which database this is, one without any table too: see `Owner`."""
    return _asked("NULL")[1]


def mark_store(owner: Owner) -> None:
    """Say in the store whose it is, whosever it was."""
    with _folder_failures():
        the_store().replace(MARKER, _said(owner))


def require_agreement(knows_folder: Callable[[], bool]) -> Owner:
    """See that database and folder are of one installation; the first use marks the folder.

    Parameters
    ----------
    knows_folder : whether this database has a record of files in the folder. It is asked only of a
        folder with files and without an id, as editions before this one left it.

    Raises
    ------
    FolderDisagrees
        When they are not, or when that cannot be known; nothing was touched.
    """
    row = _row()
    own = Owner(row.pk, _identity()[1])
    with _folder_failures():
        found = folder_owner()
        if found is None:
            _require_first_use(row, knows_folder)
            found = _mark(own)
    _require_same(own, found)
    if not row.has_folder:
        Installation.objects.filter(pk=row.pk).update(has_folder=True)
    return own


def why_disagreeing(knows_folder: Callable[[], bool]) -> Refusal | None:
    """Say why nothing could be written now, None when it could; marks nothing."""
    try:
        with _folder_failures():
            found = folder_owner()
            if found is None:
                _require_first_use(_row(), knows_folder)
            else:
                _require_same(this_owner(), found)
    except (FolderDisagrees, StoreAway, StoreRefused) as disagreement:
        return disagreement
    return None


def take_folder() -> Owner:
    """Mark the store as that of this database, whosever it was.

    What lies there already was written by whoever had it: this database never sweeps it.
    """
    own = this_owner()
    mark_store(own)
    Installation.objects.filter(pk=own.installation).update(has_folder=True, adopted_at=Now())
    return own


def is_empty() -> bool:
    """Whether there is no file in the store; what begins with a dot is somebody's half-made.

    Digests of people who were erased may be carried to a new store before a restore.
    """
    keys = (one.key for one in the_store().listed("") if not one.key.startswith(ERASED))
    return not any(all(step[0] != "." for step in key.split("/")) for key in keys)


@contextlib.contextmanager
def _folder_failures() -> Iterator[None]:
    """Say in words what the system says of the folder: no right to it, no space, no folder."""
    try:
        yield
    except (StoreAway, StoreRefused):
        raise
    except (ArtifactUnwritable, ArtifactCorrupt) as error:
        said = error.message if isinstance(error, ArtifactCorrupt) else str(error)
        raise FolderDisagrees(
            f"{said} So nobody knows whose folder it is.",
            remedy=f"Give the user that runs Seedbed (uid {os.geteuid()}) the right to read and "
            "write it, or free space there, or name another folder in SEEDBED_VAR.",
        ) from error


def _row() -> Installation:
    row = Installation.objects.first()
    if row is None:  # flushed by something that tells nobody
        Installation.objects.bulk_create([Installation()], ignore_conflicts=True)
        row = Installation.objects.get()
    return row


def _identity() -> tuple[UUID | None, str]:
    """Return the installation, None where it has no row yet, and the database."""
    table = connection.ops.quote_name(Installation._meta.db_table)
    return _asked(f"(SELECT id FROM {table} LIMIT 1)")  # noqa: S608 - a name of our own


def _asked(what: str) -> tuple[Any, str]:
    """Ask for something, and which database it is that answers."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {what}, oid::text, "  # noqa: S608 - words of our own
            "has_function_privilege('pg_control_system()', 'execute') "
            "FROM pg_database WHERE datname = current_database()"
        )
        found, oid, may_ask = cursor.fetchone()
        # Of a server that hides its own name the oid has to do.
        return found, f"{_system(cursor) if may_ask else '?'}/{oid}"


_systems: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def _system(cursor: Any) -> str:
    """The identifier of the server; one connection leads to one server for as long as it lasts."""
    link = connection.connection
    if link not in _systems:
        cursor.execute("SELECT system_identifier::text FROM pg_control_system()")
        _systems[link] = cursor.fetchone()[0]
    return _systems[link]


def _require_first_use(row: Installation, knows_folder: Callable[[], bool]) -> None:
    store = the_store()
    if row.has_folder:
        raise FolderDisagrees(
            f"{store.title} carries no installation id, and the folder of this database does: it "
            "is another one.",
            remedy=f"Mount the right one, or name it in SEEDBED_VAR or SEEDBED_STORE_URL. {ADOPT}",
        )
    if not is_empty() and not knows_folder():
        raise FolderDisagrees(
            f"{store.title} holds files of which this database has no record: they belong to "
            "another one.",
            remedy=f"Name another folder in SEEDBED_VAR, or another DATABASE_URL. {ADOPT}",
        )


def _require_same(own: Owner, found: Owner) -> None:
    if found.installation != own.installation:
        raise FolderDisagrees(
            f"{the_store().title} belongs to {found}, and this is {own}.",
            remedy=f"Name another folder in SEEDBED_VAR, or another DATABASE_URL. {ADOPT}",
        )
    if found.database != own.database:
        raise FolderDisagrees(
            f"{the_store().title} belongs to database {found.database}, and this is database "
            f"{own.database} with the same installation id: a copy of it, restored or moved here.",
            remedy=f"If the other one is no longer used, adopt the folder; else name another in "
            f"SEEDBED_VAR. {ADOPT}",
        )


def _mark(own: Owner) -> Owner:
    """Place the id in a store without one; returns whose id is there then."""
    try:
        the_store().create(MARKER, _said(own))
    except KeyTaken:  # another process was first
        return folder_owner() or own
    return own


def _said(own: Owner) -> bytes:
    said: dict[str, Any] = {**own.as_dict(), "about": ABOUT}
    return json.dumps(said, indent=2).encode()
