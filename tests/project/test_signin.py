"""Signing in: lockout after failures, whoever asks; hashes; and sessions that end by themselves."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.conf import settings as project_settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher, identify_hasher
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from project import signin
from project.middleware import ACTIVE_KEY, ACTIVE_SECONDS
from project.settings import PASSWORD_HASHERS
from project.visitors import client_address

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"
RIGHT = "correct horse battery"
WRONG = "wrong"


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada", password=RIGHT)


def try_to_sign_in(name="ada", password=WRONG, address="192.0.2.1", **headers):
    fields = {"username": name, "password": password}
    return Client().post(LOGIN, fields, REMOTE_ADDR=address, headers=headers)


def fail(times, **of):
    return [try_to_sign_in(**of).status_code for _ in range(times)]


def is_in(answer) -> bool:
    return answer.status_code == 302


@pytest.mark.usefixtures("ada")
def test_who_fails_too_often_is_locked_out_with_words() -> None:
    assert fail(4) == [200] * 4
    last = try_to_sign_in()
    assert last.status_code == 429
    shown = last.content.decode()
    assert "Wait 15 min" in shown
    assert "site-name" in shown  # in the admin's look
    assert last["Retry-After"] == "900"
    assert last["Content-Security-Policy"]
    assert try_to_sign_in(password=RIGHT).status_code == 429  # right, and too late
    assert is_in(try_to_sign_in(password=RIGHT, address="192.0.2.2"))  # nobody locks out another


@pytest.mark.usefixtures("ada")
def test_a_lockout_ends_by_itself_and_is_not_prolonged() -> None:
    fail(5)
    begun = AccessAttempt.objects.get().attempt_time
    fail(3)
    assert AccessAttempt.objects.get().attempt_time == begun
    AccessAttempt.objects.update(
        attempt_time=begun - project_settings.AXES_COOLOFF_TIME - timedelta(seconds=1)
    )
    assert is_in(try_to_sign_in(password=RIGHT))
    assert not AccessAttempt.objects.exists()


@pytest.mark.usefixtures("ada")
def test_a_name_that_is_nobodys_is_locked_out_alike() -> None:
    assert fail(5, name="nobody") == fail(5, name="ada") == [200] * 4 + [429]


@pytest.mark.usefixtures("ada")
def test_one_address_does_not_try_every_name() -> None:
    for number in range(49):
        assert try_to_sign_in(name=f"name {number}").status_code == 200
    assert try_to_sign_in(name="name 49").status_code == 429
    assert try_to_sign_in(password=RIGHT).status_code == 429
    assert is_in(try_to_sign_in(password=RIGHT, address="2001:db8::1"))


@pytest.mark.usefixtures("ada")
def test_signing_in_under_ones_own_name_does_not_forget_what_was_tried_under_others() -> None:
    User.objects.create_superuser("mallory", password=RIGHT)
    fail(4)
    assert is_in(try_to_sign_in(name="mallory", password=RIGHT))
    assert try_to_sign_in().status_code == 429


@pytest.mark.usefixtures("ada")
def test_no_header_of_a_visitor_moves_the_lockout() -> None:
    for number in range(5):
        last = try_to_sign_in(
            **{
                "x-forwarded-for": f"198.51.100.{number}",
                "forwarded": f"for=198.51.100.{number}",
                "x-real-ip": f"198.51.100.{number}",
                "user-agent": f"browser {number}",
            }
        )
    assert last.status_code == 429
    assert set(AccessAttempt.objects.values_list("ip_address", flat=True)) == {"192.0.2.1"}


@pytest.mark.parametrize(
    ("said", "address"),
    [("192.0.2.9", "192.0.2.9"), ("fe80::1%eth0", "fe80::1"), ("", None), ("unix", None)],
)
def test_a_visitor_has_an_address_or_none(said, address) -> None:
    assert client_address(RequestFactory().get("/", REMOTE_ADDR=said)) == address


@pytest.mark.usefixtures("ada")
def test_a_server_behind_a_unix_socket_locks_out_too() -> None:
    assert fail(5, address="")[-1] == 429


@pytest.mark.usefixtures("ada")
def test_no_password_is_kept_of_what_was_tried() -> None:
    fail(3, password="canary-of-a-password")
    assert "canary" not in str(list(AccessAttempt.objects.values()))


@pytest.mark.usefixtures("ada")
def test_a_program_signs_in_without_a_page() -> None:
    client = Client()
    assert not client.login(username="ada", password="wrong")
    assert client.login(username="ada", password=RIGHT)
    assert client.get("/admin/").status_code == 200
    assert not AccessAttempt.objects.exists()


def test_new_passwords_are_hashed_with_argon2_and_old_ones_still_open(settings, ada) -> None:
    settings.PASSWORD_HASHERS = PASSWORD_HASHERS
    hasher = PBKDF2PasswordHasher()
    ada.password = hasher.encode(RIGHT, hasher.salt(), iterations=1_000)
    ada.save()
    assert is_in(try_to_sign_in(password=RIGHT))
    ada.refresh_from_db()
    assert identify_hasher(ada.password).algorithm == "argon2"
    assert is_in(try_to_sign_in(password=RIGHT))


# --- Sessions -------------------------------------------------------------------------------------


@pytest.fixture
def signed_in(ada) -> Client:
    client = Client()
    client.force_login(ada)
    client.get("/admin/")
    return client


def idle(client: Client, seconds: float) -> None:
    """Let time pass for the session: it was last used so long ago."""
    session = client.session
    session[ACTIVE_KEY] = timezone.now().timestamp() - seconds
    session.save()
    expires = timezone.now() + timedelta(seconds=project_settings.SESSION_COOKIE_AGE - seconds)
    Session.objects.update(expire_date=expires)


def test_a_session_ends_after_eight_idle_hours(signed_in) -> None:
    idle(signed_in, 8 * 3600 - 100)
    assert signed_in.get("/admin/").status_code == 200  # and has eight hours again
    assert Session.objects.get().expire_date > timezone.now() + timedelta(hours=7, minutes=59)
    idle(signed_in, 8 * 3600 + 1)
    assert signed_in.get("/admin/").url.startswith(reverse("admin:login"))


def test_a_page_that_renews_itself_does_not_keep_a_session_alive(signed_in) -> None:
    idle(signed_in, 3600)
    before = Session.objects.get().expire_date
    signed_in.get("/admin/", headers={"X-Seedbed-Live": "1"})
    assert Session.objects.get().expire_date == before
    script = project_settings.BASE_DIR / "project/static/seedbed/live.js"
    assert '"X-Seedbed-Live"' in script.read_text()


def test_a_session_is_not_written_with_every_page(signed_in) -> None:
    idle(signed_in, ACTIVE_SECONDS / 2)
    before = Session.objects.get().expire_date
    signed_in.get("/admin/")
    assert Session.objects.get().expire_date == before


def test_the_limit_of_an_address_is_above_that_of_a_name() -> None:
    assert signin.NAMES_OF_ADDRESS > 1
