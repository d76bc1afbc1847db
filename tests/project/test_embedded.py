"""The embedded servers: started once, found again, and back after every kind of death."""

import importlib.util
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.core.management import CommandError, call_command
from pytest_django import Settings

from project import bootstrap, embedded
from project.embedded.postgres import MAKING_MARK, MAKING_PREFIX, SETTINGS, Postgres
from project.embedded.server import command_line
from project.management.commands.serve import MOST_WORKERS
from project.web import MOST_PROCESSES, QUICK_THREADS, THREADS
from tests.waiting import until, until_removed

BASE = Path(embedded.__file__).resolve().parent.parent.parent
NOBODY = 65534
ENSURE = """
import sys
from pathlib import Path
from project import embedded
var = Path(sys.argv[1])
embedded.ensure_postgres(var)
embedded.ensure_valkey(var)
print(embedded.postgres_location(var), embedded.valkey_location(var))
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@pytest.fixture
def open_var() -> Iterator[Path]:
    """Give a var folder that other users can enter, which pytest's own are not."""
    parent = Path(tempfile.mkdtemp(prefix="seedbed-test-"))
    parent.chmod(0o755)
    yield parent / "var"
    embedded.stop(parent / "var")
    shutil.rmtree(parent)


def connect(var: Path) -> psycopg.Connection[Any]:
    place = embedded.postgres_location(var)
    return psycopg.connect(
        host=place["HOST"], port=place["PORT"], dbname=place["NAME"], user=place["USER"]
    )


def valkey(var: Path) -> "closing[redis.Redis[bytes]]":
    return closing(redis.Redis.from_url(embedded.valkey_location(var)))


def ensure(var: Path) -> None:
    embedded.ensure_postgres(var)
    embedded.ensure_valkey(var)


def pids(var: Path) -> dict[str, int | None]:
    return {server.name: server.pid for server in embedded.status(var)}


def wait_until_gone(pid: int) -> None:
    until(lambda: not command_line(pid))


def test_locations_are_computed_without_touching_anything() -> None:
    var = Path("/nowhere/var")  # short: sockets of a long path lie elsewhere
    place = embedded.postgres_location(var)
    assert place == {
        "HOST": str(var / "postgres" / "run"),
        "PORT": "5432",
        "NAME": "seedbed",
        "USER": "seedbed",
    }
    assert embedded.valkey_location(var) == f"unix://{var}/valkey/run/valkey.sock"
    assert not var.exists()


def test_eight_commands_at_the_same_instant_get_one_server_each(fresh_var: Path) -> None:
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", ENSURE, str(fresh_var)],
            cwd=BASE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    told = {process.communicate()[0] for process in starting}
    assert [process.returncode for process in starting] == [0] * 8
    assert len(told) == 1
    ensure(fresh_var)
    assert embedded.valkey_location(fresh_var) in told.pop()
    log = next((fresh_var / "postgres" / "log").iterdir()).read_text()
    assert log.count("starting PostgreSQL") == 1
    assert (fresh_var / "valkey" / "log" / "valkey.log").read_text().count(
        "Server initialized"
    ) == 1


def test_the_servers_outlive_the_command_and_do_not_hold_its_output(fresh_var: Path) -> None:
    command = f"{sys.executable} -c '{ENSURE}' {fresh_var} | cat"
    subprocess.run(command, shell=True, cwd=BASE, check=True, capture_output=True)  # noqa: S602
    assert all(server.running for server in embedded.status(fresh_var))


def test_attaching_changes_nothing(fresh_var: Path) -> None:
    ensure(fresh_var)
    before = pids(fresh_var)
    ensure(fresh_var)
    assert pids(fresh_var) == before
    assert None not in before.values()


def test_what_was_committed_survives_kill_9_and_the_servers_come_back(fresh_var: Path) -> None:
    ensure(fresh_var)
    with connect(fresh_var) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    with valkey(fresh_var) as client:
        client.set("kept", 7)
    before = pids(fresh_var)
    for pid in before.values():
        os.kill(pid or 0, signal.SIGKILL)
    ensure(fresh_var)  # at once: the dead server's children may still be there
    assert set(pids(fresh_var).values()).isdisjoint(before.values())
    with connect(fresh_var) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    with valkey(fresh_var) as client:
        assert client.get("kept") == b"7"


