"""An installation in which every page has something to show: every state, and much that is odd."""

from contextlib import suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.utils import timezone

from feedback.models import CollectionRun, FeedbackChange, FeedbackSource, Table
from matching.domain.words import Outcome
from matching.models import EventBatch, EventChange, SeedUser, TravelSession
from project.audit.models import Act
from project.audit.services import record
from project.jobs.models import Job, JobLogLine, Process, Schedule
from project.jobs.runner import run_job
from project.jobs.services import enqueue, save_schedule
from serving.models import Alarm, ScoredPair
from serving.services.keys import revoke_key
from serving.services.schedule import switch_on
from tests.factories import (
    make_alarm,
    make_api_key,
    make_group,
    make_mapping,
    make_receipt,
    make_refused_profile,
    make_seed_user,
    make_session,
    make_word,
    write_poor_log,
)
from tests.feedback.collected import answer, judge, rate, real_source, synthetic
from tests.serving.logged import log_pairs
from tests.training.batches import (
    draw_events,
    make_batch,
    make_dataset,
    make_good_batch,
    make_model,
)
from training.kinds import DEFAULT_KIND
from training.models import ModelVersion
from training.services import registry

# Words that no line can be broken in, and letters that no Latin font has.
LONG = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz"
UNBROKEN = f"id_{'0123456789abcdef' * 6}"[:100]
UNICODE = "Ωμέγα 日本語の名前 العربية 👩🏽‍🚀 e\u0301"
SENTENCE = (
    "Expected a number from 0 to 1 in the column quality_rating, got “very good indeed”. " * 4
)

Shown = dict[str, dict[str, str]]  # model to name to key of the records whose pages are opened


class Named(dict[str, dict[str, str]]):
    """Records to open, by model and a name that says what is worth a look."""

    def add(self, name: str, one: Any) -> Any:
        self.setdefault(one._meta.label_lower, {})[name] = str(one.pk)
        return one


def populate(folder: Path, owner: User, *, is_odd: bool = True) -> Shown:
    """Fill an empty database; returns which records to open. Without the odd rows for pictures."""
    shown = Named()
    _people(shown)
    _batches(shown, folder)
    _models(shown, owner)
    _answers(shown, owner)
    _feedback(shown)
    _jobs(shown, owner)
    _accounts(shown, owner)
    if is_odd:
        _odd(shown, owner)
    _spread()
    return shown


def _spread() -> None:
    """Let what was made by the dozen have come day by day, as it does."""
    now = timezone.now()
    for model, name in (
        (SeedUser, "created_at"),
        (TravelSession, "created_at"),
        (EventBatch, "completed_at"),
    ):
        dated = list(model.objects.filter(**{f"{name}__isnull": False}).order_by("pk"))
        for place, one in enumerate(dated):
            setattr(one, name, now - timedelta(days=10 * (1 - (place + 1) / len(dated))))
        model.objects.bulk_update(dated, [name])


def _people(shown: Named) -> None:
    user = shown.add("complete", make_seed_user("user1", name="Amira Haddad"))
    shown.add("empty", make_seed_user("user2", **dict.fromkeys(_WORDS, ""), **_UNKNOWN))
    group = shown.add("of two", make_group("group1", [user, make_seed_user("user3")]))
    for owner in (user, group, make_seed_user("user4")):
        shown.add(f"of {owner.external_id}", make_session(owner))
    shown.add(
        "expired",
        make_session(make_seed_user("user5"), expires_at=timezone.now() - timedelta(days=1)),
    )
    shown.add("open", make_api_key())
    shown.add("open", make_alarm())
    shown.add("of a batch", make_receipt())
    gone = shown.add("revoked", make_api_key("of the old shop"))
    revoke_key(gone)
    shown.add("waits", make_mapping())
    shown.add("confirmed", make_mapping(is_confirmed=True, table="ab_testing"))
    shown.add("of its own", make_word())
    shown.add("with a meaning", make_word("vapes", "yes", kind="habit"))
    shown.add("refused", make_refused_profile())
    corrected = shown.add("corrected", make_refused_profile(id="user8"))
    corrected.correction = {"age": "44"}
    corrected.save()
    landed = shown.add("landed", make_refused_profile(id="user9"))
    landed.resolved_at = timezone.now()
    landed.save()
    make_seed_user("user6", interests=["Kizomba", "food"], nationality="martian")
    for _ in range(20):
        make_seed_user()
    user.age = 30
    user.save()  # a second line of its history


