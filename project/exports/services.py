"""Keeps what was exported, part by part, and forgets it when its time is over."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction

from project import words
from project.acting import Actor
from project.audit.models import Act
from project.audit.services import record
from project.exports.models import Export, ExportPart, Format
from project.output import written
from project.storage.blobs import digest_of, keep_file, local_path, pieces_of
from project.storage.failures import ArtifactCorrupt


def begin_export(
    *, what: str, form: Format, name: str, permission: str, job_id: UUID, by: Actor
) -> Export:
    """Begin a file; its parts follow."""
    return Export.objects.create(
        what=what,
        format=form,
        name=name,
        permission=permission,
        job_id=job_id,
        actor=by.name,
        user=by.user,
    )


def keep_part(export: Export, number: int, path: Path) -> ExportPart:
    """Keep some rows of an export, in the caller's transaction."""
    sha256, size = digest_of(path), path.stat().st_size
    keep_file(path, sha256, may_move=True)
    return ExportPart.objects.create(export=export, number=number, sha256=sha256, size=size)


def join_parts(export: Export, path: Path) -> str:
    """Write the parts of an export into one file; returns its digest.

    Raises
    ------
    ArtifactCorrupt : a part is not as it was written, or not there.
    """
    parts = list(export.parts.order_by("number"))
    if export.format == "parquet":
        from project.exports.writing import join_parquet  # loads Arrow, which a sweep does without

        join_parquet([local_path(part.blob) for part in parts], path)
        return digest_of(path)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for part in parts:
            own = hashlib.sha256()
            for piece in pieces_of(part.blob):
                own.update(piece)
                digest.update(piece)
                file.write(piece)
            if own.hexdigest() != part.sha256:
                raise ArtifactCorrupt(
                    f"{part.blob.title} has changed since it was written.", remedy="Export anew."
                )
    return digest.hexdigest()


def complete_export(export: Export, path: Path, sha256: str, *, rows: int) -> Export:
    """Keep the whole file in the place of its parts, in the caller's transaction, and note it."""
    size = path.stat().st_size
    keep_file(path, sha256, may_move=True)
    export.sha256, export.size, export.rows = sha256, size, rows
    export.save(update_fields=["sha256", "size", "rows"])
    export.parts.all().delete()
    record(
        Act.EXPORT,
        about=export,
        detail=f"{words.tally(rows, 'row')} of {export.what}, {words.tally(size, 'byte')}",
    )
    return export


@transaction.atomic
def copy_export(export: Export, path: Path) -> None:
    """Write a file of an export to a path, whole or not at all, and note it."""
    digest = hashlib.sha256()
    with written(path) as file:
        for piece in pieces_of(export.blob):
            digest.update(piece)
            file.write(piece)
        if digest.hexdigest() != export.sha256:
            raise ArtifactCorrupt(
                f"{export.name} has changed since it was written.", remedy="Export anew."
            )
    record(Act.EXPORT, about=export, detail=f"to {path}")


def remove_exports(keys: Sequence[Any]) -> int:
    """Forget exports; their bytes go when no row has named them for a day."""
    removed, _ = Export.objects.filter(pk__in=keys).delete()
    return removed


def sweep_exports() -> int:
    """Forget exports whose time is over; returns how many."""
    keys = list(Export.objects.expired().values_list("pk", flat=True))
    remove_exports(keys)
    return len(keys)
