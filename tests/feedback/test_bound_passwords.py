"""A password is sent only to what it was entered for, whichever way the source was changed."""

import pytest
from cryptography.fernet import Fernet
from django.core.checks import run_checks
from hypothesis import given
from hypothesis import strategies as st

from feedback.domain.endpoints import (
    Endpoint,
    VariablesUnreadable,
    read_variables,
    refuse_variable,
)
from feedback.jobs.collection import collect
from feedback.models import CollectionRun, FeedbackSource
from feedback.models import passwords as kept
from feedback.models.passwords import (
    PasswordUnavailable,
    bind_password,
    encrypt_password,
    endpoint_of,
    password_of,
)
from feedback.queries import remote
from feedback.queries.connections import check_connection
from feedback.services.sources import set_password
from tests.feedback.conftest import READER_PASSWORD
from tests.feedback.test_admin import ELSEWHERE, form_of, url

VARIABLE = "FEEDBACK_PASSWORD_MAIN"
AT = Endpoint("db.example.org", 5432, "ratings", "reader", "require")


@pytest.fixture
def dialled(monkeypatch):
    """Count the connections that are begun; none leaves the machine."""
    begun = []

    def connect(parameters, **_):
        begun.append(parameters)
        raise remote.psycopg.OperationalError("nobody answers")

    monkeypatch.setattr(remote, "connect", connect)
    return begun


@pytest.mark.parametrize("field", [*ELSEWHERE, "sslmode"])
def test_a_row_changed_behind_the_form_is_not_given_the_password(settings, source, dialled, field):
    settings.FEEDBACK_ALLOWED_HOSTS = [*settings.FEEDBACK_ALLOWED_HOSTS, "192.0.2.7:*"]
    FeedbackSource.objects.update(sslmode="verify-full")
    source.refresh_from_db()
    set_password(source, READER_PASSWORD).save()
    FeedbackSource.objects.update(**{field: {**ELSEWHERE, "sslmode": "require"}[field]})
    changed = FeedbackSource.objects.get()
    (run, *_) = collect(changed)
    assert run.state == CollectionRun.State.FAILED
    assert "Enter the password again" in run.error
    assert "Enter the password again" in check_connection(changed).checks[0]["remedy"]
    assert dialled == []


def test_a_password_of_another_row_does_not_open_in_this_one(settings, source, dialled):
    settings.FEEDBACK_ALLOWED_HOSTS = [*settings.FEEDBACK_ALLOWED_HOSTS, "192.0.2.7:*"]
    FeedbackSource.objects.create(
        name="thief",
        host="192.0.2.7",
        database="loot",
        user="thief",
        password_encrypted=source.password_encrypted,
    )
    (run, *_) = collect(FeedbackSource.objects.get(name="thief"))
    assert "Enter the password again" in run.error
    assert dialled == []


def test_a_password_that_nothing_is_known_of_is_sent_nowhere(settings, source, dialled):
    """Such as one of a first edition that was put back by hand, after the migration."""
    bare = kept._cipher().encrypt(READER_PASSWORD.encode()).decode()
    FeedbackSource.objects.update(password_encrypted=bare)
    (run, *_) = collect(FeedbackSource.objects.get())
    assert "It is not known what the password of customer was entered for" in run.error
    assert dialled == []


def test_more_tls_than_asked_for_is_no_other_endpoint(source):
    for mode in ("prefer", "require", "verify-ca", "verify-full"):
        FeedbackSource.objects.update(sslmode=mode)
        assert password_of(FeedbackSource.objects.get()) == READER_PASSWORD


def test_a_password_follows_to_more_tls_and_not_back(admin_client, source):
    page = url("feedback_feedbacksource_change", source.pk)
    assert admin_client.post(page, form_of(source, sslmode="verify-full")).status_code == 302
    raised = FeedbackSource.objects.get()
    assert password_of(raised) == READER_PASSWORD
    lowered = admin_client.post(page, form_of(source, sslmode="require"))
    assert "Enter the password again" in lowered.content.decode()
    # The state of before, out of the history, is no other way.
    first = source.history.earliest()
    earlier = url("feedback_feedbacksource_simple_history", source.pk, first.pk)
    reverted = admin_client.post(earlier, form_of(source))
    assert "Enter the password again" in reverted.content.decode()
    FeedbackSource.objects.update(sslmode=source.sslmode)
    with pytest.raises(PasswordUnavailable, match="with sslmode verify-full"):
        password_of(FeedbackSource.objects.get())


def test_the_spelling_of_a_host_does_not_matter(source):
    source.host = "DB.example.org."
    set_password(source, READER_PASSWORD)
    source.host = "db.example.org"
    assert password_of(source) == READER_PASSWORD


