"""The claims by section: whatever a module of this folder lists as CLAIMS is one."""

import pkgutil
from importlib import import_module
from operator import attrgetter

from tests.honesty.claim import Claim


def all_claims() -> list[Claim]:
    """Every claim, by section, and in it by module and in the module's order."""
    found: list[Claim] = []
    for module in sorted(pkgutil.iter_modules(__path__), key=attrgetter("name")):
        found += import_module(f"{__name__}.{module.name}").CLAIMS
    return sorted(found, key=lambda claim: claim.section)
