"""Whatever answers in the place of a source, the run ends with a reason and within its limits."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from feedback.jobs import reading
from feedback.jobs.collection import collect
from feedback.models import CollectionRun, QualityFeedback
from feedback.queries import remote
from feedback.queries.connections import check_connection
from feedback.queries.line_watch import received_bytes
from tests.feedback.conftest import READER_PASSWORD, make_source
from tests.feedback.hostile import (
    MB,
    Answer,
    Server,
    a_row,
    data,
    described,
    done,
    error,
    for_ever,
    message,
    say,
    serving,
    silence,
    table,
    then_close,
)
from tests.feedback.test_commands import run as run_command
from tests.rooms import ROOMS

pytestmark = pytest.mark.django_db
GROWTH = 200 * MB  # of this process; a worker with everything loaded has as much again
HUGE = b"".join([b"D", (300 * MB + 10).to_bytes(4, "big"), b"\0\1", (300 * MB).to_bytes(4, "big")])


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "CONNECT_SECONDS", 2)


def collected(settings, server: Server) -> CollectionRun:
    source = make_source(settings, name="hostile", host="127.0.0.1", port=server.port)
    settings.FEEDBACK_ALLOWED_HOSTS = ["127.0.0.1:*"]
    (run,) = collect(source, tables=["quality_feedback"])
    return run


def test_a_server_that_behaves_is_read(settings) -> None:
    with serving({}) as server:
        run = collected(settings, server)
    assert (run.state, run.error, run.found, run.new) == ("complete", "", 3, 3)
    assert server.passwords[0] == READER_PASSWORD.encode()


def test_a_row_of_infinity_is_refused_and_the_others_land(settings) -> None:
    rows = [a_row(1, created_at="infinity"), a_row(2, created_at="-infinity"), a_row(3)]
    with serving({"FETCH FORWARD": say(table(*((row,) for row in rows)))}) as server:
        run = collected(settings, server)
    assert (run.state, run.found, run.new, run.rejected) == ("complete", 3, 1, 2)


def test_rows_that_are_no_rows_are_refused(settings) -> None:
    rows = [b"[" * 5_000, b'{"a":' * 5_000, b"\xff\xfe", b"[]", b'{"id": "\\ud800"}',
            b'{"id": "\\u0000", "quality_rating": 0.5, "created_at": "2026-03-04T10:00:00Z"}',
            b'{"quality_rating": ' + b"9" * 5_000 + b"}", b"NaN", b"", a_row(3)]  # fmt: skip
    answers = {
        "count(*)": say(table((b"10",))),
        "FETCH FORWARD": say(table(*((row,) for row in rows))),
    }
    answers["IS NULL OR"] = say(table((b"0",)))
    with serving({"IS NULL OR": answers.pop("IS NULL OR"), **answers}) as server:
        run = collected(settings, server)
    assert (run.state, run.found, run.new, run.rejected) == ("complete", 10, 1, 9), run.error


FAULTS: dict[str, tuple[dict[str, Answer], str]] = {
    "a row of 300 MB": ({"FETCH FORWARD": for_ever(described() + HUGE, b"x" * MB)}, "more than"),
    "endless rows": ({"FETCH FORWARD": for_ever(described(), data(a_row()))}, "more than"),
    "endless empty rows": ({"FETCH FORWARD": for_ever(described(), data(b""))}, "more than"),
    "endless notices": (
        {"FETCH FORWARD": for_ever(b"", message(b"N", b"SNOTICE\0M" + b"x" * 100_000 + b"\0\0"))},
        "more than",
    ),
    "endless columns": (
        {"pg_attribute": for_ever(described(2), data(b"x" * 50, b"text"))},
        "more than",
    ),
    "an endless count": ({"to_char": for_ever(described(), data(b"1"))}, "more than"),
    "an error of 16 MB": ({"FETCH FORWARD": say(error(b"x" * 16 * MB))}, ""),
    "more rows than asked for": (
        {"FETCH FORWARD": say(table(*[(a_row(),)] * 5_000))},
        "Expected at most 256 rows",
    ),
    "more rows than counted": (
        {"FETCH FORWARD": say(table(*[(a_row(n),) for n in range(5)]))},
        "5 rows came, but the source counts 3",
    ),
    "the same full fetch for ever": (
        {"FETCH FORWARD": say(table(*[(a_row(n),) for n in range(256)]))},
        "256 rows came, but the source counts 3",
    ),
    "fewer rows than counted": (
        {"FETCH FORWARD": say(table((a_row(),)))},
        "1 row came, but the source counts 3",
    ),
    "two columns described": (
        {"FETCH FORWARD": say(described(2), data(a_row(), b"x"), done())},
        "of 1 columns, got 1 of 2",
    ),
    "ten described and two sent": (
        {"FETCH FORWARD": say(described(10), data(a_row(), b"x"), done())},
        "",
    ),
    "one described and ten sent": (
        {"FETCH FORWARD": say(described(1), data(*[a_row()] * 10), done())},
        "",
    ),
    "rows without a description": ({"FETCH FORWARD": say(data(a_row()), done())}, ""),
    "no answer but done": ({"FETCH FORWARD": say(done())}, "got 0 of 0"),
    "a NULL row": ({"FETCH FORWARD": say(table((None,), (a_row(),), (a_row(2),)))}, "as NULL"),
    "a row of 3 MB": ({"FETCH FORWARD": say(table((b"x" * 3 * MB,)))}, "A row of 3,145,728 bytes"),
    "a count that is a word": ({"count(*)": say(table((b"many",)))}, "Expected a count"),
    "a count below zero": ({"count(*)": say(table((b"-1",)))}, "Expected a count"),
    "a count of 30 digits": ({"count(*)": say(table((b"9" * 30,)))}, "Expected a count"),
    "a count of NULL": ({"count(*)": say(table((None,)))}, "Expected a text"),
    "no count": ({"count(*)": say(table())}, "got none"),
    "two counts": ({"count(*)": say(table((b"1",), (b"2",)))}, "Expected at most 1 row"),
    "a time of infinity": ({"to_char": say(table((b"infinity",)))}, "the source's time"),
    "a time that is no UTF-8": ({"to_char": say(table((b"\xff",)))}, "Expected a text"),
    "a column with NUL": (
        {"pg_attribute": say(table((b"a\0b", b"text"), columns=2))},
        "Expected a text",
    ),
    "a column without a name": (
        {"pg_attribute": say(table((None, b"text"), columns=2))},
        "Expected a text",
    ),
    "silence after BEGIN": ({"BEGIN": silence()}, "within 3 s"),
    "silence in the middle of a row": (
        {"FETCH FORWARD": silence(described(), data(a_row())[:20])},
        "within 3 s",
    ),
    "a line closed in the middle of a row": (
        {"FETCH FORWARD": then_close(described(), data(a_row())[:20])},
        "does not answer as it should",
    ),
    "a length below zero": ({"FETCH FORWARD": say(described(), b"D\xff\xff\xff\xff")}, ""),
    "a length of 2 GB": ({"FETCH FORWARD": silence(described(), b"D\x7f\xff\xff\xff")}, ""),
    "a message of no kind": ({"FETCH FORWARD": say(message(b"~", b"x"))}, ""),
    "a COPY": ({"FETCH FORWARD": silence(message(b"H", b"\0\0\0"))}, ""),
    "noise": ({"FETCH FORWARD": silence(bytes(range(256)) * 40)}, ""),
    "an answer to nobody": ({"BEGIN": say(message(b"Z", b"I") * 50, done("BEGIN"))}, ""),
}


# They keep the line open and say nothing more: only patience ends that.
SILENT = {
    *(
        "silence after BEGIN",
        "silence in the middle of a row",
        "a length of 2 GB",
        "a COPY",
        "noise",
    ),
    *("noise", "a length below zero"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_misbehaves_fails_the_run_with_a_reason(
    settings, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    answers, said = FAULTS[fault]
    if fault in SILENT:
        monkeypatch.setattr(remote, "SILENCE_SECONDS", 3)
    with serving(answers) as server, memory() as grown:
        run = collected(settings, server)
    assert run.state == "failed"
    assert said in run.error
    assert 10 < len(run.error) < 1_000, run.error
    assert grown() < GROWTH
    assert server.sent < 300 * MB


def test_a_server_that_accepts_and_never_answers_fails_the_run(settings) -> None:
    with serving({}, greets=False) as server:
        run = collected(settings, server)
    assert (run.state, run.found) == ("failed", 0)
    assert "timeout" in run.error


def test_an_error_is_told_in_one_place_and_short(settings) -> None:
    with serving({"to_char": say(error(b"no\nthing\x1b[2J " * 5_000))}) as server:
        run = collected(settings, server)
    assert run.state == "failed"
    assert len(run.error) < 700
    assert "\n" not in run.error


def test_what_came_before_a_fault_is_kept(settings, monkeypatch) -> None:
    monkeypatch.setattr(remote, "FETCH_ROWS", 2)
    monkeypatch.setattr(reading, "LAND_ROWS", 2)
    fetches = iter([table((a_row(1),), (a_row(2),)), table((None,), (a_row(4),))])
    answers = {
        "IS NULL OR": say(table((b"0",))),
        "count(*)": say(table((b"4",))),
        "FETCH FORWARD": lambda send: send(next(fetches)),
    }
    with serving(answers) as server:
        run = collected(settings, server)
    assert (run.state, run.new) == ("failed", 2)
    assert QualityFeedback.objects.count() == 2


def test_a_reading_without_end_ends(settings, monkeypatch) -> None:
    monkeypatch.setattr(remote, "FETCH_ROWS", 1)
    monkeypatch.setattr(remote, "READING_SECONDS", -1)
    with serving({"FETCH FORWARD": say(table((a_row(),)))}) as server:
        run = collected(settings, server)
    assert run.state == "failed"
    assert "collect again, and it goes on" in run.error


@pytest.mark.parametrize("fault", ["a row of 300 MB", "a NULL row"])
def test_a_job_that_reads_such_a_source_ends_and_says_why(settings, fault: str) -> None:
    with serving(FAULTS[fault][0]) as server:
        make_source(settings, name="hostile", host="127.0.0.1", port=server.port)
        settings.FEEDBACK_ALLOWED_HOSTS = ["127.0.0.1:*"]
        code, result = run_command("collect_feedback", "--now")
    assert (code, result["failed"]) == (1, ["hostile"])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_test_of_the_connection_says_no_or_never_sees_it(
    settings, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    if fault in SILENT:
        monkeypatch.setattr(remote, "SILENCE_SECONDS", 3)
    with serving(FAULTS[fault][0]) as server:
        source = make_source(settings, name="hostile", host="127.0.0.1", port=server.port)
        settings.FEEDBACK_ALLOWED_HOSTS = ["127.0.0.1:*"]
        for check in check_connection(source).checks:
            assert len(check["remedy"]) < 1_000


class memory:  # noqa: N801 - reads as a statement
    """Tells how much the peak of this process grew; 0 where the system does not say."""

    def __enter__(self):
        self._before = 0
        try:
            Path("/proc/self/clear_refs").write_text("5")
            self._before = self._read("VmRSS")
        except OSError:
            return lambda: 0
        return lambda: self._read("VmHWM") - self._before

    def __exit__(self, *_: object) -> None:
        pass

    def _read(self, name: str) -> int:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        return 0


def test_this_system_counts_the_bytes_of_a_line() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as line,
    ):
        other, _ = listening.accept()
        other.sendall(b"x" * 1_000)
        while len(line.recv(1_000, socket.MSG_PEEK)) < 1_000:
            pass
        assert received_bytes(line) == 1_000
        other.close()


ASKED_TWICE = """
import json, os, sys
from feedback.queries.handshake import NoWayIn, connect

