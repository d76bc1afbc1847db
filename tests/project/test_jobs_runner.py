"""The ledger: who may take a job, what survives which death, and how a job ends."""

import errno
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import django_rq
import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from pydantic import Field

from project import clock
from project.jobs.contract import Arguments, UnknownKind, UnusableArguments
from project.jobs.models import Job, JobLogLine, JobStep
from project.jobs.processes import unknown_kinds
from project.jobs.reconciler import ring_due_jobs
from project.jobs.run import JobRun, LostLease
from project.jobs.run import shutdown as shutting_down
from project.jobs.runner import MOST_LOSSES, run_job, session_name
from project.jobs.services import (
    JobStateError,
    enqueue,
    retry_job,
    stop_job,
)
from project.refusal import Refusal
from tests.factories import make_staff
from tests.waiting import until

pytestmark = pytest.mark.django_db
Declare = Callable[..., str]
LEASE = timedelta(hours=1)  # longer than any test


def claim(job: Job, worker: str = "here:1") -> int | None:
    return Job.objects.claim(job.pk, lease=LEASE, worker=worker)


def expire_lease(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))


def run(job: Job) -> Job:
    run_job(str(job.pk))
    return Job.objects.get(pk=job.pk)


def write_chunks(count: int) -> Callable[[JobRun], dict[str, Any]]:
    """Return work in `count` chunks, each of which leaves one log line."""

    def work(run: JobRun) -> dict[str, Any]:
        for number in range(count):
            if run.result_of("chunk", number) is None:
                with run.transaction("chunk", number) as result:
                    JobLogLine.objects.create(job=run.job, message=f"chunk {number}")
                    result["rows"] = 1
            run.report(number + 1, count, "chunks")
        return {"chunks": count}

    return work


def written(job: Job) -> list[str]:
    return list(
        JobLogLine.objects.filter(message__startswith="chunk").values_list("message", flat=True)
    )


# --- Claim, fence, lease --------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_at_once_exactly_one_gets_the_job(declare: Declare) -> None:
    job = enqueue(declare(write_chunks(1)))
    barrier, fences = threading.Barrier(8), []

    def take() -> None:
        try:
            barrier.wait()
            fences.append(claim(job))
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fences, key=str) == [1, *[None] * 7]


def test_second_worker_leaves_a_claimed_job_alone(declare: Declare) -> None:
    job = enqueue(declare(write_chunks(1)))
    assert claim(job) == 1
    assert run(job).state == Job.State.RUNNING
    assert written(job) == []


def test_job_whose_lease_ran_out_is_taken_and_its_fence_raised(declare: Declare) -> None:
    job = enqueue(declare(write_chunks(1)))
    assert claim(job, "first:1") == 1
    expire_lease(job)
    assert claim(job, "second:1") == 2
    job.refresh_from_db()
    assert (job.worker, job.attempts) == ("second:1", 2)


def test_ended_job_cannot_be_taken(declare: Declare) -> None:
    job = run(enqueue(declare(write_chunks(1))))
    assert job.state == Job.State.SUCCEEDED
    assert claim(job) is None


def test_run_with_an_old_fence_writes_nothing(declare: Declare) -> None:
    job = enqueue(declare(write_chunks(1)))
    old = JobRun(job, claim(job) or 0)
    expire_lease(job)
    claim(job)
    with pytest.raises(LostLease), old.transaction("chunk", 0):
        JobLogLine.objects.create(job=job, message="chunk 0")
    for write in (
        lambda: old.report(1, 2),
        lambda: old.log("late"),
        lambda: old.add_record(job),
        lambda: old.check(),
        lambda: old.stage("late").__enter__(),
    ):
        with pytest.raises(LostLease):
            write()
    job.refresh_from_db()
    assert not JobStep.objects.exists()
    assert not JobLogLine.objects.exists()
    assert (job.progress_done, job.records, job.stages) == (0, [], [])


def test_run_that_lost_its_job_does_not_end_it(declare: Declare) -> None:
    def lose(run: JobRun) -> dict[str, Any]:
        expire_lease(run.job)
        assert claim(run.job, "thief:1") == 2
        raise RuntimeError("too late to matter")

    job = run(enqueue(declare(lose)))
    assert (job.state, job.worker, job.error) == (Job.State.RUNNING, "thief:1", "")


