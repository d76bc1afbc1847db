"""The cards of the pipeline: what there is, what it is worth, where it goes, what comes next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.http import HttpRequest

from feedback.queries.glance import Glance
from overview.admin.ways import (
    BUILD,
    GENERATE,
    IMPORT_FEEDBACK,
    IMPORT_LOG,
    PLAN,
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
from overview.queries.next_step import Step
from overview.queries.pipeline import COUNTED_ANSWERS, TREND_DAYS, Pipeline
from overview.queries.targets import rejected_of
from project import words
from project.pages.badges import tone_of
from project.tabular.proposing import UNUSABLE_SHARE
from training.kinds import DEFAULT_KIND, get_kind
from training.models import ModelVersion, Verdict

PEOPLE, TRIPS, BATCHES = "matching.seeduser", "matching.travelsession", "matching.eventbatch"
DATASETS, MODELS = "training.dataset", "training.modelversion"
REPORTS = "feedback.report_feedback"
ANSWERS, WATCHES = "serving.view_alarm", "serving.monitor_scores"


@dataclass(frozen=True)
class Drawing:
    """Numbers from left to right as a small line, and what it shows in words."""

    points: Sequence[float]
    words: str


@dataclass(frozen=True)
class Card:
    """One place of the pipeline.

    Attributes
    ----------
    value : the number, as it is written.
    verdict, tone : what it is worth, in a word.
    drawing : how it came to be so; None where there is nothing to draw.
    origin : of the rows behind the number, where they are not real.
    """

    title: str
    value: str
    verdict: str
    tone: str
    note: str
    way: Way | None
    url: str = ""
    drawing: Drawing | None = None
    origin: str = ""


def cards_for(
    request: HttpRequest, pipeline: Pipeline, step: Step, glance: Glance | None
) -> Iterator[Card]:
    """Yield the cards of what this person may see, from people to feedback."""
    if may(request, sees(PEOPLE)):
        yield _people(request, pipeline)
    if may(request, sees(TRIPS)):
        yield _trips(request, pipeline)
    if may(request, sees(BATCHES)):
        yield _events(request, pipeline)
    if may(request, sees(DATASETS)):
        yield _datasets(request, pipeline)
    if may(request, sees(MODELS)):
        yield _models(request, pipeline, step)
    if may(request, ANSWERS):
        yield _answers(request, pipeline)
    if glance is not None:
        yield _feedback(request, glance)


def _people(request: HttpRequest, pipeline: Pipeline) -> Card:
    people = pipeline.people
    see = to_list("See the people", PEOPLE)
    if not people.total:
        verdict, tone, note = "none yet", "plain", "Matches are made of profiles"
        way = first_way(request, SEED, see)
    elif people.incomplete:
        verdict, tone = f"{people.incomplete:,} incomplete", "warn"
        note = f"{people.complete:,} of {people.total:,} profiles are complete"
        way = first_way(
            request,
            to_list(
                f"Complete {people.incomplete:,}",
                PEOPLE,
                "?missing=anything",
                "matching.change_seeduser",
            ),
            to_list(
                "See who it is" if people.incomplete == 1 else f"See the {people.incomplete:,}",
                PEOPLE,
                "?missing=anything",
            ),
        )
    else:
        verdict, tone, note = "all complete", "good", "Every profile can be matched"
        way = first_way(request, see)
    return Card(
        "People", words.number(people.total), verdict, tone, note, way,
        url=_url(request, see), drawing=_drawn("People", people.trend),
    )  # fmt: skip


def _trips(request: HttpRequest, pipeline: Pipeline) -> Card:
    trips = pipeline.trips
    see = to_list("See the trips", TRIPS, "?state=live" if trips.live else "")
    if trips.live:
        over = trips.total - trips.live
        verdict, tone = (f"{over:,} expired", "plain") if over else ("all live", "good")
        note = f"The next one ends {words.moment(trips.first_end)}"
        way = first_way(request, see)
    else:
        verdict, tone = ("all expired", "warn") if trips.total else ("none yet", "plain")
        note = "Only people with a live trip are matched"
        way = first_way(request, PLAN if pipeline.people.complete else None, see)
    return Card(
        "Live trips", words.number(trips.live), verdict, tone, note, way,
        url=_url(request, see), drawing=_drawn("Live trips", trips.trend),
    )  # fmt: skip


def _events(request: HttpRequest, pipeline: Pipeline) -> Card:
    events = pipeline.events
    see = to_list("See the batches", BATCHES)
    file = events.newest_import
    rejected = 0 if file is None else rejected_of(file)
    way = first_way(request, see)
    note = f"{events.real:,} real · {events.synthetic:,} synthetic"
    if not events.total and not rejected:
        verdict, tone, note = "none yet", "plain", "What people did, or would do, with a match"
        way = first_way(request, GENERATE if pipeline.trips.live else None, IMPORT_LOG, see)
    elif file is not None and rejected:
        is_few = rejected <= UNUSABLE_SHARE * file["asked"]
        verdict, tone = f"{rejected:,} rejected", "warn" if is_few else "bad"
        way = first_way(request, to_record("See the rejected", BATCHES, file["pk"]), see)
    elif not events.real:
        verdict, tone, note = "no real ones", "plain", "All of them were generated"
        way = first_way(request, IMPORT_LOG, see)
    else:
        verdict, tone = "none rejected", "good"
    return Card(
        "Events", words.number(events.total), verdict, tone, note, way,
        url=_url(request, see), drawing=_drawn("Events", events.trend),
        origin="synthetic" if events.synthetic and not events.real else "",
    )  # fmt: skip


def _datasets(request: HttpRequest, pipeline: Pipeline) -> Card:
    dataset = pipeline.dataset
    see = to_list("See the datasets", DATASETS)
    has_events = pipeline.events.newest is not None
    if dataset is None:
        verdict, tone, note = "none yet", "plain", "Rows to learn from, split and measured"
        way = first_way(request, BUILD if has_events else None, see)
    else:
        open_it = to_record(f"Open version {dataset.version}", DATASETS, dataset.pk)
        verdict, tone = dataset.verdict, tone_of(dataset.verdict)
        note = f"Newest: version {dataset.version}, {words.tally(dataset.rows, 'row')}"
        way = first_way(request, open_it)
        if dataset.verdict == Verdict.REFUSE:
            way = first_way(request, to_record("See why", DATASETS, dataset.pk))
        elif pipeline.stale:
            verdict, tone = "stale", "warn"
            way = first_way(request, BUILD, open_it)
        elif pipeline.is_behind:
            verdict, tone = "behind", "warn"
            note = f"Batch {pipeline.events.newest} is newer than version {dataset.version}"
            way = first_way(request, BUILD, open_it)
    return Card(
        "Datasets", words.number(pipeline.datasets), verdict, tone, note, way,
        url=_url(request, see), drawing=_drawn("Datasets", pipeline.datasets_trend),
        origin=dataset.origin if dataset is not None and dataset.origin != "real" else "",
    )  # fmt: skip


def _models(request: HttpRequest, pipeline: Pipeline, step: Step) -> Card:
    champion, newest, dataset = pipeline.champion, pipeline.model, pipeline.dataset
    see = to_list("See the models", MODELS)
    way = first_way(request, *_next_of_models(pipeline, step), see)
    if champion is None:
        verdict, tone = ("none is live", "warn") if newest else ("none yet", "plain")
        note = (
            f"Version {newest.version} waits" if newest
            else "A model is trained on a dataset, and earns its promotion"
        )  # fmt: skip
        can_train = dataset is not None and not pipeline.is_trained
        if newest is None and not can_train:
            way = first_way(request, see)
        return Card("Live model", words.NONE, verdict, tone, note, way, url=_url(request, see))
    figures = get_kind(DEFAULT_KIND).figures
    metric = figures.primary_metric
    measured = champion.metrics.get("validation", {}).get(metric) or {}
    ends = words.interval(measured.get("low"), measured.get("high"))
    verdict, tone = ("cannot serve", "bad") if pipeline.problem else _beside_the_rules(champion)
    note = f"{figures.metric_titles[metric]} of version {champion.version}, {ends}"
    trend = pipeline.live_figures
    ends_of_trend = [words.number(one) for one in trend[:1] + trend[-1:]]
    return Card(
        "Live model", words.number(measured.get("value")), verdict, tone, note, way,
        url=_url(request, see),
        drawing=Drawing(
            trend,
            f"{figures.metric_titles[metric]} of what was live: "
            f"{' to '.join(dict.fromkeys(ends_of_trend))}",
        ) if trend else None,
        origin="" if champion.trained_on == "real" else champion.trained_on.value,
    )  # fmt: skip


def _next_of_models(pipeline: Pipeline, step: Step) -> Iterator[Offer]:
    """What the next step is, where it is about a model; else the live one."""
    dataset, newest, champion = pipeline.dataset, pipeline.model, pipeline.champion
    if step["name"] == "train" and step["dataset"] is not None:
        is_newest = dataset is not None and dataset.pk == step["dataset"]
        what = f"Train on dataset {dataset.version}" if is_newest and dataset else "Train again"
        yield to_train(what, step["dataset"])
    if newest is not None and step["model"] == newest.pk:
        if step["name"] in ("promote", "confirm"):
            yield to_decide(f"Decide on version {newest.version}", newest.pk)
        yield to_record(f"Open version {newest.version}", MODELS, newest.pk)
    if champion is not None:
        yield to_record(f"Open version {champion.version}", MODELS, champion.pk)


def _beside_the_rules(champion: ModelVersion) -> tuple[str, str]:
    """Say whether a model is better than the rules, as its paired comparison found."""
    found = champion.comparisons.get("rule_score")
    if not found:
        return champion.verdict, tone_of(champion.verdict)
    said = {"better": ("beats the rules", "good"), "worse": ("worse than the rules", "bad")}
    return said.get(found["verdict"], ("rules: undecided", "plain"))


def _answers(request: HttpRequest, pipeline: Pipeline) -> Card:
    answers, alarms = pipeline.answers, len(pipeline.alarms)
    see = Offer("See the answers", "serving_monitoring", (ANSWERS,))
    note, way = "Pairs scored for applications since midnight", first_way(request, see)
    if alarms:
        verdict, tone = words.counted(alarms, "open alarm"), "bad"
        some = "alarm" if alarms == 1 else "alarms"
        way = first_way(request, to_list(f"See the {some}", "serving.alarm", "?state=open"), see)
    elif not answers.keys and not answers.today:
        verdict, tone, note = "no key yet", "plain", "Applications ask for scores with a key"
        make = Offer("Make a key", "serving_apikey_add", ("serving.add_apikey",))
        way = first_way(request, make if pipeline.champion is not None else None, see)
    elif answers.is_stuck:
        verdict, tone = "the watch cannot run", "bad"
    elif answers.is_watched:
        verdict, tone = "no alarm", "good"
    else:
        verdict, tone = "not watched", "warn"
        watch = Offer("Watch them …", "serving_watch", (ANSWERS, WATCHES))
        way = first_way(request, watch, see)
    is_more = answers.today > COUNTED_ANSWERS
    return Card(
        "Answers today", f"{COUNTED_ANSWERS:,}+" if is_more else words.number(answers.today),
        verdict, tone, note, way, url=_url(request, see),
    )  # fmt: skip


def _feedback(request: HttpRequest, glance: Glance) -> Card:
    see = Offer("Read the report", "feedback_report", (REPORTS,), ("csat",))
    sources = to_list("See the sources", "feedback.feedbacksource")
    if not glance["sources"]:
        add = Offer("Add a source", "feedback_feedbacksource_add", ("feedback.add_feedbacksource",))
        return Card(
            "Feedback", words.NONE, "no source yet", "plain", "What people say of what they got",
            first_way(request, add, IMPORT_FEEDBACK, see), url=_url(request, see),
        )  # fmt: skip
    waiting = "feedback.rejectedrecord"
    way = first_way(request, see)
    told = {"rising": ("rising", "good"), "falling": ("falling", "bad")}
    csat = glance["csat"]
    verdict, tone = told.get(csat["trend"]["verdict"] if csat else "", ("no trend", "plain"))
    if not glance["is_current"]:
        verdict, tone = "newer ratings not counted yet" if csat else "not counted yet", "plain"
    if glance["failing"]:
        verdict = words.counted(len(glance["failing"]), "source fails", "sources fail")
        tone = "bad"
        way = first_way(request, sources, see)
    elif glance["waiting"]:
        waiting_rows = words.tally(glance["waiting"], "row")
        verdict, tone = f"{waiting_rows} {words.bend(glance['waiting'], 'waits', 'wait')}", "warn"
        way = first_way(
            request,
            to_list(
                f"Mend {waiting_rows}",
                waiting,
                "",
                "feedback.change_rejectedrecord",
            ),
            to_list(f"See {waiting_rows}", waiting),
            see,
        )
    if csat is None:
        return Card(
            "Feedback", words.NONE, verdict, tone, "Its report counts what people say", way,
            url=_url(request, see),
        )  # fmt: skip
    overall = csat["overall"]
    ends = words.interval(overall["low"], overall["high"])
    count = words.tally(overall["count"], "rating")
    if not glance["is_current"] and glance["as_of"] is not None:
        count += f" as of {words.moment(glance['as_of'])}"
    days = [day["mean"] for day in csat["days"] if day["mean"] is not None]
    return Card(
        "Feedback", words.number(overall["mean"]), verdict, tone,
        f"CSAT, {count if ends == words.NONE else f'{ends} · {count}'}", way,
        url=_url(request, see),
        drawing=Drawing(
            days[-60:], f"CSAT by day, {words.number(min(days))} to {words.number(max(days))}"
        ) if days else None,
        origin="" if glance["origin"] == "real" else glance["origin"],
    )  # fmt: skip


def _url(request: HttpRequest, offer: Offer) -> str:
    way = first_way(request, offer)
    return way.url if way else ""


def _drawn(title: str, trend: Sequence[int]) -> Drawing | None:
    said = f"{title} over {TREND_DAYS} days: {trend[0]:,} to {trend[-1]:,}"
    return Drawing(trend, said) if any(trend) else None
