"""One clock: that of the database, whatever the machine's own shows."""

import ast
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from project import clock
from project.jobs.models import Job, Process, Schedule
from project.jobs.processes import beat, clocks_off
from project.jobs.reconciler import tick
from tests.factories import make_admin

ROOMS = ("project", "matching", "feedback", "training", "serving", "overview")
# Where the machine's own clock is meant: it is measured, or compared with times of its files.
OWN = {
    ("project/clock.py", "datetime.now"),
    ("project/storage/staging.py", "time.time"),
    ("matching/queries/directory.py", "time.time"),
}
TELLS = (
    *("timezone.now", "timezone.localdate", "datetime.now", "datetime.utcnow"),
    *("date.today", "time.time"),
)


class Astray(datetime):
    """The clock of a machine that is wrong."""

    by = timedelta(0)

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.now(tz) + cls.by


@pytest.fixture
def astray(db: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what puts this machine's clock wrong, by so much."""

    def put(by: timedelta) -> None:
        monkeypatch.setattr(Astray, "by", by)
        clock.measure()

    monkeypatch.setattr(clock, "datetime", Astray)
    yield put
    monkeypatch.undo()
    clock.measure()


def time_of_the_database() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        told: datetime = cursor.fetchone()[0]
    return told


OFF = [timedelta(hours=2), timedelta(hours=-2), timedelta(days=-400), timedelta(0)]


@pytest.mark.parametrize("by", OFF)
def test_the_time_is_that_of_the_database(astray: Any, by: timedelta) -> None:
    astray(by)
    before = time_of_the_database()
    told = clock.now()
    after = time_of_the_database()
    # Measuring is exact to half of the time that asking takes.
    assert before - timedelta(minutes=1) < told < after + timedelta(minutes=1)
    assert abs(clock.ahead() - by.total_seconds()) < 60


@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize("by", OFF)
def test_a_scheduler_whose_clock_is_wrong_misses_nothing_and_runs_nothing_twice(
    astray: Any, declare: Any, by: timedelta
) -> None:
    kind = declare(lambda run: {})
    started = datetime.now(UTC) - timedelta(seconds=30)
    schedule = Schedule.objects.create(
        name="each hour",
        kind=kind,
        interval_seconds=3600,
        next_run_at=started,
        owner=make_admin(),
    )
    astray(by)
    assert tick().scheduled == 1
    schedule.refresh_from_db()
    assert schedule.missed_runs == 0
    assert schedule.next_run_at == started + timedelta(hours=1)
    Job.objects.update(state=Job.State.SUCCEEDED)
    assert tick().scheduled == 0


def test_a_host_whose_clock_is_off_is_named(astray: Any, capsys: Any) -> None:
    beat(Process.Role.SCHEDULER)
    assert clocks_off() == {}
    astray(timedelta(hours=2))
    beat(Process.Role.SCHEDULER)
    ((host, ahead),) = clocks_off().items()
    assert Process.objects.get().host == host
    assert 7_190 < ahead < 7_210
    call_command("status")
    assert "2 h ahead of the database's" in " ".join(capsys.readouterr().out.split())


def told_by_the_machine(code: str) -> list[str]:
    """Return what in a module reads the machine's own clock."""
    return [
        found
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Attribute)
        and (found := ast.unparse(node)).removeprefix("dt.") in TELLS
    ]


def test_nothing_asks_the_machine_for_the_time() -> None:
    found = {
        (str(file.relative_to(settings.BASE_DIR)), told)
        for room in ROOMS
        for file in (settings.BASE_DIR / room).rglob("*.py")
        if "migrations" not in file.parts
        for told in told_by_the_machine(file.read_text())
    }
    # `localdate` of a moment that is given asks no clock.
    given = {place for place in found if place[1] == "timezone.localdate"}
    assert found - given == OWN
    for place, _ in given:
        assert "timezone.localdate()" not in (settings.BASE_DIR / place).read_text()


@pytest.mark.parametrize(
    "code", ["timezone.now()", "x = time.time() - 3", "f(default=timezone.now)"]
)
def test_a_planted_one_is_found(code: str) -> None:
    assert told_by_the_machine(code)
