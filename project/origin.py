"""Where rows come from: the one definition of real, synthetic and combined."""

from collections.abc import Iterable
from typing import Final

from project.coded import CodedWord


class Origin(CodedWord):
    """Whether people did it or we drew it; synthetic rows are always labelled so.

    One row, record or feedback source is real or synthetic; rows together may be combined.
    """

    REAL = "real", 1
    SYNTHETIC = "synthetic", 2
    COMBINED = "combined", 3

    @classmethod
    def of(cls, origins: Iterable["Origin"]) -> "Origin":
        """Return the origin of rows together; ValueError for none."""
        found = set(origins)
        if not found:
            raise ValueError("Expected at least one origin, got none.")
        return found.pop() if len(found) == 1 else cls.COMBINED

    @property
    def parts(self) -> tuple["Origin", ...]:
        """The origins that rows of this one have."""
        return ROW_ORIGINS if self is Origin.COMBINED else (self,)

    def said(self, real: int | None = None, synthetic: int | None = None) -> str:
        """Say where rows come from; of combined ones how many are of which, where that is known."""
        if self is not Origin.COMBINED or real is None or synthetic is None:
            return self.value
        return f"{self.value} ({real:,} real, {synthetic:,} synthetic)"


ROW_ORIGINS: Final = (Origin.REAL, Origin.SYNTHETIC)
# For the fields of rows and records.
ROW_ORIGIN_CHOICES: Final = [(origin.code, origin.value) for origin in ROW_ORIGINS]
