"""What a backup consists of, signed; it is written last, and without it there is no backup."""

import hmac
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID

from django.conf import settings
from django.utils.crypto import salted_hmac

from project.backup.failures import BackupBroken
from project.storage.blobs import BLOBS
from project.storage.failures import ArtifactMissing
from project.storage.place import Place

MANIFEST: Final = "manifest.json"
DUMPS: Final = "database-"
SEALED: Final = "secrets-"
FORMAT: Final = 1
SALT: Final = "seedbed.backup"
MOST_BYTES: Final = 512 * 1024**2  # of a manifest: a hundred bytes for each of five million files


@dataclass(frozen=True)
class File:
    """One file of a backup: its digest in hexadecimal digits, its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Scored:
    """A pair of travellers and its score in [0, 1] when the backup was made."""

    left: str
    right: str
    score: float


@dataclass(frozen=True)
class Manifest:
    """One backup.

    Attributes
    ----------
    id : of this backup; every file of it but those by digest has it in its name.
    installation : whose it is.
    made_at, seconds : when its snapshot was taken, by the database's clock, and how long it took.
    server, dumped_by : major versions of PostgreSQL and of pg_dump.
    migrations : those that the database had, as ``app.name``.
    tables : rows of each table.
    files : every file by its key, this one excepted.
    without : files that records name and that were broken, by what people call them.
    uploads : how many uploads wait in it.
    served_by, scores : what the champion answered then, and who that was.
    job : the job that made it; empty at the command line.
    """

    id: UUID
    installation: UUID
    made_at: datetime
    seconds: float
    server: int
    dumped_by: int
    migrations: tuple[str, ...]
    tables: dict[str, int]
    files: dict[str, File]
    without: tuple[str, ...]
    uploads: int
    served_by: str
    scores: tuple[Scored, ...]
    job: str

    @property
    def dump(self) -> str:
        """The key of the dump of its database."""
        return f"{DUMPS}{self.id}.dump"

    @property
    def sealed(self) -> str:
        """The key of its secrets, which it need not have."""
        return f"{SEALED}{self.id}.sealed"

    @property
    def has_secrets(self) -> bool:
        return self.sealed in self.files

    @property
    def size(self) -> int:
        """What it takes, in bytes."""
        return sum(file.size for file in self.files.values())

    @property
    def blobs(self) -> dict[str, File]:
        """The files that records name."""
        return {key: file for key, file in self.files.items() if key.startswith(BLOBS)}

    def said(self) -> bytes:
        """Return it as it is written, signed with the key of artefacts."""
        content = {"format": FORMAT, **asdict(self)}
        told = json.loads(json.dumps(content, default=_plain))
        signed = {"signature": _sign(told, settings.ARTIFACT_KEY), **told}
        return json.dumps(signed, indent=1, ensure_ascii=False).encode()

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """Read what `said` wrote; ValueError, KeyError or TypeError where it is not that."""
        return cls(
            id=UUID(told["id"]),
            installation=UUID(told["installation"]),
            made_at=datetime.fromisoformat(told["made_at"]),
            seconds=float(told["seconds"]),
            server=int(told["server"]),
            dumped_by=int(told["dumped_by"]),
            migrations=tuple(map(str, told["migrations"])),
            tables={str(name): int(rows) for name, rows in told["tables"].items()},
            files={str(key): File(**file) for key, file in told["files"].items()},
            without=tuple(map(str, told["without"])),
            uploads=int(told["uploads"]),
            served_by=str(told["served_by"]),
            scores=tuple(Scored(**one) for one in told["scores"]),
            job=str(told["job"]),
        )


def read_manifest(place: Place, *, keys: tuple[str, ...] | None = None) -> Manifest:
    """Return the manifest of a backup, if it is signed.

    `keys` are those that may have signed it, by default this installation's.

    Raises
    ------
    BackupBroken : there is none, or it is not what was written.
    """
    told = read_unsigned(place)
    signature = str(told.pop("signature", ""))
    if keys is None:
        keys = (settings.ARTIFACT_KEY, *settings.ARTIFACT_KEY_FALLBACKS)
    if not any(hmac.compare_digest(signature, _sign(told, key)) for key in keys):
        raise BackupBroken(
            f"{place.name(MANIFEST)} is not signed with the key of this installation: it was made "
            "by another one, or has changed since.",
            remedy="Set SEEDBED_ARTIFACT_KEY to the key of the installation that made it (an "
            "earlier one belongs into SEEDBED_ARTIFACT_KEY_FALLBACKS), or open the secrets of the "
            "backup with --secrets, where it has them.",
        )
    if told.get("format") != FORMAT:
        raise BackupBroken(
            f"{place.name(MANIFEST)} has format {told.get('format')!r}; this version reads "
            f"{FORMAT}.",
            remedy="Restore it with the version of Seedbed that made it.",
        )
    try:
        return Manifest.of(told)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _unreadable(place) from None


def read_unsigned(place: Place) -> dict[str, Any]:
    """Return what a manifest says; nobody has said yet that it is one of ours."""
    try:
        if place.stamp(MANIFEST, is_fresh=True).size > MOST_BYTES:
            raise _unreadable(place)
        told = json.loads(b"".join(place.pieces(MANIFEST)))
    except ArtifactMissing:
        raise BackupBroken(
            f"{place.title} holds no {MANIFEST}, so it is no backup: none was made there, or one "
            "was interrupted before its end.",
            remedy="Name the folder or address of a backup, or make it again there.",
        ) from None
    except ValueError:
        raise _unreadable(place) from None
    if not isinstance(told, dict):
        raise _unreadable(place)
    return told


def has_manifest(place: Place) -> bool:
    """Whether a backup stands there."""
    try:
        place.stamp(MANIFEST, is_fresh=True)
    except ArtifactMissing:
        return False
    return True


Sample = Callable[[], tuple[str, tuple[Scored, ...]]]


def _unreadable(place: Place) -> BackupBroken:
    return BackupBroken(
        f"{place.name(MANIFEST)} cannot be read: it is no manifest.", remedy="Take another backup."
    )


def _sign(told: dict[str, Any], key: str) -> str:
    content = json.dumps(told, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return salted_hmac(SALT, content, secret=key, algorithm="sha256").hexdigest()


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
