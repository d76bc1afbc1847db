"""Artefacts: signed sets of files of one record, in the store; the only module that unpickles."""

import contextlib
import hmac
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from django.conf import settings
from django.utils.crypto import salted_hmac

from project.refusal import Refusal
from project.storage import blobs
from project.storage.blobs import Blob
from project.storage.failures import (
    ArtifactCorrupt,
    ArtifactRefused,
    ArtifactUnwritable,
)
from project.storage.folder import open_plain
from project.storage.installation import Owner, require_agreement, why_disagreeing
from project.storage.place import PIECE_BYTES, Stamp
from project.storage.records import newest_records
from project.storage.staging import staged

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")  # no separator, no leading dot
SALT = "project.artifacts"  # stands in every signature: never change it
KNOWN_RECORDS = 20  # newest of each model that are looked for in a folder without an id

Content = bytes | Callable[[Path], object]


class Digest(TypedDict):
    """What is kept, in the database, about one written file."""

    sha256: str
    hmac_sha256: str
    size: int


def require_own_folder() -> Owner:
    """See that the store is this installation's, before anything is made for it.

    Raises
    ------
    FolderDisagrees : it is not, or that cannot be known; nothing was touched.
    """
    return require_agreement(_knows_folder)


def why_not_own_folder() -> Refusal | None:
    """Say why nothing could be written now, None when it could."""
    return why_disagreeing(_knows_folder)


def write_files(name: str, files: Mapping[str, Content]) -> dict[str, Digest]:
    """Write the files of a record, such as ``models/match_compatibility/3``.

    The row that names them is to be committed in the transaction that is open: what no row names
    counts for nothing, and is swept after a day.

    Parameters
    ----------
    name : the place that the record calls its folder; it is signed with each file.
    files : file name to its bytes, or to a function that writes the file at the path it is given;
        those that were written before lie beside it.

    Returns
    -------
    File name to ``{"sha256", "hmac_sha256", "size"}``: keep it in the database, `verify` and
    `load_joblib` ask for it.

    Raises
    ------
    ArtifactRefused : a name holds other characters than ``A-Z a-z 0-9 . _ -``.
    FolderDisagrees : the store is not known to be this installation's.
    ArtifactUnwritable : there is no space, or no right to write.
    StoreAway, StoreRefused : the bucket cannot be reached.
    """
    for part in (*name.split("/"), *files):
        _require_name(part)
    require_own_folder()
    store = blobs.the_store()
    digests: dict[str, Digest] = {}
    try:
        with staged(store.staging_root) as folder:
            for file_name, content in files.items():
                path = folder / file_name
                if isinstance(content, bytes):
                    path.write_bytes(content)
                else:
                    content(path)
                sha256, size = blobs.digest_of(path), path.stat().st_size
                signature = _sign(name, file_name, sha256, _keys()[0])
                digests[file_name] = {"sha256": sha256, "hmac_sha256": signature, "size": size}
            for file_name, digest in digests.items():
                blobs.keep_file(folder / file_name, digest["sha256"], may_move=True)
    except OSError as error:
        raise ArtifactUnwritable(store.title, error) from error
    return digests


def blobs_of(name: str, digests: Mapping[str, Digest]) -> list[Blob]:
    """Return the files of a record, as the store knows them."""
    return [_blob(name, file_name, digest) for file_name, digest in digests.items()]


def glance(name: str, digests: Mapping[str, Digest]) -> tuple[Stamp, ...]:
    """See that each file is there, can be read and has its size, without reading any of it.

    Returns
    -------
    A stamp of each: those that were verified are unchanged while these are the same.

    Raises
    ------
    ArtifactCorrupt : as `verify`; ArtifactMissing and ArtifactUnreadable say which it is.
    """
    return tuple(blobs.look(blob) for blob in blobs_of(name, digests))


def verify(name: str, digests: Mapping[str, Digest]) -> None:
    """Compare each file with what was kept about it when it was written.

    Raises
    ------
    ArtifactCorrupt : a file is missing, a link, changed, or not signed with our key for this place.
    """
    for file_name, digest in digests.items():
        blobs.check(_blob(name, file_name, digest))
        _require_signed(name, file_name, digest)


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
    content = blobs.read(_blob(name, file_name, digest))
    _require_signed(name, file_name, digest)
    return content


def verified_path(name: str, file_name: str, digest: Digest) -> Path:
    """Return a verified file of this machine, for what is too large for memory."""
    path = blobs.local_path(_blob(name, file_name, digest))
    _require_signed(name, file_name, digest)
    return path


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
    """Yield the files as a zip archive, verified file by file, for a streaming response.

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
                open_plain(verified_path(name, file_name, digest)) as file,
                archive.open(entry, "w", force_zip64=True) as writing,
            ):
                while piece := file.read(PIECE_BYTES):
                    writing.write(piece)
                    yield pieces.take()
    yield pieces.take()


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


def _blob(name: str, file_name: str, digest: Digest) -> Blob:
    for part in (*name.split("/"), file_name):
        _require_name(part)
    return Blob(
        digest["sha256"],
        title=f"{name}/{file_name}",
        size=digest["size"],
        earlier=Path(settings.ARTIFACT_ROOT, name, file_name),
    )


def _require_signed(name: str, file_name: str, digest: Digest) -> None:
    if not _is_signed(name, file_name, digest, _keys()):
        raise ArtifactCorrupt(
            f"{name}/{file_name} is not signed with this installation's key for this place. It was "
            "written with another SEEDBED_ARTIFACT_KEY, or copied from elsewhere.",
            remedy="After a change of the key, name the old one in SEEDBED_ARTIFACT_KEY_FALLBACKS.",
        )


def _is_signed(name: str, file_name: str, digest: Digest, keys: Sequence[str]) -> bool:
    signatures = (_sign(name, file_name, digest["sha256"], key) for key in keys)
    return any(hmac.compare_digest(digest["hmac_sha256"], known) for known in signatures)


def _knows_folder() -> bool:
    """Whether one of the newest records of this database has its files in the folder."""
    for record in newest_records(KNOWN_RECORDS):
        if record.files:
            smallest = min(record.files, key=lambda file_name: record.files[file_name]["size"])
            with contextlib.suppress(ArtifactCorrupt, ArtifactRefused):
                verify(record.folder, {smallest: record.files[smallest]})
                return True
    return False


def _sign(name: str, file_name: str, sha256: str, key: str) -> str:
    # The place is signed too: another model's file, properly signed for its own, is not accepted
    # here. Neither name can hold a NUL, so that no two places share a message.
    message = f"{name}\0{file_name}\0{sha256}"
    return salted_hmac(SALT, message, secret=key, algorithm="sha256").hexdigest()


def _keys() -> list[str]:
    """Return the key that signs, then those that are still accepted."""
    return [settings.ARTIFACT_KEY, *settings.ARTIFACT_KEY_FALLBACKS]