_WORDS = (
    *("gender", "personality", "home_city", "smoking", "drinking"),
    *("religion", "nationality", "profession"),
)
_UNKNOWN: dict[str, Any] = {
    **dict.fromkeys(("age", "extraversion", "home_lat", "home_lon")),
    "interests": [],
    "languages": [],
}


def _batches(shown: Named, folder: Path) -> None:
    log = write_poor_log(folder / "production-2026-05.jsonl")
    with log.open("a", encoding="utf-8") as more:
        more.write('[ML_MATCH_EVENT] {"matchType": "user_user"}\n[ML_MATCH_EVENT] {\n' + "x" * 300)
    _run("import_events", str(log))
    shown.add("imported with rejected lines", EventBatch.objects.latest("pk"))
    _run("generate_events", "--count", "500")  # refused: there are too few with a session
    _run("seed_users", "--count", "120")
    _run("create_sessions")
    _run("generate_events", "--count", "500")
    batch = shown.add("generated", EventBatch.objects.latest("pk"))
    shown.add(
        "replaced",
        EventChange.objects.create(
            event_id=batch.first_event_id, batch=batch, line=1, state="replaced", by="somebody",
            before={"outcome": 1}, after={"outcome": 3},
        ),
    )  # fmt: skip
    for state in (EventBatch.State.BUILDING, EventBatch.State.ABANDONED):
        batch = EventBatch.objects.create(
            uid=uuid4(), method="imported", origin=1, state=state, feature_set="tiered-1", asked=900
        )
        shown.add(state.label.lower(), batch)


def _models(shown: Named, owner: User) -> None:
    good = shown.add("good", make_dataset(make_good_batch(400)))
    first = shown.add("archived", make_model(good))
    champion = shown.add("champion", make_model(good))
    shown.add("candidate", make_model(good, seed=1))
    registry.promote(first, by=owner, reason="The first one.")
    registry.promote(champion, by=owner, reason="It is as good, and newer.")
    shuffled = draw_events(400)
    order = np.random.default_rng(3).permutation(400)
    for name in ("label", "outcome"):
        shuffled[name] = shuffled[name].to_numpy()[order]
    shown.add("refused", make_model(make_dataset(make_batch(shuffled))))
    assert set(ModelVersion.objects.values_list("stage", flat=True)) == set(ModelVersion.Stage)
    Job.objects.filter(state=Job.State.RUNNING).update(
        state=Job.State.SUCCEEDED, started_at=timezone.now(), finished_at=timezone.now()
    )
    _run("build_dataset", "--origin", "real")
    _run("train_model")  # refused, for that dataset is


def _answers(shown: Named, owner: User) -> None:
    """Log an hour of answers and what came of some, and look at it as the watch does."""
    rng = np.random.default_rng(5)
    version = ModelVersion.objects.champions().get(kind=DEFAULT_KIND).version
    now, count = timezone.now(), 240
    people = [f"user{number % 90 + 1}" for number in range(count)]
    asked: dict[str, Any] = {
        "right": [f"user{number % 80 + 20}" for number in range(count)], "version": version,
    }  # fmt: skip
    scores = np.clip(rng.normal(0.55, 0.16, count), 0.05, 0.95)
    missing = [["age_score"] if lacks else [] for lacks in rng.random(count) < 0.4]
    at = [now - timedelta(minutes=50) + timedelta(seconds=12 * one) for one in range(count)]
    log_pairs(people, at, scores, missing=missing, **asked)
    taken = rng.random(count) < scores
    log_pairs(
        people, [when - timedelta(days=2) for when in at], scores, **asked,
        rule_score=np.clip(scores + rng.normal(0, 0.1, count), 0, 1),
        outcome=np.where(taken, Outcome.ACCEPT.code, Outcome.IGNORE.code),
        outcome_at=[when - timedelta(days=1) for when in at],
        told_by=[ScoredPair.ToldBy.API.value] * count,
    )  # fmt: skip
    why = "The live model expects revision 3 of smooth-1; these features are of revision 2."
    log_pairs(people[:9], at[:9], scores[:9], version=None, why=why)
    switch_on(owner=owner)
    job = enqueue("serving.monitor_scores", by=owner)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED, job.error
    shown.add("of the watch", job)
    for kind in (Alarm.Kind.CHAMPION, Alarm.Kind.REPEATED, Alarm.Kind.FALLBACK):
        over = {"kind": kind, "closed_at": now, "opened_at": now - timedelta(hours=2)}
        shown.add(f"closed, {kind}", make_alarm("", **over))


