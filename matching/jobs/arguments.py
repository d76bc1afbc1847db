"""What the jobs of matching are asked."""

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from matching.domain.limits import (
    DEFAULT_EVENTS,
    DEFAULT_SEED,
    DEFAULT_TTL_DAYS,
    DEFAULT_USERS,
    MAX_EVENTS,
    MAX_TTL_DAYS,
    MAX_USERS,
    MINIMUM_LIVE,
)
from matching.domain.words import (
    ASKED_BEFORE,
    MATCH_TYPES_ASKED,
    FeatureSet,
    OnChange,
    Preset,
    asked_word,
)
from project.exporting.arguments import ExportArguments
from project.jobs.contract import Arguments
from project.jobs.questions import LIST_LENGTH, Ask, RecordId, Seed, Upload, Word
from project.mappings.arguments import TableArguments


def _or_replace(given: object) -> object:
    return OnChange.REPLACE.value if given == "" else given  # a form whose field was left out


def _as_said_today(given: object) -> object:
    return asked_word(given) if isinstance(given, str) else given


def _offered_batches() -> Iterable[tuple[str, str]]:
    from matching.models import EventBatch

    newest = EventBatch.objects.complete().order_by("-pk")[:OFFERED]
    return [(str(batch.pk), str(batch)) for batch in newest]


OFFERED = 200  # newest batches that a form shows
EventCount = Annotated[
    int, Field(ge=1, le=MAX_EVENTS, description="Events to make."), Ask(unit="events")
]
AskedMatchType = Annotated[
    Literal["user_user", "user_group", "both"],
    BeforeValidator(_as_said_today),
    Field(description="Who is matched with whom."),
    Ask(meanings=MATCH_TYPES_ASKED, also=tuple(ASKED_BEFORE)),
]
AskedPreset = Annotated[Preset, Field(description="How picky people are.")]
Users = Annotated[
    list[RecordId] | None,
    Field(max_length=LIST_LENGTH, description="Only these users; without any, all."),
    Ask(records="matching.seeduser", record="a person", is_asked=False),
]
Groups = Annotated[
    list[RecordId] | None,
    Field(max_length=LIST_LENGTH, description="Only these groups; without any, all."),
    Ask(records="matching.travelgroup", record="a group", is_asked=False),
]


class SeedUsers(Arguments):
    """The named users and some drawn ones."""

    count: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_USERS,
            description="Users to draw beside the named ones; 0 leaves only those.",
        ),
        Ask(unit="users"),
    ] = DEFAULT_USERS
    seed: Seed = DEFAULT_SEED


AskedOrigin = Literal["", "real", "synthetic"]


class ImportUsers(TableArguments):
    """A file of profiles."""

    file: Annotated[
        Upload,
        Field(description="Profiles as CSV, JSON, JSON Lines, xlsx or parquet, packed or not."),
    ]
    columns: Annotated[
        dict[Word, Word],
        Field(
            max_length=100,
            description="What the file calls otherwise, one a line: home_city=location.",
        ),
        Ask(option="--column"),
    ] = {}
    origin: Annotated[
        AskedOrigin,
        Field(description="What the people are; synthetic people never land as real ones."),
        Ask(meanings={"": "what the column origin says; a file that does not say it is refused"}),
    ] = ""


class ImportGroups(TableArguments):
    """A file of groups."""

    file: Annotated[
        Upload,
        Field(description="Groups as CSV, JSON, JSON Lines, xlsx, parquet; packed or not."),
    ]
    columns: Annotated[
        dict[Word, Word],
        Field(
            max_length=100,
            description="What the file calls otherwise, one a line: members=travellers.",
        ),
        Ask(option="--column"),
    ] = {}
    origin: Annotated[
        AskedOrigin,
        Field(description="What the groups are; synthetic ones never land as real ones."),
        Ask(meanings={"": "what the column origin says; a file that does not say it is refused"}),
    ] = ""


class ImportSessions(TableArguments):
    """A file of trips."""

    file: Annotated[
        Upload, Field(description="Trips as CSV, JSON, JSON Lines, xlsx, parquet; packed or not.")
    ]
    columns: Annotated[
        dict[Word, Word],
        Field(
            max_length=100,
            description="What the file calls otherwise, one a line: start_date=departure.",
        ),
        Ask(option="--column"),
    ] = {}
    origin: Annotated[
        AskedOrigin,
        Field(description="What the trips are; synthetic ones never land as real ones."),
        Ask(meanings={"": "what the column origin says; a file that does not say it is refused"}),
    ] = ""


class CompleteUsers(Arguments):
    """Whose profiles are filled in."""

    users: Users = None
    seed: Seed = DEFAULT_SEED


class MergePeople(Arguments):
    """Who stays, and whose record becomes part of that person's."""

    keep: Annotated[
        RecordId,
        Field(description="Who stays: what is set there stays, and what is missing is filled in."),
        Ask(records="matching.seeduser", record="a person"),
    ]
    gone: Annotated[
        RecordId,
        Field(description="Whose record goes; the name stays as a former one of who stays."),
        Ask(records="matching.seeduser", record="a person"),
    ]


