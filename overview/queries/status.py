"""Everything at a glance: what there is, what is live, what runs, what to do next."""

from datetime import datetime
from typing import NotRequired, TypedDict, cast

from django.conf import settings
from django.db import connection

from matching.models import EventBatch, SeedUser, TravelGroup, TravelSession
from overview.queries.next_step import Step, next_step
from project import clock
from project.household import ailments
from project.jobs.models import Job, Process, Schedule
from project.jobs.processes import clocks_off, said_of_clock, unknown_kinds
from project.refusal import Refusal
from project.storage.artifacts import why_not_own_folder
from project.storage.installation import this_owner
from serving.models import Alarm
from training.kinds import DEFAULT_KIND, ModelKind, all_kinds
from training.models import Dataset, ModelVersion
from training.queries.files import file_problem, retrain_command
from training.queries.models import champion_of
from training.queries.serviceable import is_out_of_reach, why_not_serving
from training.queries.staleness import why_stale

LISTED_JOBS = 10
LISTED_BATCHES = 5


class Postgres(TypedDict):
    """The database server; `data_bytes` of this database alone."""

    version: str
    data_bytes: int
    is_embedded: bool


class Valkey(TypedDict):
    """The server of live sessions and of the bell."""

    is_embedded: bool


class Servers(TypedDict):
    """The servers at one moment."""

    postgres: Postgres
    valkey: Valkey
    at: datetime


class People(TypedDict):
    """How many users, groups and sessions there are."""

    users: int
    complete: int
    groups: int
    sessions: int
    live_sessions: int


class BatchState(TypedDict):
    """One batch of events."""

    id: int
    origin: str
    state: str
    events: int
    feature_set: str


class Batches(TypedDict):
    """How many batches can be read, and the newest of all."""

    complete: int
    newest: list[BatchState]


class DatasetState(TypedDict):
    """One dataset; `problem` says what is wrong with its files, at a glance, and `stale` what
    changed at its batches since."""

    id: int
    version: int
    verdict: str
    origin: str
    origin_words: str
    rows: int
    problem: str
    stale: str


class ModelState(TypedDict):
    """One model with the figure that its kind is judged by, where it was measured."""

    id: int
    version: int
    stage: str
    verdict: str
    origin: str
    origin_words: str
    metric: str
    metric_title: str
    value: NotRequired[float | None]
    low: NotRequired[float | None]
    high: NotRequired[float | None]


class ChampionState(ModelState):
    """A live model, and what serves; one that cannot, with the reason and the command to another.

    `serves` is "model", or what answers instead: "rules", or "nothing" for kinds without rules.
    """

    serves: str
    problem: str
    command: str | None


class StoreState(TypedDict):
    """The folder of artefacts; `problem` says why this installation may not write there."""

    folder: str
    installation: str
    problem: str
    remedy: str


class KindState(TypedDict):
    """What there is of one kind: its newest dataset and model, and its champion."""

    kind: str
    title: str
    datasets: int
    dataset: DatasetState | None
    models: int
    model: ModelState | None
    champion: ChampionState | None


class JobState(TypedDict):
    """One job that waits or runs; `done` is a share, None where the end is not known."""

    id: str
    kind: str
    state: str
    done: float | None


class Jobs(TypedDict):
    """The jobs that wait or run, how many wait by kind that this version does not know, and how
    many failed and were not tried again."""

    active: list[JobState]
    unknown: dict[str, int]
    failed: int


class ScheduleState(TypedDict):
    """When a schedule is due next; None while it is off."""

    name: str
    kind: str
    is_enabled: bool
    next_run_at: datetime | None


class AlarmState(TypedDict):
    """Something that is wrong with what applications are answered."""

    kind: str
    subject: str
    title: str
    text: str
    remedy: str
    opened_at: datetime


class Status(TypedDict):
    """The state of the whole installation."""

    servers: Servers
    store: StoreState
    processes: dict[str, int]
    ailments: list[str]
    clocks: list[str]
    people: People
    batches: Batches
    kinds: list[KindState]
    jobs: Jobs
    schedules: list[ScheduleState]
    alarms: list[AlarmState]
    next_step: Step