def _feedback(shown: Named) -> None:
    """Land rows of all three tables, of people and generated, and rows that are refused."""
    people = real_source("production")
    more: dict[str, Any] = {"provider": ["openai", "local"] * 60, "model": ["gpt", "llama"] * 60}
    levels = np.tile([0.2, 0.4, 0.6, 0.8, 1.0], 24)
    said = {"action_type": "plan", "feedback_text": "It was fine."}
    opinions = np.random.default_rng(2).choice(levels, 120)
    rate(people, opinions, days_ago=np.linspace(58, 1, 120), **said, **more)
    judge(people, levels, days_ago=3.0, action_type="plan", **more)
    answer(
        people,
        levels,
        days_ago=4.0,
        experiment_name="prompt-length",
        variant=["A", "B"] * 60,
        predicted_quality=levels[::-1],
        **more,
    )
    shown.add("generated", synthetic(800))
    rows = settings.BASE_DIR / "docs" / "examples" / "feedback-rows.jsonl"
    as_it_is = ("--mapping", "as-is", "--accept-partial")
    _run("import_feedback", str(rows), "--table", Table.QUALITY_FEEDBACK, *as_it_is)
    database = FeedbackSource.objects.create(
        name="warehouse",
        host="warehouse.example.org",
        port=5432,
        database="feedback",
        user="reader",
        failures=3,
        last_error="The host is not among SEEDBED_FEEDBACK_ALLOWED_HOSTS.",
        retry_after=timezone.now() + timedelta(minutes=20),
    )
    shown.add("failing database", database)
    run = shown.add("failed", CollectionRun.objects.create(source=database, state="failed"))
    shown.add(
        "replaced",
        FeedbackChange.objects.create(
            uid=uuid4(), source=database, run=run, first_run=run, table=Table.QUALITY_FEEDBACK,
            action="replaced", before={"quality_rating": 0.2}, after={"quality_rating": 0.6},
            row_digest=uuid4(),
        ),
    )  # fmt: skip
    _run("build_dataset", "--kind", "csat", "--origin", "synthetic")
    _run("train_model", "--kind", "csat")
    for model in ModelVersion.objects.filter(kind="csat"):
        shown.add("of numbers", model)
        shown.add("of numbers", model.dataset)


def _run(*arguments: str) -> None:
    """Run a command here and now; a refusal is what some of them are for."""
    with suppress(SystemExit):
        call_command(*arguments, "--now", stdout=StringIO(), stderr=StringIO())


def _jobs(shown: Named, owner: User) -> None:
    """Make a job in each state that the commands before have left none in."""
    for state in (Job.State.SUCCEEDED, Job.State.REFUSED):
        shown.add(state.value, Job.objects.filter(state=state)[0])
    shown.add("queued", enqueue("matching.seed_users", by=owner, count=1, seed=1))
    now = timezone.now()
    known: dict[str, Any] = {"actor": "ada", "user": owner, "kind": "matching.generate_events"}
    running = Job.objects.create(
        **known,
        state=Job.State.RUNNING,
        arguments={"count": 100_000, "seed": 4},
        fence=1,
        attempts=1,
        worker="host-4711",
        lease_until=now + timedelta(days=1),
        started_at=now - timedelta(minutes=3),
        progress_done=42_000,
        progress_total=100_000,
        progress_message="42,000 of 100,000 events",
        stages=[
            {"name": "population", "state": "done"},
            {"name": "events", "state": "running"},
            {"name": "summary", "state": "waiting"},
        ],
    )
    failed = Job.objects.create(
        **known,
        state=Job.State.FAILED,
        arguments={"count": 100},
        fence=3,
        attempts=3,
        started_at=now - timedelta(hours=2),
        finished_at=now - timedelta(hours=1),
        error=SENTENCE,
        traceback='Traceback (most recent call last):\n  File "x.py", line 1\nValueError: ' + LONG,
    )
    cancelled = Job.objects.create(
        **known,
        state=Job.State.CANCELLED,
        finished_at=now,
        error="Stopped before a worker took it.",
        stop_requested=True,
    )
    for job in (running, failed, cancelled):
        shown.add(str(job.state), job)
        for level in JobLogLine.Level:
            JobLogLine.objects.create(job=job, level=level, message=f"{level.label}: {SENTENCE}")
    for role in Process.Role:
        Process.objects.create(name=f"host-{role}-4711", role=role, beat_at=now + timedelta(days=1))
    for name, rhythm in (
        ("nightly", {"cron": "0 3 * * *"}),
        ("hourly", {"interval_seconds": 3600}),
    ):
        schedule = Schedule(name=name, kind="matching.seed_users", arguments={"count": 1}, **rhythm)
        save_schedule(schedule, by=owner)
        shown.add(name, schedule)
    Schedule.objects.filter(name="hourly").update(last_error=SENTENCE, missed_runs=12)


