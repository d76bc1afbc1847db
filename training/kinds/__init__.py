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
from training.kinds.feedback import CSAT, MODEL_PERFORMANCE, QUALITY
from training.kinds.match_compatibility import MATCH_COMPATIBILITY

DEFAULT_KIND = MATCH_COMPATIBILITY.name

for kind in (MATCH_COMPATIBILITY, QUALITY, CSAT, MODEL_PERFORMANCE):
    register(kind)

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
