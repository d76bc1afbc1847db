"""A run's hold on its job: fenced writes, finished steps, what it shows to people."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import Error, models, transaction
from django.db.models.functions import Now

from project import clock
from project.acting import Actor
from project.ending import Ending
from project.jobs.models import Job, JobLogLine, JobStep

logger = logging.getLogger(__name__)

# Set by the signal that ends a worker: its job is left at the end of the chunk for another one.
shutdown = Ending()


class LostLease(Exception):
    """Another worker owns the job now: stop, write nothing."""


class JobStopped(Exception):
    """Somebody asked the job to stop."""


class JobInterrupted(Exception):
    """This worker is shutting down: leave the job for another one."""


class JobRun:
    """A run's hold on its job: every write repeats the fence that its claim was given.

    A kind's work gets one of these. Work that must not happen twice goes through `once` or
    `transaction` and is remembered as a step, so that any other worker can go on from there.
    """

    def __init__(self, job: Job, fence: int) -> None:
        self.job = job
        self.fence = fence
        # What waits for the end of the transaction: of the job's row, and lines of its log.
        self._held: dict[str, Any] | None = None
        self._lines: list[JobLogLine] = []
        self._steps = {(step.name, step.number): step.result for step in job.steps.all()}

    @property
    def job_id(self) -> UUID:
        """The job's id."""
        return self.job.pk

    @property
    def asked_at(self) -> datetime:
        """When the job was asked for."""
        return self.job.created_at

    @property
    def is_scheduled(self) -> bool:
        """Whether a schedule asked for it."""
        return self.job.schedule_id is not None

    @property
    def by(self) -> Actor:
        """Who asked for the job."""
        return self.job.by

    @property
    def user(self) -> User | None:
        """The account that asked for the job, None at the command line."""
        return self.job.user

    def result_of(self, name: str, number: int = 0) -> dict[str, Any] | None:
        """Return the result of a step that this or an earlier run finished, else None."""
        return self._steps.get((name, number))

    @contextmanager
    def transaction(self, name: str | None = None, number: int = 0) -> Iterator[dict[str, Any]]:
        """Open a transaction that commits only while this run owns the job.

        With a name, the dict that it yields is stored as the result of that step in the same
        transaction: rows and step are there together or not at all.

        Raises
        ------
        LostLease
            When another worker owns the job; everything written inside is rolled back.
        """
        result: dict[str, Any] = {}
        self._held = {}
        try:
            with transaction.atomic():
                yield result
                if name is not None:
                    JobStep.objects.create(job=self.job, name=name, number=number, result=result)
                # Last, because this locks the row against a claim until the commit.
                held, self._held = self._held, None
                if name is not None:
                    # Whoever comes this far is not what kills a worker.
                    held |= {"attempts": 0, "losses": 0}
                self.write(lease_until=Now() + lease(), **held)
        finally:
            self._held = None
            self._write_lines()
        if name is not None:
            self._steps[name, number] = result
        self.check()

    def once(
        self, name: str, work: Callable[[], Mapping[str, Any]], number: int = 0
    ) -> dict[str, Any]:
        """Return the step's result, doing its work in one fenced transaction if it is missing."""
        done = self.result_of(name, number)
        if done is not None:
            return done
        with self.transaction(name, number) as result:
            result.update(work())
        return result

    def check(self) -> None:
        """Raise when this run has to end: JobStopped, JobInterrupted or LostLease."""
        stop_requested = (
            Job.objects.owned(self.job.pk, self.fence).values_list("stop_requested", flat=True)
        ).first()
        if stop_requested is None:
            raise LostLease(str(self.job))
        if stop_requested:
            raise JobStopped(str(self.job))
        if shutdown.is_asked:
            raise JobInterrupted(str(self.job))

    def report(self, done: int, total: int | None = None, message: str = "") -> None:
        """Show how far the work is, in the units of `total`."""
        self._show(
            progress_done=done, progress_total=total, progress_message=storable(message)[:200]
        )

    def log(self, message: str, level: str = JobLogLine.Level.INFO) -> None:
        """Keep a line for people; within a transaction until that ends, whichever way it does."""
        line = JobLogLine(job=self.job, level=level, message=storable(message))
        if self._held is not None:
            self._lines.append(line)
            return
        with transaction.atomic():
            self.write(lease_until=Now() + lease())
            line.save()

    def _write_lines(self) -> None:
        """Write what was said in a transaction that has ended; what it wrote itself may be gone."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            with transaction.atomic():
                self.write(lease_until=Now() + lease())
                JobLogLine.objects.bulk_create(lines)
        except (LostLease, Error) as error:
            # Nobody owns the job any more, or the database is away: why the transaction ended
            # says more.
            logger.warning("Lines of job %s were not kept: %s", self.job.pk, error)

    def add_record(self, record: models.Model) -> None:
        """Link a record that the job made."""
        key = record.pk if isinstance(record.pk, int) else str(record.pk)
        self._link({"model": record._meta.label_lower, "id": key, "title": storable(str(record))})

    def add_list(self, model: type[models.Model], title: str, **asked: Any) -> None:
        """Link a list of records that the job made, by the filters that show them."""
        label = model._meta.label_lower
        self._link({"model": label, "query": urlencode(asked), "title": storable(title)})

    def _link(self, entry: dict[str, Any]) -> None:
        if entry not in self.job.records:
            self.write(records=[*self.job.records, entry])

    def plan(self, *names: str) -> None:
        """Show the stages that are to come, in order; what an earlier run has done stays done."""
        known = {stage["name"]: stage for stage in self.job.stages}
        usual = _usual_seconds(self.job.kind)
        planned = [
            known.get(name, {"name": name, "state": "pending", "usual": usual.get(name)})
            for name in names
        ]
        others = [stage for name, stage in known.items() if name not in names]
        self._show(stages=[*others, *planned])

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Show a named stage as running, then as done; where a job ends early, as its state."""
        started = clock.now()
        self._show(
            stages=self._stages(name, state="running"),
            progress_done=0,
            progress_total=None,
            progress_message="",
        )
        yield
        seconds = round((clock.now() - started).total_seconds(), 2)
        self._show(stages=self._stages(name, state="done", seconds=seconds))

    def _stages(self, name: str, **now: Any) -> list[dict[str, Any]]:
        """The stages with one of them as it is now; one that nobody planned comes next."""
        stages: list[dict[str, Any]] = [dict(stage) for stage in self.job.stages]
        if all(stage["name"] != name for stage in stages):
            pending = (n for n, stage in enumerate(stages) if stage.get("state") == "pending")
            stages.insert(next(pending, len(stages)), {"name": name})
        return [{**stage, **now} if stage["name"] == name else stage for stage in stages]

    def _show(self, **fields: Any) -> None:
        """Write how far the job is; what was shown as done once is never taken back."""
        for name, value in fields.items():
            setattr(self.job, name, value)
        share = max(self.job.share_done, self.job.progress_share or 0.0)
        self.write(share_done=share, **fields)

    def write(self, **fields: Any) -> None:
        """Write to the job while this run owns it, else raise LostLease."""
        if self._held is not None:
            # Nobody sees it before the commit anyway, and the lock on the row would until then
            # hold up the heartbeat and whoever asks to stop.
            self._held.update(fields)
        elif not Job.objects.owned(self.job.pk, self.fence).update(**fields):
            raise LostLease(str(self.job))
        for field, value in fields.items():
            if not hasattr(value, "resolve_expression"):
                setattr(self.job, field, value)


def _usual_seconds(kind: str) -> dict[str, float]:
    """What each stage took the last time that a job of the kind succeeded."""
    last = (
        Job.objects.filter(kind=kind, state=Job.State.SUCCEEDED)
        .order_by("-created_at")
        .values_list("stages", flat=True)
        .first()
    )
    return {stage["name"]: stage["seconds"] for stage in last or [] if stage.get("seconds")}


def lease() -> timedelta:
    """Return how long a job belongs to its worker without a sign of life."""
    return timedelta(seconds=settings.JOB_LEASE_SECONDS)


def storable(text: str) -> str:
    """Return text that PostgreSQL takes: no NUL, no half of a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