def test_a_pid_file_whose_number_now_belongs_to_another_program_is_stale(fresh_var: Path) -> None:
    ensure(fresh_var)
    for pid in pids(fresh_var).values():
        os.kill(pid or 0, signal.SIGKILL)
        wait_until_gone(pid or 0)
    postmaster = fresh_var / "postgres" / "data" / "postmaster.pid"
    lines = postmaster.read_text().splitlines()
    postmaster.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    (fresh_var / "valkey" / "valkey.pid").write_text(str(os.getpid()))
    assert embedded.stop(fresh_var) == []
    ensure(fresh_var)
    assert os.getpid() not in pids(fresh_var).values()


def test_a_server_below_which_the_folder_was_deleted_is_not_attached_to(tmp_path: Path) -> None:
    var = tmp_path / ("deep" * 25) / "var"
    ensure(var)
    orphans = [pid or 0 for pid in pids(var).values()]
    try:
        until_removed(var)
        ensure(var)
        with connect(var) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
        assert row == (str(var / "postgres" / "data"),)
        assert set(pids(var).values()).isdisjoint(orphans)
        for pid in orphans:
            wait_until_gone(pid)
    finally:
        embedded.stop(var)
        until_removed(Path(embedded.postgres_location(var)["HOST"]).parent)


def test_a_long_path_gets_a_private_socket_folder_elsewhere(tmp_path: Path) -> None:
    var = tmp_path / ("deep" * 25) / "var"
    try:
        ensure(var)
        folder = Path(embedded.postgres_location(var)["HOST"])
        assert folder.parts[1] == "tmp"
        for private in (folder, folder.parent):
            assert stat.S_IMODE(private.stat().st_mode) == 0o700
            assert private.stat().st_uid == os.geteuid()
        assert embedded.stop(var) == ["postgres", "valkey"]
        until_removed(folder.parent)
        ensure(var)
        until_removed(folder.parent)  # what sweeps the temporary directory does below a live server
        ensure(var)
        assert all(server.running for server in embedded.status(var))
    finally:
        embedded.stop(var)
        until_removed(folder.parent)


@as_root
def test_a_socket_folder_prepared_by_somebody_else_is_refused(tmp_path: Path) -> None:
    var = tmp_path / ("deep" * 25) / "var"
    planted = Path(embedded.valkey_location(var).removeprefix("unix://")).parent.parent
    planted.mkdir()
    try:
        os.chown(planted, NOBODY, NOBODY)
        with pytest.raises(
            embedded.ServerFailure, match=rf"should be a folder of user 0.*{NOBODY}"
        ):
            embedded.ensure_valkey(var)
    finally:
        planted.rmdir()


def test_only_the_owner_reaches_the_sockets_and_there_is_no_tcp(fresh_var: Path) -> None:
    ensure(fresh_var)
    for server in embedded.status(fresh_var):
        assert stat.S_IMODE(Path(server.socket).parent.stat().st_mode) == 0o700
    with connect(fresh_var) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    with valkey(fresh_var) as client:
        assert client.config_get("port") == {"port": "0"}


def test_the_promises_of_safety_are_kept_by_the_settings(fresh_var: Path) -> None:
    ensure(fresh_var)
    with connect(fresh_var) as connection:
        for setting, value in {
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "server_encoding": "UTF8",
            "data_checksums": "on",
            "jit": "off",
        }.items():
            assert connection.execute(f"SHOW {setting}").fetchone() == (value,)
        upper = connection.execute("SELECT upper('é'), 'a' < 'B' COLLATE \"default\"").fetchone()
        # Unicode case, order by code point: the same on every machine.
        assert upper == ("É", False)
    with valkey(fresh_var) as client:
        found = client.config_get("append*", "maxmemory-policy", "save")
        assert (found["appendonly"], found["appendfsync"]) == ("yes", "everysec")
        assert (found["maxmemory-policy"], found["save"]) == ("noeviction", "")


