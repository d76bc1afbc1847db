"""The first account: made where nobody can get in, with a password that is good for once."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from project.accounts.models import OneTimePassword
from project.accounts.services import FirstAccount, make_first_account
from project.audit.models import Act, AuditEntry
from tests.factories import make_staff

pytestmark = pytest.mark.django_db

HOME, LOGIN = "/admin/", "/admin/login/"
CHANGE = "/admin/password_change/"
OWN = "my-own-long-password"


def first() -> FirstAccount:
    account = make_first_account()
    assert account is not None
    return account


def sign_in(account: FirstAccount) -> Client:
    client = Client()
    data = {"username": account["user"], "password": account["password"], "next": HOME}
    assert client.post(LOGIN, data).status_code == 302
    return client


def change(client: Client, old: str, new: str) -> Any:
    data = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post(CHANGE, data)


def test_the_first_account_may_do_everything_and_stands_in_the_audit_list() -> None:
    account = first()
    user = User.objects.get()
    assert (user.username, user.is_superuser, user.is_staff) == (account["user"], True, True)
    assert user.check_password(account["password"])
    entry = AuditEntry.objects.get(act=Act.ACCOUNT)
    assert account["password"] not in f"{entry.title} {entry.detail}"


def test_where_anybody_has_an_account_none_is_made() -> None:
    make_staff()
    assert make_first_account() is None
    assert User.objects.count() == 1


def test_nobody_goes_on_without_a_password_of_their_own() -> None:
    account = first()
    client = sign_in(account)
    for address in (HOME, "/admin/matching/seeduser/", "/admin/home/live/", "/admin/find/"):
        answer = client.get(address)
        assert (answer.status_code, answer["Location"]) == (302, CHANGE), address
    assert client.post("/admin/home/begin/people/")["Location"] == CHANGE
    page = client.get(CHANGE)
    assert page.status_code == 200
    assert "good for once" in page.content.decode()
    # The printed one again is none of one's own.
    said = change(client, account["password"], account["password"])
    assert "than the one that was printed" in said.content.decode()
    assert client.get(HOME).status_code == 302
    answer = change(client, account["password"], OWN)
    assert answer["Location"] == HOME
    assert "Your password is set." in client.get(HOME).content.decode()
    assert not OneTimePassword.objects.exists()
    again = sign_in({"user": account["user"], "password": OWN})
    assert again.get(HOME).status_code == 200


def test_another_session_is_free_once_the_password_was_changed() -> None:
    account = first()
    client = sign_in(account)
    user = User.objects.get()
    user.set_password(OWN)  # at the command line, or by another administrator
    user.save()
    assert client.get(HOME)["Location"].startswith(LOGIN)  # and every other session ends
    assert sign_in({"user": account["user"], "password": OWN}).get(HOME).status_code == 200


def test_a_lost_one_is_printed_anew_until_somebody_has_signed_in() -> None:
    lost = first()
    account = first()
    assert account["password"] != lost["password"]
    assert not User.objects.get().check_password(lost["password"])
    sign_in(account)
    assert make_first_account() is None
    assert User.objects.get().check_password(account["password"])


def test_who_signs_in_otherwise_is_asked_nothing() -> None:
    client = Client()
    client.force_login(make_staff("matching.view_seeduser"))
    assert client.get(reverse("admin:matching_seeduser_changelist")).status_code == 200
