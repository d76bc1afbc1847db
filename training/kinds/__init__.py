"""Model kinds: whatever a module of this folder declares is one; nothing lists them."""

import pkgutil
from importlib import import_module
from typing import Final

from training.domain.kind import LoadedRows, ModelKind, Recipe

DEFAULT_KIND: Final = "match_compatibility"


class UnknownModelKind(LookupError):
    """No model kind of that name is declared."""


_kinds: dict[str, ModelKind] = {}


def register(kind: ModelKind) -> ModelKind:
    """Add a kind to those that commands, admin and registry know."""
    if _kinds.get(kind.name, kind) is not kind:
        raise ValueError(f"The model kind {kind.name!r} is declared twice.")
    if kind.default_split not in kind.splits:
        raise ValueError(f"{kind.name}: the default split {kind.default_split!r} is not declared.")
    _kinds[kind.name] = kind
    return kind


def register_all() -> None:
    """Register the kinds of every module of this folder."""
    for found in pkgutil.iter_modules(__path__):
        if found.ispkg:
            continue  # what declared kinds read with
        for declared in vars(import_module(f"{__name__}.{found.name}")).values():
            if isinstance(declared, ModelKind):
                register(declared)


def get_kind(name: str) -> ModelKind:
    """Return a kind; UnknownModelKind names the ones there are."""
    try:
        return _kinds[name]
    except KeyError:
        raise UnknownModelKind(
            f"There is no model kind {name!r}; there are: {', '.join(sorted(_kinds))}."
        ) from None


def all_kinds() -> list[ModelKind]:
    """Return every kind, the default one first."""
    return sorted(_kinds.values(), key=lambda kind: kind.name != DEFAULT_KIND)


register_all()

__all__ = [
    "DEFAULT_KIND",
    "LoadedRows",
    "ModelKind",
    "Recipe",
    "UnknownModelKind",
    "all_kinds",
    "get_kind",
    "register",
    "register_all",
]
