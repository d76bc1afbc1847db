"""One figure of the table: what was measured, and against what it is held."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A measured number.

    name : what was measured, with its unit
    value : the median
    at : rows that it was measured with; figures of one name stand side by side
    target : at most this, or at least where `at_least` says so; None where nothing is promised
    note : what else belongs to it, such as the peer's own figure
    """

    name: str
    value: float
    at: int
    target: float | None = None
    at_least: bool = False
    note: str = ""
    runs: list[float] = field(default_factory=list)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "rows": self.at,
            "value": self.value,
            "target": self.target,
            "target_is": "at least" if self.at_least else "at most",
            "met": self.met,
            "note": self.note,
            "runs": self.runs,
        }
