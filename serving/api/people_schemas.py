"""What is sent of people and their trips, and what is answered."""

from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from matching.domain.profiles import (
    MAX_AGE,
    MAX_WORDS,
    MIN_AGE,
    PROFESSION_LENGTH,
    TEXT_LENGTHS,
)
from serving.api.schemas import Asked, Latitude, Longitude, Number, Share

MAX_BUDGET = 10_000_000
WRITTEN_LENGTH = 200  # characters of a word as somebody may write it; stored ones are shorter
# PostgreSQL takes no control characters, and no half of a surrogate pair comes through the parser.
Text = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
Word = Annotated[str, Field(max_length=WRITTEN_LENGTH, pattern=r"^[^\x00-\x1f\x7f]*$")]
Words = Annotated[list[Word], Field(max_length=MAX_WORDS)]


def _written(value: object) -> object:
    if not isinstance(value, str):  # a number would be taken for seconds since 1970
        raise ValueError("expected a day such as 2027-05-01")
    return value


Day = Annotated[date, BeforeValidator(_written)]


class Person(Asked):
    """A whole profile: what is left out or null is not set afterwards."""

    name: Annotated[Text | None, Field(max_length=TEXT_LENGTHS["name"])] = None
    archetype: Annotated[
        Text | None,
        Field(max_length=TEXT_LENGTHS["archetype"], description="A label of your own, for lists."),
    ] = None
    age: Annotated[int | None, Field(ge=MIN_AGE, le=MAX_AGE, strict=True, description="Years.")] = (
        None
    )
    gender: Word | None = None
    personality: Annotated[
        Word | None, Field(description="introvert, ambivert or extrovert; or give extraversion.")
    ] = None
    extraversion: Annotated[Share | None, Field(description="0 introvert to 1 extrovert.")] = None
    interests: Words | None = None
    languages: Words | None = None
    home_city: Annotated[Text | None, Field(max_length=TEXT_LENGTHS["home_city"])] = None
    home_lat: Annotated[Latitude | None, Field(description="Degrees north.")] = None
    home_lon: Annotated[Longitude | None, Field(description="Degrees east.")] = None
    smoking: Annotated[Word | bool | None, Field(description="no, occasionally, yes ...")] = None
    drinking: Annotated[Word | bool | None, Field(description="no, occasionally, yes ...")] = None
    religion: Word | None = None
    nationality: Annotated[Word | None, Field(description="Also a country, or its code.")] = None
    profession: Annotated[Word | None, Field(max_length=PROFESSION_LENGTH)] = None


class UnknownWord(BaseModel):
    """A word that nobody knows, kept as it was written; `close` are known ones that are like it.

    An interest takes part as a rare one, any other counts as missing until it is taught.
    """

    kind: str
    word: str
    close: list[str]


class StoredProfile(BaseModel):
    """A profile as it is stored; null is not set."""

    name: str | None
    archetype: str | None
    home_city: str | None
    age: int | None
    gender: str | None
    personality: str | None
    extraversion: float | None
    interests: list[str] | None
    languages: list[str] | None
    home_lat: float | None
    home_lon: float | None
    smoking: str | None
    drinking: str | None
    religion: str | None
    nationality: str | None
    profession: str | None


class PersonStored(BaseModel):
    """What is stored of a person now."""

    external_id: str
    is_new: bool
    is_changed: Annotated[bool, Field(description="Whether anything is otherwise than before.")]
    origin: str
    profile: StoredProfile
    completeness: Annotated[float, Field(description="Share of the fields that are set, 0 to 1.")]
    missing: Annotated[list[str], Field(description="Fields of features that are not set.")]
    unknown_words: list[UnknownWord]
    warning: Annotated[str, Field(description="Why a live copy is not written; else empty.")]


class Trip(Asked):
    """A whole trip; what is left out or null is not set afterwards."""

    destination_name: Text | None = None
    destination_lat: Annotated[Latitude, Field(description="Degrees north.")]
    destination_lon: Annotated[Longitude, Field(description="Degrees east.")]
    start_date: Day
    end_date: Annotated[Day, Field(description="The last day; not before the first.")]
    budget: Annotated[
        Number | None,
        Field(ge=0, le=MAX_BUDGET, description="Whole trip, in the currency of all budgets."),
    ] = None
    interests: Annotated[
        Words | None, Field(description="Of this trip; none means those of the profile.")
    ] = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end_date < self.start_date:
            raise ValueError("expected an end_date that is not before the start_date")
        return self


class TripFields(BaseModel):
    """A trip as it is stored."""

    external_id: str
    traveller: Annotated[str, Field(description="person or group")]
    origin: str
    destination_name: str
    destination_lat: float
    destination_lon: float
    start_date: date
    end_date: date
    budget: float | None
    interests: list[str]
    is_live: Annotated[bool, Field(description="False of a trip that is over.")]
    expires_at: str


class TripStored(TripFields):
    """What is stored of a trip now."""

    is_new: bool
    is_changed: bool
    unknown_words: list[UnknownWord]
    warning: Annotated[str, Field(description="Why the live copy is not written; else empty.")]


class TripRemoved(TripFields):
    """A trip as it was before it was removed."""

    warning: Annotated[str, Field(description="Why the live copy is not removed; else empty.")]


class ErasureAsked(BaseModel):
    """The job that erases a person, and the number by which its receipt names them."""

    job: str
    number: int
    state: Annotated[str, Field(description="queued or running.")]
