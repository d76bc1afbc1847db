"""Makes a backup: one snapshot of the database, every file that it names, a signed manifest last.

While it copies, nobody sweeps the store: the lock under which that is done is shared by backups.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.views.decorators.debug import sensitive_variables

from project import words
from project.backup import places
from project.backup.failures import BackupRefused
from project.backup.manifest import (
    DUMPS,
    MANIFEST,
    SEALED,
    File,
    Manifest,
    Sample,
    Scored,
    has_manifest,
)
from project.backup.programs import Program, find_program, run_program, server_major
from project.backup.sealing import seal
from project.storage.blobs import BLOBS, Blob, pieces_of, the_store
from project.storage.failures import ArtifactCorrupt, ArtifactUnreadable, KeyTaken
from project.storage.installation import this_owner
from project.storage.place import PIECE_BYTES, Place
from project.storage.staging import staged
from project.storage.tending import TENDING_LOCK, named_blobs
from project.uploads.models import Upload

NAMED: Final = 20  # broken files that a refusal names; the count is of all
COMPRESSION: Final = "gzip:1"  # which every pg_restore reads; more of it costs more than it saves
OURS: Final = re.compile(rf"{re.escape(BLOBS)}[0-9a-f]{{2}}/[0-9a-f]{{64}}|"
                         rf"({DUMPS}|{SEALED})[0-9a-f-]{{36}}\.(dump|sealed)")  # fmt: skip
SECRETS: Final = ("SECRET_KEY", "ARTIFACT_KEY", "FIELD_KEY")
EARLIER_SECRETS: Final = ("ARTIFACT_KEY_FALLBACKS", "FIELD_KEY_FALLBACKS")

# What is done now, how much of it, of how much where that is known.
Tell = Callable[[str, int, int | None], None]


def say_nothing(what: str, done: int, total: int | None) -> None:
    """Tell nobody how far it is."""


@dataclass(frozen=True)
class _Snapshot:
    """What the database said at one moment."""

    at: datetime
    installation: UUID
    migrations: tuple[str, ...]
    tables: dict[str, int]
    blobs: tuple[Blob, ...]
    uploads: int
    served_by: str
    scores: tuple[Scored, ...]


@sensitive_variables("passphrase")
def make_backup(
    place: Place,
    *,
    sample: Sample,
    passphrase: str = "",
    without_broken: bool = False,
    job: str = "",
    tell: Tell = say_nothing,
) -> Manifest:
    """Make a backup in a place that is empty, or in which one was interrupted.

    Parameters
    ----------
    sample : scores a few pairs, for whoever restores to compare; asked within the snapshot.
    passphrase : seals the secrets; empty leaves them out.
    without_broken : go on without files that are missing or have changed, and name them.
    tell : is called again and again, and ends the backup by raising.

    Raises
    ------
    BackupRefused : the place holds something else, or files are broken.
    ProgramUnusable : there is no pg_dump that fits, or it failed.
    StoreAway, StoreRefused, ArtifactUnwritable : of the store or of the place.
    """
    if connection.in_atomic_block:
        raise RuntimeError("A backup takes a snapshot of its own: it is in no transaction.")
    started = time.monotonic()
    identity = uuid4()
    program = find_program("pg_dump", server=server_major())
    _require_room(place)
    secrets = seal(_secrets(), passphrase) if passphrase else b""
    with _unswept(tell) as session:
        snapshot, dump = _dumped(place, session, program, identity, sample=sample, tell=tell)
        files = {f"{DUMPS}{identity}.dump": dump}
        copied, broken = _copied(place, snapshot.blobs, tell=tell)
        files |= copied
        if broken and not without_broken:
            raise BackupRefused(
                f"{len(broken):,} of the files that records name cannot be backed up: "
                f"{' '.join(broken[:NAMED])}",
                remedy="Restore them from a backup of before, or make those records again; or "
                "leave these files out with --without-broken.",
                details={"broken": broken},
            )
        session.execute("SELECT 1")  # while it lived, nothing was swept
    if secrets:
        key = f"{SEALED}{identity}.sealed"
        files[key] = places.write(place, key, iter((secrets,)), size=len(secrets))
    for key in places.keys_in(place):
        if key not in files:
            place.remove(key)  # what an interrupted one has left
    manifest = Manifest(
        id=identity,
        installation=snapshot.installation,
        made_at=snapshot.at,
        seconds=round(time.monotonic() - started, 3),
        server=server_major(),
        dumped_by=program.major,
        migrations=snapshot.migrations,
        tables=snapshot.tables,
        files=files,
        without=tuple(broken),
        uploads=snapshot.uploads,
        served_by=snapshot.served_by,
        scores=snapshot.scores,
        job=job,
    )
    try:
        place.create(MANIFEST, manifest.said())
    except KeyTaken:
        raise _taken(place) from None
    return manifest


def _require_room(place: Place) -> None:
    if has_manifest(place):
        raise _taken(place)
    others = sorted(key for key in places.keys_in(place) if not OURS.fullmatch(key))
    if others:
        raise BackupRefused(
            f"{place.title} is not empty, and what is there is no interrupted backup: "
            f"{', '.join(others[:NAMED])}.",
            remedy="Name a folder or address of its own for the backup.",
        )


def _taken(place: Place) -> BackupRefused:
    return BackupRefused(
        f"{place.title} holds a backup already; none is written over.",
        remedy="Name another folder or address, or move that one away.",
    )


def _secrets() -> dict[str, str]:
    found = {f"SEEDBED_{name}": getattr(settings, name) for name in SECRETS}
    return found | {
        f"SEEDBED_{name}": ",".join(getattr(settings, name)) for name in EARLIER_SECRETS
    }


@contextlib.contextmanager
def _unswept(tell: Tell) -> Iterator[Any]:
    """Give a session of its own that keeps whoever sweeps the store from it."""
    own = connection.copy()
    try:
        own.connect()
        session = own.connection
        while not session.execute(
            "SELECT pg_try_advisory_lock_shared(%s)", [TENDING_LOCK]
        ).fetchone()[0]:
            tell("Waiting until the store is swept", 0, None)
            time.sleep(0.2)
        yield session
    finally:
        own.close()


def _dumped(
    place: Place,
    session: Any,
    program: Program,
    identity: UUID,
    *,
    sample: Sample,
    tell: Tell,
) -> tuple[_Snapshot, File]:
    """Dump the database, and read beside it what it names, as of the same moment."""
    session.execute("SET idle_in_transaction_session_timeout = 0")
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    exported = session.execute("SELECT pg_export_snapshot()").fetchone()[0]
    snapshot = _read(exported, sample)
    with staged(place.staging_root) as folder:
        path = folder / "dump"

        def beat() -> None:
            written = path.stat().st_size if path.exists() else 0
            tell("Dumping the database", written, None)

        tell("Dumping the database", 0, None)
        run_program(
            program.path,
            *("--format=custom", "--no-owner", "--no-privileges", f"--compress={COMPRESSION}"),
            *(f"--snapshot={exported}", f"--file={path}"),
            beat=beat,
        )
        session.execute("COMMIT")
        with path.open("rb") as file:
            pieces = iter(lambda: file.read(PIECE_BYTES), b"")
            dump = places.write(place, f"{DUMPS}{identity}.dump", pieces, size=path.stat().st_size)
    return snapshot, dump


def _read(exported: str, sample: Sample) -> _Snapshot:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET TRANSACTION SNAPSHOT %s", [exported])
        cursor.execute("SELECT now()")
        at = cursor.fetchone()[0]
        cursor.execute("SELECT app || '.' || name FROM django_migrations ORDER BY 1")
        migrations = tuple(row[0] for row in cursor.fetchall())
        blobs = {blob.sha256: blob for blob in named_blobs()}
        served_by, scores = sample()
        return _Snapshot(
            at=at,
            installation=this_owner().installation,
            migrations=migrations,
            tables=count_tables(),
            blobs=tuple(blobs[digest] for digest in sorted(blobs)),
            uploads=Upload.objects.count(),
            served_by=served_by,
            scores=scores,
        )


def count_tables() -> dict[str, int]:
    """Return how many rows each table of this database has."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1"
        )
        counted = {}
        for (name,) in cursor.fetchall():
            cursor.execute(f"SELECT count(*) FROM {quote(name)}")  # noqa: S608 - as PostgreSQL has it
            counted[name] = int(cursor.fetchone()[0])
    return counted