def test_each_chunk_renews_the_lease(declare: Declare) -> None:
    job = enqueue(declare(write_chunks(1)))
    holder = JobRun(job, claim(job) or 0)
    Job.objects.update(lease_until=Now() + timedelta(seconds=1))
    before = Job.objects.get().lease_until
    with holder.transaction("chunk", 0):
        pass
    after = Job.objects.get().lease_until
    assert before is not None
    assert after is not None
    assert after > before + timedelta(seconds=20)


@pytest.mark.django_db(transaction=True)
def test_heartbeat_keeps_the_lease_of_long_silent_work(declare: Declare, settings: Any) -> None:
    settings.JOB_LEASE_SECONDS = 0.4

    def compute(run: JobRun) -> dict[str, Any]:
        for _ in range(3):
            lease = Job.objects.get().lease_until
            until(Job.objects.filter(lease_until__gt=lease).exists)
        return {}

    assert run(enqueue(declare(compute))).state == Job.State.SUCCEEDED


@pytest.mark.django_db(transaction=True)
def test_stop_does_not_wait_for_a_chunk_that_reported_progress(declare: Declare) -> None:
    asked: list[bool] = []

    def ask(job: Job) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '1ms'")
            asked.append(stop_job(job).stop_requested)
        finally:
            connection.close()

    def work(run: JobRun) -> dict[str, Any]:
        with run.transaction("chunk", 0):
            run.report(1, 2, "half")
            thread = threading.Thread(target=ask, args=[run.job])
            thread.start()
            thread.join()
        return {}

    job = run(enqueue(declare(work)))
    assert asked == [True]
    assert (job.state, job.progress_done) == (Job.State.CANCELLED, 1)


def test_the_session_of_a_run_carries_its_name_until_it_ends(declare: Declare) -> None:
    seen: list[str] = []

    def current() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('application_name')")
            return str(cursor.fetchone()[0])

    def work(run: JobRun) -> dict[str, Any]:
        seen.append(current())
        return {}

    job = run(enqueue(declare(work)))
    assert seen == [session_name(job.pk, 1)]
    assert current() == ""


# --- Steps ----------------------------------------------------------------------------------------


def test_next_run_goes_on_at_the_first_missing_chunk(declare: Declare) -> None:
    job = enqueue(declare(write_chunks(4)))
    dead = JobRun(job, claim(job) or 0)
    for number in range(2):
        with dead.transaction("chunk", number):
            JobLogLine.objects.create(job=job, message=f"chunk {number}")
    expire_lease(job)
    job = run(job)
    assert (job.state, job.fence) == (Job.State.SUCCEEDED, 2)
    assert written(job) == ["chunk 0", "chunk 1", "chunk 2", "chunk 3"]


def test_step_is_done_once_and_its_result_remembered(declare: Declare) -> None:
    job = enqueue(declare(write_chunks(1)))
    holder = JobRun(job, claim(job) or 0)
    calls: list[int] = []

    def work() -> dict[str, Any]:
        calls.append(1)
        return {"answer": 42}

    assert holder.once("think", work) == holder.once("think", work) == {"answer": 42}
    job.refresh_from_db()
    assert JobRun(job, holder.fence).result_of("think") == {"answer": 42}
    assert calls == [1]


def test_failing_chunk_leaves_neither_rows_nor_step(declare: Declare) -> None:
    def work(run: JobRun) -> dict[str, Any]:
        with run.transaction("chunk", 0):
            JobLogLine.objects.create(job=run.job, message="chunk 0")
            run.report(1, 1)
            raise ValueError("half-way")

    job = run_failing(declare(work), ValueError)
    assert written(job) == []
    assert not JobStep.objects.exists()
    assert job.progress_done == 0


# --- How a job ends -------------------------------------------------------------------------------


def run_failing(kind: str, error: type[Exception]) -> Job:
    job = enqueue(kind)
    with pytest.raises(error):
        run_job(str(job.pk))
    job.refresh_from_db()
    return job


