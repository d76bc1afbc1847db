"""What is sent of match events, and what is answered."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from matching.domain.words import FeatureSet
from serving.api.sending import Reading, RefusedRow
from serving.domain.limits import MAX_ROWS


class EventsSent(Reading):
    """1 to 1,000 events: who decided about whom, what, and when."""

    feature_set: Annotated[
        FeatureSet | None,
        Field(
            description="Formulas that their features were made with; of events without features "
            "those that they are computed by. Left out: what the rows say."
        ),
    ] = None
    rows: Annotated[
        list[dict[str, Any]],
        Field(
            min_length=1,
            max_length=MAX_ROWS,
            description="Each an object of the fields of the event log (docs/formats.md), or of "
            "others' names for them.",
        ),
    ]


class EventsTaken(BaseModel):
    """What became of events: `found` is new, known, changed, refused ones and views together."""

    batch: Annotated[int, Field(description="Number of the batch that they joined.")]
    found: int
    new: int
    known: Annotated[int, Field(description="Here already, with the same content.")]
    changed: Annotated[int, Field(description="Here with other content; see on_change.")]
    views: Annotated[int, Field(description="Somebody was shown and nothing more: no events.")]
    refused: list[RefusedRow]
    features: Annotated[str, Field(description="logged, or computed from today's profiles.")]
    feature_set: str
    people_not_known: Annotated[
        int, Field(description="New events without features of people who are not here by id.")
    ]
    mapping: Annotated[str, Field(description="The saved mapping that read them, if one did.")]
    notes: Annotated[list[str], Field(description="How they were read.")]
