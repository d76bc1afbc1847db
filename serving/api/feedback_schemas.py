"""What is asked and sent about feedback, and what is answered."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from serving.api.schemas import Asked, Number
from serving.api.sending import Reading, RefusedRow
from serving.domain.limits import MAX_ROWS

Name = Annotated[str, Field(min_length=1, max_length=100)]
Value = Annotated[str, Field(max_length=300)] | Number | None


class PredictRequest(Asked):
    """1 to 1,000 answers, each by what is known of it."""

    kind: Annotated[
        Literal["quality", "csat", "model_performance"],
        Field(
            description="quality: 0 to 100, of the six metrics; csat: 0 to 1, of what users say; "
            "model_performance: 0 to 1, of A/B results."
        ),
    ]
    rows: Annotated[
        list[dict[Name, Value]],
        Field(
            min_length=1,
            max_length=MAX_ROWS,
            description="Inputs by name, null or left out where they are not known.",
        ),
    ]


class Predicted(BaseModel):
    """What is said of one row."""

    prediction: Annotated[float | None, Field(description="In the unit of the target.")]
    low: Annotated[float | None, Field(description="A new value lies in between")]
    high: Annotated[float | None, Field(description="with the share `interval_level`.")]
    missing: Annotated[list[str], Field(description="Inputs that were not given.")]
    unseen: Annotated[
        list[str], Field(description="Inputs whose category nobody has seen; taken as unknown.")
    ]


class PredictAnswer(BaseModel):
    """Predictions in the order asked; `warning` says why no model answers, where none does."""

    kind: str
    target: str
    warning: str
    served_by: Literal["model", "baseline", "nothing"]
    model_version: int | None
    trained_on: Annotated[str | None, Field(description="Real, synthetic or combined rows.")]
    interval_level: float | None
    predictions: list[Predicted]


class FeedbackSent(Reading):
    """1 to 1,000 rows of one of the three tables."""

    table: Annotated[
        Literal["quality_feedback", "explanations", "ab_testing"],
        Field(description="What the rows are; docs/formats.md names their fields."),
    ]
    source: Annotated[
        str,
        Field(
            max_length=60,
            pattern=r"^[-a-zA-Z0-9_]*$",
            description="The source that keeps them; left out: one named like the key.",
        ),
    ] = ""
    rows: Annotated[
        list[dict[str, Any]],
        Field(min_length=1, max_length=MAX_ROWS, description="Each an object of its fields."),
    ]


class FeedbackTaken(BaseModel):
    """What became of rows: `found` is new, known, changed and refused ones together."""

    run: Annotated[int, Field(description="Number of the run that they stand in.")]
    source: str
    found: int
    new: int
    known: Annotated[int, Field(description="Here already, with the same content.")]
    changed: Annotated[int, Field(description="Here with other content; see on_change.")]
    refused: list[RefusedRow]
    mapping: Annotated[str, Field(description="The saved mapping that read them, if one did.")]
    notes: Annotated[list[str], Field(description="How they were read.")]
