"""Artefact files: the one place that writes, verifies and reads them, and the only one that
unpickles."""

import contextlib
import fcntl
import hashlib
import hmac
import io
import json
import os
import re
import shutil
import stat
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypedDict
from uuid import UUID

from django.conf import settings
from django.utils.crypto import salted_hmac

from project.refusal import Refusal
from project.storage.installation import (
    FolderDisagrees,
    Owner,
    current_transaction,
    has_rolled_back,
    require_agreement,
    why_disagreeing,
)
from project.storage.records import newest_records

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")  # no separator, no leading dot
STAGING_PREFIX = ".new-"
STAGING_SECONDS = 60.0  # between making its folder and locking it a writer needs far less
PIECE_BYTES = 1024 * 1024
SALT = "project.artifacts"  # stands in every signature: never change it
MADE_BY = ".made-by.json"  # the run that wrote a folder; no name of a file begins with a dot
KNOWN_RECORDS = 20  # newest of each model that are looked for in a folder without an id
RESTORE = "Restore it from a backup."

Content = bytes | Callable[[Path], object]


class ArtifactCorrupt(Refusal):
    """A file is not what was written: it must not be used."""


class ArtifactMissing(ArtifactCorrupt):
    """A file, or the whole folder, is not there."""


class ArtifactUnreadable(ArtifactCorrupt):
    """A file is there, and this process cannot read it."""


class ArtifactUnwritable(Exception):
    """The system does not let a file be written: no space, no right to the folder."""

    def __init__(self, place: Path, error: OSError) -> None:
        super().__init__(
            f"{place} could not be written: {error.strerror or error}. Nothing was kept of it. "
            "Free space there, or give the user that runs Seedbed the right to write, and try "
            "again."
        )


class ArtifactRefused(ValueError):
    """A name or a place outside what artefacts may be called and where they may lie."""


class Stamp(NamedTuple):
    """What shows at a glance whether a file is the one that was looked at before."""

    inode: int
    size: int
    changed_ns: int


@dataclass(frozen=True)
class Maker:
    """Who wrote a folder.

    Attributes
    ----------
    owner : the installation, and the database in which its row was to stand.
    run : id of the job; None where no job wrote it.
    transaction : id of the transaction that was to commit the row; None where there was none.
    """

    owner: Owner
    run: UUID | None
    transaction: int | None


class Digest(TypedDict):
    """What is kept, in the database, about one written file."""

    sha256: str
    hmac_sha256: str
    size: int


def require_own_folder() -> Owner:
    """See that the folder of artefacts is this installation's, before anything is made for it.

    Raises
    ------
    FolderDisagrees : it is not, or that cannot be known; nothing was touched.
    """
    return require_agreement(_knows_folder)


def why_not_own_folder() -> FolderDisagrees | None:
    """Say why nothing could be written now, None when it could."""
    return why_disagreeing(_knows_folder)


def write_folder(
    name: str, files: Mapping[str, Content], *, run: UUID | None = None
) -> dict[str, Digest]:
    """Write a folder of files, such as ``models/match_compatibility/3``, all of it or nothing.

    Parameters
    ----------
    name : place below ARTIFACT_ROOT; must not exist yet: what is written never changes.
    files : file name to its bytes, or to a function that writes the file at the path it is given.
    run : id of the job that writes; it stands in the folder, with the transaction that is open.

    Returns
    -------
    File name to ``{"sha256", "hmac_sha256", "size"}``: keep it in the database, `verify` and
    `load_joblib` ask for it.

    Raises
    ------
    ArtifactRefused : the name leaves ARTIFACT_ROOT, exists, or holds other characters than
        ``A-Z a-z 0-9 . _ -``.
    FolderDisagrees : ARTIFACT_ROOT is not known to be this installation's.
    ArtifactUnwritable : there is no space, or no right to write.
    """
    target = folder_path(name)
    for file_name in files:
        _require_name(file_name)
    owner = require_own_folder()
    try:
        return _write_folder(name, target, files, Maker(owner, run, current_transaction()))
    except OSError as error:
        raise ArtifactUnwritable(target, error) from error


