"""The models whose rows name files of the store."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from django.db import models

from project.storage.blobs import Blob

Kept = TypeVar("Kept", bound=models.Model)
Named = TypeVar("Named", bound=models.Model)

_kept: list[type[models.Model]] = []
_naming: list[tuple[type[models.Model], str]] = []


def keeps_files(model: type[Kept]) -> type[Kept]:
    """Declare that rows of a model have the place of their files in `folder`, which is made of
    their `kind` and `version`, and what was kept about each of them in `files`."""
    _kept.append(model)
    return model


def names_blob(field: str) -> Callable[[type[Named]], type[Named]]:
    """Declare that a field of a model is the digest of a file, empty where there is none, and that
    its rows have that file as `blob`."""

    def declare(model: type[Named]) -> type[Named]:
        _naming.append((model, field))
        return model

    return declare


def models_with_files() -> list[type[models.Model]]:
    """Return every model with sets of files, in the order they were declared."""
    return list(_kept)


def newest_records(limit: int) -> Iterator[Any]:
    """Yield the newest rows of each such model, at most so many of each."""
    for model in _kept:
        yield from model._default_manager.order_by("-pk")[:limit]


def named_digests() -> set[str]:
    """Return the digest of every file that a row names."""
    named: set[str] = set()
    for model in _kept:
        for files in model._default_manager.values_list("files", flat=True).iterator():
            named.update(digest["sha256"] for digest in files.values())
    for model, field in _naming:
        named.update(model._default_manager.exclude(**{field: ""}).values_list(field, flat=True))
    return named


def named_alone() -> Iterator[Blob]:
    """Yield the file of every row that names one by a field."""
    for model, field in _naming:
        rows = model._default_manager.exclude(**{field: ""}).only("pk", field)
        for row in rows.iterator():
            yield row.blob  # type: ignore[attr-defined]
