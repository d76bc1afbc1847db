"""Restores a backup into an empty database and store; ended anywhere, it begins anew.

The files come first: what no row names does no harm. The database comes whole, in one transaction
of pg_restore. A table of our own says meanwhile that what stands there is half a restore.
"""

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import Error, connection, transaction
from django.views.decorators.debug import sensitive_variables

from project import clock, words
from project.audit.models import Act
from project.audit.services import record
from project.backup import places
from project.backup.checking import check_backup
from project.backup.failures import BackupBroken, RestoreRefused
from project.backup.making import (
    EARLIER_SECRETS,
    SECRETS,
    Tell,
    count_tables,
    say_nothing,
)
from project.backup.manifest import SEALED, Manifest, read_manifest
from project.backup.programs import find_program, run_program, server_major
from project.backup.sealing import unseal
from project.command import written_migrations
from project.storage.blobs import Blob, check, keep_file, the_store
from project.storage.failures import ArtifactCorrupt
from project.storage.installation import (
    Owner,
    database_identity,
    folder_owner,
    is_empty,
    mark_store,
)
from project.storage.models import Installation
from project.storage.place import Place
from project.storage.staging import staged
from project.storage.tending import named_blobs

RESTORING: Final = "seedbed_restoring"  # a table that is there while a restore is not whole
NAMED: Final = 10


@dataclass(frozen=True)
class Here:
    """What a restore would meet here.

    Attributes
    ----------
    installation : of the database; None where that has none.
    tables : those with rows, and how many.
    has_tables : whether there is any table.
    is_interrupted : whether what is there is half a restore.
    store : where the store is; owner : whose it is, as it says; is_store_empty : no file in it.
    word : what confirms that it may be replaced.
    """

    installation: UUID | None
    tables: dict[str, int]
    has_tables: bool
    is_interrupted: bool
    database: str
    store: str
    owner: Owner | None
    is_store_empty: bool

    @property
    def word(self) -> str:
        if self.installation is not None:
            return str(self.installation)
        return str(self.owner.installation) if self.owner else "replace"

    def in_the_way(self) -> list[str]:
        """Say what would be replaced; empty where nothing would."""
        found = []
        if self.has_tables and not self.is_interrupted:
            most = sorted(self.tables.items(), key=lambda table: -table[1])[:NAMED]
            rows = ", ".join(f"{name} {rows:,}" for name, rows in most)
            whose = f"of installation {self.installation}" if self.installation else "of nobody"
            found.append(
                f"the database {whose} with {words.tally(sum(self.tables.values()), 'row')}"
                + (f" ({rows})" if rows else "")
            )
        if self.owner is not None and self.owner.database != self.database:
            found.append(f"the store {self.store}, which belongs to {self.owner}")
        elif self.owner is None and not self.is_store_empty:
            found.append(f"the store {self.store}, which holds files and says nobody's name")
        return found


@dataclass(frozen=True)
class Restored:
    """What was restored. `differing` names tables whose rows are not those of the manifest."""

    files: int
    tables: dict[str, int]
    differing: tuple[str, ...]
    broken: tuple[str, ...]
    seconds: float


def look_here() -> Here:
    """Look at database and store; changes nothing, and needs no table."""
    tables = count_tables()
    has_installation = Installation._meta.db_table in tables
    row = Installation.objects.first() if has_installation else None
    return Here(
        installation=None if row is None else row.pk,
        tables={name: rows for name, rows in tables.items() if rows},
        has_tables=bool(tables),
        is_interrupted=RESTORING in tables and not _is_used(tables.keys()),
        database=database_identity(),
        store=the_store().title,
        owner=folder_owner(),
        is_store_empty=is_empty(),
    )


def require_restorable(manifest: Manifest, here: Here, *, word: str | None) -> None:
    """See that a backup may be restored here.

    `word` confirms that what is in the way is replaced; None where nobody asked for that.

    Raises
    ------
    RestoreRefused : nothing was changed.
    """
    known = {f"{app}.{name}" for app, name in written_migrations()}
    newer = sorted(set(manifest.migrations) - known)
    if newer:
        raise RestoreRefused(
            f"The backup is of a newer version of Seedbed: this one does not know "
            f"{len(newer):,} of its migrations: {', '.join(newer[:NAMED])}.",
            remedy="Restore it with the version that made it, or a later one.",
        )
    major = server_major()
    if major < manifest.server:
        raise RestoreRefused(
            f"The backup is of PostgreSQL {manifest.server}, and this server is {major}.",
            remedy=f"Restore it into PostgreSQL {manifest.server} or newer.",
        )
    in_the_way = here.in_the_way()
    if in_the_way and word != here.word:
        raise RestoreRefused(
            f"It would replace {'; and '.join(in_the_way)}."
            + ("" if word is None else f" The word that was given is not {here.word}."),
            remedy="Restore into an empty database and an empty store: name others in "
            "DATABASE_URL, SEEDBED_STORE_URL or SEEDBED_VAR. To lose what is here: "
            f"--replace {here.word}. Files of the store stay, whosever they are.",
            details={"replaces": in_the_way, "word": here.word},
        )
    others = _other_sessions()
    if others:
        raise RestoreRefused(
            f"{others} other sessions are connected to this database.",
            remedy="Stop web servers, workers, schedulers and whoever else is connected, then "
            "run it again.",
        )


