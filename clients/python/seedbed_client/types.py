"""What requests hold and answers look like: the JSON of the API, by the names of its document."""

from typing import Any, Literal, NotRequired, TypedDict

MatchType = Literal["user_user", "user_group"]
OnChange = Literal["replace", "keep", "refuse"]


class Traveller(TypedDict, total=False):
    """A profile and a trip that Seedbed need not know; what is left out counts as missing."""

    age: float | None
    personality: str | None
    extraversion: float | None
    interests: list[str] | None
    languages: list[str] | None
    smoking: str | None
    drinking: str | None
    nationality: str | None
    religion: str | None
    home_lat: float | None
    home_lon: float | None
    destination_lat: float | None
    destination_lon: float | None
    start_date: str | None
    end_date: str | None
    budget: float | None


class PairProblem(TypedDict):
    """Why one pair of a request has no score."""

    detail: str
    remedy: str


class PairScore(TypedDict):
    """The answer for one pair; of one without a score `score` is None and `problem` says why."""

    score: float | None
    served_by: Literal["model", "rule_score"]
    model_version: int | None
    trained_on: str | None
    rule: str
    rule_score: float | None
    by_rules: float | None
    by_users: float | None
    feature_set: str
    feature_revision: int
    missing: list[str]
    is_candidate: bool | None
    why_not: str | None
    response_id: str
    problem: NotRequired[PairProblem]


class ScoreAnswer(TypedDict):
    """Scores in the order asked; `warning` says why the rules answer where no model does."""

    warning: str
    scores: list[PairScore]


class Ranked(PairScore):
    """One of the best."""

    right: str


class RankAnswer(TypedDict):
    """The best of those who are live and pass the hard gates, the best first."""

    warning: str
    available: int
    best: list[Ranked]


class Effect(TypedDict):
    """One feature: what it was computed from, and what it does to the score."""

    name: str
    value: float | None
    missing: bool
    inputs: dict[str, Any]
    reference: float | None
    effect: float | None
    effect_if_unknown: float | None


class DatesChange(TypedDict):
    """Another trip; `days` by which its start and end move in all."""

    start_date: str
    end_date: str
    days: int
    score: float


class BudgetChange(TypedDict):
    """Another budget; `share` by which it changes."""

    budget: float
    share: float
    score: float


class InterestsChange(TypedDict):
    """Interests of the other that are added."""

    add: list[str]
    score: float


class Together(TypedDict):
    """Changes that suffice together where none does alone."""

    dates: DatesChange | None
    budget: BudgetChange | None
    interests: InterestsChange | None
    score: float


class Lift(TypedDict):
    """The smallest changes that lift a score to the threshold, each by itself."""

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


class PairOutcome(TypedDict):
    """What a person did with a pair that was scored; `at` is now where it is left out."""

    response_id: str
    outcome: Literal["accept", "chat", "ignore", "unmatch"]
    at: NotRequired[str | None]


class OutcomesAnswer(TypedDict):
    """How many were new, known, replaced or of no kept pair; and which each of them was."""

    new: int
    known: int
    replaced: int
    unknown: int
    outcomes: list[Literal["new", "known", "replaced", "unknown"]]


class Interval(TypedDict):
    """A figure with its 95 % interval."""

    value: float | None
    low: float | None
    high: float | None


class ModelFields(TypedDict):
    """A model version."""

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


class ModelList(TypedDict):
    """The versions of all kinds, newest first."""

    models: list[ModelFields]


class Person(TypedDict, total=False):
    """A whole profile: what is left out is not set afterwards."""

    name: str | None
    archetype: str | None
    age: int | None
    gender: str | None
    personality: str | None
    extraversion: float | None
    interests: list[str] | None
    languages: list[str] | None
    home_city: str | None
    home_lat: float | None
    home_lon: float | None
    smoking: str | bool | None
    drinking: str | bool | None
    religion: str | None
    nationality: str | None
    profession: str | None


class UnknownWord(TypedDict):
    """A word that nobody knows, kept as it was written, and known ones that are like it."""

    kind: str
    word: str
    close: list[str]


class StoredProfile(TypedDict):
    """A profile as it is stored; None is not set."""

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


class PersonStored(TypedDict):
    """What is stored of a person now."""

    external_id: str
    is_new: bool
    is_changed: bool
    origin: str
    profile: StoredProfile
    completeness: float
    missing: list[str]
    unknown_words: list[UnknownWord]
    warning: str


class Trip(TypedDict):
    """A whole trip; what is left out is not set afterwards. Days are written as 2027-05-01."""

    destination_name: NotRequired[str | None]
    destination_lat: float
    destination_lon: float
    start_date: str
    end_date: str
    budget: NotRequired[float | None]
    interests: NotRequired[list[str] | None]


class TripFields(TypedDict):
    """A trip as it is stored."""

    external_id: str
    traveller: Literal["person", "group"]
    origin: str
    destination_name: str
    destination_lat: float
    destination_lon: float
    start_date: str
    end_date: str
    budget: float | None
    interests: list[str]
    is_live: bool
    expires_at: str
    warning: str


class TripStored(TripFields):
    """What is stored of a trip now."""

    is_new: bool
    is_changed: bool
    unknown_words: list[UnknownWord]


class TripRemoved(TripFields):
    """A trip as it was before it was removed."""


class ErasureAsked(TypedDict):
    """The job that erases a person, and the number by which its receipt names them."""

    job: str
    number: int
    state: str


class RefusedRow(TypedDict):
    """A row that was not taken: its place among those that were sent, from 0, and why."""

    row: int
    reason: str
    detail: str


class EventsTaken(TypedDict):
    """What became of events."""

    batch: int
    found: int
    new: int
    known: int
    changed: int
    views: int
    refused: list[RefusedRow]
    features: str
    feature_set: str
    people_not_known: int
    mapping: str
    notes: list[str]


class FeedbackTaken(TypedDict):
    """What became of rows of feedback."""

    run: int
    source: str
    found: int
    new: int
    known: int
    changed: int
    refused: list[RefusedRow]
    mapping: str
    notes: list[str]


class Predicted(TypedDict):
    """What is said of one row of feedback."""

    prediction: float | None
    low: float | None
    high: float | None
    missing: list[str]
    unseen: list[str]


class PredictAnswer(TypedDict):
    """Predictions in the order asked; `warning` says why no model answers, where none does."""

    kind: str
    target: str
    warning: str
    served_by: Literal["model", "baseline", "nothing"]
    model_version: int | None
    trained_on: str | None
    interval_level: float | None
    predictions: list[Predicted]


class Fault(TypedDict):
    """One thing that is wrong with a request, and where."""

    at: str
    said: str


class Reading(TypedDict, total=False):
    """How rows are read that are not written as Seedbed has them; see the document of the API."""

    mapping: str
    columns: dict[str, str]
    time_zone: str
    accept_partial: bool
    on_change: OnChange


Row = dict[str, Any]
