"""The schedule of the collection: hourly, never twice at once, missed hours become one run."""

from datetime import timedelta

import pytest
from django.core.management.base import CommandError
from django.utils import timezone

from feedback.models import FeedbackSource
from project.jobs.models import Job, Schedule
from project.jobs.reconciler import tick
from tests.factories import make_admin
from tests.feedback.test_commands import run


def test_auto_collect_is_hourly_and_can_be_switched(db):
    assert run("auto_collect", "status") == (0, {"enabled": False})
    code, refused = run("auto_collect", "on")
    assert (code, "createsuperuser" in refused["refused"]["remedy"]) == (2, True)
    owner = make_admin()
    _, on = run("auto_collect", "on")
    assert on["interval_seconds"] == 3600
    assert run("auto_collect", "on", "--minutes", "30")[1]["interval_seconds"] == 1800
    with pytest.raises(CommandError, match="from 1 to 527,040"):  # a year, as of every schedule
        run("auto_collect", "on", "--minutes", "9999999")
    assert run("auto_collect", "on")[1]["interval_seconds"] == 1800
    assert run("auto_collect", "off")[1] == {"enabled": False}
    assert Schedule.objects.get().owner == owner
    make_admin()
    code, refused = run("auto_collect", "on")
    assert (code, "more than one" in refused["refused"]["message"]) == (2, True)
    run("auto_collect", "on", "--owner", owner.username)
    assert Schedule.objects.get().is_enabled


def test_missed_hours_collapse_into_one_run_and_two_never_run_at_once(db):
    make_admin()
    run("auto_collect", "on")
    Schedule.objects.update(next_run_at=timezone.now() - timedelta(hours=5, minutes=1))
    assert tick().scheduled == 1
    schedule = Schedule.objects.get()
    assert schedule.missed_runs == 5
    assert schedule.next_run_at > timezone.now()
    Schedule.objects.update(next_run_at=timezone.now() - timedelta(minutes=1))
    assert tick().scheduled == 0  # the first is still queued
    assert Job.objects.filter(kind="feedback.collect_feedback").count() == 1
    assert not FeedbackSource.objects.exists()