@sensitive_variables()
def open_secrets(place: Place, passphrase: str) -> dict[str, str]:
    """Return the secrets of a backup by the names of their settings.

    Raises
    ------
    BackupBroken : it has none, or those of two.
    WrongPassphrase : they open with another one.
    """
    sealed = [key for key in places.keys_in(place) if key.startswith(SEALED)]
    if len(sealed) != 1:
        raise BackupBroken(
            f"Expected one file of secrets in {place.title}, found {len(sealed)}.",
            remedy="Set the three secrets in the environment and restore without --secrets."
            if not sealed
            else "It is a mixture of two backups: restore from the folder as it was made.",
        )
    return unseal(b"".join(place.pieces(sealed[0])), passphrase)


def artifact_keys(secrets: dict[str, str]) -> tuple[str, ...]:
    """Return the keys that may have signed the manifest of a backup with these secrets."""
    earlier = secrets.get("SEEDBED_ARTIFACT_KEY_FALLBACKS", "").split(",")
    return (secrets["SEEDBED_ARTIFACT_KEY"], *filter(None, earlier))


@sensitive_variables()
def require_secrets_fit(secrets: dict[str, str]) -> None:
    """See that the environment says nothing else than the secrets of a backup.

    Raises
    ------
    RestoreRefused : it names other ones, which would be used from the next start on.
    """
    other = [
        name
        for name in (f"SEEDBED_{one}" for one in SECRETS)
        if os.environ.get(name) and os.environ[name] != secrets.get(name)
    ]
    if other:
        raise RestoreRefused(
            f"{', '.join(other)} {'is' if len(other) == 1 else 'are'} set in the environment, and "
            "not to what the backup has.",
            remedy="Write the secrets of the backup to a file with --secrets-to FILE, set the "
            "environment by it, and restore without --secrets.",
        )


@sensitive_variables()
def take_secrets(secrets: dict[str, str]) -> None:
    """Make the secrets of a backup those of this folder, where the environment names none."""
    for name in SECRETS:
        value = secrets[f"SEEDBED_{name}"]
        if not os.environ.get(f"SEEDBED_{name}"):
            _renew(Path(settings.VAR, "secrets", f"seedbed_{name.lower()}"), value)
        setattr(settings, name, value)
    for name in EARLIER_SECRETS:
        earlier = list(filter(None, secrets.get(f"SEEDBED_{name}", "").split(",")))
        setattr(settings, name, list(dict.fromkeys([*getattr(settings, name), *earlier])))


