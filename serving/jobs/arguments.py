"""What the jobs of serving are asked."""

from typing import Annotated, Literal

from pydantic import Field

from project.jobs.contract import Arguments
from project.jobs.questions import Ask


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
