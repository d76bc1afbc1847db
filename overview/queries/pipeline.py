"""What there is from people to a live model, in few questions: home and the next step read it.

All that can be counted comes from one query, so that a page that shows it all stays cheap.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict, cast

from django.contrib.postgres.aggregates import JSONBAgg
from django.db.models import (
    Count,
    Exists,
    F,
    IntegerField,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce, Greatest, JSONObject
from django.utils import timezone

from matching.models import EventBatch, SeedUser, TravelSession, Word
from project import clock, words
from project.jobs.models import Job, Process, Schedule
from project.jobs.processes import clocks_off
from project.origin import Origin
from project.refusal import Refusal
from project.storage.artifacts import why_not_own_folder
from project.storage.failures import ArtifactCorrupt
from serving.models import Alarm, ApiKey, ScoredPair
from serving.queries.schedule import SCHEDULE_NAME
from training.domain.limits import MINIMUM_ROWS
from training.jobs.arguments import BuildDataset
from training.kinds import DEFAULT_KIND, get_kind
from training.models import Dataset, ModelVersion, Promotion
from training.queries.serviceable import verify_model
from training.queries.staleness import removed_batches, why_stale

TREND_DAYS: Final = 14  # that a small drawing of a number goes back
BUILD_KIND: Final = "training.build_dataset"
_PLAIN_BUILD: Final = BuildDataset().model_dump(mode="json")
COUNTED_ANSWERS: Final = 10_000  # scored pairs of a day; beyond, the front page says "more than"


class LeftOut(TypedDict):
    """How many lines were left out for one reason; who asks about examples asks the batch."""

    count: int


class Import(TypedDict):
    """The newest batch that came from a file."""

    pk: int
    file_name: str
    asked: int
    skipped: dict[str, LeftOut]


@dataclass(frozen=True)
class RefusedBuild:
    """The newest build of a dataset that was refused: when, why, and what it was asked."""

    at: datetime
    error: str
    arguments: dict[str, Any]

    def is_of(self, batch: int) -> bool:
        """Whether a build with no wish of its own was refused for the rows of this batch."""
        asked = {**_PLAIN_BUILD, **self.arguments}
        batches = asked.pop("batches")
        plain = {name: value for name, value in _PLAIN_BUILD.items() if name != "batches"}
        return asked == plain and batches in ([], [batch])


@dataclass(frozen=True)
class People:
    """Travellers; `trend` is how many there were at the end of each day, the last one now."""

    total: int
    complete: int
    trend: list[int]

    @property
    def incomplete(self) -> int:
        return self.total - self.complete


@dataclass(frozen=True)
class Trips:
    """Sessions; `first_end` is when the next of the live ones ends."""

    total: int
    live: int
    first_end: datetime | None
    trend: list[int]


@dataclass(frozen=True)
class Events:
    """Events of complete batches; `newest` is the newest batch that has any, `newest_made` how
    many, and `refused` why no dataset can be built from it as it is now, where that was tried."""

    real: int
    synthetic: int
    newest: int | None
    newest_import: Import | None
    trend: list[int]
    newest_made: int = MINIMUM_ROWS
    refused: str = ""

    @property
    def why_no_dataset(self) -> str:
        """Why a dataset of the newest batch is not to be had, empty where it may be."""
        if self.newest is not None and self.newest_made < MINIMUM_ROWS:
            return (
                f"batch {self.newest} has {words.counted(self.newest_made, 'event')}, too few for "
                "a dataset"
            )
        return f"no dataset came of batch {self.newest}: {self.refused}" if self.refused else ""

    @property
    def total(self) -> int:
        return self.real + self.synthetic


@dataclass(frozen=True)
class Answers:
    """What applications were answered.

    Attributes
    ----------
    today : scored pairs in the log since midnight, counted up to COUNTED_ANSWERS + 1.
    keys : applications that may ask.
    is_watched : whether alarms are to open by themselves; is_stuck : whether they cannot, because
        the schedule of the watch may not run any more.
    """

    today: int
    keys: int
    is_watched: bool
    is_stuck: bool = False


@dataclass(frozen=True)
class Pipeline:
    """The way to a live matching model, as it is now.

    Attributes
    ----------
    dataset, model : the newest ones of the matching kind.
    datasets : how many of the kind there are, with their trend.
    is_trained : whether any model learnt from `dataset`.
    is_behind : whether a batch is newer than all that `dataset` was built of.
    stale : why `dataset` is stale and can be built again, else empty.
    champions : the live model of each kind that has one, by kind; `problems` says of those that
        cannot serve why.
    live_figures : main figure of each matching model that was ever made live, in that order.
    folder_problem : why nothing can be written, None where it can.
    words : the version of the vocabulary.
    answers : what the live models are asked.
    alarms : those on what applications are answered that are open, the newest first.
    clocks : hosts whose clock is off, and by how many seconds each is ahead.
    """

    people: People
    trips: Trips
    events: Events
    datasets: int
    datasets_trend: list[int]
    dataset: Dataset | None
    is_trained: bool
    is_behind: bool
    stale: str
    model: ModelVersion | None
    champions: dict[str, ModelVersion]
    problems: dict[str, str]
    live_figures: list[float]
    folder_problem: Refusal | None
    words: int
    answers: Answers
    alarms: list[Alarm]
    clocks: dict[str, float] = field(default_factory=dict)

    @property
    def champion(self) -> ModelVersion | None:
        """The live matching model."""
        return self.champions.get(DEFAULT_KIND)

    @property
    def problem(self) -> str:
        """Why the live matching model cannot serve, empty where it can."""
        return self.problems.get(DEFAULT_KIND, "")


def read_pipeline() -> Pipeline:
    """Read what there is."""
    counted = _count()
    people, trips, events = counted["people"], counted["trips"], counted["events"]
    dataset = _newest_dataset()
    models = list(_models())
    champions = {m.kind: m for m in models if m.stage == ModelVersion.Stage.CHAMPION}
    of_kind = [model for model in models if model.kind == DEFAULT_KIND]
    vocabulary = counted["words"].get("total", 0)
    problems = {kind: _why_not_serving(live, vocabulary) for kind, live in champions.items()}
    newest = counted["newest"].get("pk")
    return Pipeline(
        people=People(people.get("total", 0), people.get("complete", 0), _trend(people)),
        trips=Trips(
            trips.get("total", 0),
            trips.get("live", 0),
            datetime.fromisoformat(trips["first_end"]) if trips.get("first_end") else None,
            _trend(trips),
        ),
        events=Events(
            events.get("real") or 0,
            events.get("synthetic") or 0,
            newest,
            cast(Import, counted["import"]) if counted["import"] else None,
            _trend(events),
            newest_made=counted["newest"].get("made") or 0,
            refused=_why_refused(counted["newest"], counted["builds"]),
        ),
        datasets=counted["datasets"].get("total", 0),
        datasets_trend=_trend(counted["datasets"]),
        dataset=dataset,
        is_trained=bool(dataset and dataset.is_trained),  # type: ignore[attr-defined]
        is_behind=dataset is not None
        and newest is not None
        and newest > max(dataset.recipe.get("batches") or [0]),
        # Nothing it was built of can have changed where no event of any batch was corrected, and
        # nobody whom one names was merged.
        stale=_why_stale(dataset) if dataset is not None and events.get("corrections") else "",
        model=max(of_kind, key=lambda model: model.version, default=None),
        champions=champions,
        problems={kind: said for kind, said in problems.items() if said},
        live_figures=[float(one) for one in counted["live"].get("figures") or [] if one],
        folder_problem=why_not_own_folder(),
        words=vocabulary,
        answers=Answers(
            counted["answers"].get("today", 0),
            counted["keys"].get("total", 0),
            bool(counted["watch"].get("total")),
            bool(counted["watch"].get("stuck")),
        ),
        alarms=[Alarm(**told) for told in counted["alarms"].get("open") or []],
        clocks=clocks_off(
            {told["name"]: told["ahead"] for told in counted["clocks"].get("off") or []}
        ),
    )


def _why_refused(newest: dict[str, Any], build: dict[str, Any]) -> str:
    """Say why the newest batch gives no dataset, where it is as it was when that was said."""
    if not newest or not build:
        return ""
    refused = RefusedBuild(
        datetime.fromisoformat(build["at"]), build["error"], build["arguments"] or {}
    )
    changed = newest["at"] and datetime.fromisoformat(newest["at"])
    is_old = changed is not None and refused.at < changed
    return "" if is_old or not refused.is_of(newest["pk"]) else refused.error


def _why_stale(dataset: Dataset) -> str:
    """Say why a dataset is to be built again; one whose batches were removed cannot be."""
    return "" if removed_batches(dataset) else why_stale(dataset)


class _Counted(Subquery):
    """How many rows another question has."""

    template = "(SELECT count(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def _why_not_serving(champion: ModelVersion, vocabulary: int) -> str:
    """Say why a model cannot serve without the command that mends it: pages have buttons."""
    try:
        verify_model(champion, vocabulary)
    except ArtifactCorrupt as error:
        return error.message
    return ""


def ends_of_days(now: datetime) -> list[datetime]:
    """Return the moments of a trend: the ends of days that are over, and now."""
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return [midnight - timedelta(days=back) for back in range(TREND_DAYS - 2, -1, -1)] + [now]


def _count() -> dict[str, dict[str, Any]]:
    """Return what can be counted, by name, from one query."""
    now = clock.now()
    ends = ends_of_days(now)
    metric = get_kind(DEFAULT_KIND).figures.primary_metric
    batches = EventBatch.objects.complete()
    since_midnight = ScoredPair.objects.filter(at__gte=ends[-2]).order_by().values("pk")
    since_midnight = since_midnight[: COUNTED_ANSWERS + 1]
    parts: dict[str, QuerySet[Any]] = {
        "people": _part(
            SeedUser.objects.all(),
            "people",
            total=Count("pk"),
            complete=Count("pk", filter=Q(completeness=1.0)),
            **_at(ends, lambda end: Count("pk", filter=Q(created_at__lte=end))),
        ),
        "trips": _part(
            TravelSession.objects.all(),
            "trips",
            total=Count("pk"),
            live=Count("pk", filter=Q(expires_at__gt=now)),
            first_end=Min("expires_at", filter=Q(expires_at__gt=now)),
            **_at(
                ends,
                lambda end: Count("pk", filter=Q(created_at__lte=end, expires_at__gt=end)),
            ),
        ),
        "events": _part(
            batches,
            "events",
            real=Sum("made", filter=Q(origin=Origin.REAL.code)),
            synthetic=Sum("made", filter=Q(origin=Origin.SYNTHETIC.code)),
            corrections=Sum(F("corrections") + F("merged_events")),
            **_at(
                ends, lambda end: Coalesce(Sum("made", filter=Q(completed_at__lte=end)), Value(0))
            ),
        ),
        "newest": batches.filter(made__gt=0)
        .order_by("-pk")
        .annotate(
            part=Value("newest"),
            told=JSONObject(pk="pk", made="made", at=Greatest("completed_at", "corrected_at")),
        )
        .values_list("part", "told")[:1],
        "builds": Job.objects.filter(kind=BUILD_KIND, state=Job.State.REFUSED)
        .order_by("-created_at")
        .annotate(
            part=Value("builds"),
            told=JSONObject(at="created_at", error="error", arguments="arguments"),
        )
        .values_list("part", "told")[:1],
        "datasets": _part(
            Dataset.objects.filter(kind=DEFAULT_KIND),
            "datasets",
            total=Count("pk"),
            **_at(ends, lambda end: Count("pk", filter=Q(created_at__lte=end))),
        ),
        "live": _part(
            Promotion.objects.filter(kind=DEFAULT_KIND),
            "live",
            figures=JSONBAgg(F(f"model__metrics__validation__{metric}__value"), order_by="pk"),
        ),
        "keys": _part(ApiKey.objects.open(), "keys", total=Count("pk")),
        "clocks": _part(
            Process.objects.with_clock_off(),
            "clocks",
            off=JSONBAgg(JSONObject(name="name", ahead="clock_ahead")),
        ),
        "answers": ScoredPair.objects.order_by("-pk")
        .annotate(part=Value("answers"), told=JSONObject(today=_Counted(since_midnight)))
        .values_list("part", "told")[:1],
        "watch": _part(
            Schedule.objects.filter(name=SCHEDULE_NAME, is_enabled=True),
            "watch",
            total=Count("pk"),
            stuck=Count("pk", filter=~Q(last_error="")),
        ),
        "words": _part(Word.history.all(), "words", total=Count("pk")),
        "alarms": _part(
            Alarm.objects.open(),
            "alarms",
            open=JSONBAgg(JSONObject(pk="pk", kind="kind", subject="subject"), order_by="-pk"),
        ),
        "import": batches.filter(method=EventBatch.Method.IMPORTED)
        .order_by("-pk")
        .annotate(
            part=Value("import"),
            told=JSONObject(pk="pk", file_name="file_name", asked="asked", skipped="skipped"),
        )
        .values_list("part", "told")[:1],
    }
    first, *others = parts.values()
    found = dict(first.union(*others, all=True))
    return {name: found.get(name) or {} for name in parts}


def _part(rows: QuerySet[Any], name: str, **told: Any) -> QuerySet[Any]:
    part: QuerySet[Any] = (
        rows.order_by()
        .annotate(part=Value(name))
        .values("part")
        .annotate(told=JSONObject(**told))
        .values_list("part", "told")
    )
    return part


def _at(ends: list[datetime], count: Any) -> dict[str, Any]:
    return {f"at_{number}": count(end) for number, end in enumerate(ends)}


def _trend(told: dict[str, Any]) -> list[int]:
    return [int(told.get(f"at_{number}") or 0) for number in range(TREND_DAYS)]


def _newest_dataset() -> Dataset | None:
    learnt = ModelVersion.objects.filter(dataset=OuterRef("pk"))
    return (
        Dataset.objects.of_kind(DEFAULT_KIND)
        .defer("histograms", "vocabulary")
        .annotate(is_trained=Exists(learnt))
        .first()
    )


def _models() -> QuerySet[ModelVersion]:
    """Return the champion of each kind and the newest matching model."""
    newest = ModelVersion.objects.of_kind(DEFAULT_KIND).values("pk")[:1]
    heavy = ("parameters", "importance", "curves", "ceilings", "baselines", "dataset__histograms")
    return (
        ModelVersion.objects.filter(Q(stage=ModelVersion.Stage.CHAMPION) | Q(pk=Subquery(newest)))
        .select_related("dataset")
        .defer(*heavy)
    )