@pytest.mark.parametrize("succeeds", [True, False])
def test_a_line_that_is_said_within_a_transaction_outlives_it(
    declare: Declare, succeeds: bool
) -> None:
    def work(run: JobRun) -> dict[str, Any]:
        with run.transaction("chunk"):
            run.log("half of it", "warning")
            assert not JobLogLine.objects.exists()  # the lock that it takes would block a stop
            if not succeeds:
                raise ValueError("broken")
        return {}

    job = enqueue(declare(work))
    if succeeds:
        run(job)
    else:
        with pytest.raises(ValueError, match="broken"):
            run(job)
    line = JobLogLine.objects.get()
    assert (line.job_id, line.message, line.level) == (job.pk, "half of it", "warning")
    assert JobStep.objects.exists() == succeeds


def test_a_line_of_a_run_that_lost_its_job_within_a_transaction_is_not_kept(
    declare: Declare,
) -> None:
    job = enqueue(declare(write_chunks(1)))
    old = JobRun(job, claim(job) or 0)
    expire_lease(job)
    claim(job)
    with pytest.raises(LostLease), old.transaction("chunk", 0):
        old.log("late")
    assert not JobLogLine.objects.exists()


def test_error_and_traceback_are_recorded_and_raised(declare: Declare) -> None:
    def work(run: JobRun) -> dict[str, Any]:
        with run.stage("divide"):
            return {"share": 1 / 0}

    job = run_failing(declare(work), ZeroDivisionError)
    assert job.state == Job.State.FAILED
    assert job.error == "ZeroDivisionError: division by zero"
    assert 'return {"share": 1 / 0}' in job.traceback
    assert job.stages == [{"name": "divide", "state": "failed"}]
    assert job.finished_at is not None
    assert job.lease_until is None


@pytest.mark.parametrize(
    "message", ["a NUL \0 within", "half a pair \ud83d", "x" * 100_000], ids=["nul", "half", "long"]
)
def test_error_that_the_database_would_not_take_is_recorded(declare: Declare, message: str) -> None:
    def work(run: JobRun) -> dict[str, Any]:
        run.log(message)
        raise ValueError(message)

    job = run_failing(declare(work), ValueError)
    assert job.state == Job.State.FAILED
    assert job.error.startswith("ValueError: ")


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}], ids=["nan", "object", "set"])
@pytest.mark.django_db(transaction=True)
def test_result_that_is_no_json_fails_the_job_instead_of_repeating_it(
    declare: Declare, value: object
) -> None:
    job = enqueue(declare(lambda run: {"value": value}))
    with pytest.raises(Exception, match=r"JSON|json"):
        run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert job.error


def test_refusal_is_a_state_with_its_remedy(declare: Declare) -> None:
    def work(run: JobRun) -> dict[str, Any]:
        raise Refusal("Expected 10 rows, got 3.", remedy="Add 7.", details={"rows": 3})

    job = run(enqueue(declare(work)))
    assert job.state == Job.State.REFUSED
    assert job.error == "Expected 10 rows, got 3. Add 7."
    assert job.result == {
        "refused": {"message": "Expected 10 rows, got 3.", "remedy": "Add 7.", "rows": 3}
    }
    assert job.traceback == ""


def test_job_of_an_unknown_kind_waits_for_a_newer_worker(declare: Declare, settings: Any) -> None:
    job = Job.objects.create(kind="tests.newer")
    for _ in range(settings.JOB_MAX_ATTEMPTS + 1):
        run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.attempts, job.fence) == (Job.State.QUEUED, 0, 0)
    assert unknown_kinds() == {"tests.newer": 1}
    # What a newer worker had begun when it died is left to another such one.
    Job.objects.filter(pk=job.pk).update(state=Job.State.RUNNING)
    expire_lease(job)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.fence) == (Job.State.RUNNING, 0)
    Job.objects.filter(pk=job.pk).update(kind=declare(lambda run: {}))
    assert run(job).state == Job.State.SUCCEEDED
    assert unknown_kinds() == {}


def test_job_that_kills_its_workers_is_given_up(declare: Declare, settings: Any) -> None:
    settings.JOB_MAX_ATTEMPTS = 3
    job = enqueue(declare(write_chunks(1)))
    for _ in range(3):
        assert claim(job) is not None
        expire_lease(job)
    job = run(job)
    assert job.state == Job.State.FAILED
    assert "died 3 times in a row" in job.error
    assert "None gave a sign of life" in job.error
    assert written(job) == []
    assert run(retry_job(job)).state == Job.State.SUCCEEDED


