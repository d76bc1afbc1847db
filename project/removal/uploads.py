"""Takes files out that somebody handed over and that mention a person."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.db import transaction

from project.jobs.contract import Run
from project.removal.contract import Counts
from project.removal.erasing import Erasing, erases
from project.removal.mentions import Mentions
from project.storage.blobs import local_path
from project.storage.failures import ArtifactCorrupt, StoreAway, StoreRefused
from project.uploads.models import Upload
from project.uploads.services import release_upload

CHARACTERS: Final = 1024 * 1024  # looked through together
OVERLAP: Final = 8192  # of one stretch and the next: no text that is looked for is longer
# Parquet and workbooks: what came from outside is not unpacked here, and so may name anybody.
APART: Final = (b"PAR1", b"PK\x03\x04")
_UTF16: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


@erases("Uploaded files", order=60)
def erase_uploads(run: Run, erasing: Erasing) -> Counts:
    """Remove files that mention the person; a job that waits for one says that it is gone."""
    uploads = Upload.objects.order_by("created_at")
    going = [one for one in uploads if mentions_anybody(one, erasing.mentions)]
    done = run.once("uploads", lambda: {"files": _forget(going)})
    return {"uploaded file": int(done["files"])}


@transaction.atomic
def _forget(going: list[Upload]) -> int:
    for upload in going:
        release_upload(upload)
    return len(going)


def mentions_anybody(upload: Upload, mentions: Mentions) -> bool:
    """Whether name or bytes of a file mention a person; one that cannot be read does, to be
    safe."""
    if mentions.are_in(upload.name):
        return True
    try:
        path = local_path(upload.blob)
    except (StoreAway, StoreRefused):
        raise
    except ArtifactCorrupt:
        return False  # gone, or no file of ours any more
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith(APART):
        return True
    untold = [f"{before}{name}{after}" for name in mentions.untold for before, after in CELLS]
    return any(
        mentions.are_in(text) or any(cell in f"\n{text}\n" for cell in untold)
        for text in _texts(path)
    )


# What stands before and after a bare number that is all of a cell or of a value.
CELLS: Final = tuple((a, b) for a in '"\n,;\t ' for b in '"\n\r,;\t}]')


def _texts(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        coding = _UTF16.get(file.read(2), "utf-8")
        file.seek(0)
        yield from _stretches(iter(lambda: file.read(CHARACTERS), b""), coding)


def _stretches(pieces: Iterator[bytes], coding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(coding)(errors="replace")
    rest = ""
    for piece in pieces:
        text = rest + decoder.decode(piece)
        yield text
        rest = text[-OVERLAP:]
