"""Takes away what the API stands on while it is asked, and looks at every single answer."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from project.embedded.postgres import Postgres
from project.embedded.server import pid_in
from project.embedded.valkey import Valkey
from tests.project.test_serve import free_port
from tests.waiting import until

# So long a server is away; `make chaos` waits as long as an operator would need.
AWAY_SECONDS = 10.0 if "SEEDBED_CHAOS_KILLS" in os.environ else 2.0
KNOWN = {"pairs": [{"left": "person_0", "right": "person_1"}]}
STRANGER = {"pairs": [{"left": "person_0", "right": "who_knows"}]}
RANK = {"left": "person_0", "count": 5}
QUESTIONS = {"known": KNOWN, "stranger": STRANGER, "rank": RANK}
AWAY, BROKEN = "The database does not answer", "goes on answering"

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.xdist_group("chaos of serving"),
]


class Installation:
    """A web server and what it stands on, in a folder of their own, and an application that asks
    it without a pause."""

    def __init__(self, var: Path) -> None:
        self.var, self.port = var, free_port()
        self.answers: list[tuple[str, int, dict[str, Any], str]] = []
        self._environment = {
            **os.environ,
            "SEEDBED_VAR": str(var),
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "OMP_NUM_THREADS": "1",
        }
        self._ended = threading.Event()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._threads = [threading.Thread(target=self._load, args=[name]) for name in QUESTIONS]
        self.token, self.champion = "", Path()

    def __enter__(self) -> "Installation":
        told = json.loads(self.run("-m", "tests.chaos.prepared"))
        self.token, self.champion = told["token"], Path(told["file"])
        # Without a scheduler, which would start at once what is taken away here.
        self._start("manage.py", "directory")
        self._start("-m", "project.web", "--port", str(self.port), "--processes", "2")
        until(lambda: self.ready().get("index") == "ok")
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        for process in self._processes:
            process.terminate()
            process.wait()

    def run(self, *words: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run a program to its end and return what it says."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=settings.BASE_DIR,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in codes, done.stderr
        return done.stdout

    def _start(self, *words: str) -> None:
        with (self.var / f"{words[1]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=settings.BASE_DIR,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)

    # --- Asking ----------------------------------------------------------------------------------

    def ask(self, what: str) -> tuple[int, dict[str, Any], str]:
        """Return status, body and when to come again."""
        path = "match/rank" if what == "rank" else "match/score"
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Connection": "close",
        }
        with contextlib.closing(connection):
            connection.request("POST", f"/api/v1/{path}", json.dumps(QUESTIONS[what]), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.getheader("Retry-After") or ""

    def ready(self) -> dict[str, Any]:
        """Return what the server says of what it stands on; nothing while it does not listen."""
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            with contextlib.closing(connection):
                connection.request("GET", "/readyz")
                told: dict[str, Any] = json.loads(connection.getresponse().read())
                return told
        return {}

    def _load(self, what: str) -> None:
        while not self._ended.is_set():
            try:
                self.answers.append((what, *self.ask(what)))
            except (OSError, http.client.HTTPException) as error:
                self.answers.append((what, 0, {"error": repr(error)}, ""))

    def taken(self) -> list[tuple[str, int, dict[str, Any], str]]:
        """Return the answers since the last time."""
        taken, self.answers = self.answers, []
        return taken

    @contextlib.contextmanager
    def without(self, pid_file: Path) -> Iterator[None]:
        """Kill a server, and have it away for a while."""
        pid = pid_in(pid_file)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{pid}").exists())
        gone_at = time.monotonic()
        yield
        until(lambda: time.monotonic() - gone_at > AWAY_SECONDS)
        self.run("manage.py", "services", "start")

    def watch(self) -> dict[str, Any]:
        """Let the watch look at what is answered."""
        said = self.run(
            "manage.py", "monitor_scores", "--json", codes=(0, 2)
        )  # 2: an alarm is open
        told: dict[str, Any] = json.loads(said)
        return told


def told_of(answer: dict[str, Any]) -> list[tuple[str, float, int | None]]:
    rows = answer.get("scores") or answer["best"]
    return [(row.get("right", ""), row["score"], row["model_version"]) for row in rows]


@pytest.fixture
def installation(fresh_var: Path) -> Iterator[Installation]:
    with Installation(fresh_var) as installation:
        yield installation


def test_no_answer_is_wrong_or_unexplained_whatever_is_taken_away(
    installation: Installation,
) -> None:
    right = {what: told_of(installation.ask(what)[1]) for what in ("known", "rank")}
    assert right["known"][0][2] == 1
    assert len(right["rank"]) == RANK["count"]
    seen: Counter[tuple[str, str, int, bool]] = Counter()

    def judge(phase: str) -> None:
        """Hold all answers since the last time to what is right."""
        for what, status, body, again in installation.taken():
            warning = body.get("warning", "")
            seen[phase, what, status, bool(warning)] += 1
            if status == 200 and what == "stranger":
                assert "no seed user" in body["scores"][0]["problem"]["detail"], (phase, body)
            elif status == 200:
                assert told_of(body) == right[what], (phase, body)
            else:
                assert (status, bool(again)) == (503, True), (phase, what, status, body)
                assert body["detail"], (phase, what, body)

    def whole_again() -> bool:
        answers = [installation.ask(what) for what in QUESTIONS for _ in range(4)]
        return all(status == 200 and not body["warning"] for status, body, _ in answers)

    def said(words: str) -> Callable[[], bool]:
        # Each of the two processes looks for itself.
        return lambda: all(words in installation.ask("known")[1]["warning"] for _ in range(8))

    judge("before")
    with installation.without(Valkey(installation.var).pid_file):
        until(lambda: installation.ready()["valkey"] != "ok")
    until(lambda: installation.ready()["valkey"] == "ok")
    judge("without Valkey")

    with installation.without(Postgres(installation.var).pid_file):
        until(said(AWAY))
        assert installation.ready()["database"] != "ok"
        assert installation.ask("stranger")[0] == 503
    until(whole_again)
    judge("without PostgreSQL")

    artefact = installation.champion
    kept = artefact.read_bytes()
    artefact.chmod(0o600)
    assert installation.watch()["opened"] == []
    flipped = bytearray(kept)
    flipped[len(flipped) // 2] ^= 1
    for harm in (lambda: artefact.write_bytes(flipped), artefact.unlink):
        harm()
        until(said(BROKEN))
        assert len(installation.watch()["opened"]) == 1
        assert installation.watch()["opened"] == []
        artefact.write_bytes(kept)
        until(whole_again)
        assert len(installation.watch()["closed"]) == 1
    judge("with a broken champion")

    assert seen["without Valkey", "known", 200, False]
    assert seen["without PostgreSQL", "known", 200, True]
    assert seen["without PostgreSQL", "rank", 200, True]
    assert seen["without PostgreSQL", "stranger", 503, False]
    assert seen["with a broken champion", "rank", 200, True]
    assert not any(status == 503 for phase, _, status, _ in seen if "PostgreSQL" not in phase)