@pytest.mark.parametrize(
    ("limit", "deaths", "state"),
    [
        (1, 0, Job.State.SUCCEEDED),
        (1, 1, Job.State.FAILED),
        (3, 2, Job.State.SUCCEEDED),
        (3, 3, Job.State.FAILED),
    ],
)
def test_job_gets_as_many_attempts_as_the_limit_says_and_not_one_more(
    declare: Declare, settings: Any, limit: int, deaths: int, state: str
) -> None:
    settings.JOB_MAX_ATTEMPTS = limit
    job = enqueue(declare(write_chunks(1)))
    for _ in range(deaths):
        assert claim(job) is not None
        expire_lease(job)
    job = run(job)
    assert (job.state, job.fence) == (state, deaths + 1)
    assert written(job) == (["chunk 0"] if state == Job.State.SUCCEEDED else [])


@pytest.mark.usefixtures("shutdown", "valkey")
def test_run_that_was_given_back_is_no_attempt(declare: Declare, settings: Any) -> None:
    settings.JOB_MAX_ATTEMPTS = 1
    job = enqueue(declare(write_chunks(1)))
    shutting_down.ask()
    for _ in range(3):
        assert run(job).state == Job.State.QUEUED
    shutting_down.is_asked = False
    assert run(job).state == Job.State.SUCCEEDED


def test_a_run_that_finished_a_step_is_no_failed_attempt(declare: Declare, settings: Any) -> None:
    settings.JOB_MAX_ATTEMPTS = 2
    job = enqueue(declare(write_chunks(8)))
    for number in range(6):  # each dies, but not before it came further
        dead = JobRun(Job.objects.get(pk=job.pk), claim(job) or 0)
        with dead.transaction("chunk", number):
            JobLogLine.objects.create(job=job, message=f"chunk {number}")
        expire_lease(job)
    assert run(job).state == Job.State.SUCCEEDED
    assert written(job) == [f"chunk {number}" for number in range(8)]


def test_a_lease_that_ended_while_the_database_was_away_is_no_death(
    declare: Declare, settings: Any
) -> None:
    settings.JOB_MAX_ATTEMPTS = 1
    job = enqueue(declare(write_chunks(1)))
    for _ in range(4):
        assert claim(job) is not None
        # Before the server started: nobody could have renewed it.
        Job.objects.filter(pk=job.pk).update(lease_until="2020-01-01T00:00:00Z")
    assert run(job).state == Job.State.SUCCEEDED


@pytest.mark.usefixtures("valkey")
def test_lost_database_is_no_death_and_gives_the_job_back_at_once(
    declare: Declare, settings: Any
) -> None:
    settings.JOB_MAX_ATTEMPTS = 1
    left = [OperationalError("server closed the connection\nunexpectedly") for _ in range(9)]

    def work(run: JobRun) -> dict[str, Any]:
        if left:
            raise left.pop()
        return {"tries": run.job.fence}

    job = enqueue(declare(work))
    for losses in range(1, 10):
        job = run(job)
        assert (job.state, job.attempts, job.losses) == (Job.State.QUEUED, 0, losses)
        assert (job.worker, job.lease_until) == ("", None)
    assert job.trouble == "server closed the connection unexpectedly"
    said = list(JobLogLine.objects.values_list("message", flat=True))
    assert len(said) == 9
    assert said[0].startswith("The database did not do its part (server closed the connection")
    assert run(job).result == {"tries": 10}


@pytest.mark.usefixtures("valkey")
def test_a_database_without_room_is_asked_again_after_a_pause_that_grows(declare: Declare) -> None:
    def work(run: JobRun) -> dict[str, Any]:
        error = OperationalError("could not extend file: No space left on device")
        error.__cause__ = psycopg.errors.DiskFull()
        raise error

    job = enqueue(declare(work))
    pauses = []
    for _ in range(8):
        job = run(job)
        assert job.state == Job.State.QUEUED
        pauses.append((job.rung_at - clock.now()).total_seconds())  # type: ignore[operator]
    assert [round(pause, -1 if pause > 9 else 0) for pause in pauses[2:]] == [4, 8, 20, 30, 60, 60]
    assert ring_due_jobs() == (0, 0)
    assert "No space left on device" in job.trouble


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "The disk is full: /x/y"), (errno.EROFS, "/x/y may not be used")],
)
def test_a_file_that_cannot_be_written_is_said_with_what_to_do(
    declare: Declare, number: int, words: str
) -> None:
    def work(run: JobRun) -> dict[str, Any]:
        raise OSError(number, os.strerror(number), "/x/y")

    job = enqueue(declare(work))
    with pytest.raises(OSError, match="/x/y"):
        run(job)
    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert job.error.startswith(words)
    assert "SEEDBED_VAR" in job.error


