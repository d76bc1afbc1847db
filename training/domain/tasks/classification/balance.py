"""How one-sided labels are, and what that asks for."""

from dataclasses import dataclass

from project import words
from training.domain.tasks.base import FloatArray

MINORITY_WARN_SHARE = 0.05
ENOUGH_OF_A_LABEL = 30  # rows of the rarer label below which nothing is told of it


@dataclass(frozen=True)
class Balance:
    """How many of some rows have the rarer label."""

    rows: int
    rarer: int

    @classmethod
    def of(cls, labels: FloatArray) -> "Balance":
        """Count labels 0 and 1; n values without NaN."""
        positive = int((labels > 0.5).sum())
        return cls(len(labels), min(positive, len(labels) - positive))

    @property
    def is_one_sided(self) -> bool:
        """Whether fewer rows than MINORITY_WARN_SHARE have the rarer label."""
        return self.rarer < MINORITY_WARN_SHARE * self.rows

    @property
    def said(self) -> str:
        """The counts in words."""
        if not self.rarer:
            return f"none of {words.counted(self.rows, 'row')} has the rarer label"
        one_in = round(self.rows / self.rarer)
        have = "has" if self.rarer == 1 else "have"
        return f"{self.rarer:,} of {self.rows:,} rows {have} the rarer label (1 in {one_in:,})"

    @property
    def rows_to_enough(self) -> int:
        """Further rows of the same kind that bring ENOUGH_OF_A_LABEL; needs one that has it."""
        return -(-(ENOUGH_OF_A_LABEL - self.rarer) * self.rows // self.rarer)

    @property
    def rarer_to_balance(self) -> int:
        """Further rows with the rarer label from which on labels are not one-sided any more."""
        share = MINORITY_WARN_SHARE
        missing = (share * self.rows - self.rarer) / (1 - share)
        return max(0, -int(-missing // 1))