class CreateSessions(Arguments):
    """Who gets a session, and for how long."""

    ttl_days: Annotated[
        int,
        Field(ge=1, le=MAX_TTL_DAYS, description="Days until a session expires."),
        Ask(unit="days", label="Days to live"),
    ] = DEFAULT_TTL_DAYS
    seed: Seed = DEFAULT_SEED
    users: Users = None
    groups: Groups = None


class CheckSessions(Arguments):
    """Which sessions are compared with their live copies, and how many have to be in order."""

    minimum: Annotated[
        int,
        Field(ge=1, le=1_000_000, description="Live sessions that are needed."),
        Ask(unit="sessions", option="--min"),
    ] = MINIMUM_LIVE
    only: Annotated[
        list[Word] | None,
        Field(max_length=LIST_LENGTH, description="Only these travellers, by external id."),
        Ask(is_asked=False),
    ] = None


class GenerateEvents(Arguments):
    """A batch of synthetic events."""

    count: EventCount = DEFAULT_EVENTS
    match_type: AskedMatchType = "user_user"
    preset: AskedPreset = Preset.BALANCED
    seed: Seed = DEFAULT_SEED
    feature_set: Annotated[
        Literal["smooth-1", "tiered-1"], Field(description="Formulas of the stored features.")
    ] = FeatureSet.SMOOTH.value
    allow_repeats: Annotated[
        bool, Field(description="Let ordered pairs come again when all have come.")
    ] = False


class ImportEvents(TableArguments):
    """Event logs, a batch each."""

    files: Annotated[
        list[Upload],
        Field(
            min_length=1,
            max_length=1000,
            description="One JSON object a line, or a table of events: CSV, JSON, xlsx, parquet.",
        ),
    ]
    columns: Annotated[
        dict[Word, Word],
        Field(
            max_length=100,
            description="What the file calls otherwise, one a line: userId=swiper.",
        ),
        Ask(option="--column"),
    ] = {}
    origin: Annotated[
        AskedOrigin,
        Field(description="What the events are; synthetic events never land as real ones."),
        Ask(meanings={"": "what the log says; one that does not say it is refused"}),
    ] = ""
    feature_set: Annotated[
        FeatureSet | Literal[""],
        Field(
            description="Formulas that the logged features were made with; of a log without "
            "features those that they are computed by."
        ),
        Ask(
            meanings={
                "": "what the log says, else tiered-1 where all values can come from those tiers, "
                "else logged-1; smooth-1 of a log without features",
                FeatureSet.LOGGED.value: "others, which cannot be computed here",
            }
        ),
    ] = ""
    on_change: Annotated[
        OnChange,
        BeforeValidator(_or_replace),
        Field(
            description="What becomes of an event whose eventId is known when a line says "
            "something else of it; replacing needs the right to change events."
        ),
        Ask(
            label="On change",
            meanings={
                OnChange.REPLACE.value: "the line replaces it, and what stood there is kept",
                OnChange.KEEP.value: "the event stays, and the change is listed",
                OnChange.REFUSE.value: "the line is refused",
            },
        ),
    ] = OnChange.REPLACE


class RetryEvents(Arguments):
    """Which refused lines of an import are tried again."""

    batch: Annotated[
        RecordId,
        Field(description="The import that refused them."),
        Ask(records="matching.eventbatch", record="a batch"),
    ]
    lines: Annotated[
        list[RecordId] | None,
        Field(
            max_length=LIST_LENGTH,
            description="Only these refused lines; without any, all that the import has.",
        ),
        Ask(records="matching.rejectedevent", record="a rejected line", is_asked=False),
    ] = None


class ExportPeople(ExportArguments):
    """People, groups or trips, or rows of a file of them that were refused."""

    what: Annotated[
        Literal["people", "groups", "sessions", "refused"],
        Field(description="What is written; of refused rows only those of one file."),
        Ask(
            meanings={
                "people": "profiles of people",
                "groups": "groups with the ids of their members",
                "sessions": "the trips of people and groups",
                "refused": "rows of a file that wait for a correction, as they came",
            }
        ),
    ] = "people"
    of_import: Annotated[
        RecordId | None,
        Field(description="Of refused rows the number of the import that refused them."),
        Ask(
            option="--import", label="Import", records="matching.profileimport", record="an import"
        ),
    ] = None

    @model_validator(mode="after")
    def _require_a_file(self) -> Self:
        if (self.what == "refused") != (self.of_import is not None):
            raise ValueError("Give the import of refused rows, and of nothing else")
        return self


class ExportEvents(ExportArguments):
    """The events of batches, or the lines of their logs that were refused."""

    batches: Annotated[
        list[RecordId],
        Field(min_length=1, max_length=1000, description="Complete batches, in this order."),
        Ask(
            option="--batch",
            records="matching.eventbatch",
            record="a batch",
            suggestions=_offered_batches,
        ),
    ]
    what: Annotated[
        Literal["events", "refused"],
        Field(description="What of them is written."),
        Ask(
            meanings={
                "events": "match events with their features",
                "refused": "lines that wait for a correction, as they came",
            }
        ),
    ] = "events"
