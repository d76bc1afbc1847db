"""The one exception for "no, and here is why": a result, not a crash."""

from typing import Any


class Refusal(Exception):
    """A gate or check says no.

    Commands end with exit code 2, jobs in the state `refused`; nothing was made.

    Parameters
    ----------
    message : str
        What was expected and what came, with the number and its limit.
    remedy : str
        What to do next, in words.
    details : dict, optional
        JSON-serialisable evidence, such as the list of failed checks.
    """

    def __init__(self, message: str, *, remedy: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = details or {}

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    def as_dict(self) -> dict[str, Any]:
        """Return the refusal as JSON for results and `--json`."""
        return {"message": self.message, "remedy": self.remedy, **self.details}