def _copied(
    place: Place, blobs: tuple[Blob, ...], *, tell: Tell
) -> tuple[dict[str, File], list[str]]:
    """Copy files from the store, each compared with its digest; names those that are broken."""
    there = places.keys_in(place)
    copied: dict[str, File] = {}
    broken: list[str] = []
    for number, blob in enumerate(blobs):
        tell("Copying files", number, len(blobs))
        try:
            copied[blob.key] = _copy(place, blob, there.get(blob.key))
        except ArtifactUnreadable:
            raise
        except ArtifactCorrupt as error:
            broken.append(error.message)
    tell("Copying files", len(blobs), len(blobs))
    return copied, broken


def _copy(place: Place, blob: Blob, size_there: int | None) -> File:
    if size_there is not None and (blob.size is None or blob.size == size_there):
        found = places.digest_in(place, blob.key)
        if found.sha256 == blob.sha256:  # an interrupted backup has brought it
            return found
    written = places.write(place, blob.key, pieces_of(blob), size=blob.size)
    if written.sha256 != blob.sha256:
        place.remove(blob.key)
        raise ArtifactCorrupt(
            f"{blob.title} at {the_store().name(blob.key)} has changed since it was written: "
            f"expected SHA-256 {blob.sha256}, found {written.sha256} and "
            f"{words.tally(written.size, 'byte')}.",
            remedy="Restore it from a backup.",
        )
    return written
