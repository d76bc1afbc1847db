"""What is wrong now, and the way to mend it; nothing here is only looked at."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest

from feedback.queries.glance import Glance
from overview.admin.cards import BATCHES, DATASETS, MODELS
from overview.admin.ways import (
    BUILD,
    IMPORT_LOG,
    Offer,
    Way,
    first_way,
    may,
    sees,
    to_decide,
    to_list,
    to_record,
    to_retrain,
)
from overview.queries.pipeline import Pipeline
from overview.queries.targets import rejected_of
from project.household import ailments
from project.jobs.processes import said_of_clock
from project.origin import Origin
from project.pages.remedies import in_pages
from project.tabular.proposing import UNUSABLE_SHARE
from serving.models import Alarm as AnswerAlarm
from training.kinds import get_kind
from training.models import ModelVersion
from training.queries.files import file_problem
from training.queries.models import suspects_of
from training.queries.serviceable import is_out_of_reach

SOURCES = "feedback.feedbacksource"
ANSWERS = "serving.alarm"


@dataclass(frozen=True)
class Alarm:
    """A sentence with its tone, and the way to mend it, for who may."""

    tone: str
    text: str
    way: Way | None


def alarms_for(request: HttpRequest, pipeline: Pipeline, glance: Glance | None) -> Iterator[Alarm]:
    """Yield what is wrong with what this person may see, the worst first."""
    if may(request, "jobs.view_job"):
        yield from _machine(request, pipeline)
    if may(request, sees(MODELS)):
        if pipeline.folder_problem is not None:
            yield Alarm("bad", pipeline.folder_problem.message, None)
        yield from _live_models(request, pipeline)
    if may(request, sees(ANSWERS)):
        yield from _answers(request, pipeline)
    if may(request, sees(BATCHES)):
        yield from _import(request, pipeline)
    if glance is not None and glance["failing"]:
        text = f"Feedback of {', '.join(glance['failing'])} cannot be read"
        yield Alarm("bad", text, first_way(request, to_list("Look", SOURCES)))
    if may(request, sees(DATASETS)):
        yield from _dataset(request, pipeline)
    if may(request, sees(MODELS)):
        yield from _candidate(request, pipeline)


def _machine(request: HttpRequest, pipeline: Pipeline) -> Iterator[Alarm]:
    way = first_way(request, Offer("Queue and workers", "jobs_queue", ("jobs.view_job",)))
    for said in ailments():
        yield Alarm("bad", in_pages(said), way)
    for found in pipeline.clocks.items():
        yield Alarm("warn", said_of_clock(*found), way)


def _live_models(request: HttpRequest, pipeline: Pipeline) -> Iterator[Alarm]:
    for kind, problem in pipeline.problems.items():
        champion = pipeline.champions[kind]
        # Where its rows are gone too, they have to be built again first.
        offer = BUILD if file_problem(champion.dataset) else to_retrain(champion.pk)
        if is_out_of_reach(champion):
            offer = to_record("Look", MODELS, champion.pk)
        text = f"{get_kind(kind).title}, version {champion.version}, cannot serve: {problem}"
        yield Alarm("bad", text, first_way(request, offer, to_record("Look", MODELS, champion.pk)))


def _answers(request: HttpRequest, pipeline: Pipeline) -> Iterator[Alarm]:
    """What the watch found; that the live model cannot serve is told above, with how to mend it."""
    for alarm in pipeline.alarms:
        if alarm.kind != AnswerAlarm.Kind.CHAMPION or not pipeline.problems:
            yield Alarm("bad", str(alarm), first_way(request, to_record("Look", ANSWERS, alarm.pk)))


def _import(request: HttpRequest, pipeline: Pipeline) -> Iterator[Alarm]:
    file = pipeline.events.newest_import
    if file is None or rejected_of(file) <= UNUSABLE_SHARE * file["asked"]:
        return
    text = f"{rejected_of(file):,} of {file['asked']:,} lines of {file['file_name']} were rejected"
    yield Alarm("bad", text, first_way(request, to_record("Look", BATCHES, file["pk"])))


def _dataset(request: HttpRequest, pipeline: Pipeline) -> Iterator[Alarm]:
    dataset = pipeline.dataset
    if dataset is None:
        return
    look = to_record("Look", DATASETS, dataset.pk)
    if (problem := file_problem(dataset)) is not None:
        yield Alarm("bad", problem.message, first_way(request, BUILD, look))
    if pipeline.stale:
        text = f"Dataset {dataset.version}. {pipeline.stale}"
        yield Alarm("warn", text, first_way(request, BUILD, look))


def _candidate(request: HttpRequest, pipeline: Pipeline) -> Iterator[Alarm]:
    newest, champion = pipeline.model, pipeline.champion
    if newest is not None and newest.stage == ModelVersion.Stage.CANDIDATE:
        for name in suspects_of(newest):
            text = f"{name.replace('_', ' ').capitalize()} tells more than it should know: "
            way = first_way(
                request, to_decide("Confirm", newest.pk), to_record("Look", MODELS, newest.pk)
            )
            yield Alarm("warn", f"{text}confirm it before version {newest.version}", way)
    if champion is not None and champion.trained_on == Origin.SYNTHETIC:
        text = "No real rows: every figure of the live model is about synthetic people"
        yield Alarm("warn", text, first_way(request, IMPORT_LOG))
