"""The commands of the ledger: `jobs`, `worker`, and what every job command does."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import django_rq
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from project.command import EXIT_REFUSED
from project.jobs.command import JobCommand
from project.jobs.models import Job, Process
from project.jobs.processes import beat, has_worker
from project.jobs.runner import run_job
from project.jobs.services import enqueue, stop_job
from project.jobs.worker import LedgerWorker
from project.refusal import Refusal
from tests.chaos import kinds  # noqa: F401 - declares the kinds here as in the workers
from tests.chaos.harness import Chaos
from tests.waiting import until

Declare = Callable[..., str]


def work(run: Any) -> dict[str, Any]:
    run.log("half-way")
    return {"rows": 3}


def jobs(*arguments: str, as_json: bool = True) -> Any:
    out = StringIO()
    call_command("jobs", *arguments, *(["--json"] if as_json else []), stdout=out)
    return json.loads(out.getvalue()) if as_json else out.getvalue()


# --- jobs -----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_jobs_are_listed_by_state_kind_and_number(declare: Declare) -> None:
    kind, other = declare(work), declare(work)
    for name in (kind, kind, other):
        enqueue(name)
    stop_job(enqueue(other))
    assert jobs("list")["total"] == 4
    assert jobs("list", "--job-kind", other)["total"] == 2
    assert [job["state"] for job in jobs("list", "--state", "cancelled")["jobs"]] == ["cancelled"]
    assert len(jobs("list", "--limit", "2")["jobs"]) == 2
    assert "2 of 4" in jobs("list", "--limit", "2", as_json=False)


@pytest.mark.django_db
def test_job_is_shown_by_the_beginning_of_its_id(declare: Declare) -> None:
    job = enqueue(declare(work), count=5)
    run_job(str(job.pk))
    shown = jobs("show", job.short_id.upper(), "--log", "--follow")
    assert (shown["id"], shown["state"], shown["result"]) == (str(job.pk), "succeeded", {"rows": 3})
    assert [line["message"] for line in shown["log"]] == ["half-way"]
    text = jobs("show", str(job.pk), "--log", as_json=False)
    for part in ("Try the ledger", "succeeded", "half-way", '"rows": 3', '"count": 5'):
        assert part in text


@pytest.mark.django_db
def test_ambiguous_unknown_and_impossible_ids_say_so(declare: Declare) -> None:
    kind = declare(work)
    for last in "12":
        Job.objects.create(pk=f"abcdef00-0000-4000-8000-00000000000{last}", kind=kind)
    for wrong, said in (
        ("abc", r"names several jobs: abcdef00-.*2 .*abcdef00-.*1 "),
        ("ffff", "No job's id begins with"),
        *((wrong, "is no job id") for wrong in ("", "xyz", "%", "a" * 37)),
    ):
        out = StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("jobs", "show", wrong, "--json", stdout=out)
        assert ended.value.code == EXIT_REFUSED, wrong
        assert re.search(said, json.loads(out.getvalue())["refused"]["message"]), wrong


@pytest.mark.django_db
def test_jobs_are_stopped_and_retried(declare: Declare) -> None:
    job = enqueue(declare(work))
    assert jobs("stop", job.short_id)["state"] == "cancelled"
    with pytest.raises(CommandError, match="has cancelled already"):
        jobs("stop", job.short_id)
    retried = jobs("retry", str(job.pk))
    assert retried["retry_of"] == str(job.pk)
    assert jobs("show", str(job.pk))["retried_as"] == [retried["id"]]
    with pytest.raises(CommandError, match="was retried as"):
        jobs("retry", str(job.pk))


# --- Job commands ---------------------------------------------------------------------------------


def command_of(kind_name: str) -> JobCommand:
    class Command(JobCommand):
        kind = kind_name

    return Command(stdout=StringIO(), stderr=StringIO())


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize("option", ["--now", None], ids=["now", "no-worker"])
def test_job_command_works_here_when_asked_or_when_nobody_else_does(
    declare: Declare, option: str | None
) -> None:
    command = command_of(declare(work))
    call_command(command, *filter(None, [option]), "--json")
    assert json.loads(command.stdout.getvalue())["rows"] == 3


@pytest.mark.django_db
def test_detached_job_command_returns_at_once(declare: Declare) -> None:
    command = command_of(declare(work))
    call_command(command, "--detach", "--json")
    assert json.loads(command.stdout.getvalue()) == {
        "job": str(Job.objects.get().pk),
        "state": "queued",
    }


@pytest.mark.django_db
def test_refused_job_ends_its_command_with_exit_code_2(declare: Declare) -> None:
    def refuse(run: Any) -> dict[str, Any]:
        raise Refusal("Expected 10 rows, got 3.", remedy="Add 7.")

    command = command_of(declare(refuse))
    with pytest.raises(SystemExit) as ended:
        call_command(command, "--now", "--json")
    assert ended.value.code == EXIT_REFUSED
    assert json.loads(command.stdout.getvalue())["refused"]["remedy"] == "Add 7."


@pytest.mark.django_db
def test_failed_job_ends_its_command_with_its_error(declare: Declare) -> None:
    def fail(run: Any) -> dict[str, Any]:
        raise ValueError("no rows")

    with pytest.raises(CommandError, match="ValueError: no rows"):
        call_command(command_of(declare(fail)), "--now")


@pytest.mark.django_db(transaction=True)
def test_ctrl_c_stops_a_job_that_works_here(declare: Declare) -> None:
    def interrupt(run: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(CommandError, match="Not followed any more"):
        call_command(command_of(declare(interrupt)), "--now")
    assert Job.objects.get().state == Job.State.CANCELLED


# --- Workers --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
def test_worker_that_is_told_to_end_leaves_its_job_to_another(tmp_path: Path) -> None:
    with Chaos(tmp_path, seed=0, workers=1) as chaos:
        sign = tmp_path / "waits"
        job = enqueue("tests.chaos_steps", chunks=8, waits_at=3, sign=str(sign))
        chaos.until(sign.exists, "the fourth step to begin")
        first = chaos.workers[0]
        job.refresh_from_db()
        works = Process.objects.filter(works_as=job.worker)
        chaos.until(works.exists, "the worker to say who works for it")
        assert [process.pid for process in works] == [str(first.pid)]
        assert Process.objects.filter(role=Process.Role.WORKER).count() == 1  # and no other
        first.send_signal(signal.SIGTERM)
        assert first.wait() == 0
        job.refresh_from_db()
        assert job.steps.count() == 4  # the one that was begun is kept
        assert (job.state, job.attempts, job.worker) == (Job.State.QUEUED, 0, "")
        chaos.wait([job])
        job.refresh_from_db()
        assert (job.state, job.fence) == (Job.State.SUCCEEDED, 2)
        assert job.steps.count() == 8


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_worker_is_known_to_be_alive_after_valkey_was_flushed(tmp_path: Path, valkey: Any) -> None:
    with Chaos(tmp_path, seed=0, workers=1) as chaos:
        chaos.until(Process.objects.alive().filter(role="worker").exists, "the worker to start")
        chaos.flush()
        before = Process.objects.get().beat_at
        chaos.until(lambda: Process.objects.get().beat_at > before, "the next beat")
        chaos.until(lambda: valkey.smembers("rq:workers"), "RQ to know the worker again")
        chaos.workers[0].send_signal(signal.SIGTERM)
        chaos.workers[0].wait()
    assert not Process.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
def test_worker_that_is_told_to_end_in_the_middle_of_a_statement_signs_off() -> None:
    worker = django_rq.get_worker(
        "default", worker_class=LedgerWorker, serializer="rq.serializers.JSONSerializer"
    )
    worker.register_birth()
    beat(Process.Role.WORKER)
    assert has_worker()
    # As a signal leaves it: the statement is sent, and its result never read.
    connection.connection.pgconn.send_query(b"SELECT 1")
    worker.teardown()
    assert not Process.objects.exists()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_scheduler_shows_that_it_lives_and_ends_when_told() -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
        "SEEDBED_CHAOS_DATABASE": connection.settings_dict["NAME"],
    }
    with subprocess.Popen(
        [sys.executable, "manage.py", "scheduler", "--json"],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        until(Process.objects.alive().filter(role=Process.Role.SCHEDULER).exists)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate()
    assert process.returncode == 0
    assert json.loads(out)["ticks"] >= 1
    assert not Process.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
def test_scheduler_lives_on_where_the_look_for_uploads_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    looks = []

    def fail() -> None:
        looks.append(1)
        if len(looks) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        raise OperationalError("gone")

    monkeypatch.setattr("project.jobs.management.commands.scheduler.SWEEP_TICKS", 1)
    monkeypatch.setattr("project.jobs.management.commands.scheduler.sweep_uploads", fail)
    monkeypatch.setattr("project.jobs.management.commands.scheduler._restart_servers", int)
    monkeypatch.setattr("project.jobs.management.commands.scheduler.close_old_connections", int)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        call_command("scheduler", "--json")
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert len(looks) >= 2
    assert "ticks" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
def test_follower_of_a_dead_workers_job_takes_it_over(declare: Declare) -> None:
    command = command_of(declare(work))
    beat(Process.Role.WORKER)  # somebody is alive at first, and falls silent
    Process.objects.update(beat_at="2020-01-01T00:00:00Z")
    call_command(command, "--json")
    assert json.loads(command.stdout.getvalue())["rows"] == 3
