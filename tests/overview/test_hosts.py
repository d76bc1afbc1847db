"""Three hosts share PostgreSQL, Valkey and a bucket, and no folder: each does everything.

A host is a folder of its own with a worker, a web server and a directory of its own; all that it
is told of the others stands in the environment.
"""

import contextlib
import hashlib
import http.cookiejar
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from psycopg import sql

from project import embedded
from tests import s3
from tests.project.test_serve import free_port
from tests.waiting import until

DATABASE = "test_three_hosts"
PASSWORD = secrets.token_urlsafe(16)
EVENTS = 80_000  # a generation of many chunks: long enough to be in the middle of
# Runs command lines in one process, as a person at a host would one after the other.
PROGRAM = """
import io, json, sys
import django
django.setup()
from django.core.management import call_command
for line in json.loads(sys.argv[1]):
    out, code = io.StringIO(), 0
    try:
        call_command(*line, stdout=out)
    except SystemExit as end:
        code = end.code or 0
    print(json.dumps([code, out.getvalue()]))
"""


class Host:
    """What one host has of its own: a folder, processes and a port."""

    def __init__(self, var: Path, shared: dict[str, str]) -> None:
        self.var, self.port = var, free_port()
        var.mkdir()
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SEEDBED_", "DJANGO_", "PYTEST_", "AWS_"))
        }
        self.environment = {**inherited, **shared, "SEEDBED_VAR": str(var)}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str) -> None:
        with (self.var / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *command],
                cwd=settings.BASE_DIR,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_all(self) -> None:
        web = ("-m", "project.web", "--host=127.0.0.1", f"--port={self.port}", "--processes=1")
        self.start("worker", "manage.py", "worker")
        self.start("web", *web)
        self.start("directory", "manage.py", "directory")

    def run(self, *lines: str) -> list[Any]:
        """Run command lines at this host; returns the JSON of each, which has to end with 0."""
        asked = json.dumps([[*line.split(), "--json"] for line in lines])
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, asked],
            cwd=settings.BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert not [text for code, text in told if code], done.stderr
        return [json.loads(text) for _, text in told]

    def open(self, path: str, body: Any = None, **headers: str) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data=data, headers=headers
        )
        with urllib.request.urlopen(asked) as answer:  # noqa: S310 - a port of our own
            return bytes(answer.read())

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.open("/healthz"))
        return False

    def is_of(self, pid: int) -> bool:
        """Whether a process is the worker of this host, or what that forked for a job."""
        worker = self.processes["worker"].pid
        with contextlib.suppress(OSError):
            parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
            return worker in (pid, int(parent))
        return False

    def kill(self, *others: int) -> None:
        """Have the power cut: nothing of the host says goodbye."""
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for pid in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self.processes.values():
            process.wait()
        self.processes.clear()

    def said(self) -> str:
        """Return all that the processes of this host have written."""
        return "".join(path.read_text(errors="replace") for path in self.var.glob("*.log"))


@pytest.fixture
def database(transactional_db: None) -> Iterator[psycopg.Connection[Any]]:
    """Give a database of the hosts' own, migrated as the tests' one is."""
    at = connection.settings_dict
    place = {"host": at["HOST"], "port": at["PORT"], "user": at["USER"]}
    connection.close()
    with psycopg.connect(**place, dbname="postgres", autocommit=True) as admin:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(DATABASE))
        admin.execute(drop)
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(DATABASE), sql.Identifier(at["NAME"])
            )
        )
        try:
            with psycopg.connect(**place, dbname=DATABASE, autocommit=True) as opened:
                yield opened
        finally:
            admin.execute(drop)


@pytest.fixture
def hosts(
    database: psycopg.Connection[Any], fresh_var: Path, tmp_path: Path
) -> Iterator[list[Host]]:
    """Give three hosts that run, and a scheduler at two of them."""
    embedded.ensure_valkey(fresh_var)
    at = connection.settings_dict
    with s3.running() as server:
        server.make_bucket("three")
        shared = {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "SEEDBED_ENV": "development",
            "DATABASE_URL": f"postgres://{at['USER']}@/{DATABASE}?"
            + urllib.parse.urlencode({"host": at["HOST"], "port": at["PORT"]}),
            "REDIS_URL": embedded.valkey_location(fresh_var),
            "SEEDBED_STORE_URL": server.url("three"),
            "SEEDBED_JOB_LEASE_SECONDS": "5",
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
            **{
                f"SEEDBED_{name}_KEY": secrets.token_urlsafe(48)
                for name in ("SECRET", "ARTIFACT", "FIELD")
            },
            **s3.KEYS,
        }
        found = [Host(tmp_path / name, shared) for name in ("one", "two", "three")]
        try:
            for host in found:
                host.start_all()
            for host in found[:2]:
                host.start("scheduler", "manage.py", "scheduler")
            for host in found:
                until(host.is_ready)
            yield found
        finally:
            for host in found:
                host.kill()


def log_of(number: int) -> str:
    """Return a log of real events, another one for each host."""
    names = ("ageScore", "interestScore", "budgetScore", "distanceScore")
    lines = [
        {
            "matchType": "user_user",
            "userId": f"u{number}_{row % 40}",
            "targetId": f"u{number}_{row % 37}",
            "features": {name: (row * place % 97) / 97 for place, name in enumerate(names, 1)},
            "outcome": "accept" if row % 3 else "ignore",
            "timestamp": 1_700_000_000_000 + row * 60_000,
            "source": "real",
        }
        for row in range(300)
    ]
    return "".join(f"{json.dumps(line)}\n" for line in lines)