def describe_everything() -> Status:
    """Return the state of the whole installation, in values that JSON can say."""
    return {
        "servers": _servers(),
        "store": describe_store(),
        "processes": {
            role: Process.objects.alive().filter(role=role).count() for role in Process.Role.values
        },
        "ailments": ailments(),
        "clocks": [said_of_clock(*found) for found in clocks_off().items()],
        "people": {
            "users": SeedUser.objects.count(),
            "complete": SeedUser.objects.complete().count(),
            "groups": TravelGroup.objects.count(),
            "sessions": TravelSession.objects.count(),
            "live_sessions": TravelSession.objects.live().count(),
        },
        "batches": _batches(),
        "kinds": [describe_kind(kind) for kind in all_kinds()],
        "jobs": {
            "active": [_job(job) for job in Job.objects.active()[:LISTED_JOBS]],
            "unknown": unknown_kinds(),
            "failed": Job.objects.filter(state=Job.State.FAILED, retries__isnull=True).count(),
        },
        "schedules": [
            {
                "name": schedule.name,
                "kind": schedule.kind,
                "is_enabled": schedule.is_enabled,
                "next_run_at": schedule.next_run_at if schedule.is_enabled else None,
            }
            for schedule in Schedule.objects.all()
        ],
        "alarms": [
            {
                "kind": alarm.kind,
                "subject": alarm.subject,
                "title": str(alarm),
                "text": alarm.text,
                "remedy": alarm.remedy,
                "opened_at": alarm.opened_at,
            }
            for alarm in Alarm.objects.open()
        ],
        "next_step": next_step(),
    }


def describe_kind(kind: ModelKind) -> KindState:
    """Return the newest dataset, the newest model and the champion of a kind."""
    dataset = Dataset.objects.of_kind(kind.name).first()
    model = ModelVersion.objects.of_kind(kind.name).first()
    champion = champion_of(kind.name)
    return {
        "kind": kind.name,
        "title": kind.title,
        "datasets": Dataset.objects.filter(kind=kind.name).count(),
        "dataset": None
        if dataset is None
        else {
            "id": dataset.pk,
            "version": dataset.version,
            "verdict": dataset.verdict,
            "origin": dataset.origin,
            "origin_words": dataset.origin_words,
            "rows": dataset.rows,
            "problem": _said(file_problem(dataset)),
            "stale": why_stale(dataset),
        },
        "models": ModelVersion.objects.filter(kind=kind.name).count(),
        "model": None if model is None else _model(kind, model),
        "champion": None if champion is None else _champion(kind, champion),
    }


def describe_store() -> StoreState:
    """Return whose folder the artefacts lie in."""
    disagreement = why_not_own_folder()
    return {
        "folder": str(settings.ARTIFACT_ROOT),
        "installation": str(this_owner().installation),
        "problem": "" if disagreement is None else disagreement.message,
        "remedy": "" if disagreement is None else disagreement.remedy,
    }


def _servers() -> Servers:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'), pg_database_size(current_database())"
        )
        version, size = cursor.fetchone()
    return {
        "postgres": {
            "version": version,
            "data_bytes": size,
            "is_embedded": settings.USES_EMBEDDED_POSTGRES,
        },
        "valkey": {"is_embedded": settings.USES_EMBEDDED_VALKEY},
        "at": clock.now(),
    }


def _batches() -> Batches:
    complete = EventBatch.objects.complete()
    return {
        "complete": complete.count(),
        "newest": [
            {
                "id": batch.pk,
                "origin": batch.get_origin_display(),
                "state": batch.state,
                "events": batch.made,
                "feature_set": batch.feature_set,
            }
            for batch in EventBatch.objects.defer("population").order_by("-pk")[:LISTED_BATCHES]
        ],
    }


def _model(kind: ModelKind, model: ModelVersion) -> ModelState:
    metric = kind.figures.primary_metric
    state: ModelState = {
        "id": model.pk,
        "version": model.version,
        "stage": model.stage,
        "verdict": model.verdict,
        "origin": model.trained_on.value,
        "origin_words": model.origin_words,
        "metric": metric,
        "metric_title": kind.figures.metric_titles[metric],
    }
    measured = model.metrics.get("validation", {}).get(metric) or {}
    state.update(cast(ModelState, measured))
    return state


def _champion(kind: ModelKind, champion: ModelVersion) -> ChampionState:
    problem = why_not_serving(champion)
    is_lost = bool(problem) and not is_out_of_reach(champion)
    return {
        **_model(kind, champion),
        "serves": _serves(kind, problem),
        "problem": problem,
        "command": retrain_command(champion) if is_lost else None,
    }


def _serves(kind: ModelKind, problem: str) -> str:
    if not problem:
        return "model"
    return "rules" if kind.name == DEFAULT_KIND else "nothing"


def _said(problem: Refusal | None) -> str:
    return "" if problem is None else str(problem)


def _job(job: Job) -> JobState:
    return {"id": str(job.pk), "kind": job.kind, "state": job.state, "done": job.progress_share}
