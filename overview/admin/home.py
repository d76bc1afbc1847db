"""The front page: the pipeline, what is wanted of it, what runs, and the one thing to do next."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.db.models import BooleanField, Case, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_POST

from feedback.queries.glance import Glance
from feedback.services.reports import feedback_at_a_glance
from overview.admin.alarms import alarms_for
from overview.admin.cards import DATASETS, MODELS, REPORTS, cards_for
from overview.admin.ways import (
    BUILD,
    GENERATE,
    IMPORT_FEEDBACK,
    IMPORT_LOG,
    PLAN,
    REBUILD,
    SEED,
    Offer,
    Way,
    first_way,
    may,
    sees,
    to_decide,
    to_list,
    to_record,
    to_train,
)
from overview.queries.next_step import DONE_BY, Step, step_of
from overview.queries.pipeline import Pipeline, read_pipeline
from overview.queries.targets import Target, targets_of, targets_of_feedback
from project import clock, words
from project.jobs.contract import get_kind, is_known, title_of
from project.jobs.models import Job
from project.jobs.starts import start_job
from project.jobs.strip import keep_running
from project.pages.links import record_url
from project.pages.navigation import Navigation, parts_of_page
from project.pages.registry import front_page, page
from project.pages.remedies import in_pages

JOBS_SHOWN: Final = 6
JOBS: Final = "jobs.job"
BUSY_PAUSE, QUIET_PAUSE = 3_000, 20_000  # milliseconds between two looks while something runs, else
FIRST_PEOPLE: Final = 200  # beside the named ones; enough for 1,000 events without copies

# What an empty installation begins with by one click: nothing is there that it could harm. What
# goes live, the third step, is asked about on its own page.
BEGINNINGS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "people": ("matching.seed_users", {"count": FIRST_PEOPLE}),
    "trips": ("matching.create_sessions", {}),
}
REBUILD_KIND: Final = "overview.rebuild_model"
PARTS: Final = ("next", "cards", "targets", "side")


@dataclass(frozen=True)
class Next:
    """What to do next: a headline, a sentence, and a button for who may do it."""

    title: str
    text: str
    way: Way | None
    is_done: bool = False


@dataclass(frozen=True)
class Beginning:
    """One of the three steps to a first champion."""

    number: int
    title: str
    text: str
    state: str  # done, running, now or later
    way: Way | None


@front_page
def home(request: HttpRequest) -> Mapping[str, Any]:
    """Return what the front page shows this person."""
    navigation = Navigation(request)
    live = _live(request, navigation)
    heads = [first_way(request, IMPORT_LOG, IMPORT_FEEDBACK), first_way(request, REBUILD)]
    return {
        "navigation": navigation,  # which has counted already
        **parts_of_page(request, navigation),
        "live": live,
        "heads": [way for way in heads if way is not None],
    }


@page("Home", route="home/live/", name="home_live", permission="")
def home_live(request: HttpRequest) -> HttpResponse:
    """Give the parts of the front page that change."""
    return JsonResponse(_live(request, Navigation(request)))


@page("Begin", route="home/begin/<slug:step>/", name="home_begin", permission="")
@require_POST
def begin(request: HttpRequest, step: str) -> HttpResponse:
    """Start a step of an empty installation, once, and come back."""
    if step not in BEGINNINGS:
        raise Http404(f"There is no step {step}. Expected one of {', '.join(BEGINNINGS)}.")
    kind, arguments = BEGINNINGS[step]
    if may(request, get_kind(kind).permission) and Job.objects.active().filter(kind=kind).exists():
        messages.info(request, f"“{title_of(kind)}” is under way already.")
    else:
        start_job(request, kind, **arguments)
    return HttpResponseRedirect(reverse("admin:index"))


def _live(request: HttpRequest, navigation: Navigation) -> dict[str, Any]:
    """Return the parts by name, as HTML that is the same as long as what it shows."""
    pipeline = read_pipeline()
    glance = feedback_at_a_glance() if may(request, REPORTS) else None
    jobs = list(_jobs()) if may(request, sees(JOBS)) else []
    step = step_of(pipeline)
    active = [job for job in jobs if not job.is_finished]
    if len(jobs) > 0 and len(active) < JOBS_SHOWN:  # none is left out
        keep_running(request, active)
    work = navigation.work
    cards = list(cards_for(request, pipeline, step, glance))
    beginnings = list(_beginnings(request, pipeline, active))
    following = None if beginnings else _next(request, pipeline, step, active)
    context: dict[str, Any] = {
        "next": following,
        "beginnings": beginnings,
        "cards": cards,
        "is_drawn": any(card.drawing for card in cards),
        "targets": [_shown(request, one) for one in _targets(request, pipeline, glance)],
        "alarms": list(alarms_for(request, pipeline, glance)),
        "jobs": [_job(request, job) for job in jobs],
        "checks_way": None
        if pipeline.dataset is None
        else first_way(request, to_record("All checks", DATASETS, pipeline.dataset.pk)),
        "jobs_way": first_way(request, to_list("All jobs", JOBS)),
        "queue_way": first_way(
            request, Offer("Queue and workers", "jobs_queue", ("jobs.view_job",))
        ),
        "work": work if work["tone"] == "bad" else None,
    }
    said = f"{active[0].kind and title_of(active[0].kind)} is under way." if active else ""
    return {
        "parts": {name: render_to_string(f"overview/{name}.html", context) for name in PARTS},
        "at": words.clock(clock.now()),
        "said": said or (following.title if following else ""),
        "is_active": True,
        "pause": BUSY_PAUSE if active else QUIET_PAUSE,
    }


# --- The next step --------------------------------------------------------------------------------

# What somebody who lacks the right is told of who has it.
WHO: Final[dict[str, str]] = {
    "adopt_folder": "whoever runs the server",
    "seed": "somebody who may add people",
    "complete": "somebody who may change people",
    "trips": "somebody who may create trips",
    "events": "somebody who may generate or import events",
    "build": "somebody who may build datasets",
    "see_dataset": "somebody who may see datasets",
    "train": "somebody who may train models",
    "promote": "somebody who may promote models",
    "confirm": "somebody who may promote models",
    "see_model": "somebody who may see models",
}


def _next(request: HttpRequest, pipeline: Pipeline, step: Step, active: list[Job]) -> Next | None:
    if not may(request, sees(MODELS)):
        return None
    kinds = DONE_BY.get(step["name"], ())
    doing = next((job for job in active if job.kind in kinds), None)
    if doing is not None:
        what = title_of(doing.kind)
        return Next(f"“{what}” is under way", "", Way("Watch it", record_url(doing)))
    if step["name"] == "nothing":
        title, look = "Nothing waits", None
        if pipeline.champion is not None:
            version, key = pipeline.champion.version, pipeline.champion.pk
            title = f"Version {version} is live"
            look = to_record(f"Open version {version}", MODELS, key)
        return Next(title, step["text"], first_way(request, look), is_done=True)
    acts, looks = _offers(pipeline, step)
    way = first_way(request, *acts)
    title, _, why = step["text"].removesuffix(".").partition(": ")
    text = in_pages(f"{why[:1].upper()}{why[1:]}.") if why else _reason(pipeline, step)
    if way is None:
        who = WHO[step["name"]]
        text = f"{text} It waits for {who}.".strip()
        way = first_way(request, *looks)
    return Next(title, text, way)


def _offers(pipeline: Pipeline, step: Step) -> tuple[list[Offer], list[Offer]]:
    """Return what does a step, and what only shows why it is to be done."""
    name, dataset, model = step["name"], step["dataset"], step["model"]
    incomplete = ("matching.seeduser", "?missing=anything")
    looks: list[Offer] = []
    if model is not None:
        number = "" if pipeline.model is None else f" {pipeline.model.version}"
        looks.append(to_record(f"Look at version{number}", MODELS, model))
    if dataset is not None:
        looks.append(to_record("Look at the dataset", DATASETS, dataset))
    acts: dict[str, list[Offer]] = {
        "seed": [SEED],
        "complete": [to_list("Complete profiles", *incomplete, "matching.change_seeduser")],
        "trips": [PLAN],
        "events": [GENERATE, IMPORT_LOG],
        "build": [BUILD],
        "see_dataset": looks,
        "see_model": looks,
    }
    if dataset is not None:
        acts["train"] = [to_train("Train …", dataset)]
    if model is not None and pipeline.model is not None:
        decide = to_decide(f"Decide on version {pipeline.model.version} …", model)
        acts["promote"] = acts["confirm"] = [decide]
    return acts.get(name, []), looks


def _reason(pipeline: Pipeline, step: Step) -> str:
    """Say in a sentence with figures why it is the next step."""
    if step["name"] == "build" and step["dataset"] is None:
        return (
            f"{words.tally(pipeline.events.total, 'event')} "
            f"{words.bend(pipeline.events.total, 'is', 'are')} there to learn from."
        )
    if step["name"] in ("promote", "confirm", "see_model") and pipeline.model is not None:
        gates = pipeline.model.gates
        passed = sum(gate["verdict"] == "pass" for gate in gates)
        return f"It passed {passed} of {len(gates)} gates; nothing goes live by itself."
    if step["name"] == "train" and pipeline.dataset is not None and not pipeline.problem:
        return (
            f"{words.tally(pipeline.dataset.train_rows, 'row')} "
            f"{words.bend(pipeline.dataset.train_rows, 'is', 'are')} there to train on."
        )
    return pipeline.problem


# --- Beginning ------------------------------------------------------------------------------------


def _beginnings(request: HttpRequest, pipeline: Pipeline, active: list[Job]) -> Iterator[Beginning]:
    """Yield the steps to a first champion, of an installation that has no events, or whose first
    rebuild is under way."""
    running = {job.kind for job in active}
    is_rebuilt = REBUILD_KIND in running
    is_new = pipeline.events.newest is None and pipeline.dataset is None and not pipeline.champions
    people, trips = pipeline.people, pipeline.trips
    if pipeline.champion is not None or not (is_new or is_rebuilt):
        return
    if people.total and not people.complete:
        return
    if not any(may(request, rule) for rule in ("matching.add_seeduser", sees(MODELS))):
        return
    steps = [
        (
            "people",
            "Make people",
            f"{FIRST_PEOPLE} synthetic travellers with whole profiles, and some that have a name.",
            bool(people.complete),
            Offer(
                f"Make {FIRST_PEOPLE} people", "home_begin", ("matching.add_seeduser",),
                ("people",), is_post=True,
            ),
        ),
        (
            "trips",
            "Give them trips",
            "A destination, dates and a budget for each: only who has a live trip is matched.",
            bool(trips.live),
            Offer(
                "Create their trips", "home_begin", ("matching.add_travelsession",), ("trips",),
                is_post=True,
            ),
        ),
        (
            "rebuild",
            "Train the first model",
            "Makes events and a dataset, trains, and lets what passes its gates go live.",
            False,
            Offer("Rebuild …", REBUILD.name, REBUILD.rules),
        ),
    ]  # fmt: skip
    kinds = {"people": DONE_BY["seed"], "trips": DONE_BY["trips"][:1], "rebuild": (REBUILD_KIND,)}
    is_open = True  # until the first that is not done
    for number, (name, title, text, is_done, offer) in enumerate(steps, 1):
        is_running = bool(running.intersection(kinds[name]))
        state = "done" if is_done and not is_running else "running" if is_running else "later"
        way = None
        if state == "later" and is_open:
            state, way = "now", first_way(request, offer)
        is_open = is_open and state == "done"
        yield Beginning(number, title, text, state, way)


# --- Targets and jobs -----------------------------------------------------------------------------


def _targets(request: HttpRequest, pipeline: Pipeline, glance: Glance | None) -> Iterator[Target]:
    for target in targets_of(pipeline):
        if may(request, sees(target["about"][0])):
            yield target
    if glance is not None:
        yield from targets_of_feedback(glance)


SPELT: Final = {"number": words.number, "share": words.share, "difference": words.signed}
TONES: Final = {"met": "good", "missed": "bad"}


def _shown(request: HttpRequest, target: Target) -> dict[str, Any]:
    label, pk = target["about"]
    spell = SPELT[target["form"]]
    ends = [spell(target["low"]), spell(target["high"])]
    way = first_way(request, to_record("", label, pk)) if pk is not None else None
    return {
        "title": target["title"],
        "where": target["where"],
        "url": way.url if way else "",
        "now": spell(target["value"]),
        "interval": "" if words.NONE in ends else " to ".join(ends),
        "wanted": target["wanted"] or words.NONE,
        "status": target["status"],
        "tone": TONES.get(target["status"], "plain"),
    }


def _jobs() -> QuerySet[Job]:
    """Return the jobs that wait or run, and then those that were last asked for."""
    is_active = Case(
        When(state__in=Job.ACTIVE, then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )
    heavy = ("arguments", "result", "traceback", "records")
    return Job.objects.defer(*heavy).order_by(is_active.desc(), "-created_at")[:JOBS_SHOWN]


def _job(request: HttpRequest, job: Job) -> dict[str, Any]:
    stage = next((one["name"] for one in job.stages if one.get("state") == "running"), "")
    may_see = job.user_id == request.user.pk or (
        request.user.has_perm(get_kind(job.kind).permission)
        if is_known(job.kind)
        else request.user.is_superuser
    )
    return {
        "title": title_of(job.kind),
        "url": record_url(job),
        "state": job.verdict,  # green is for what is good; a job that only ended is done
        "is_running": job.state == Job.State.RUNNING,
        "stage": stage or job.progress_message,
        "share": job.progress_share,
        "when": job.finished_at or job.created_at,
        "said": (job.error or job.said.get("text", "")) if may_see else "",
    }
