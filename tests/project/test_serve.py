"""`manage.py serve`: up when it says so, up again after a death, and gone when it is stopped."""

import contextlib
import http.client
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings

from project import web
from project.management.commands import serve
from project.middleware import CONTENT_SECURITY_POLICY
from tests.waiting import until

pytestmark = [
    pytest.mark.usefixtures("servers"),
    pytest.mark.slow,
    pytest.mark.xdist_group("serve"),  # they share the database and the ports of `serve`
]

# Below those that the system hands out by itself, so that nobody is given one between two looks.
PORTS = range(20_000, 30_000)


def free_port() -> int:
    while True:
        port = random.choice(PORTS)  # noqa: S311 - no secret
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def children_of(pid: int) -> dict[str, int]:
    """Return the process ids of the children, by the last word of their command."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            told = (entry / "stat").read_text().rpartition(")")[2].split()
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            if int(told[1]) == pid and told[0] != "Z" and len(words) > 1:
                found[words[-2]] = int(entry.name)
    return found


def web_processes(parent: int) -> set[int]:
    """Return the processes of a web server that answer; others keep account of memory."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            told = (entry / "stat").read_text().rpartition(")")[2].split()
            words = (entry / "cmdline").read_bytes()
            if int(told[1]) == parent and told[0] != "Z" and b"tracker" not in words:
                found.add(int(entry.name))
    return found


@pytest.fixture
def port() -> int:
    """Give a port that nothing uses."""
    return free_port()


@contextlib.contextmanager
def serving(port: int) -> Iterator[subprocess.Popen[str]]:
    """Run `serve`, which has said where it is."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", str(port), "--json"],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            address = json.loads(process.stdout.readline())["address"]
            assert address == f"http://127.0.0.1:{port}/admin/"
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.fixture
def server(port: int) -> Iterator[subprocess.Popen[str]]:
    """Give a running `serve` of one's own."""
    with serving(port) as process:
        yield process


