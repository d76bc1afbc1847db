"""Model kinds: one declaration each, registered here; a fourth touches nothing else."""

from training.kinds.base import (
    LoadedRows,
    ModelKind,
    Recipe,
    UnknownModelKind,
    all_kinds,
    get_kind,
    register,
)
from training.kinds.match_compatibility import MATCH_COMPATIBILITY

DEFAULT_KIND = MATCH_COMPATIBILITY.name

register(MATCH_COMPATIBILITY)

__all__ = [
    "DEFAULT_KIND",
    "LoadedRows",
    "ModelKind",
    "Recipe",
    "UnknownModelKind",
    "all_kinds",
    "get_kind",
    "register",
]
