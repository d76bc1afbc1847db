"""Jobs, their finished steps and log lines, and the schedules that enqueue them."""

import uuid
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections, models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from simple_history.models import HistoricalRecords

from project import clock
from project.acting import ACTOR_LENGTH, ActedHistory, Actor, current_user
from project.jobs.clock import UnreadableCron, count_missed, next_occurrence
from project.jobs.contract import UnknownKind, UnusableArguments, get_kind, read_arguments

# Before, nobody can say when it ends.
LEAST_SHARE_TO_TELL = 0.05
LEAST_SECONDS_TO_TELL = 2.0


class JobQuerySet(models.QuerySet["Job"]):
    """Questions about jobs, and the claim whose condition is the lock."""

    def active(self) -> "JobQuerySet":
        """Jobs that wait or run."""
        return self.filter(state__in=Job.ACTIVE)

    def finished(self) -> "JobQuerySet":
        """Jobs that will not change any more."""
        return self.exclude(state__in=Job.ACTIVE)

    def due(self) -> "JobQuerySet":
        """Jobs that no worker has: they wait, or their lease ran out by the database's clock."""
        return self.filter(
            Q(state=Job.State.QUEUED) | Q(state=Job.State.RUNNING, lease_until__lt=Now())
        )

    def claim(self, job_id: UUID, *, lease: timedelta, worker: str) -> int | None:
        """Take a due job; returns the new fence, or None when another worker owns it.

        A lease that ran out before the database last started tells that the database was away, not
        that the worker died: the run before is no attempt.
        """
        with connections[self.db].cursor() as cursor:
            # Raw, because the fence must come back from the very statement that raised it.
            cursor.execute(
                """
                UPDATE jobs_job
                   SET state = 'running', fence = fence + 1,
                       attempts = greatest(1, attempts + CASE
                           WHEN state = 'running' AND lease_until < pg_postmaster_start_time()
                           THEN 0 ELSE 1 END),
                       lease_until = clock_timestamp() + make_interval(secs => %s), worker = %s,
                       started_at = coalesce(started_at, clock_timestamp())
                 WHERE id = %s
                   AND (state = 'queued'
                        OR (state = 'running' AND lease_until < clock_timestamp()))
                RETURNING fence
                """,
                [lease.total_seconds(), worker, job_id],
            )
            row = cursor.fetchone()
        return None if row is None else int(row[0])

    def owned(self, job_id: UUID, fence: int) -> "JobQuerySet":
        """The job while this run still owns it; empty once another worker has taken it."""
        return self.filter(pk=job_id, fence=fence, state=Job.State.RUNNING)


