"""What requests hold and answers look like: validated on the way in, documented on the way out.

Answers are written as they are, without another check of each value: that costs as much as all the
rest. A test holds them to these types.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from matching.domain.log.format import CLOCK_SKEW, EARLIEST
from matching.domain.profiles import MAX_AGE, MAX_WORDS, MIN_AGE, WORD_LENGTH
from matching.domain.words import FeatureSet, MatchType, Outcome
from project import clock
from serving.domain.limits import MAX_PAIRS, MAX_RANKED
from serving.services.outcomes import Taken

ID_LENGTH = 100  # characters, as the columns of external ids are wide
# No control characters: no id has one, and the database takes none.
Id = Annotated[str, Field(min_length=1, max_length=ID_LENGTH, pattern=r"^[^\x00-\x1f\x7f]+$")]
Word = Annotated[str, Field(max_length=WORD_LENGTH)]
Words = Annotated[list[Word], Field(max_length=MAX_WORDS)]
# Numbers are numbers: true is no 1, and "0.5" is a text.
Number = Annotated[float, Field(strict=True)]
Latitude = Annotated[Number, Field(ge=-90, le=90)]
Longitude = Annotated[Number, Field(ge=-180, le=180)]
Share = Annotated[Number, Field(ge=0, le=1)]


class Asked(BaseModel):
    """A part of a request: a name that is not known is an error that says so."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class NamedPair(Asked):
    """Two travellers by the external ids that Seedbed has of them."""

    left: Annotated[Id, Field(description="The user who decides.")]
    right: Annotated[Id, Field(description="The user or the group that is offered.")]


class Traveller(Asked):
    """A profile and a trip that Seedbed need not know. What is left out counts as missing."""

    age: Annotated[Number | None, Field(ge=MIN_AGE, le=MAX_AGE, description="Years.")] = None
    personality: Word | None = None
    extraversion: Share | None = None
    interests: Words | None = None
    languages: Words | None = None
    smoking: Word | None = None
    drinking: Word | None = None
    nationality: Word | None = None
    religion: Word | None = None
    home_lat: Annotated[Latitude | None, Field(description="Degrees.")] = None
    home_lon: Annotated[Longitude | None, Field(description="Degrees.")] = None
    destination_lat: Annotated[Latitude | None, Field(description="Degrees.")] = None
    destination_lon: Annotated[Longitude | None, Field(description="Degrees.")] = None
    start_date: date | None = None
    end_date: Annotated[date | None, Field(description="The day of departure.")] = None
    budget: Annotated[
        Number | None,
        Field(gt=0, description="For the whole trip, in the currency of all budgets."),
    ] = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for first, second in (
            ("home_lat", "home_lon"),
            ("destination_lat", "destination_lon"),
            ("start_date", "end_date"),
        ):
            if (getattr(self, first) is None) != (getattr(self, second) is None):
                raise ValueError(f"expected {first} and {second} together, or neither")
        if self.start_date and self.end_date and self.end_date <= self.start_date:
            raise ValueError("expected an end_date after the start_date")
        return self


class InlinePair(Asked):
    """Two users by what is known of them."""

    left: Traveller
    right: Traveller


class ScoreRequest(Asked):
    """Exactly one of `pairs`, `profiles` and `features`: 1 to 1,000 of them."""

    pairs: Annotated[list[NamedPair] | None, Field(min_length=1, max_length=MAX_PAIRS)] = None
    profiles: Annotated[list[InlinePair] | None, Field(min_length=1, max_length=MAX_PAIRS)] = None
    features: Annotated[
        list[dict[Word, Share | None]] | None,
        Field(
            min_length=1,
            max_length=MAX_PAIRS,
            description="Ready features by name, null or left out where missing.",
        ),
    ] = None
    feature_set: Annotated[
        FeatureSet | None, Field(description="Of `features`: the formulas that made them.")
    ] = None
    match_type: Annotated[
        MatchType | None,
        Field(description="Of `features`: user_user, where it is left out, or user_group."),
    ] = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        given = [
            name for name in ("pairs", "profiles", "features") if getattr(self, name) is not None
        ]
        if len(given) != 1:
            raise ValueError(
                f"expected exactly one of pairs, profiles and features, got "
                f"{' and '.join(given) or 'none'}"
            )
        if (self.feature_set is None) != (self.features is None):
            raise ValueError("expected feature_set with features, and only with them")
        if self.match_type is not None and self.features is None:
            raise ValueError("expected match_type with features only: ids say it themselves")
        return self


class PairProblem(BaseModel):
    """Why one pair of a request has no score."""

    detail: str
    remedy: str


class PairScore(BaseModel):
    """The answer for one pair, in the place in which it was asked."""

    score: Annotated[
        float | None, Field(description="0 to 1; null where nothing at all is known of the pair.")
    ]
    served_by: Literal["model", "rule_score"]
    model_version: int | None
    trained_on: Annotated[str | None, Field(description="Real, synthetic or combined rows.")]
    rule: str
    rule_score: float | None
    by_rules: float | None
    by_users: float | None
    feature_set: str
    feature_revision: int
    missing: Annotated[list[str], Field(description="Features that lack an input.")]
    is_candidate: Annotated[
        bool | None, Field(description="Whether it passes the hard gates now; null of features.")
    ]
    why_not: Annotated[str | None, Field(description="The first gate that it does not pass.")]
    response_id: Annotated[
        str, Field(description="By which it can be told later what came of this pair.")
    ]


