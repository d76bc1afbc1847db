"""Which inputs somebody has to confirm before a model goes live; loads nothing that computes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from training.domain.checks import CheckFields

# The gate of `training.domain.suspicion`, as far as the name of the input.
SUSPICIOUS: Final = "suspicious_input:"


def suspicious_inputs(checks: Iterable[CheckFields]) -> dict[str, CheckFields]:
    """Return the checks that name a suspicious input, by input."""
    return {
        check["name"].removeprefix(SUSPICIOUS): check
        for check in checks
        if check["name"].startswith(SUSPICIOUS) and check["verdict"] != "pass"
    }