@pytest.fixture(scope="module")
def standing(servers: None) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Give a running `serve` that tests only ask, and its port."""
    port = free_port()
    with serving(port) as process:
        yield process, port


def get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


def test_serves_restarts_what_dies_and_ends_whole(server: subprocess.Popen[str], port: int) -> None:
    assert get(port, "/admin/login/") == 200
    assert get(port, "/static/seedbed/theme.css") == 200
    assert get(port, "/static/admin/css/base.css") == 200
    # With the address said, the web server runs; the others may still be starting.
    until(
        lambda: (
            {"scheduler", "worker", "directory", "--processes=2"} <= set(children_of(server.pid))
        )
    )
    worker = children_of(server.pid)["worker"]
    os.kill(worker, signal.SIGKILL)
    until(lambda: children_of(server.pid).get("worker", worker) != worker)
    # A process of the web server dies alone; and without its parent none holds the port.
    parent = children_of(server.pid)["--processes=2"]
    answering = web_processes(parent)
    os.kill(min(answering), signal.SIGKILL)
    until(lambda: len(web_processes(parent) - {min(answering)}) == 2)
    assert get(port, "/healthz") == 200
    orphans = web_processes(parent)
    os.kill(parent, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans))
    until(lambda: children_of(server.pid).get("--processes=2", parent) != parent)
    until(lambda: reachable(port))
    assert get(port, "/healthz") == 200

    pids = children_of(server.pid).values()
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 0
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    assert server.stdout is not None
    assert json.loads(server.stdout.read())["restarts"]["worker 1"] == 1


def test_the_web_server_ends_while_its_processes_begin(port: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "project.web", "--port", str(port)],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            while "Spawning worker-2" not in process.stdout.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            until(lambda: process.poll() is not None, awaited="the end of the web server")
        finally:
            process.kill()
    assert process.returncode == 0


@pytest.mark.django_db
def test_port_in_use_is_said_before_anything_starts(port: int) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()
        with pytest.raises(CommandError, match="another with --port"):
            call_command("serve", port=port)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("host", "number"), [("127.0.0.1", 70_000), ("no.such.host.invalid", 8000)]
)
def test_address_that_cannot_be_listened_on_is_an_error(host: str, number: int) -> None:
    with pytest.raises(CommandError, match="Cannot listen"):
        call_command("serve", host=host, port=number)


def run_to_death(child: serve._Child) -> str:
    child.start()
    assert child.process is not None
    child.process.wait()
    return child.tend()


def test_process_that_keeps_dying_young_is_tried_again_at_growing_intervals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serve, "SETTLED_SECONDS", 3600.0)
    child = serve._Child("worker 1", [sys.executable, "-c", "raise SystemExit(3)"])
    told = [run_to_death(child) for _ in range(9)]
    pauses = [int(said.rpartition(" in ")[2].removesuffix(" s.")) for said in told]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert "exit code 3, 9 times in a row" in child.ailment


def test_what_dies_as_soon_as_it_starts_ends_nothing_else_and_is_told(
    servers: None, port: int, tmp_path: Path
) -> None:
    """The worker cannot live; the pages are there all the same, and say so."""
    site = tmp_path / "sitecustomize.py"
    site.write_text("import os, sys\nif sys.argv[-1:] == ['worker']:\n    os._exit(7)\n")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "PYTHONPATH": str(tmp_path),
    }
    with subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", str(port), "--json"],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            deaths = 0
            while deaths < 4:
                deaths += "worker 1 ended with exit code 7" in process.stderr.readline()
            until(lambda: reachable(port))  # the worker may have died so often before
            assert get(port, "/admin/login/") == 200
            told = subprocess.run(
                [sys.executable, "manage.py", "status", "--json"],
                cwd=settings.BASE_DIR,
                env={**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings"},
                capture_output=True,
                check=True,
            )
            (ailment,) = json.loads(told.stdout)["ailments"]
            assert "exit code 7" in ailment
            assert "soon after its start" in ailment
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


def test_process_that_lived_long_is_always_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "SETTLED_SECONDS", 0.0)
    child = serve._Child("web", [sys.executable, "-c", "pass"])
    for _ in range(serve.QUICK_DEATHS + 2):
        assert "it is started again" in run_to_death(child)


def test_in_production_only_the_trusted_proxy_may_say_that_a_visitor_came_by_https(
    port: int,
) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "SEEDBED_ENV": "production",
        "SEEDBED_ALLOWED_HOSTS": "127.0.0.1",
        **{
            f"SEEDBED_{name}_KEY": secrets.token_urlsafe(48)
            for name in ("SECRET", "ARTIFACT", "FIELD")
        },
    }

    def answer(trusted: str) -> int:
        with override_settings(TRUSTED_PROXY=trusted):
            commands = serve._commands(host="127.0.0.1", port=port, workers=1, processes=1)
        with subprocess.Popen(
            commands["web server"],
            env={**environment, "SEEDBED_TRUSTED_PROXY": trusted},
            cwd=settings.BASE_DIR,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                until(lambda: reachable(port))
                connection = http.client.HTTPConnection("127.0.0.1", port)
                with contextlib.closing(connection):
                    headers = {"X-Forwarded-Proto": "https"}
                    connection.request("GET", "/admin/login/", headers=headers)
                    with connection.getresponse() as response:
                        return response.status
            finally:
                process.terminate()

    assert answer("127.0.0.1") == 200
    assert answer("192.0.2.1") == 301


def reachable(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


# What is refused before any page looks at it.
REFUSED = {
    413: b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n",
    431: b"GET /admin/ HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a" * 300_000 + b"\r\n\r\n",
}
# What is no request of HTTP; no browser sends it.
GARBLED = (
    b"GET /admin/ HTTP/1.1\r\nHost : localhost\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
)


def answer_of(port: int, request: bytes) -> http.client.HTTPResponse:
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(request)
        answer = http.client.HTTPResponse(line)
        answer.begin()
        answer.body = answer.read().decode()  # type: ignore[attr-defined]
        return answer


@pytest.mark.parametrize("status", REFUSED)
def test_what_is_too_large_is_a_page_with_words_and_a_way_back(
    standing: "tuple[subprocess.Popen[str], int]", status: int
) -> None:
    """A body that is too large by its headers too, or all of it would be laid down first."""
    _, port = standing
    answer = answer_of(port, REFUSED[status])
    assert answer.status == status
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert 'class="sb-lost"' in answer.body
    assert ">Home</a>" in answer.body


def test_an_address_is_decoded_once(standing: "tuple[subprocess.Popen[str], int]") -> None:
    _, port = standing
    for path in ("/admin/login/", "/admin%2Flogin/", "/%61dmin/login/"):
        assert get(port, path) == 200, path
    assert get(port, "/%2561dmin/login/") == 404


def test_what_is_no_request_is_refused(standing: "tuple[subprocess.Popen[str], int]") -> None:
    _, port = standing
    for request in GARBLED:
        assert answer_of(port, request).status == 400, request
    assert get(port, "/healthz") == 200


@contextlib.contextmanager
def half_sent(port: int, path: str, count: int) -> Iterator[None]:
    """Begin forms and send no more of them; then break them off."""
    with contextlib.ExitStack() as lines:
        for _ in range(count):
            line = lines.enter_context(socket.create_connection(("127.0.0.1", port)))
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\na="
            line.sendall(head.encode())
        yield


def test_who_sends_half_a_form_keeps_nobody_waiting(
    standing: "tuple[subprocess.Popen[str], int]",
) -> None:
    server, port = standing
    until(lambda: "--processes=2" in children_of(server.pid))
    parent = children_of(server.pid)["--processes=2"]
    until(lambda: len(web_processes(parent)) == 2)
    answering = web_processes(parent)
    for path in ("/admin/login/", "/api/v1/match/score"):
        for _ in range(3):
            with half_sent(port, path, 40):
                assert get(port, "/admin/login/") == 200
            assert get(port, "/healthz") == 200
    assert web_processes(parent) == answering, "what was broken off ends no process"


def seen(environ: dict[str, str], trusted: str = "10.0.0.1") -> dict[str, str]:
    """Return what an application is told, behind a proxy."""
    told: dict[str, str] = {}

    def application(environ: dict[str, str], start_response: object) -> list[bytes]:
        told.update(environ)
        return []

    list(web.behind_proxy(application, trusted)({**environ}, lambda *_: None))
    return told


def test_only_the_trusted_proxy_says_where_a_visitor_came_from() -> None:
    said = {
        "HTTP_X_FORWARDED_FOR": "1.1.1.1, 192.0.2.7",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_FORWARDED": "for=1.1.1.1",
        "HTTP_ACCEPT": "*/*",
    }
    from_proxy = seen({"REMOTE_ADDR": "10.0.0.1", **said})
    assert from_proxy["REMOTE_ADDR"] == "192.0.2.7"  # the others anybody may have written
    assert from_proxy["HTTP_X_FORWARDED_PROTO"] == "https"
    from_elsewhere = seen({"REMOTE_ADDR": "192.0.2.9", **said})
    assert from_elsewhere == {"REMOTE_ADDR": "192.0.2.9", "HTTP_ACCEPT": "*/*"}
    for poison in ("", "nobody", "1.2.3.4.5", "<b>", "1.1.1.1, "):
        told = seen({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": poison})
        assert told["REMOTE_ADDR"] == "10.0.0.1"
    assert "HTTP_X_FORWARDED_PROTO" not in seen({"REMOTE_ADDR": "10.0.0.1", **said}, trusted="")