@pytest.mark.usefixtures("valkey")
def test_a_job_that_only_ever_loses_the_database_ends_with_the_cause(declare: Declare) -> None:
    def work(run: JobRun) -> dict[str, Any]:
        raise OperationalError("the server ran out of memory")

    job = enqueue(declare(work))
    for _ in range(MOST_LOSSES):
        assert run(job).state == Job.State.QUEUED
    job = run(job)
    assert job.state == Job.State.FAILED
    assert f"lost {MOST_LOSSES} times in a row" in job.error
    assert "ran out of memory" in job.error


@pytest.mark.usefixtures("shutdown", "valkey")
def test_worker_that_shuts_down_gives_its_job_back_at_the_end_of_the_chunk(
    declare: Declare,
) -> None:
    whole = write_chunks(4)

    def work(run: JobRun) -> dict[str, Any]:
        if run.result_of("chunk", 0) is None:
            with run.transaction("chunk", 0):
                JobLogLine.objects.create(job=run.job, message="chunk 0")
                shutting_down.ask()
        return whole(run)

    job = run(enqueue(declare(work)))
    assert (job.state, job.attempts, job.lease_until) == (Job.State.QUEUED, 0, None)
    assert written(job) == ["chunk 0"]
    shutting_down.is_asked = False
    job = run(job)
    assert (job.state, job.fence) == (Job.State.SUCCEEDED, 2)
    assert written(job) == ["chunk 0", "chunk 1", "chunk 2", "chunk 3"]


# --- Stop and retry -------------------------------------------------------------------------------


def test_waiting_job_is_stopped_at_once(declare: Declare) -> None:
    job = stop_job(enqueue(declare(write_chunks(1))))
    assert job.state == Job.State.CANCELLED
    assert claim(job) is None


def test_running_job_stops_at_the_end_of_its_chunk_and_cleans_up(declare: Declare) -> None:
    def work(run: JobRun) -> dict[str, Any]:
        for number in range(5):
            with run.transaction("chunk", number):
                JobLogLine.objects.create(job=run.job, message=f"chunk {number}")
                if number == 2:
                    stop_job(run.job)
        return {}

    seen: list[str] = []

    def clean_up(run: JobRun) -> None:
        seen.extend(written(run.job))
        JobLogLine.objects.filter(job=run.job).delete()

    job = run(enqueue(declare(work, cleanup=clean_up)))
    assert job.state == Job.State.CANCELLED
    assert seen == ["chunk 0", "chunk 1", "chunk 2"]
    assert written(job) == []
    assert not job.steps.exists()
    assert "nothing half-made" in job.error


def test_job_stopped_between_two_workers_is_cleaned_up_by_the_next(declare: Declare) -> None:
    cleaned: list[int] = []
    kind = declare(write_chunks(2), cleanup=lambda run: cleaned.append(run.fence))
    job = enqueue(kind)
    holder = JobRun(job, claim(job) or 0)
    with holder.transaction("chunk", 0):
        pass
    expire_lease(job)
    assert stop_job(job).state == Job.State.RUNNING
    assert run(job).state == Job.State.CANCELLED
    assert cleaned == [2]


@pytest.mark.parametrize("begun", ["by a worker", "before a retry", "both"])
@pytest.mark.usefixtures("shutdown", "valkey")
def test_queued_job_that_has_begun_is_cleaned_up_when_it_is_stopped(
    declare: Declare, begun: str
) -> None:
    """Given back by its worker without a finished step, or retried with the steps of before."""
    worked: list[str] = []
    cleaned: list[str] = []

    def work(run: JobRun) -> dict[str, Any]:
        worked.append(str(run.job.pk))
        run.once("first", dict)
        raise ValueError("broken")

    job = enqueue(declare(work, cleanup=lambda run: cleaned.append(str(run.job.pk))))
    if begun != "by a worker":
        with pytest.raises(ValueError, match="broken"):
            run_job(str(job.pk))
        job = retry_job(Job.objects.get(pk=job.pk))
    if begun != "before a retry":
        shutting_down.ask()
        job = run(job)
        shutting_down.is_asked = False
    assert job.state == Job.State.QUEUED
    worked.clear()

    assert stop_job(job).state == Job.State.QUEUED  # its worker has the cleanup
    assert cleaned == []
    job = run(job)
    assert (job.state, cleaned, worked) == (Job.State.CANCELLED, [str(job.pk)], [])
    assert "nothing half-made" in job.error
    assert not job.steps.exists()