class Job(models.Model):
    """One piece of work: what was asked, how far it is, what came out.

    The row is the truth. Writes of a run repeat its fence; see `project.jobs.runner`.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        REFUSED = "refused", "Refused"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    ACTIVE = (State.QUEUED, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=80, db_index=True)
    arguments = models.JSONField(
        default=dict, blank=True, help_text="Ids and parameters as JSON; never a secret."
    )
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="Runs since it last finished a step; none that was given back."
    )
    losses = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        help_text="How often the database was lost since it last finished a step.",
    )
    trouble = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="Why the run before ended early.",
    )
    fence = models.PositiveIntegerField(
        default=0, help_text="Raised by each claim; a run with an older number writes nothing."
    )
    lease_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then the job belongs to its worker."
    )
    worker = models.CharField(max_length=100, blank=True)
    rung_at = models.DateTimeField(
        null=True, blank=True, help_text="When RQ was last told of this job."
    )
    stop_requested = models.BooleanField(default=False)

    progress_done = models.BigIntegerField(default=0)
    progress_total = models.BigIntegerField(null=True, blank=True)
    progress_message = models.CharField(max_length=200, blank=True)
    stages = models.JSONField(
        default=list, blank=True, help_text="Named stages with their state, in order."
    )

    share_done = models.FloatField(
        default=0.0, help_text="The most that was ever shown as done, in [0, 1]: it only grows."
    )

    result = models.JSONField(null=True, blank=True)
    said = models.JSONField(
        default=dict,
        blank=True,
        help_text="What its kind says of the result: {text, outcome, figures}.",
    )
    error = models.TextField(blank=True, help_text="What went wrong, in a sentence.")
    traceback = models.TextField(blank=True)
    records = models.JSONField(
        default=list,
        blank=True,
        help_text="Records the job made: a list of {model, id, title}.",
    )

    actor = models.CharField(
        "asked for by",
        max_length=ACTOR_LENGTH,
        default="",
        help_text="Who asked for it, by name; kept when the account is gone.",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        help_text="The account of who asked; none for somebody at the command line.",
    )
    is_by_operator = models.BooleanField(
        default=False, help_text="Asked for at the command line, with the rights of the machine."
    )
    schedule = models.ForeignKey(
        "Schedule", null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs"
    )
    retry_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="retries"
    )
    created_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["-created_at"], name="job_newest"),
            models.Index(fields=["state", "-created_at"], name="job_newest_of_state"),
            models.Index(fields=["kind", "-created_at"], name="job_newest_of_kind"),
            models.Index(
                fields=["state", "lease_until"],
                name="job_active",
                condition=Q(state__in=["queued", "running"]),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["schedule"],
                condition=Q(state__in=["queued", "running"]),
                name="job_one_active_run_of_a_schedule",
            ),
        ]
        permissions = [("stop_job", "Can stop jobs"), ("retry_job", "Can retry jobs")]

    def __str__(self) -> str:
        return f"{self.kind} {self.short_id}"

    @property
    def short_id(self) -> str:
        """First block of the id, enough to name a job in a command."""
        return str(self.id)[:8]

    @property
    def by(self) -> Actor:
        """Who asked for it."""
        return Actor(self.actor, self.user, is_operator=self.is_by_operator)

    @property
    def is_finished(self) -> bool:
        return self.state not in self.ACTIVE

    @property
    def verdict(self) -> str:
        """How it is, in a word: that of its kind where it succeeded, which is not always good."""
        if self.state != self.State.SUCCEEDED:
            return self.state
        return str(self.said.get("outcome", "done"))

    @property
    def progress_share(self) -> float | None:
        """Share done in [0, 1] over all stages, or None while that is not known; never shrinks.

        A stage weighs what it took the last time that a job of the kind succeeded.
        """
        if self.state == self.State.SUCCEEDED:
            return 1.0
        within = 0.0
        if self.progress_total:
            within = min(1.0, self.progress_done / self.progress_total)
        if not self.stages:
            return max(self.share_done, within) if self.progress_total else None
        weights = [max(float(stage.get("usual") or 1.0), 0.01) for stage in self.stages]
        parts = [{"done": 1.0, "running": within}.get(stage["state"], 0.0) for stage in self.stages]
        share = sum(w * p for w, p in zip(weights, parts, strict=True)) / sum(weights)
        return max(self.share_done, share)

    @property
    def seconds_left(self) -> float | None:
        """About how long it goes on, at the pace so far; None while that is not known."""
        share, seconds = self.progress_share, self.duration_seconds
        if self.state != self.State.RUNNING or not share or seconds is None:
            return None
        if share < LEAST_SHARE_TO_TELL or seconds < LEAST_SECONDS_TO_TELL:
            return None
        return seconds * (1.0 - share) / share

    @property
    def duration_seconds(self) -> float | None:
        """Seconds since a worker first took the job, None before."""
        if self.started_at is None:
            return None
        return ((self.finished_at or clock.now()) - self.started_at).total_seconds()


class ProcessQuerySet(models.QuerySet["Process"]):
    """Questions about the processes behind the pages."""

    def alive(self) -> "ProcessQuerySet":
        """Processes that have beaten lately, by the database's clock."""
        return self.filter(beat_at__gt=Now() - Process.SILENCE)

    def with_clock_off(self) -> "ProcessQuerySet":
        """Live processes on hosts whose clock is not that of the database."""
        tolerated = (-clock.TOLERATED_SECONDS, clock.TOLERATED_SECONDS)
        return self.alive().exclude(clock_ahead__range=tolerated)

    def by_life(self) -> "ProcessQuerySet":
        """Every process, those that beat first; `is_alive` says which do."""
        is_alive = Q(beat_at__gt=Now() - Process.SILENCE)
        return self.annotate(is_alive=is_alive).order_by("-is_alive", "role", "name")


class Process(models.Model):
    """A worker or scheduler and its last sign of life.

    Kept here and not in Valkey, where a flush would make every worker look dead and a killed one
    would look alive for minutes.
    """

    SILENCE_SECONDS = 20  # four beats of a worker
    SILENCE = timedelta(seconds=SILENCE_SECONDS)

    class Role(models.TextChoices):
        WORKER = "worker", "Worker"
        SCHEDULER = "scheduler", "Scheduler"

    name = models.CharField(max_length=100, primary_key=True, help_text="Host and process id.")
    role = models.CharField(max_length=9, choices=Role)
    started_at = models.DateTimeField(default=clock.now)
    beat_at = models.DateTimeField(default=clock.now)
    works_as = models.CharField(
        max_length=100,
        blank=True,
        help_text="Host and id of the process that works on its job, as the job names it.",
    )
    clock_ahead = models.FloatField(
        default=0.0,
        db_default=0.0,
        help_text="Seconds by which its host's clock is ahead of the database's.",
    )

    objects = ProcessQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.get_role_display()} {self.name}"

    @property
    def host(self) -> str:
        """The machine that it runs on, as that calls itself."""
        return self.name.rpartition(":")[0]

    @property
    def pid(self) -> str:
        """Its number there."""
        return self.name.rpartition(":")[2]


