"""The models whose rows say what lies in a folder of artefacts."""

from collections.abc import Iterator
from typing import Any, TypeVar

from django.db import models

Kept = TypeVar("Kept", bound=models.Model)

_kept: list[type[models.Model]] = []


def keeps_files(model: type[Kept]) -> type[Kept]:
    """Declare that rows of a model have the place of their files in `folder`, and what was kept
    about each of them in `files`."""
    _kept.append(model)
    return model


def models_with_files() -> list[type[models.Model]]:
    """Return every such model, in the order they were declared."""
    return list(_kept)


def newest_records(limit: int) -> Iterator[Any]:
    """Yield the newest rows of each such model, at most so many of each."""
    for model in _kept:
        yield from model._default_manager.order_by("-pk")[:limit]