def test_a_migrated_password_is_bound_to_the_address_of_its_row():
    bare = kept._cipher().encrypt(b"once upon a time").decode()
    bound = bind_password(bare, AT)
    source = FeedbackSource(
        host=AT.host, port=AT.port, database=AT.database, user=AT.user, sslmode=AT.sslmode
    )
    source.password_encrypted = bound
    assert password_of(source) == "once upon a time"
    assert bind_password(bound, Endpoint("other", 1, "", "", "disable")) == bound
    with pytest.raises(PasswordUnavailable):
        bind_password(Fernet(Fernet.generate_key()).encrypt(b"x").decode(), AT)


@given(
    changed=st.sampled_from(["host", "port", "database", "user"]),
    password=st.text(min_size=1, max_size=40),
)
def test_no_part_of_the_address_may_differ(changed, password):
    source = FeedbackSource(name="any", host="a", port=1, database="a", user="a", sslmode="require")
    source.password_encrypted = encrypt_password(password, endpoint_of(source))
    assert password_of(source) == password
    setattr(source, changed, 2 if changed == "port" else "b")
    with pytest.raises(PasswordUnavailable, match="Enter the password again"):
        password_of(source)


# --- Variables ------------------------------------------------------------------------------------


def test_a_variable_that_no_setting_names_is_sent_nowhere(source, monkeypatch, dialled):
    monkeypatch.setenv(VARIABLE, "canary-in-a-variable")
    FeedbackSource.objects.update(password_variable=VARIABLE)
    (run, *_) = collect(FeedbackSource.objects.get())
    assert f"{VARIABLE}={source.host}:{source.port}" in run.error  # what would allow it
    assert "SEEDBED_FEEDBACK_VARIABLES" in run.error
    assert dialled == []


def test_a_variable_is_sent_where_the_setting_says(source, monkeypatch, settings, dialled):
    monkeypatch.setenv(VARIABLE, "canary-in-a-variable")
    settings.FEEDBACK_VARIABLES = [f"{VARIABLE}={source.host}:*"]
    FeedbackSource.objects.update(password_variable=VARIABLE)
    collect(FeedbackSource.objects.get())
    assert {each["password"] for each in dialled} == {"canary-in-a-variable"}


def test_the_form_refuses_the_variable_of_another_source(admin_client, source, settings):
    settings.FEEDBACK_VARIABLES = [f"{VARIABLE}=db.example.org:5432"]
    page = url("feedback_feedbacksource_change", source.pk)
    named = admin_client.post(page, form_of(source, password_variable=VARIABLE))
    assert "may not be used for" in named.content.decode()
    assert FeedbackSource.objects.get().password_variable == ""
    settings.FEEDBACK_VARIABLES.append(f"{VARIABLE}={source.host}:{source.port}")
    named = admin_client.post(page, form_of(source, password_variable=VARIABLE))
    assert named.status_code == 302


@pytest.mark.parametrize(
    ("entry", "is_allowed"),
    [
        (f"{VARIABLE}=db.example.org:5432", True),
        (f"{VARIABLE}=DB.example.org:*", True),
        (f"{VARIABLE}=reader@db.example.org:5432/ratings?sslmode=require", True),
        (f"{VARIABLE}=db.example.org:5433", False),
        (f"{VARIABLE}=example.org:5432", False),
        (f"{VARIABLE}=*:5432", False),  # no word stands for every host
        (f"{VARIABLE}=*.example.org:5432", False),
        (f"{VARIABLE}=writer@db.example.org:5432", False),
        (f"{VARIABLE}=db.example.org:5432/other", False),
        (f"{VARIABLE}=db.example.org:5432?sslmode=verify-full", False),
        ("FEEDBACK_PASSWORD_OTHER=db.example.org:5432", False),
    ],
)
def test_an_entry_allows_what_it_names(entry, is_allowed):
    assert (refuse_variable(VARIABLE, AT, [entry]) == "") is is_allowed


def test_a_variable_crosses_no_network_in_the_clear_unless_the_entry_says_so():
    clear = Endpoint(AT.host, AT.port, AT.database, AT.user, "prefer")
    assert refuse_variable(VARIABLE, clear, [f"{VARIABLE}={AT.host}:5432"])
    assert refuse_variable(VARIABLE, clear, [f"{VARIABLE}={AT.host}:5432?sslmode=prefer"]) == ""
    inside = Endpoint("/run/postgresql", 5432, "ratings", "reader", "disable")
    assert refuse_variable(VARIABLE, inside, [f"{VARIABLE}=/run/postgresql:5432/ratings"]) == ""


@pytest.mark.parametrize("entry", ["MAIN=db:5432", VARIABLE, f"{VARIABLE}=db", "SECRET_KEY=db:1"])
def test_an_entry_of_another_form_is_an_error_of_the_check_and_allows_nothing(settings, entry):
    settings.FEEDBACK_VARIABLES = [entry]
    with pytest.raises(VariablesUnreadable):
        read_variables([entry])
    assert "feedback.E001" in {message.id for message in run_checks()}
    assert refuse_variable(VARIABLE, AT, [entry, f"{VARIABLE}=db.example.org:5432"])