@pytest.mark.django_db(transaction=True)
def test_worker_is_told_of_a_stopped_job_that_it_has_to_clean_up(
    declare: Declare, valkey: Any
) -> None:
    kind = declare(write_chunks(1), cleanup=lambda run: None)
    begun, fresh = enqueue(kind), enqueue(kind)
    Job.objects.filter(pk=begun.pk).update(fence=1)
    valkey.flushdb()
    for job in (begun, fresh):
        stop_job(job)
    queued = django_rq.get_queue("default").get_jobs()
    assert [job.args[0] for job in queued] == [str(begun.pk)]


def test_failing_cleanup_fails_the_job_instead_of_repeating_it(declare: Declare) -> None:
    def fail(run: JobRun) -> None:
        raise RuntimeError("cannot remove")

    def work(run: JobRun) -> dict[str, Any]:
        stop_job(run.job)
        run.check()
        return {}

    job = run_failing(declare(work, cleanup=fail), RuntimeError)
    assert job.state == Job.State.FAILED
    assert job.error == "RuntimeError: cannot remove"


def test_ended_job_cannot_be_stopped(declare: Declare) -> None:
    job = run(enqueue(declare(write_chunks(1))))
    with pytest.raises(JobStateError, match="succeeded already"):
        stop_job(job)


def test_retry_goes_on_where_the_failed_job_was(declare: Declare) -> None:
    broken = [True]
    whole = write_chunks(4)

    def work(run: JobRun) -> dict[str, Any]:
        if broken:
            with run.transaction("chunk", 0):
                JobLogLine.objects.create(job=run.job, message="chunk 0")
            run.add_record(run.job)
            raise ValueError("broken")
        return whole(run)

    job = run_failing(declare(work), ValueError)
    broken.clear()
    other = make_staff("jobs.add_schedule")
    retried = retry_job(job, by=other)
    assert (retried.retry_of, retried.user, retried.records) == (job, other, job.records)
    retried = run(retried)
    assert retried.state == Job.State.SUCCEEDED
    assert written(job) == ["chunk 0", "chunk 1", "chunk 2", "chunk 3"]


def test_only_an_ended_job_without_success_is_retried_and_only_once(declare: Declare) -> None:
    kind = declare(write_chunks(1))
    waiting, done = enqueue(kind), run(enqueue(kind))
    for job in (waiting, done):
        with pytest.raises(JobStateError, match="only a failed, refused or cancelled"):
            retry_job(job)
    stopped = stop_job(waiting)
    retried = retry_job(stopped)
    with pytest.raises(JobStateError, match=str(retried)):
        retry_job(stopped)


# --- Enqueue --------------------------------------------------------------------------------------


def test_unknown_kind_and_unusable_arguments_are_not_written(declare: Declare) -> None:
    class Counted(Arguments):
        count: Annotated[int, Field(ge=1)] = 1

    kind = declare(write_chunks(1), arguments=Counted)
    with pytest.raises(UnknownKind, match=r"there are: .*tests\.kind_0"):
        enqueue("tests.nothing")
    with pytest.raises(UnusableArguments, match=r"a whole number of at least 1, got 0"):
        enqueue(kind, count=0)
    with pytest.raises(UnusableArguments, match="no argument 'cuont'; there are: count"):
        enqueue(kind, cuont=5)
    assert not Job.objects.exists()
    assert enqueue(kind, count=1).arguments == {"count": 1}


@pytest.mark.django_db(transaction=True)
def test_job_of_a_transaction_that_fails_never_was(valkey: Any, declare: Declare) -> None:
    kind = declare(write_chunks(1))
    with transaction.atomic():
        enqueue(kind)
        transaction.set_rollback(True)
    assert not Job.objects.exists()
    assert valkey.dbsize() == 0
