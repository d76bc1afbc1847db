"""A planted password is found nowhere: database, logs, Valkey, pages, results, tracebacks."""

import base64
import logging
import subprocess
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings as project_settings
from django.db import connection
from django.test import RequestFactory
from django.urls import reverse
from django.views.debug import ExceptionReporter

from feedback.admin import forms
from feedback.domain.masking import Mask
from feedback.jobs.collection import collect
from feedback.models import FeedbackSource
from feedback.models.passwords import (
    PasswordUnavailable,
    encrypt_password,
    endpoint_of,
    password_of,
)
from feedback.queries import remote
from feedback.queries.connections import check_connection
from feedback.queries.remote import SourceUnreachable, open_source
from feedback.services.sources import reencrypt_passwords, set_password
from project.embedded.postgres import Postgres, find_programs
from project.jobs.models import Job
from tests.feedback.conftest import READER, make_source
from tests.feedback.test_admin import form_of, url
from tests.feedback.test_commands import run

CANARY = "canary-7f3d-Kanarienvogel"
KEY = "an-old-key-of-more-than-forty-characters-000"


def dump():
    """Return every row of every table as text, of this transaction too."""
    rows = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT t::text FROM {connection.ops.quote_name(table)} t")
            rows += [row[0] for row in cursor.fetchall()]
    return "\n".join(rows)


def held_in_valkey(valkey):
    found = []
    for key in valkey.scan_iter("*"):
        found.append(key)
        found.append(valkey.dump(key) or b"")
    return b"\n".join(found)


def test_a_planted_password_is_found_nowhere(
    admin_client,
    customer,
    source,
    valkey,
    caplog,
    capsys,
    settings,
    django_capture_on_commit_callbacks,
):
    caplog.set_level(logging.DEBUG)
    customer.fill(5)
    page = url("feedback_feedbacksource_change", source.pk)
    shown = [admin_client.post(page, form_of(source, new_password=CANARY))]
    shown.append(admin_client.post(page, form_of(source, new_password=CANARY, port="none")))
    source.refresh_from_db()
    assert password_of(source) == CANARY
    away = make_source(settings, name="away", database="nowhere")
    set_password(away, CANARY)
    away.save()

    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(
            url("feedback_feedbacksource_changelist"),
            {"confirmed": "1", "action": "collect_now", "_selected_action": [source.pk, away.pk]},
        )
    _, result = run("collect_feedback", "--now")
    assert result["failed"] == ["away"]
    shown += [
        admin_client.get(page),
        admin_client.post(url("feedback_test_connection", away.pk)),
        admin_client.get(url("feedback_feedbacksource_history", source.pk)),
        admin_client.get(url("feedback_feedbacksource_changelist")),
        admin_client.get(url("feedback_collectionrun_changelist")),
        *(
            admin_client.get(reverse("admin:jobs_job_change", args=[job.pk]))
            for job in Job.objects.all()
        ),
    ]
    places = {
        "database": dump(),
        "valkey": held_in_valkey(valkey).decode("latin-1"),
        "logs": caplog.text + "".join(capsys.readouterr()),
        "pages": "".join(answer.content.decode() for answer in shown),
        "results": str(result) + str(check_connection(away).checks),
    }
    assert "customer" in places["database"]
    assert places["valkey"]
    assert {name for name, text in places.items() if CANARY in text} == set()


def reported(error, request=None):
    """Return what Django's reports say of an error: page and mail, with the variables of frames."""
    reporter = ExceptionReporter(request, type(error), error, error.__traceback__)
    own = (str(project_settings.BASE_DIR / "feedback"), "django/contrib/admin", "django/forms")
    frames = [
        frame
        for frame in reporter.get_traceback_frames()
        if any(part in frame["filename"] for part in own)
    ]
    assert frames
    return str(frames) + "".join(traceback.format_exception(error))


@pytest.mark.parametrize("is_debug", [False, True])
def test_no_frame_of_a_failed_connection_holds_the_password(source, settings, is_debug):
    settings.DEBUG = is_debug
    source.database = "nowhere"
    set_password(source, CANARY)
    with pytest.raises(SourceUnreachable) as caught, open_source(source):
        pass
    assert "nowhere" in reported(caught.value)
    assert CANARY not in reported(caught.value)
    assert caught.value.__cause__ is None


def test_a_driver_that_repeats_the_password_is_censored(source, monkeypatch):
    set_password(source, CANARY)

    def fail(parameters, **_):
        raise remote.psycopg.OperationalError(f"invalid dsn: password={parameters['password']}")

    monkeypatch.setattr(remote, "connect", fail)
    run_ = collect(source)[0]
    assert "***" in run_.error
    assert CANARY not in run_.error


def test_an_error_while_saving_does_not_report_what_was_posted(admin_client, source, monkeypatch):
    def fail(*_):
        raise RuntimeError("no room")

    monkeypatch.setattr(forms, "set_password", fail)
    page = url("feedback_feedbacksource_change", source.pk)
    posted = form_of(source, new_password=CANARY)
    with pytest.raises(RuntimeError) as caught:
        admin_client.post(page, posted)
    request = RequestFactory().post(page, posted)
    request.sensitive_post_parameters = ("new_password",)
    assert CANARY not in reported(caught.value, request)