def _write_folder(
    name: str, target: Path, files: Mapping[str, Content], maker: Maker
) -> dict[str, Digest]:
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent)
    staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=target.parent))
    lock = os.open(staging, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # held while we live: `sweep` leaves the folder alone
        digests: dict[str, Digest] = {}
        for file_name, content in files.items():
            path = staging / file_name
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                content(path)
            digests[file_name] = _written_digest(name, path)
        # Last: a file that lists its neighbours lists what was asked for.
        (staging / MADE_BY).write_bytes(_maker_bytes(maker))
        os.fsync(lock)
        try:
            # Onto an existing folder with files this fails, whoever wins the race.
            staging.rename(target)
        except OSError as error:
            if target.exists():
                raise ArtifactRefused(
                    f"{target} exists already, and what is written never changes. Write a new "
                    "version."
                ) from error
            raise
        _sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    finally:
        os.close(lock)
    return digests


def maker_of(name: str) -> Maker | None:
    """Return who wrote a folder; None where it does not say so."""
    try:
        said = json.loads((folder_path(name) / MADE_BY).read_bytes())
        owner = Owner(UUID(said["installation"]), str(said["database"]))
        run, transaction = said["run"], said["transaction"]
        return Maker(
            owner,
            None if run is None else UUID(run),
            None if transaction is None else int(transaction),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # of an edition that kept none, or not ours to understand


def remove_leftover(name: str, *, is_run: Callable[[UUID], bool]) -> bool:
    """Remove what a run of this database left when it died before its row; say whether it did.

    Only what is proven: the folder names this installation and database, a run that `is_run`
    knows, and a transaction that the server says was rolled back. So no row of any database tells
    of it.
    """
    maker = maker_of(name)
    if maker is None or maker.run is None or maker.transaction is None:
        return False
    if maker.owner != require_own_folder() or not is_run(maker.run):
        return False
    if not has_rolled_back(maker.transaction):
        return False
    target = folder_path(name)
    try:
        # Out of sight first: nobody reads a folder that is half gone.
        doomed = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=target.parent))
        target.rename(doomed / "removed")
        shutil.rmtree(doomed)
    except OSError as error:
        raise ArtifactUnwritable(target, error) from error
    return True


def folder_path(name: str) -> Path:
    """Return the place of a folder below ARTIFACT_ROOT; refuses every name that could lead
    elsewhere."""
    parts = name.split("/")
    for part in parts:
        _require_name(part)
    return Path(settings.ARTIFACT_ROOT).joinpath(*parts)


def glance(name: str, digests: Mapping[str, Digest]) -> tuple[Stamp, ...]:
    """See that each file is there, can be read and has its size, without reading any of it.

    Returns
    -------
    A stamp of each: those that were verified are unchanged while these are the same.

    Raises
    ------
    ArtifactCorrupt : as `verify`; ArtifactMissing and ArtifactUnreadable say which it is.
    """
    stamps = []
    for file_name, digest in digests.items():
        with _plain_file(name, file_name) as file:
            found = os.fstat(file.fileno())
        if found.st_size != digest["size"]:
            raise ArtifactCorrupt(
                f"{folder_path(name) / file_name} has changed since it was written: expected "
                f"{digest['size']} bytes, found {found.st_size}.",
                remedy=RESTORE,
            )
        stamps.append(Stamp(found.st_ino, found.st_size, found.st_ctime_ns))
    return tuple(stamps)


def verify(name: str, digests: Mapping[str, Digest]) -> None:
    """Compare each file of a folder with what was kept about it when it was written.

    Raises
    ------
    ArtifactCorrupt : a file is missing, a link, changed, or not signed with our key for this place.
    """
    for file_name, digest in digests.items():
        with _plain_file(name, file_name) as file:
            _require_unchanged(name, file_name, digest, file)