def test_postgres_takes_all_that_the_largest_serve_asks_for() -> None:
    a_web_process = THREADS + QUICK_THREADS + 2  # one renews what answers, one writes the score log
    asked = MOST_PROCESSES * a_web_process + MOST_WORKERS * 3 + 2  # of a worker at work; the others
    commands, of_superusers = 10, 3
    assert int(SETTINGS["max_connections"]) >= asked + commands + of_superusers


def test_stopping_ends_both_even_with_clients_connected_and_twice_is_fine(fresh_var: Path) -> None:
    ensure(fresh_var)
    client = connect(fresh_var)
    assert embedded.stop(fresh_var) == ["postgres", "valkey"]
    assert embedded.stop(fresh_var) == []
    client.close()
    stopped = embedded.status(fresh_var)
    assert [server.running for server in stopped] == [False, False]
    assert stopped[0].data_bytes > 1_000_000
    assert stopped[0].pid is None


def test_data_of_another_major_version_is_named_and_left_alone(fresh_var: Path) -> None:
    data = fresh_var / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("12\n")
    with pytest.raises(embedded.ServerFailure, match=r"made by PostgreSQL 12; installed: .*18"):
        embedded.ensure_postgres(fresh_var)
    assert (data / "PG_VERSION").read_text() == "12\n"


def test_an_interrupted_initialisation_is_begun_again(fresh_var: Path) -> None:
    half = fresh_var / "postgres" / f"{MAKING_PREFIX}abc"
    (half / "data").mkdir(parents=True)
    (half / MAKING_MARK).touch()
    (half / "data" / "PG_VERSION").write_text("18\n")
    theirs = fresh_var / "postgres" / f"{MAKING_PREFIX}backup" / "data" / "PG_VERSION"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("17\n")
    embedded.ensure_postgres(fresh_var)
    assert not half.exists()
    assert theirs.read_text() == "17\n"


def test_the_socket_of_a_server_that_answers_and_is_not_ours_stays(fresh_var: Path) -> None:
    embedded.ensure_postgres(fresh_var)
    server = Postgres(fresh_var)
    lock = server.socket.with_name(f"{server.socket.name}.lock")
    kept = {path: path.read_text() for path in (lock, server.pid_file)}
    try:
        server.pid_file.unlink()
        lock.write_text(kept[lock].replace(kept[lock].split()[0], str(os.getpid()), 1))
        with pytest.raises(embedded.ServerFailure, match=r"not of .* answers at"):
            embedded.ensure_postgres(fresh_var)
        assert server.socket.exists()
        assert server.accepts()
    finally:
        for path, text in kept.items():
            path.write_text(text)


def test_a_server_that_cannot_start_shows_its_own_words(fresh_var: Path) -> None:
    embedded.ensure_postgres(fresh_var)
    embedded.stop(fresh_var)
    (fresh_var / "postgres" / "data" / "global" / "pg_control").unlink()
    with pytest.raises(
        embedded.ServerFailure, match=r"does not start.*DATABASE_URL[\s\S]*pg_control"
    ):
        embedded.ensure_postgres(fresh_var)


