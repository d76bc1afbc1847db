"""A database that is away, slow or silent: no request waits for ever, and each is told so."""

import errno
import math
import threading
from typing import Any

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection, connections
from django.http import HttpResponse
from django.test import Client, RequestFactory

from project import patience
from project.machine import said_of_outage
from project.storage.failures import ArtifactUnwritable
from tests.factories import make_admin
from tests.waiting import until


def lost(sqlstate: str | None) -> OperationalError:
    """Return an error as Django gives it, which has the server's own behind it."""
    error = OperationalError("the connection is lost")
    error.__cause__ = psycopg.errors.lookup(sqlstate)() if sqlstate else psycopg.OperationalError()
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (lost(None), "does not answer"),
        (lost("57P01"), "does not answer"),
        (InterfaceError("connection already closed"), "does not answer"),
        (lost("57014"), "took longer than 20 s"),
        (lost("53100"), "are used up"),
        (lost("40P01"), "Somebody else was changing"),
        (OSError(errno.ENOSPC, "No space left", "/x/y"), "The disk is full: /x/y"),
        (ArtifactUnwritable("/x", OSError(errno.ENOSPC, "No space")), "/x could not be written"),
    ],
)
@pytest.mark.django_db
def test_a_page_whose_database_is_away_says_so_and_when_to_come_again(
    client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    client.force_login(make_admin())
    client.raise_request_exception = False

    def refuse(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr("overview.admin.home.read_pipeline", refuse)
    answer = client.get("/admin/?from=there")
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    said = answer.content.decode()
    assert words in said
    assert "Try again" in said
    assert 'href="/admin/?from=there"' in said
    assert "theme.css" in said  # in the look of all the others


@pytest.mark.django_db
def test_every_other_error_is_a_fault_of_ours(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(make_admin())
    client.raise_request_exception = False
    monkeypatch.setattr("overview.admin.home.read_pipeline", lambda: 1 / 0)
    answer = client.get("/admin/")
    assert answer.status_code == 500
    assert "Retry-After" not in answer


@pytest.mark.django_db(transaction=True)
def test_a_request_that_waits_for_a_silent_server_is_answered() -> None:
    told: list[Exception] = []

    def wait(_: Any) -> HttpResponse:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(3600)")
        except OperationalError as error:
            told.append(error)
        return HttpResponse()

    def answer() -> None:
        try:
            patience.end_the_silent(wait)(RequestFactory().get("/"))
        finally:
            connections.close_all()

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    assert patience.break_off_the_silent(0.0) == 0  # it has only begun
    until(lambda: patience.break_off_the_silent(math.inf))
    thread.join()
    with connection.cursor() as cursor:  # the server itself was not silent, and still sleeps
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%'"
        )
    assert [said_of_outage(error) for error in told] == ["The database does not answer."]
    assert patience.break_off_the_silent(math.inf) == 0


@pytest.mark.django_db(transaction=True)
def test_a_request_that_computes_is_left_alone() -> None:
    seen: list[int] = []

    def compute(_: Any) -> HttpResponse:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        seen.append(patience.break_off_the_silent(math.inf))
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return HttpResponse()

    patience.end_the_silent(compute)(RequestFactory().get("/"))
    assert seen == [0]


@pytest.mark.django_db(transaction=True)
def test_statements_of_the_web_server_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda thread: None)
    try:
        patience.watch()
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("20s",)
    finally:
        patience.connection_created.disconnect(dispatch_uid="patience")
        connection.close()