def sign_anew(name: str, digests: Mapping[str, Digest]) -> dict[str, Digest] | None:
    """Return what is kept about the files of a folder, signed with the newest key; None if so.

    The files are not read: what was signed is their digest, which stays.

    Raises
    ------
    ArtifactCorrupt : none of our keys has signed it; signing it would make it ours.
    """
    newest, *_ = keys = _keys()
    renewed: dict[str, Digest] = {}
    for file_name, digest in digests.items():
        if not _is_signed(name, file_name, digest, keys):
            raise ArtifactCorrupt(
                f"{name}/{file_name} is signed with none of SEEDBED_ARTIFACT_KEY and "
                "SEEDBED_ARTIFACT_KEY_FALLBACKS.",
                remedy="Add the key of that day to SEEDBED_ARTIFACT_KEY_FALLBACKS.",
            )
        signature = _sign(name, file_name, digest["sha256"], newest)
        renewed[file_name] = {**digest, "hmac_sha256": signature}
    return renewed if renewed != dict(digests) else None


def read_verified(name: str, file_name: str, digest: Digest) -> bytes:
    """Read one file once and return its bytes, if they are those that were written."""
    with _plain_file(name, file_name) as file:
        content = io.BytesIO(file.read())
    _require_unchanged(name, file_name, digest, content)
    return content.getvalue()


def load_joblib(name: str, file_name: str, digest: Digest) -> Any:
    """Load a pickled object, after its bytes have been verified; they are read only once."""
    # What was verified is what is loaded: a second read of the path could meet another file.
    import joblib  # with numpy, which nothing else here needs: lists and status verify as well

    return joblib.load(io.BytesIO(read_verified(name, file_name, digest)))


def joblib_bytes(value: object) -> bytes:
    """Return an object as `load_joblib` reads it."""
    import joblib

    buffer = io.BytesIO()
    joblib.dump(value, buffer, compress=3)
    return buffer.getvalue()


def iter_zip(
    name: str, digests: Mapping[str, Digest], *, top: str | None = None
) -> Iterator[bytes]:
    """Yield a folder as a zip archive, verified file by file, for a streaming response.

    Parameters
    ----------
    name, digests : as for `verify`.
    top : the name of the folder inside the archive; by default the artefact's own with ``-`` for
        ``/``.
    """
    verify(name, digests)  # before the first byte leaves: a refusal can still be shown
    top = top or name.replace("/", "-")
    _require_name(top)
    pieces = _Pieces()
    with zipfile.ZipFile(pieces, "w") as archive:
        for file_name, digest in sorted(digests.items()):
            # A fixed date: the same folder gives the same archive.
            entry = zipfile.ZipInfo(f"{top}/{file_name}")
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            with (
                _plain_file(name, file_name) as file,
                archive.open(entry, "w", force_zip64=True) as writing,
            ):
                _require_unchanged(name, file_name, digest, file)
                file.seek(0)
                while piece := file.read(PIECE_BYTES):
                    writing.write(piece)
                    yield pieces.take()
    yield pieces.take()


def sweep(folder: Path) -> int:
    """Remove what writers that died left in a folder; returns how many there were."""
    swept = 0
    for path in folder.glob(f"{STAGING_PREFIX}*"):
        with contextlib.suppress(OSError):  # its writer has just finished, or still holds the lock
            lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - os.fstat(lock).st_mtime > STAGING_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)
                    swept += 1
            finally:
                os.close(lock)
    return swept