def test_a_password_may_come_from_a_variable_of_its_own_kind_only(source, monkeypatch, settings):
    source.password_variable = "FEEDBACK_PASSWORD_MAIN"
    settings.FEEDBACK_VARIABLES = [f"FEEDBACK_PASSWORD_MAIN={source.host}:*"]
    with pytest.raises(PasswordUnavailable, match="FEEDBACK_PASSWORD_MAIN is not set"):
        password_of(source)
    monkeypatch.setenv("FEEDBACK_PASSWORD_MAIN", CANARY)
    assert password_of(source) == CANARY
    source.password_variable = "SEEDBED_SECRET_KEY"
    with pytest.raises(Exception, match="FEEDBACK_PASSWORD_MAIN"):
        source.full_clean()


def test_earlier_keys_still_open_and_are_replaced(source, settings):
    current = settings.FIELD_KEY
    settings.FIELD_KEY = KEY
    FeedbackSource.objects.update(password_encrypted=encrypt_password(CANARY, endpoint_of(source)))
    source.refresh_from_db()
    settings.FIELD_KEY = current
    with pytest.raises(PasswordUnavailable, match="another SEEDBED_FIELD_KEY"):
        password_of(source)
    settings.FIELD_KEY_FALLBACKS = [KEY]
    assert password_of(source) == CANARY
    assert reencrypt_passwords() == (1, 0, [])
    assert reencrypt_passwords() == (0, 1, [])
    settings.FIELD_KEY_FALLBACKS = []
    source.refresh_from_db()
    assert password_of(source) == CANARY


def programs():
    """Return the programs of the PostgreSQL that the tests run on."""
    var = Path(project_settings.VAR)
    return find_programs(Postgres(var)).folder


@pytest.mark.django_db(transaction=True)
def test_a_dump_of_the_database_does_not_hold_the_password(admin_client, settings):
    kept = make_source(settings)
    page = url("feedback_feedbacksource_change", kept.pk)
    assert admin_client.post(page, form_of(kept, new_password=CANARY)).status_code == 302
    kept.refresh_from_db()
    assert password_of(kept) == CANARY
    at = connection.get_connection_params()
    program = programs() / "pg_dump"
    place = ["-h", at["host"], "-p", str(at["port"]), "-U", at["user"], at["dbname"]]
    written = subprocess.run([program, *place], capture_output=True, text=True, check=True).stdout
    assert kept.password_encrypted in written  # the dump holds the row
    assert READER in written
    assert CANARY not in written
    assert base64.b64encode(CANARY.encode()).decode().rstrip("=")[:-1] not in written


@pytest.mark.parametrize("place", ["set_password", "check_address"])
def test_the_error_page_of_development_does_not_show_what_was_posted(
    client, admin_user, source, settings, monkeypatch, place
):
    def fail(*_):
        raise RuntimeError("no room")

    settings.DEBUG = True
    monkeypatch.setattr(forms, place, fail)
    client.force_login(admin_user)
    client.raise_request_exception = False
    page = url("feedback_feedbacksource_change", source.pk)
    posted = form_of(source, new_password=CANARY)
    for accept in ("text/html", "text/plain"):
        answer = client.post(page, posted, headers={"accept": accept})
        assert answer.status_code == 500
        assert "no room" in answer.content.decode()
        assert "new_password" in answer.content.decode()
        assert CANARY not in answer.content.decode()


SPELLINGS = {
    "whole": lambda text: text,
    "in an address": lambda text: f"postgres://user:{quote(text)}@host/",
    "encoded": lambda text: base64.b64encode(text.encode()).decode(),
    "in capitals": str.upper,
    "cut at its end": lambda text: text[:-4],
    "cut at its beginning": lambda text: text[5:],
    "over two lines": lambda text: f"{text[:9]}\n  {text[9:]}",
    "quoted": lambda text: repr(text),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_the_password_in_an_error_is_kept(
    source, monkeypatch, spelling, admin_client
):
    secret = "s3cr%t/w'th+Zeichen"
    set_password(source, secret).save()
    said = SPELLINGS[spelling](secret)

    def fail(*_, **__):
        raise remote.psycopg.OperationalError(f"FATAL: no pg_hba entry for {said}, no encryption")

    monkeypatch.setattr(remote, "connect", fail)
    (run_, *_) = collect(source)
    source.refresh_from_db()
    shown = admin_client.post(url("feedback_test_connection", source.pk)).content.decode()
    _, result = run("collect_feedback", "--now", "--source", source.name)
    for text in (run_.error, source.last_error, shown, str(result), dump()):
        for part in (said.splitlines()[0], said[-6:], secret):
            assert part not in text
    assert "***" in run_.error


def test_what_does_not_repeat_the_password_is_told_as_it_came():
    mask = Mask("correct-horse")
    assert mask('database "nowhere" does not exist') == 'database "nowhere" does not exist'
    assert mask("the horse was right") == "the horse was right"
    assert Mask("")("anything") == "anything"
    assert "its code is 28P01" in mask("no: CORRECT-HORSE", "28P01")
    assert "correct" not in repr(mask)