def _accounts(shown: Named, owner: User) -> None:
    analysts = shown.add("analysts", Group.objects.create(name="Analysts"))
    analysts.permissions.set(Permission.objects.filter(codename__startswith="view_"))
    grace = User.objects.create_user("grace", "grace@example.org", is_staff=True)
    grace.groups.add(analysts)
    shown.add("an analyst", grace)
    for act in Act:
        record(act, by=owner, about=grace, detail=f"{act.label}: an example.")


def _odd(shown: Named, owner: User) -> None:
    """Add what is as long as its column takes, in other letters, or not there at all."""
    long = make_seed_user(
        UNBROKEN,
        name=(LONG * 2)[:100],
        interests=[f"{LONG[:38]}{number}" for number in range(30)],
        languages=["deutsch"] * 12,
        home_city=LONG,
        religion=LONG[:40],
        nationality=LONG[:60],
        profession=LONG[:60],
        archetype=LONG[:40],
    )
    shown.add("long words", long)
    shown.add("long word", make_word(UNBROKEN[:60].lower(), LONG[:60]))
    shown.add("other letters", make_seed_user("üser_名前", name=UNICODE, home_city=UNICODE))
    shown.add(
        "long words",
        make_refused_profile(f"{UNBROKEN}.csv", id=UNBROKEN, age=LONG * 2, hobbies=SENTENCE * 3),
    )
    many = [long, *(make_seed_user() for _ in range(30))]
    group = shown.add("long and large", make_group(f"group_{UNBROKEN}"[:100], many))
    type(group).objects.filter(pk=group.pk).update(name=(LONG * 2)[:100])
    shown.add("nobody in it", make_group("group_of_none", []))
    shown.add("far away", make_session(group, destination_name=(LONG * 2)[:100], budget=1e12))
    shown.add("long words", make_api_key((LONG + UNBROKEN)[:60]))
    told: dict[str, Any] = {"text": f"{SENTENCE}{UNBROKEN}", "remedy": SENTENCE}
    shown.add("long words", make_alarm(UNBROKEN[:60], **told))
    shown.add("long words", make_receipt(why=UNBROKEN * 2, stale=[UNBROKEN * 3] * 4))
    odd = make_batch(draw_events(50), file_name=f"{UNBROKEN}{UNBROKEN}.jsonl")
    shown.add("long file name", odd)
    source = shown.add("long words", real_source((LONG + UNBROKEN)[:60]))
    text = f"{SENTENCE}{UNBROKEN * 3} {UNICODE} <script>alert(1)</script>"
    odd_row: dict[str, Any] = {"provider": UNBROKEN, "model": LONG, "action_type": UNBROKEN}
    rate(source, [0.0], feedback_text=text, response_id=UNBROKEN, user_id=UNBROKEN, **odd_row)
    judge(source, [1.0], scenario_id=UNBROKEN, **odd_row)
    answer(source, [0.5], experiment_name=LONG, variant=UNBROKEN, **odd_row)
    shown.add(
        "long words",
        Job.objects.create(
            id=UUID(int=15**32),
            kind="overview.rebuild_model",
            state=Job.State.FAILED,
            arguments={},
            actor=UNBROKEN,
            error=UNBROKEN * 4,
            traceback=UNBROKEN * 4,
            result={LONG: UNBROKEN * 3, UNICODE: None},
            finished_at=timezone.now(),
        ),
    )
    schedule = Schedule(
        name=UNBROKEN[:80], kind="matching.seed_users", arguments={"count": 1}, cron="0 6 * * *"
    )
    save_schedule(schedule, by=owner)
    shown.add("long words", schedule)
    shown.add("long words", User.objects.create_user(UNBROKEN, f"{UNBROKEN[:60]}@example.org"))
    shown.add("long words", Group.objects.create(name=(LONG * 3)[:150]))
    record(Act.SOURCE, by=owner, title=UNBROKEN * 2, detail=text)
