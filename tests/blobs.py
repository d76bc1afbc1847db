"""Where the files of records are in the store of a test, which is a folder."""

from pathlib import Path
from typing import Any

from django.conf import settings

from project.storage.blobs import key_of


def blob_path(sha256: str) -> Path:
    """Return the file with these bytes."""
    return Path(settings.ARTIFACT_ROOT, key_of(sha256))


def file_of(record: Any, name: str) -> Path:
    """Return a file of a dataset or model."""
    return blob_path(record.files[name]["sha256"])


def last_file_of(record: Any) -> Path:
    """Return one file of a dataset or model: the last by name."""
    return file_of(record, max(record.files))


def files_of(record: Any) -> dict[str, Path]:
    """Return every file of a dataset or model, by name."""
    return {name: file_of(record, name) for name in record.files}


def own_files_of(record: Any) -> list[Path]:
    """Return the files of a record that no other record of its kind has as well."""
    others = type(record).objects.exclude(pk=record.pk).values_list("files", flat=True)
    shared = {digest["sha256"] for files in others for digest in files.values()}
    return [
        blob_path(digest["sha256"])
        for digest in record.files.values()
        if digest["sha256"] not in shared
    ]


def lose_files(record: Any) -> None:
    """Remove the files that are a record's own."""
    for path in own_files_of(record):
        path.unlink()