class Browser:
    """Somebody who signs in at one host; the session holds at all of them."""

    def __init__(self) -> None:
        jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def open(self, host: Host, path: str, form: dict[str, str] | None = None) -> bytes:
        data = None if form is None else urllib.parse.urlencode(form).encode()
        with self._opener.open(f"http://127.0.0.1:{host.port}{path}", data) as answer:
            return bytes(answer.read())

    def sign_in(self, host: Host) -> None:
        page = self.open(host, "/admin/login/").decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token is not None
        self.open(
            host,
            "/admin/login/",
            {
                "csrfmiddlewaretoken": token[1],
                "username": "ada",
                "password": PASSWORD,
                "next": "/admin/",
            },
        )


@pytest.mark.slow
@pytest.mark.xdist_group("serve")  # it starts as many processes as that one
def test_three_hosts_without_a_shared_folder_do_everything_and_one_may_die(
    hosts: list[Host], database: psycopg.Connection[Any], tmp_path: Path
) -> None:
    one, two, three = hosts
    _, _, built, key = first_steps(one)
    assert built["promotion"]["version"] == 1

    # Each does what the first one did.
    for number, host in enumerate(hosts):
        log, out = tmp_path / f"{number}.jsonl", tmp_path / f"out{number}"
        log.write_text(log_of(number))
        imported, collected, exported, _, status = host.run(
            f"import_events {log}",
            "collect_feedback",
            f"export_events --batch 1 --output {tmp_path / f'batch{number}.jsonl'}",
            f"models export 1 --output {out}",
            "status",
        )
        assert imported
        assert collected
        assert exported["events"] == 1200
        assert len(list(out.iterdir())) == 3
        assert status["store"]["problem"] == ""
    logs = {(tmp_path / f"batch{number}.jsonl").read_bytes() for number in range(3)}
    models = {
        tuple(sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir()))
        for out in (tmp_path / f"out{number}" for number in range(3))
    }
    assert (len(logs), len(models)) == (1, 1)
    again = [host.run("rebuild --count 500")[0] for host in (two, three)]
    assert [told["model"]["version"] for told in again] == [2, 3]

    # One of them dies in the middle of a job; the others end it, and not an event is lost.
    generate = f"generate_events --count {EVENTS} --allow-repeats --detach"
    jobs = [two.run(generate)[0]["job"]]

    def worker_in_the_middle() -> int:
        state, worker, steps = row(
            database,
            "SELECT state, worker, (SELECT count(*) FROM jobs_jobstep WHERE job_id = job.id) "
            "FROM jobs_job job WHERE id = %s",
            jobs[-1],
        )
        if state == "succeeded":  # it was over between two looks: another one
            jobs.append(two.run(generate)[0]["job"])
            return 0
        assert state in ("queued", "running")
        return int(worker.rpartition(":")[2]) if state == "running" and steps > 1 else 0

    pid = until(worker_in_the_middle)
    job = jobs[-1]
    (dying,) = [host for host in hosts if host.is_of(pid)]
    dying.kill(pid)
    living = [host for host in hosts if host is not dying]
    if not any("scheduler" in host.processes for host in living):
        living[0].start("scheduler", "manage.py", "scheduler")
    until(lambda: row(database, "SELECT state FROM jobs_job WHERE id = %s", job)[0] != "running")
    until(lambda: row(database, "SELECT state FROM jobs_job WHERE id = %s", job)[0] != "queued")
    until(lambda: row(database, "SELECT state FROM jobs_job WHERE id = %s", job)[0] == "succeeded")
    made, batch = row(database, "SELECT made, id FROM matching_eventbatch ORDER BY id DESC LIMIT 1")
    assert made == EVENTS
    between = (batch << 32, (batch + 1) << 32)
    counted = row(
        database,
        "SELECT count(*) FROM matching_matchevent WHERE id >= %s AND id < %s",
        *between,
    )
    assert counted == (EVENTS,)

    # Those that are left serve: scores by their own directories, files out of the bucket.
    pairs = {"pairs": [{"left": one["left"], "right": one["right"]} for one in built["scores"][:5]]}
    browser = Browser()
    browser.sign_in(living[0])
    answers, archives = [], []
    for host in living:
        token = {"Authorization": f"Bearer {key['token']}", "Content-Type": "application/json"}
        answer = json.loads(host.open("/api/v1/match/score", pairs, **token))
        assert answer["warning"] == ""
        assert {score["served_by"] for score in answer["scores"]} == {"model"}
        answers.append([score["score"] for score in answer["scores"]])
        until(lambda host=host: b"\nseedbed_index_age_seconds " in host.open("/metrics"))
        archives.append(browser.open(host, "/admin/training/dataset/1/files.zip"))
        assert not (host.var / "artifacts").exists()
    assert answers[0] == answers[1]
    assert archives[0] == archives[1]
    with zipfile.ZipFile(BytesIO(archives[0])) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 6
    for host in hosts:
        assert s3.SECRET_KEY not in host.said()


def first_steps(host: Host) -> list[Any]:
    """Make an account, people and a champion, and a key of an application."""
    subprocess.run(
        [
            *(sys.executable, "manage.py", "createsuperuser", "--noinput"),
            *("--username=ada", "--email=ada@example.org"),
        ],
        cwd=settings.BASE_DIR,
        env=host.environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return host.run(
        "seed_users --count 200",
        "create_sessions",
        "rebuild --count 1200",
        "api_keys make shop --scope score",
    )


def row(database: psycopg.Connection[Any], statement: str, *values: Any) -> tuple[Any, ...]:
    found = database.execute(statement, values).fetchone()  # type: ignore[arg-type]
    assert found is not None
    return tuple(found)
