"""Lost bells, schedules and the clock."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import django_rq
import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from project.jobs.bell import ring
from project.jobs.clock import UnreadableCron, count_missed, next_occurrence
from project.jobs.models import Job, Process, Schedule
from project.jobs.processes import beat, has_worker, leave
from project.jobs.reconciler import tick
from project.jobs.runner import session_name
from project.jobs.services import (
    JobStateError,
    enqueue,
    retry_job,
    run_schedule,
    save_schedule,
    stop_job,
)
from tests.factories import make_admin, make_staff

Declare = Callable[..., str]
LONG_AGO = timedelta(hours=1)


def idle(run: Any) -> dict[str, Any]:
    return {}


def rung() -> list[str]:
    """Return the ids of the jobs that RQ knows of, oldest first."""
    return [job.args[0] for job in django_rq.get_queue("default").get_jobs()]


def open_session(name: str, database: str = "") -> "psycopg.Connection[Any]":
    known = connection.settings_dict
    return psycopg.connect(
        host=known["HOST"],
        port=known["PORT"],
        user=known["USER"],
        dbname=database or known["NAME"],
        application_name=name,
    )


def is_open(session: "psycopg.Connection[Any]") -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


# --- Bells ----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_job_that_valkey_forgot_is_rung_again(declare: Declare, valkey: Any) -> None:
    job = enqueue(declare(idle))
    assert rung() == [str(job.pk)]
    valkey.flushdb()
    assert tick().rung == 0  # it was rung just now
    Job.objects.update(rung_at=Now() - LONG_AGO)
    assert tick().rung == 1
    assert rung() == [str(job.pk)]


@pytest.mark.django_db(transaction=True)
def test_job_that_is_queued_is_not_queued_twice(declare: Declare, valkey: Any) -> None:
    job = enqueue(declare(idle))
    Job.objects.update(rung_at=Now() - LONG_AGO)
    tick()
    assert rung() == [str(job.pk)]


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
def test_job_of_a_dead_worker_is_rung_again_and_that_of_a_live_one_is_not(
    declare: Declare,
) -> None:
    job = enqueue(declare(idle))
    Job.objects.claim(job.pk, lease=timedelta(hours=1), worker="here:1")
    Job.objects.update(rung_at=Now() - LONG_AGO)
    assert tick().rung == 0
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert tick().rung == 1


@pytest.mark.usefixtures("servers")
def test_queue_that_does_not_answer_is_no_failure(settings: Any, tmp_path: Any) -> None:
    queue = django_rq.get_queue("default")
    original = queue.connection.connection_pool.connection_kwargs["path"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            django_rq.settings.QUEUES["default"], "URL", f"unix://{tmp_path}/nothing.sock"
        )
        assert original
        assert ring(uuid4()) is False


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
def test_session_of_a_run_that_hangs_without_its_lease_is_ended(declare: Declare) -> None:
    job = enqueue(declare(idle))
    fence = Job.objects.claim(job.pk, lease=timedelta(hours=1), worker="here:1")
    with open_session(session_name(job.pk, fence or 0)) as hanging:
        hanging.execute("SELECT 1 FROM jobs_job FOR UPDATE")
        tick()
        hanging.execute("SELECT 1")  # its lease runs: it is left alone
        hanging.rollback()
        Job.objects.update(lease_until=Now() - timedelta(seconds=1))
        hanging.execute("SELECT 1 FROM jobs_job FOR UPDATE")
        tick()
        with pytest.raises(psycopg.OperationalError):
            hanging.execute("SELECT 1")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
def test_session_of_a_run_whose_job_another_run_has_taken_is_ended(declare: Declare) -> None:
    taken, ended, other = (enqueue(declare(idle)) for _ in range(3))
    for job, fences in ((taken, 3), (ended, 2), (other, 1)):
        for fence in range(1, fences + 1):
            Job.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))
            assert Job.objects.claim(job.pk, lease=timedelta(hours=1), worker="here:1") == fence
    Job.objects.filter(pk=ended.pk).update(state=Job.State.SUCCEEDED, lease_until=None)
    with ExitStack() as stack:
        sessions = {
            name: stack.enter_context(open_session(*arguments))
            for name, arguments in {
                "lost at first": (session_name(taken.pk, 1),),
                "lost then": (session_name(taken.pk, 2),),
                "owner": (session_name(taken.pk, 3),),
                "lost, and the job has ended": (session_name(ended.pk, 1),),
                "has just ended it": (session_name(ended.pk, 2),),
                "of another job": (session_name(other.pk, 1),),
                "of no job": ("psql",),
                "elsewhere": (session_name(taken.pk, 1), "postgres"),
            }.items()
        }
        for session in sessions.values():
            session.execute("SELECT 1")  # a transaction is open, with whatever it holds
        tick()
        still_open = {name for name, session in sessions.items() if is_open(session)}
    assert still_open == {"owner", "has just ended it", "of another job", "of no job", "elsewhere"}


# --- Presence -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_worker_is_alive_until_it_signs_off_or_falls_silent() -> None:
    assert not has_worker()
    beat(Process.Role.SCHEDULER)
    assert not has_worker()
    beat(Process.Role.WORKER)
    assert has_worker()
    Process.objects.update(beat_at=Now() - timedelta(seconds=Process.SILENCE_SECONDS + 1))
    assert not has_worker()
    beat(Process.Role.WORKER)
    leave()
    assert not has_worker()


# --- Schedules ------------------------------------------------------------------------------------


@pytest.fixture
def schedule(declare: Declare) -> Schedule:
    """Give an hourly schedule that is due since three and a half hours."""
    return Schedule.objects.create(
        name="hourly",
        kind=declare(idle),
        arguments={"days": 1},
        interval_seconds=3600,
        owner=make_admin(),
        next_run_at=timezone.now() - timedelta(hours=3, minutes=30),
    )


@pytest.mark.django_db
def test_missed_hours_become_one_run(schedule: Schedule) -> None:
    due = schedule.next_run_at
    assert tick().scheduled == 1
    assert tick().scheduled == 0
    job = Job.objects.get()
    assert (job.schedule, job.arguments) == (schedule, {"days": 1})
    schedule.refresh_from_db()
    assert schedule.missed_runs == 3
    assert schedule.next_run_at == due + timedelta(hours=4)
    assert schedule.last_run_at is not None


@pytest.mark.django_db
def test_due_schedule_waits_for_its_active_run(schedule: Schedule) -> None:
    tick()
    Schedule.objects.update(next_run_at=Now() - LONG_AGO)
    assert tick().scheduled == 0
    stop_job(Job.objects.get())
    assert tick().scheduled == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
def test_of_many_schedulers_at_once_one_starts_the_run(schedule: Schedule) -> None:
    barrier, started = threading.Barrier(6), []

    def schedule_all() -> None:
        try:
            barrier.wait()
            started.append(tick().scheduled)
        finally:
            connection.close()

    threads = [threading.Thread(target=schedule_all) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(started) == 1
    assert Job.objects.count() == 1


@pytest.mark.django_db
def test_database_itself_refuses_a_second_active_run(schedule: Schedule) -> None:
    tick()
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.create(kind=schedule.kind, schedule=schedule)


@pytest.mark.django_db
def test_neither_run_now_nor_retry_makes_a_second_active_run(schedule: Schedule) -> None:
    first = stop_job(run_schedule(schedule))
    retried = retry_job(first)
    assert retried.schedule == schedule
    with pytest.raises(JobStateError, match="has an active run"):
        run_schedule(schedule)
    stop_job(retried)
    run_schedule(schedule)
    with pytest.raises(JobStateError, match="has an active run"):
        retry_job(retried)


@pytest.mark.django_db
def test_schedule_that_cannot_run_says_why_and_does_not_stop_the_others(
    schedule: Schedule, declare: Declare
) -> None:
    Schedule.objects.create(name="broken", kind="tests.removed", interval_seconds=60)
    assert tick().scheduled == 1
    broken = Schedule.objects.get(name="broken")
    assert "tests.removed" in broken.last_error
    assert broken.next_run_at > timezone.now()


@pytest.mark.django_db
def test_each_tick_has_the_rights_of_the_owner_as_they_are_then(
    schedule: Schedule, declare: Declare
) -> None:
    owner = make_staff("jobs.add_schedule")  # what the kind of this test needs
    Schedule.objects.update(owner=owner)
    assert tick().scheduled == 1
    job = Job.objects.get()
    assert (job.user, job.actor) == (owner, owner.username)
    stop_job(job)

    def why_not() -> str:
        Schedule.objects.update(next_run_at=Now() - LONG_AGO)
        assert tick().scheduled == 0
        return Schedule.objects.get().last_error

    owner.user_permissions.clear()
    assert "needs the right to jobs.add_schedule" in why_not()
    User.objects.update(is_active=False)
    assert "is switched off" in why_not()
    owner.delete()
    assert "Nobody owns this schedule" in why_not()
    assert Job.objects.count() == 1


@pytest.mark.django_db
def test_disabled_schedule_does_not_run_and_its_pause_is_not_missed(schedule: Schedule) -> None:
    schedule.is_enabled = False
    save_schedule(schedule, by=schedule.owner)
    assert tick().scheduled == 0
    schedule.is_enabled = True
    save_schedule(schedule, by=schedule.owner)
    assert tick().scheduled == 0
    assert timezone.now() < schedule.next_run_at < timezone.now() + timedelta(hours=1)


@pytest.mark.django_db
def test_schedule_whose_cron_no_version_reads_any_more_says_so_and_stops_nobody(
    schedule: Schedule, declare: Declare
) -> None:
    Schedule.objects.create(
        name="nearest-weekday", kind=declare(idle), cron="0 3 15W * *", owner=make_admin()
    )
    assert tick().scheduled == 1
    stored = Schedule.objects.get(name="nearest-weekday")
    assert "'0 3 15W * *' is no cron expression" in stored.last_error
    assert stored.next_run_at > timezone.now() + timedelta(hours=23)  # not each second again
    with pytest.raises(ValidationError, match="no cron expression"):
        stored.full_clean()


@pytest.mark.django_db
def test_new_rhythm_counts_from_now(schedule: Schedule) -> None:
    schedule.interval_seconds, schedule.cron = None, "0 3 * * *"
    schedule.full_clean()
    save_schedule(schedule)
    assert timezone.now() < schedule.next_run_at < timezone.now() + timedelta(days=1)


@pytest.mark.django_db
def test_cron_is_read_in_the_time_zone_of_the_project(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    schedule = Schedule(name="morning", kind="tests.any", cron="30 8 * * *")
    for month, hour in ((1, 7), (7, 6)):
        start = datetime(2026, month, 10, 12, tzinfo=UTC)
        assert schedule.occurrence_after(start) == datetime(2026, month, 11, hour, 30, tzinfo=UTC)
    schedule.next_run_at = datetime(2026, 7, 10, 12, tzinfo=UTC)
    assert schedule.missed_until(datetime(2026, 7, 11, 6, 30, tzinfo=UTC)) == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
def test_scheduler_command_ticks_once(schedule: Schedule, capsys: Any) -> None:
    call_command("scheduler", once=True, json=True)
    assert '"scheduled": 1' in capsys.readouterr().out


# --- Clock ----------------------------------------------------------------------------------------

BERLIN = ZoneInfo("Europe/Berlin")


def runs(cron: str, start: datetime, count: int, zone: tzinfo = BERLIN) -> list[datetime]:
    found, moment = [], start
    for _ in range(count):
        moment = next_occurrence(moment, anchor=start, interval_seconds=None, cron=cron, zone=zone)
        found.append(moment)
    return found


def test_cron_is_read_in_the_zone() -> None:
    start = datetime(2026, 1, 10, 12, tzinfo=UTC)
    assert runs("30 8 * * *", start, 1) == [datetime(2026, 1, 11, 7, 30, tzinfo=UTC)]
    start = datetime(2026, 7, 10, 12, tzinfo=UTC)
    assert runs("30 8 * * *", start, 1) == [datetime(2026, 7, 11, 6, 30, tzinfo=UTC)]


@pytest.mark.parametrize("cron", ["30 2 * * *", "*/30 2 * * *", "0,30 2,3 * * *"])
def test_time_that_spring_skips_runs_once_right_after_the_gap(cron: str) -> None:
    first = runs(cron, datetime(2026, 3, 28, 12, tzinfo=UTC), 1)
    assert first == [datetime(2026, 3, 29, 3, tzinfo=BERLIN)]


def test_daily_run_in_the_hour_that_spring_skips_runs_once() -> None:
    found = runs("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=UTC), 2)
    assert [moment.astimezone(BERLIN).day for moment in found] == [29, 30]


@pytest.mark.parametrize("cron", ["30 2 * * *", "30 0-4/2 * * 0-6/1"])
def test_daily_run_in_the_hour_that_autumn_repeats_runs_once(cron: str) -> None:
    found = runs(cron, datetime(2026, 10, 24, 12, tzinfo=UTC), 9)
    at_two = [moment for moment in found if moment.astimezone(BERLIN).hour == 2][:3]
    assert [moment.astimezone(BERLIN).day for moment in at_two] == [25, 26, 27]


def test_run_that_is_late_into_the_repeated_hour_does_not_start_over() -> None:
    late = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 for the second time
    assert runs("30 2 * * *", late, 1) == [datetime(2026, 10, 26, 2, 30, tzinfo=BERLIN)]


@pytest.mark.parametrize(
    "start", [datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)]
)
def test_hourly_run_comes_every_hour_through_a_change_of_the_clock(start: datetime) -> None:
    assert runs("0 * * * *", start, 6) == [start + timedelta(hours=n) for n in range(1, 7)]


@pytest.mark.parametrize(
    ("cron", "spelt_out"),
    [
        ("0 22-2 * * *", "0 0,1,2,22,23 * * *"),
        ("50-10/5 * * * *", "0,5,10,50,55 * * * *"),
        ("0 3 * * fri-mon", "0 3 * * 0,1,5,6"),
        ("0 3 * * 5-1/2", "0 3 * * 0,5"),
        ("0 3 * * 7-2", "0 3 * * 0,1,2"),
        ("0 3 * nov-feb *", "0 3 * 1,2,11,12 *"),
        ("0 3 30-2 * *", "0 3 1,2,30,31 * *"),
        ("0 3 ? * mon", "0 3 * * 1"),
        ("0 3 ? * L5", "0 3 * * 5L"),
        ("0 3 */10 * 1", "0 3 1,11,21,31 * 1"),  # either of both, as between any day and weekday
        ("0 3 13 * */6", "0 3 13 * 0,6"),
    ],
)
def test_words_of_stored_schedules_keep_their_meaning(cron: str, spelt_out: str) -> None:
    start = datetime(2026, 1, 10, 12, tzinfo=UTC)
    assert runs(cron, start, 60, UTC) == runs(spelt_out, start, 60, UTC)


@given(
    fields=st.lists(
        st.text("0123456789*/,-#?LWRMONFEB", min_size=1, max_size=5), min_size=5, max_size=5
    )
)
def test_cron_is_read_or_refused_and_a_run_lies_ahead(fields: list[str]) -> None:
    start = datetime(2026, 10, 24, 22, 17, tzinfo=UTC)
    try:
        found = runs(" ".join(fields), start, 3)
    except UnreadableCron:
        return
    assert start < found[0] < found[1] < found[2]


@given(
    gap=st.timedeltas(timedelta(days=-3), timedelta(days=400)),
    interval=st.integers(10, 10**6),
)
def test_interval_keeps_its_phase_and_the_next_run_is_the_first_after(
    gap: timedelta, interval: int
) -> None:
    anchor = datetime(2026, 3, 28, 22, 17, tzinfo=BERLIN)
    moment = anchor + gap
    found = next_occurrence(moment, anchor=anchor, interval_seconds=interval, cron="", zone=UTC)
    assert moment < found <= moment.astimezone(UTC) + timedelta(seconds=interval)
    assert (found - anchor.astimezone(UTC)) % timedelta(seconds=interval) == timedelta(0)


def test_missed_runs_are_counted_up_to_now() -> None:
    due = datetime(2026, 1, 1, tzinfo=UTC)
    for hours, count in ((0, 0), (0.5, 0), (1, 1), (3.5, 3)):
        now = due + timedelta(hours=hours)
        assert count_missed(due, now, interval_seconds=3600, cron="", zone=UTC) == count
        assert count_missed(due, now, interval_seconds=None, cron="0 * * * *", zone=UTC) == count
    much_later = due + timedelta(days=900)
    assert count_missed(due, much_later, interval_seconds=None, cron="* * * * *", zone=UTC) == 1000


@pytest.mark.parametrize(
    "cron",
    ["", "often", "* * * *", "* * * * * *", "61 * * * *", "@daily", "0 3 15W * *", "R 3 * * *"],
)
def test_unreadable_cron_is_refused(cron: str) -> None:
    with pytest.raises(UnreadableCron, match="five fields"):
        runs(cron, datetime(2026, 1, 1, tzinfo=UTC), 1)


@pytest.mark.parametrize("cron", ["0 3 1 * 1#2", "0 3 13 * 5L", "0 3 13 * L5"])
def test_day_of_the_month_beside_an_nth_weekday_is_refused(cron: str) -> None:
    with pytest.raises(UnreadableCron, match="name one of them"):
        runs(cron, datetime(2026, 1, 1, tzinfo=UTC), 1)


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 4,6 *"])
def test_cron_that_names_no_day_is_refused(cron: str) -> None:
    with pytest.raises(UnreadableCron, match=r"no cron expression|ever comes"):
        runs(cron, datetime(2026, 1, 1, tzinfo=UTC), 1)