def _renew(path: Path, value: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with staged(path.parent) as folder:
        fresh = folder / "secret"
        fresh.touch(mode=0o600)
        fresh.write_text(value)
        fresh.replace(path)


def restore_backup(
    place: Place,
    manifest: Manifest,
    here: Here,
    *,
    finish: Callable[[], None],
    is_checked: bool = False,
    tell: Tell = say_nothing,
) -> Restored:
    """Restore a backup that `check_backup` and `require_restorable` have found right.

    `finish` does what the apps have to do before the restore counts as whole; with `is_checked`
    every file is read once more from the store, and compared.
    """
    started = clock.now()
    program = find_program("pg_restore", server=server_major(), least=manifest.dumped_by)
    is_foreign = bool(here.owner or not here.is_store_empty) and (
        here.owner is None or here.owner.installation != manifest.installation
    )
    mark_store(Owner(manifest.installation, here.database))
    _restore_files(place, manifest, tell=tell)
    with staged(Path(settings.VAR) / "restore") as folder:
        dump = folder / "dump"
        _fetch(place, manifest, manifest.dump, dump)
        _clear_database(manifest)
        tell("Restoring the database", 0, None)
        connection.close()
        run_program(
            program.path,
            *("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"),
            *(f"--dbname={_named_database()}", str(dump)),
            beat=lambda: tell("Restoring the database", 0, None),
        )
    tables = {name: rows for name, rows in count_tables().items() if name != RESTORING}
    names = tables.keys() | manifest.tables.keys()
    differing = sorted(name for name in names if tables.get(name) != manifest.tables.get(name))
    tell("Bringing the database up to date", 0, None)
    ContentType.objects.clear_cache()
    call_command("migrate", verbosity=0, interactive=False)
    adopted: dict[str, datetime] = {"adopted_at": started} if is_foreign else {}
    Installation.objects.filter(pk=manifest.installation).update(has_folder=True, **adopted)
    finish()
    broken = tuple(_broken(manifest, tell=tell)) if is_checked else ()
    with transaction.atomic(), connection.cursor() as cursor:
        record(
            Act.FOLDER,
            title=f"Restored backup {manifest.id}",
            detail=f"of {manifest.made_at:%Y-%m-%d %H:%M} UTC, from {place.title}, into database "
            f"{here.database}",
        )
        cursor.execute(f"DROP TABLE {RESTORING}")
    return Restored(
        files=len(manifest.blobs),
        tables=tables,
        differing=tuple(differing),
        broken=broken,
        seconds=round((clock.now() - started).total_seconds(), 3),
    )


def _named_database() -> str:
    """Name this database so that libpq takes it for a name, whatever is in it."""
    name = str(connection.settings_dict["NAME"])
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{quoted}'"


def read_and_check(
    place: Place, *, keys: tuple[str, ...] | None = None, tell: Tell = say_nothing
) -> Manifest:
    """Return the manifest of a backup that is whole.

    Raises
    ------
    BackupBroken : it is not.
    """
    manifest = read_manifest(place, keys=keys)
    check_backup(place, manifest, tell=tell)
    return manifest


def _is_used(tables: Collection[str]) -> bool:
    """Whether somebody went on with half a restore: then it is nobody's to throw away."""
    signs = {"jobs_process": "beat_at", "audit_auditentry": "at"}
    with connection.cursor() as cursor:
        for table, column in signs.items():
            if table in tables:
                cursor.execute(
                    f"SELECT EXISTS (SELECT FROM {table} WHERE {column} > "  # noqa: S608 - our own names
                    f"(SELECT max(begun_at) FROM {RESTORING}))"
                )
                if cursor.fetchone()[0]:
                    return True
    return False


def _other_sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


def _restore_files(place: Place, manifest: Manifest, *, tell: Tell) -> None:
    store = the_store()
    for number, key in enumerate(manifest.blobs):
        tell("Restoring files", number, len(manifest.blobs))
        with staged(store.staging_root) as folder:
            path = folder / "file"
            _fetch(place, manifest, key, path)
            with transaction.atomic():
                keep_file(path, manifest.files[key].sha256, may_move=True)


def _fetch(place: Place, manifest: Manifest, key: str, path: Path) -> None:
    """Copy a file of a backup here, and see that it is the one of the manifest."""
    with path.open("xb") as file:
        for piece in place.pieces(key):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    with path.open("rb") as file:
        found = places.digest_of(iter(lambda: file.read(1 << 20), b""))
    if found != manifest.files[key]:
        raise BackupBroken(
            f"{place.name(key)} has changed while it was restored.",
            remedy="Run it again; where it says so again, restore another backup.",
        )


def _clear_database(manifest: Manifest) -> None:
    """Leave nothing there but the table that says that a restore is not whole."""
    tables = count_tables().keys()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if tables - {RESTORING}:
                cursor.execute("DROP SCHEMA public CASCADE")
                cursor.execute("CREATE SCHEMA public")
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS public.{RESTORING} "
                "(backup uuid, begun_at timestamptz DEFAULT clock_timestamp())"
            )
            cursor.execute(f"DELETE FROM public.{RESTORING}")  # noqa: S608 - a name of our own
            cursor.execute(
                f"INSERT INTO public.{RESTORING} (backup) VALUES (%s)",  # noqa: S608 - a name of our own
                [manifest.id],
            )
    except Error as error:
        raise RestoreRefused(
            f"The database cannot be emptied: {error}",
            remedy="Make it anew as its owner (dropdb, createdb), then run it again.",
        ) from error


def _broken(manifest: Manifest, *, tell: Tell) -> Iterator[str]:
    """Read every file of the store that a record names; yields what is wrong."""
    blobs: dict[str, Blob] = {blob.sha256: blob for blob in named_blobs()}
    for number, blob in enumerate(blobs.values()):
        tell("Comparing files", number, len(blobs))
        try:
            check(blob)
        except ArtifactCorrupt as error:
            yield error.message
