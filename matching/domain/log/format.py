"""The format of the event log, as types that its validator and its readers of code share."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from matching.domain.features.columns import fill_products
from matching.domain.features.names import FEATURE_NAMES, LOG_NAMES
from matching.domain.limits import LOG_PREFIX
from matching.domain.words import MatchType, Outcome, Preset
from project.origin import ROW_ORIGINS

PREFIX: Final = LOG_PREFIX.encode()
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

MAX_LINE_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32
MAX_ID_LENGTH: Final = 200  # characters; external ids of profiles have at most 100
MAX_IGNORED_NAMES: Final = 50  # different unknown names that are counted one by one
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_SKEW: Final = timedelta(days=1)  # how far ahead of ours a logging machine's clock may be

NOT_SAID: Final = 0  # among the codes of words, which begin at 1
SOURCE_CODES: Final = {origin.value: origin.code for origin in ROW_ORIGINS}
LABELS: Final = {outcome.value: outcome.label for outcome in Outcome}
VIEW: Final = "view"  # shown and nothing more: an exposure, which is no outcome and has no label
_POSITIVE: Final = [outcome.code for outcome in Outcome if outcome.label]

# Reason code of a refused line to what it means.
REASONS: Final = {
    "line_too_long": "the line is longer than 1 MiB",
    "unreadable_row": "the row of a table cannot be read",
    "bad_utf8": "the line is not UTF-8",
    "nul": "the line holds a NUL character",
    "bad_json": "the line is not JSON",
    "not_finite": "NaN or Infinity stands for a number",
    "too_deep": "the JSON is nested too deeply",
    "not_an_object": "the JSON is no object",
    "duplicate_key": "a name stands twice in one object",
    "missing_field": "a required field is absent",
    "wrong_type": "a field has the wrong type",
    "unknown_value": "a field has a value outside its vocabulary",
    "out_of_range": "a feature lies outside 0 to 1",
    "impossible_timestamp": "the time lies before 2000 or in the future",
    "label_contradicts_outcome": "the label is not that of the outcome",
    "unknown_features": "none of the features is known by its name",
    "bad_id": "an id is empty or too long",
    "source_contradicts_import": "a synthetic event in an import of real ones, or the reverse",
}
# Whether the features of a batch are those that its log has, or were computed from its people.
LOGGED: Final = "logged"
COMPUTED: Final = "computed"

CHANGED_EVENT: Final = "changed_event"
NO_FEATURES: Final = "no_features"
HAS_FEATURES: Final = "has_features"
# The same of lines that are well formed, and refused for what is here already.
LANDING_REASONS: Final = {
    CHANGED_EVENT: "the event is known with other content",
    NO_FEATURES: "the line has no features, and the log has them",
    HAS_FEATURES: "the line has features, and the log has none",
}

Score = Annotated[float, msgspec.Meta(ge=0, le=1)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_LENGTH)]


class LoggedFeatures(
    msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """The features of an event, each in [0, 1]; NaN where the line has none."""

    distance_score: Score = math.nan
    date_overlap_score: Score = math.nan
    budget_score: Score = math.nan
    interest_score: Score = math.nan
    age_score: Score = math.nan
    personality_score: Score = math.nan
    language_score: Score = math.nan
    lifestyle_score: Score = math.nan
    background_score: Score = math.nan
    group_size_score: Score = math.nan
    group_diversity_score: Score = math.nan
    destination_interest: Score = msgspec.field(name="destination_interest", default=math.nan)
    date_budget: Score = msgspec.field(name="date_budget", default=math.nan)


class LoggedEvent(
    msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """One line of the log.

    match_type, outcome, preset, source, feature_set : words of the vocabulary, and VIEW
    features : LoggedFeatures; None where the line says only who, about whom, what and when
    label : 1 for accept and chat, else 0
    timestamp : milliseconds since 1970 in UTC
    event_id, user_id, target_id, group_id, model_version : texts of 1 to 200 characters
    """

    match_type: Literal["user_user", "user_group"]
    outcome: Literal["accept", "chat", "ignore", "unmatch", "view"]
    timestamp: int
    features: LoggedFeatures | None = None
    label: int | None = None
    preset: Literal["balanced", "strict", "loose"] | None = None
    source: Literal["real", "synthetic"] | None = None
    feature_set: Literal["smooth-1", "tiered-1", "logged-1"] | None = None
    event_id: Id | None = None
    user_id: Id | None = None
    target_id: Id | None = None
    group_id: Id | None = None
    model_version: Id | None = None


ID_FIELDS: Final = ("eventId", "userId", "targetId", "groupId", "modelVersion")
FIELDS: Final = frozenset(field.encode_name for field in msgspec.structs.fields(LoggedEvent))
FEATURES: Final = frozenset(LOG_NAMES)

_NOTHING: Final = LoggedFeatures()


@dataclass(frozen=True)
class EventColumns:
    """Events as columns of n rows.

    match_type : int16 (n,), codes of `words.MatchType`
    outcome : int16 (n,), codes of `words.Outcome`
    preset : int16 (n,), codes of `words.Preset`; NOT_SAID
    source : int16 (n,), codes of `Origin`, real or synthetic; NOT_SAID
    occurred_ms : int64 (n,), milliseconds since 1970 in UTC
    features : float32 (n, 13) in [0, 1], columns as `features.FEATURE_NAMES`; NaN missing
    ids : for each of ID_FIELDS a list of n texts, None when not said
    """

    match_type: npt.NDArray[np.int16]
    outcome: npt.NDArray[np.int16]
    preset: npt.NDArray[np.int16]
    source: npt.NDArray[np.int16]
    occurred_ms: npt.NDArray[np.int64]
    features: npt.NDArray[np.float32]
    ids: dict[str, list[str | None]]

    def __len__(self) -> int:
        return len(self.match_type)

    @property
    def has_features(self) -> npt.NDArray[np.bool_]:
        """Whether any feature is said: bool (n,)."""
        return np.asarray((~np.isnan(self.features)).any(axis=1))

    def take(self, rows: npt.NDArray[np.int64]) -> "EventColumns":
        """Return some rows."""
        columns = ("match_type", "outcome", "preset", "source", "occurred_ms", "features")
        taken = {name: getattr(self, name)[rows] for name in columns}
        ids = {name: [values[row] for row in rows] for name, values in self.ids.items()}
        return EventColumns(**taken, ids=ids)

    @property
    def label(self) -> npt.NDArray[np.bool_]:
        """True for accept and chat: bool (n,)."""
        return np.isin(self.outcome, _POSITIVE)


def as_columns(events: Sequence[LoggedEvent]) -> EventColumns:
    """Return events as columns, in their order."""
    # A list for each field: a tuple for each event would keep the garbage collector busy.
    said = [event.features or _NOTHING for event in events]
    flat = chain.from_iterable(map(msgspec.structs.astuple, said))
    values = np.fromiter(flat, np.float64, len(events) * len(LOG_NAMES))
    return EventColumns(
        match_type=_codes(MatchType.codes(), [event.match_type for event in events]),
        outcome=_codes(Outcome.codes(), [event.outcome for event in events]),
        preset=_codes(Preset.codes(), [event.preset for event in events]),
        source=_codes(SOURCE_CODES, [event.source for event in events]),
        occurred_ms=np.array([event.timestamp for event in events], np.int64),
        features=values.astype(np.float32).reshape(len(events), len(LOG_NAMES)),
        ids={
            "eventId": [event.event_id for event in events],
            "userId": [event.user_id for event in events],
            "targetId": [event.target_id for event in events],
            "groupId": [event.group_id for event in events],
            "modelVersion": [event.model_version for event in events],
        },
    )


def with_products(events: EventColumns) -> EventColumns:
    """Return events with each product that a line left out, where it has both of its factors."""
    columns = dict(zip(FEATURE_NAMES, events.features.T, strict=True))
    fill_products(columns)
    return replace(events, features=np.column_stack(list(columns.values())))


def _codes(codes: Mapping[str, int], words: Sequence[Any]) -> npt.NDArray[np.int16]:
    """Return the codes of words, NOT_SAID for none."""
    of: dict[str | None, int] = {None: NOT_SAID}
    of.update(codes)
    return np.fromiter(map(of.__getitem__, words), np.int16, len(words))
