"""What the jobs of serving are asked."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from project.exporting.arguments import ExportArguments
from project.jobs.contract import Arguments
from project.jobs.questions import Ask, Moment


class TellAlarm(Arguments):
    """Which alarm is posted, and as what."""

    alarm: Annotated[
        int,
        Field(ge=1, le=2**63 - 1, description="Id of the alarm."),
        Ask(is_asked=False),
    ]
    state: Annotated[
        Literal["open", "closed"],
        Field(description="What became of it."),
        Ask(is_asked=False, meanings={"open": "it opened", "closed": "it closed"}),
    ] = "open"


class ExportScores(ExportArguments):
    """Which pairs of the score log."""

    start: Annotated[
        Moment | None, Field(description="Scored from this time on."), Ask(option="--since")
    ] = None
    end: Annotated[
        Moment | None,
        Field(description="Scored before this time."),
        Ask(option="--until"),
    ] = None

    @model_validator(mode="after")
    def _require_a_window(self) -> Self:
        if self.start and self.end and self.start >= self.end:
            raise ValueError(f"Expected start before end; got {self.start} and {self.end}")
        return self