parameters = {"host": "127.0.0.1", "user": "a", "dbname": "b", "password": "c",
              "sslmode": "disable", "port": int(sys.argv[1])}
said = []
for _ in range(2):
    try:
        connect(parameters, seconds=1, silence_seconds=1)
    except NoWayIn as error:
        said.append(str(error))
print(json.dumps(said), flush=True)
os._exit(0)  # what unloads OpenSSL under a thread that hashes with it may crash
"""


def test_a_server_that_has_a_password_hashed_two_thousand_million_times_is_given_up() -> None:
    # In a process of its own: what was begun ends with it and not before.
    with serving({}, scram_iterations=2**31 - 1) as server:
        ended = subprocess.run(
            [sys.executable, "-c", ASKED_TWICE, str(server.port)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    first, second = json.loads(ended.stdout)
    assert "scram_iterations" in first
    assert "no other one is asked" in second


GREETINGS: dict[str, Answer] = {
    "a notice of 1 GB": for_ever(b"N" + (1 << 30).to_bytes(4, "big"), b"SNOTICE\0M" + b"x" * MB),
    "an error of 1 GB": for_ever(b"E" + (1 << 30).to_bytes(4, "big"), b"SERROR\0M" + b"x" * MB),
    "endless notices": for_ever(b"", message(b"N", b"SNOTICE\0M" + b"x" * 20_000 + b"\0\0")),
    "endless settings": for_ever(b"", message(b"S", b"a\0" + b"x" * 20_000 + b"\0")),
}


@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS.keys())
def test_a_server_that_talks_without_end_before_it_lets_us_in_is_cut_off(
    settings, greeting: Answer
) -> None:
    with serving({}, greeting=greeting) as server, memory() as grown:
        run = collected(settings, server)
    assert run.state == "failed"
    assert "more than the 1,048,576 bytes" in run.error
    assert grown() < GROWTH


def test_a_server_that_asks_for_proof_in_reason_is_answered(settings) -> None:
    with serving({}, scram_iterations=4096) as server:
        run = collected(settings, server)
    assert (run.state, "closed the connection" in run.error) == ("failed", True), run.error


def test_every_connection_to_a_server_that_is_not_ours_is_made_within_a_limit() -> None:
    root = Path(__file__).parents[2]
    calling = {
        str(path.relative_to(root))
        for app in ROOMS
        for path in (root / app).rglob("*.py")
        if re.search(
            r"psycopg\.connect\(|onnection\.connect\(|connect_start|psycopg.generators",
            path.read_text(),
        )
    }
    assert calling == {"feedback/queries/handshake.py", "project/embedded/postgres.py"}