@pytest.mark.parametrize(
    ("start", "variable"),
    [(embedded.ensure_postgres, "DATABASE_URL"), (embedded.ensure_valkey, "REDIS_URL")],
)
def test_without_the_packages_the_message_names_the_way_out(
    fresh_var: Path, monkeypatch: pytest.MonkeyPatch, start: Any, variable: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(embedded.ServerFailure, match=f"not installed.*{variable}"):
        start(fresh_var)


@as_root
def test_root_without_user_namespaces_runs_postgres_as_nobody(
    open_var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    embedded.ensure_postgres(open_var)
    with connect(open_var) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert (open_var / "postgres" / "data").stat().st_uid == NOBODY
    monkeypatch.undo()  # namespaces are allowed again: the data stay with their owner
    embedded.stop(open_var)
    embedded.ensure_postgres(open_var)


@as_root
@pytest.mark.parametrize("deep", ["", "deep" * 25])
def test_an_ordinary_user_needs_nothing_but_the_folder(open_var: Path, deep: str) -> None:
    home = open_var.parent
    (home / "project").mkdir()
    (home / "project" / "__init__.py").touch()
    shutil.copytree(BASE / "project" / "embedded", home / "project" / "embedded")
    os.chown(home, NOBODY, NOBODY)
    var = home / deep / "var"
    ordinary = [
        "setpriv",
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        sys.executable,
    ]
    if subprocess.run([*ordinary, "-c", ""], check=False, capture_output=True).returncode:
        pytest.skip("this interpreter lies where other users cannot enter")

    def run(code: str) -> str:
        environment = {"PYTHONPATH": str(home), "PATH": os.environ["PATH"]}
        return subprocess.run(
            [*ordinary, "-c", code, str(var)], cwd=home, env=environment, check=True, text=True,
            stdout=subprocess.PIPE,
        ).stdout  # fmt: skip

    run(ENSURE)
    described = run(
        "import sys; from pathlib import Path; from project import embedded\n"
        "print([server.running for server in embedded.status(Path(sys.argv[1]))])\n"
        "print(embedded.stop(Path(sys.argv[1])))\n"
        "import shutil; folder = Path(embedded.postgres_location(Path(sys.argv[1]))['HOST'])\n"
        "is_far = folder.parts[1:2] == ('tmp',) and len(folder.parts) == 4\n"
        "shutil.rmtree(folder.parent if is_far else folder)\n"
        "print(not folder.exists())"
    )
    assert described.splitlines() == ["[True, True]", "['postgres', 'valkey']", "True"]
    assert (var / "postgres" / "data").stat().st_uid == NOBODY


# --- The command and what starts servers ---------------------------------------------------------


def test_the_services_command_starts_describes_and_stops(
    fresh_var: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.VAR = fresh_var

    def services(action: str) -> dict[str, Any]:
        call_command("services", action, "--json")
        return dict(json.loads(capsys.readouterr().out))

    assert [server["running"] for server in services("status")["servers"]] == [False, False]
    started = services("start")["servers"]
    assert [(server["name"], server["running"]) for server in started] == [
        ("postgres", True),
        ("valkey", True),
    ]
    assert started[0]["version"].startswith("18.")
    call_command("services", "status")
    assert "postgres: running, version 18." in capsys.readouterr().out
    stopped = services("stop")
    assert stopped["stopped"] == ["postgres", "valkey"]
    assert [server["running"] for server in stopped["servers"]] == [False, False]


def test_the_services_command_ends_with_1_on_an_unknown_action() -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "services", "restart"],
        cwd=BASE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "invalid choice: 'restart'" in ended.stderr


def test_external_servers_are_described_without_their_passwords(fresh_var: Path) -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "SEEDBED_VAR": str(fresh_var),
        "DATABASE_URL": "postgres://someone:hidden-word@127.0.0.1:1/elsewhere",
        "REDIS_URL": "redis://:hidden-word@127.0.0.1:1/0",
    }
    ended = subprocess.run(
        [sys.executable, "manage.py", "services", "status"],
        cwd=BASE, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    first, second = [line for line in ended.stdout.splitlines() if ": external at" in line]
    assert first.startswith("postgres: external at 127.0.0.1:1/elsewhere, does not answer")
    assert second.startswith("valkey: external at 127.0.0.1:1, does not answer")
    assert "hidden-word" not in ended.stdout + ended.stderr


def test_a_failure_to_start_is_told_without_a_traceback(
    fresh_var: Path, settings: Settings
) -> None:
    settings.VAR = fresh_var / "file" / "var"
    (fresh_var / "file").touch()
    with pytest.raises(CommandError, match=r"cannot be started: .*Not a directory"):
        call_command("services", "start")


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("manage.py", False),
        ("manage.py --help", False),
        ("manage.py help migrate", False),
        ("manage.py migrate --help", False),
        ("manage.py services stop", False),
        ("manage.py collectstatic --noinput", False),
        ("manage.py migrate", True),
        ("manage.py seed_users --count 5", True),
    ],
)
def test_only_commands_that_talk_to_servers_start_them(line: str, needed: bool) -> None:
    assert bootstrap.needs_servers(line.split()) is needed