class Unscored(BaseModel):
    """The answer for a pair that has no score: it names nobody, or one traveller twice."""

    score: None
    problem: PairProblem


class ScoreAnswer(BaseModel):
    """Answers in the order asked; `warning` says why the rules answer where no model does, and
    where what answers is not the newest."""

    warning: str
    scores: list[PairScore | Unscored]


class RankRequest(Asked):
    """Whom to show a user next: people, or groups."""

    left: Annotated[Id, Field(description="The user who decides.")]
    match_type: MatchType = MatchType.USER_USER
    count: Annotated[int, Field(ge=1, le=MAX_RANKED, strict=True)] = 20


class Ranked(PairScore):
    """One of the best, with the id by which Seedbed knows them."""

    right: str


class RankAnswer(BaseModel):
    """The best of those who are live and pass the hard gates, the best first.

    `available` is how many those are in all; none for who has no live trip.
    """

    warning: str
    available: int
    best: list[Ranked]


class ExplainRequest(NamedPair):
    """A pair, and the score that it should reach."""

    threshold: Annotated[
        Share, Field(description="What `left` would have to change for it is told.")
    ] = 0.5


class Effect(BaseModel):
    """One feature: what it was computed from, and what it does to the score."""

    name: str
    value: float | None
    missing: bool
    inputs: dict[str, Any]
    reference: Annotated[float | None, Field(description="Its mean over the training rows.")]
    effect: Annotated[
        float | None, Field(description="The score minus that with the feature at its reference.")
    ]
    effect_if_unknown: Annotated[
        float | None, Field(description="The score minus that with the feature missing.")
    ]


class DatesChange(BaseModel):
    """Another trip; `days` by which its start and end move in all."""

    start_date: date
    end_date: date
    days: int
    score: float


class BudgetChange(BaseModel):
    """Another budget; `share` by which it changes: 0.1 is a tenth more."""

    budget: float
    share: float
    score: float


class InterestsChange(BaseModel):
    """Interests of `right` that `left` adds."""

    add: list[str]
    score: float


class Together(BaseModel):
    """Changes that suffice together where none does alone."""

    dates: DatesChange | None
    budget: BudgetChange | None
    interests: InterestsChange | None
    score: float


class Lift(BaseModel):
    """The smallest changes of `left` that lift the score to the threshold, each by itself.

    Null where a change of that sort alone does not suffice; `together` where only all of them do,
    and where nothing does all are null. `highest` is what all of them reach.
    """

    threshold: float
    is_above: bool
    dates: DatesChange | None
    budget: BudgetChange | None
    interests: InterestsChange | None
    together: Together | None
    highest: float | None


class ExplainAnswer(PairScore):
    """A score with what led to it, the largest effects first, and what would lift it."""

    warning: str
    rule_weights: dict[str, float]
    features: list[Effect]
    lift: Lift


class PairOutcome(Asked):
    """What a person did with a pair that was scored."""

    response_id: Annotated[
        str, Field(max_length=30, description="As the answer had it.", examples=["mfrgg...q.0"])
    ]
    outcome: Outcome
    at: Annotated[
        AwareDatetime | None,
        Field(description="When it happened, with its time zone; left out: now."),
    ] = None

    @field_validator("at")
    @classmethod
    def _not_to_come(cls, at: datetime | None) -> datetime | None:
        if at is not None and not EARLIEST <= at <= clock.now() + CLOCK_SKEW:
            raise ValueError("expected a moment since 2000 that is not to come")
        return at


class OutcomesRequest(Asked):
    """1 to 1,000 outcomes."""

    outcomes: Annotated[list[PairOutcome], Field(min_length=1, max_length=MAX_PAIRS)]


class OutcomesAnswer(BaseModel):
    """How many were new, known before, put in the place of another, or of no kept pair; and which
    each of them was, in the order told."""

    new: int
    known: int
    replaced: int
    unknown: int
    outcomes: list[Taken]


class Interval(BaseModel):
    """A figure with its 95 % interval, over the validation rows."""

    value: float | None
    low: float | None
    high: float | None


class ModelFields(BaseModel):
    """A model version; `problem` says why the live one cannot serve, and is empty where it can."""

    kind: str
    version: int
    stage: str
    is_live: bool
    algorithm: str
    trained_on: str
    dataset: int
    metric: str
    value: Interval | None
    made_at: str
    problem: str


class ModelList(BaseModel):
    """The versions of all kinds, newest first."""

    models: list[ModelFields]


class Fault(BaseModel):
    """One thing that is wrong with a request, and where."""

    at: str
    said: str


class Problem(BaseModel):
    """What every refusal looks like (RFC 9457)."""

    title: str
    status: int
    detail: str
    remedy: str | None = None
    errors: list[Fault] | None = None


Json = dict[str, Any]