class JobStep(models.Model):
    """One finished step or chunk of a job; written in the transaction of its rows."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=80)
    number = models.PositiveIntegerField(default=0)
    result = models.JSONField(default=dict)
    finished_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "name", "number"], name="jobstep_once")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


class JobLogLine(models.Model):
    """One line that a job wrote for people."""

    class Level(models.TextChoices):
        INFO = "info", "Info"
        WARNING = "warning", "Warning"
        ERROR = "error", "Error"

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="log_lines")
    at = models.DateTimeField(default=clock.now)
    level = models.CharField(max_length=7, choices=Level, default=Level.INFO)
    message = models.TextField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.message


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    """Questions about schedules."""

    def due(self) -> "ScheduleQuerySet":
        """Enabled schedules whose time has come, by the database's clock."""
        return self.filter(is_enabled=True, next_run_at__lte=Now())


def require_schedulable(kind: str, arguments: Any) -> None:
    """Raise UnknownKind or UnusableArguments for what no schedule may start.

    A file is there once, and a refusal is set aside by a person who looks at it.
    """
    declared = get_kind(kind)
    if not declared.can_be_scheduled:
        raise UnusableArguments(
            {
                "": f"“{declared.title}” works on what is there once, such as a file that somebody "
                "uploads; no schedule can."
            }
        )
    asked = read_arguments(declared, arguments)
    for question in declared.questions:
        if question.ask.is_override and getattr(asked, question.name):
            raise UnusableArguments(
                {question.name: f"{question.name}: nothing is overridden by a schedule."}
            )


LONGEST_SECONDS = 366 * 24 * 3600


class Schedule(models.Model):
    """Enqueues one kind of job again and again; missed runs collapse into one."""

    name = models.SlugField(max_length=80, unique=True)
    kind = models.CharField(max_length=80)
    arguments = models.JSONField(default=dict, blank=True)
    interval_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seconds from one run to the next, at least 10."
    )
    cron = models.CharField(
        max_length=80,
        blank=True,
        help_text='Five fields in the time zone of the project, such as "0 * * * *".',
    )
    is_enabled = models.BooleanField(default=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        help_text="With whose rights it runs: whoever saved it last.",
    )
    next_run_at = models.DateTimeField(default=clock.now)
    last_run_at = models.DateTimeField(null=True, blank=True)
    missed_runs = models.PositiveIntegerField(
        default=0, help_text="Runs that were due while nothing ran them, folded into later ones."
    )
    last_error = models.TextField(blank=True, help_text="Why the last due run could not start.")

    objects = ScheduleQuerySet.as_manager()
    history = HistoricalRecords(
        excluded_fields=["next_run_at", "last_run_at", "missed_runs", "last_error"],
        bases=[ActedHistory],
        get_user=current_user,
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=(
                    Q(interval_seconds__gte=10, cron="")
                    | (Q(interval_seconds__isnull=True) & ~Q(cron=""))
                ),
                name="schedule_interval_or_cron",
            )
        ]
        permissions = [("run_schedule", "Can run schedules now")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """A kind that takes the arguments, and one rhythm that can be read: interval or cron."""
        if bool(self.interval_seconds) == bool(self.cron):
            raise ValidationError("Give either an interval or a cron expression, not both.")
        try:
            require_schedulable(self.kind, self.arguments)
        except UnknownKind as error:
            raise ValidationError({"kind": str(error)}) from error
        except UnusableArguments as error:
            raise ValidationError({"arguments": str(error)}) from error
        if self.interval_seconds and self.interval_seconds < 10:
            raise ValidationError({"interval_seconds": "The shortest interval is 10 seconds."})
        if self.interval_seconds and self.interval_seconds > LONGEST_SECONDS:
            raise ValidationError(
                {"interval_seconds": f"The longest interval is {LONGEST_SECONDS:,} s, a year."}
            )
        try:
            self.occurrence_after(clock.now())
        except UnreadableCron as error:
            raise ValidationError({"cron": str(error)}) from error

    def occurrence_after(self, moment: datetime) -> datetime:
        """Return the first time strictly after `moment`; raises UnreadableCron."""
        return next_occurrence(
            moment,
            anchor=self.next_run_at,
            interval_seconds=self.interval_seconds,
            cron=self.cron,
            zone=timezone.get_default_timezone(),
        )

    def next_runs(self, count: int) -> list[datetime]:
        """Return when it is due next, `count` times; raises UnreadableCron."""
        runs = [max(self.next_run_at, clock.now())]
        while len(runs) < count:
            runs.append(self.occurrence_after(runs[-1]))
        return runs

    def missed_until(self, now: datetime) -> int:
        """Count the runs that were due after the next one; raises UnreadableCron."""
        return count_missed(
            self.next_run_at,
            now,
            interval_seconds=self.interval_seconds,
            cron=self.cron,
            zone=timezone.get_default_timezone(),
        )
