"""What the jobs of feedback are asked."""

from collections.abc import Iterable
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from feedback.domain.changes import ON_CHANGE_MEANINGS
from feedback.domain.tables import TABLES
from feedback.domain.words import FEWEST_PLANNED, LONGEST_DAYS, MOST_PLANNED, PLANNED_SESSIONS
from project.exporting.arguments import ExportArguments
from project.jobs.contract import Arguments
from project.jobs.questions import Ask, Moment, Upload, Word
from project.mappings.arguments import TableArguments

OnChangeAsked = Annotated[
    Literal["replace", "keep", "refuse"],
    Field(
        description="What is done about a row that is known with other content. Who has no right "
        "to change feedback has it refused."
    ),
    Ask(label="Rows that changed", meanings=ON_CHANGE_MEANINGS),
]

DEFAULT_SOURCE: Final = "files"
# What the tables are called at a source, unless it maps them.
_NAMES = {table.default_table: name for name, table in TABLES.items()}


def _known_name(given: object) -> object:
    return _NAMES.get(given, given) if isinstance(given, str) else given


def _source_names() -> Iterable[tuple[str, str]]:
    from feedback.models import FeedbackSource

    names = FeedbackSource.objects.collectable().values_list("name", flat=True)
    return [(name, name) for name in names]


def _all_sources() -> Iterable[tuple[str, str]]:
    from feedback.models import FeedbackSource

    names = FeedbackSource.objects.order_by("name").values_list("name", flat=True)
    return [(name, name) for name in names]


class CollectFeedback(Arguments):
    """Which rows of which sources are read."""

    sources: Annotated[
        list[Word],
        Field(max_length=1000, description="Only these databases; without any, all."),
        Ask(option="--source", suggestions=_source_names),
    ] = []
    days: Annotated[
        int | None,
        Field(ge=1, le=LONGEST_DAYS, description="Read the last days again, beside what is new."),
        Ask(unit="days"),
    ] = None
    start: Annotated[
        Moment | None, Field(description="Read again from this time."), Ask(option="--since")
    ] = None
    end: Annotated[
        Moment | None, Field(description="Up to this time, without it."), Ask(option="--until")
    ] = None
    limit: Annotated[
        int | None,
        Field(
            ge=1,
            le=2**31 - 1,
            description="Most rows of each table to go forward; the next collection goes on there.",
        ),
        Ask(unit="rows"),
    ] = None
    full: Annotated[
        bool,
        Field(
            description="Read every row again, and mark those that are gone at the source; without "
            "it they are looked for among the rows that are read anyway."
        ),
    ] = False
    on_change: OnChangeAsked = "replace"
    mapping: Annotated[
        Word,
        Field(
            description="How values are read: proposed: as is proposed, from now on; as-is: as "
            "they are, from now on; the name of a saved mapping; empty: as was confirmed."
        ),
        Ask(),
    ] = ""
    accept_partial: Annotated[
        bool,
        Field(
            description="Land the rest where more than 1 % (and more than 5) of a column cannot "
            "be used; reports say so."
        ),
    ] = False

    @model_validator(mode="after")
    def _require_one_window(self) -> Self:
        if self.days and (self.start or self.end):
            raise ValueError("Give either days, or start and end")
        if self.full and (self.days or self.start or self.end or self.limit):
            raise ValueError("Full reads all there is; leave days, start, end and limit out")
        if self.start and self.end and self.start >= self.end:
            raise ValueError(f"Expected start before end; got {self.start} and {self.end}")
        return self


class ImportFeedback(TableArguments):
    """A file of feedback."""

    file: Annotated[
        Upload,
        Field(description="CSV, JSON, JSON Lines, xlsx or parquet, packed or not."),
    ]
    table: Annotated[
        Literal["quality_feedback", "explanations", "ab_testing"],
        BeforeValidator(_known_name),
        Field(description="What the rows are."),
        Ask(also=tuple(_NAMES)),
    ]
    source: Annotated[
        Word,
        Field(pattern=r"^[-\w]+$", description="The source that keeps the rows."),
        Ask(),
    ] = DEFAULT_SOURCE
    columns: Annotated[
        dict[Word, Word],
        Field(
            max_length=100,
            description="What the file calls otherwise, one a line: quality_rating=stars.",
        ),
        Ask(option="--column"),
    ] = {}
    on_change: OnChangeAsked = "replace"
    dry_run: Annotated[bool, Field(description="Only check the rows, write none.")] = False

    @model_validator(mode="after")
    def _require_known_columns(self) -> Self:
        known = {column.name for column in TABLES[self.table].columns}
        unknown = sorted(set(self.columns) - known)
        if unknown:
            raise ValueError(
                f"columns: there is no column {', '.join(unknown)[:200]}; there are: "
                f"{', '.join(sorted(known))}"
            )
        return self


class CountReports(Arguments):
    """Which reports, and of which rows."""

    report: Annotated[
        Literal["all", "csat", "baselines", "calibration", "experiments", "counts"],
        Field(description="counts: the rows of each table of each source."),
    ] = "all"
    source: Annotated[Word, Field(description="Only rows of this source."), Ask()] = ""
    origin: Annotated[
        Literal["", "real", "synthetic", "combined"],
        Field(description="Whose rows; empty: real where a real source is set up, else synthetic."),
    ] = ""
    days: Annotated[
        int | None,
        Field(ge=1, le=LONGEST_DAYS, description="Only rows of the last days."),
        Ask(unit="days"),
    ] = None
    edges: Annotated[Word, Field(description="Of the quality ranges: 0, .5, .7, 1."), Ask()] = ""
    provider: Annotated[Word, Field(description="Expected of the baselines."), Ask()] = ""
    model: Annotated[Word, Field(description="Expected of the baselines."), Ask()] = ""
    action_type: Annotated[Word, Field(description="Expected of the baselines."), Ask()] = ""
    planned_sessions: Annotated[
        int,
        Field(
            ge=FEWEST_PLANNED,
            le=MOST_PLANNED,
            description="Of the smaller arm, that an experiment was planned with.",
        ),
        Ask(unit="sessions"),
    ] = PLANNED_SESSIONS


class ExportFeedback(ExportArguments):
    """Records of a table, or its rows that were refused."""

    table: Annotated[
        Literal["quality_feedback", "explanations", "ab_testing"],
        BeforeValidator(_known_name),
        Field(description="Which table."),
        Ask(also=tuple(_NAMES)),
    ] = "quality_feedback"
    what: Annotated[
        Literal["records", "refused"],
        Field(description="What of it is written."),
        Ask(
            meanings={
                "records": "what is there, without what is gone at its source",
                "refused": "rows that wait for a correction, as they came",
            }
        ),
    ] = "records"
    source: Annotated[
        Word,
        Field(
            description="Only of this source; without one, all that people left. Generated "
            "feedback is written by the name of its source, and stays labelled so."
        ),
        Ask(suggestions=_all_sources),
    ] = ""