class _Pieces(io.RawIOBase):
    """Collects what the archive writes until it is taken; cannot seek, so the archive streams."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def _require_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ArtifactRefused(
            f"{name!r} should consist of A-Z a-z 0-9 . _ -, not begin with a dot, and have at most "
            "100 "
            "characters."
        )


@contextlib.contextmanager
def _plain_file(name: str, file_name: str) -> Iterator[BinaryIO]:
    """Open a file that is a file: a link could lead to what nobody signed."""
    _require_name(file_name)
    path = folder_path(name) / file_name
    try:
        # Without blocking: opening a pipe would wait for somebody to write.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _not_opened(path, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ArtifactCorrupt(f"{path} is not a regular file.", remedy=RESTORE)
    with os.fdopen(descriptor, "rb") as file:
        try:
            yield file
        except OSError as error:  # a broken disk, a share that went away
            raise _not_opened(path, error) from error


def _not_opened(path: Path, error: OSError) -> ArtifactCorrupt:
    if path.is_symlink():
        return ArtifactCorrupt(f"{path} is a link.", remedy=RESTORE)
    if isinstance(error, FileNotFoundError):
        place = path if path.parent.is_dir() else path.parent
        return ArtifactMissing(f"{place} is gone.", remedy=RESTORE)
    return ArtifactUnreadable(
        f"{path} cannot be read ({error.strerror}).",
        remedy=f"Give the user that runs Seedbed (uid {os.geteuid()}) the right to read it.",
    )


def _require_unchanged(name: str, file_name: str, digest: Digest, file: BinaryIO) -> None:
    path = folder_path(name) / file_name
    found = _sha256(file)
    if not hmac.compare_digest(digest["sha256"], found):
        raise ArtifactCorrupt(
            f"{path} has changed since it was written: expected SHA-256 {digest['sha256']} and "
            f"{digest['size']} bytes, found {found} and {file.tell()} bytes.",
            remedy=RESTORE,
        )
    if not _is_signed(name, file_name, digest, _keys()):
        raise ArtifactCorrupt(
            f"{path} is not signed with this installation's key for this place. It was written "
            "with another SEEDBED_ARTIFACT_KEY, or copied from elsewhere.",
            remedy="After a change of the key, name the old one in SEEDBED_ARTIFACT_KEY_FALLBACKS.",
        )


def _is_signed(name: str, file_name: str, digest: Digest, keys: Sequence[str]) -> bool:
    signatures = (_sign(name, file_name, digest["sha256"], key) for key in keys)
    return any(hmac.compare_digest(digest["hmac_sha256"], known) for known in signatures)


def _maker_bytes(maker: Maker) -> bytes:
    return json.dumps(
        {
            **maker.owner.as_dict(),
            "run": None if maker.run is None else str(maker.run),
            "transaction": maker.transaction,
        }
    ).encode()


def _knows_folder() -> bool:
    """Whether one of the newest records of this database has its files in the folder."""
    for record in newest_records(KNOWN_RECORDS):
        if record.files:
            smallest = min(record.files, key=lambda file_name: record.files[file_name]["size"])
            with contextlib.suppress(ArtifactCorrupt, ArtifactRefused):
                verify(record.folder, {smallest: record.files[smallest]})
                return True
    return False


def _written_digest(name: str, path: Path) -> Digest:
    with path.open("rb") as file:
        found = _sha256(file)
        os.fsync(file.fileno())
        size = file.tell()
    signature = _sign(name, path.name, found, _keys()[0])
    return {"sha256": found, "hmac_sha256": signature, "size": size}


def _sha256(file: BinaryIO) -> str:
    """Return the digest of a file from here to its end, where it stands afterwards."""
    digest = hashlib.sha256()
    while piece := file.read(PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def _sign(name: str, file_name: str, sha256: str, key: str) -> str:
    # The place is signed too: another model's file, properly signed for its own, is not accepted
    # here. Neither name can hold a NUL, so that no two places share a message.
    message = f"{name}\0{file_name}\0{sha256}"
    return salted_hmac(SALT, message, secret=key, algorithm="sha256").hexdigest()


def _keys() -> list[str]:
    """Return the key that signs, then those that are still accepted."""
    return [settings.ARTIFACT_KEY, *settings.ARTIFACT_KEY_FALLBACKS]


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
