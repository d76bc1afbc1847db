"""Keys are made and revoked by command and in the admin; what is made is shown once."""

import json
import re
from datetime import UTC, datetime

import pytest
from django.core.management import call_command

from project.audit.models import Act, AuditEntry
from project.refusal import Refusal
from serving.models import ApiKey
from serving.queries.keys import KeyRing
from serving.services.keys import issue_key
from tests.factories import make_staff

pytestmark = pytest.mark.django_db
ADD = "/admin/serving/apikey/add/"
TOKEN = re.compile(r"sb_[\w-]{43}")


def asked(capsys, *words):
    call_command("api_keys", *words, "--json")
    return json.loads(capsys.readouterr().out)


def test_a_key_is_made_listed_and_revoked_by_command(capsys):
    made = asked(capsys, "make", "shop", "--scope", "score", "--scope", "score", "--days", "30")
    assert TOKEN.fullmatch(made["token"])
    assert made["key"]["scopes"] == ["score"]
    found = KeyRing().find(made["token"])
    assert found is not None
    assert (found.name, found.scopes) == ("shop", {"score"})
    listed = asked(capsys, "list")["keys"]
    assert [(one["name"], one["state"]) for one in listed] == [("shop", "open")]
    assert made["token"] not in json.dumps(listed)
    assert asked(capsys, "revoke", "shop")["was_open"]
    assert not asked(capsys, "revoke", "shop")["was_open"]
    assert KeyRing().find(made["token"]) is None
    assert asked(capsys, "list")["keys"][0]["state"] == "revoked"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": " "}, "blank"),
        ({"name": "shop"}, "exists"),
        ({"name": "x" * 61}, "60"),
        ({"scopes": []}, "scope"),
        ({"scopes": ["score", "everything"]}, "no scope everything"),
        ({"requests_per_minute": 0}, "1"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "to come"),
        ({"requests_per_minute": 10**9}, "1000000"),
    ],
)
def test_no_key_is_made_of_what_makes_no_sense(fields, words):
    issue_key(ApiKey(name="shop", scopes=["score"]))
    with pytest.raises(Refusal) as refusal:
        issue_key(ApiKey(**{"name": "other", "scopes": ["score"], **fields}))
    assert words in str(refusal.value)
    assert ApiKey.objects.count() == 1


def test_what_cannot_be_done_by_command_ends_with_2(capsys):
    with pytest.raises(SystemExit) as end:
        call_command("api_keys", "revoke", "nobody")
    assert end.value.code == 2
    assert "What to do" in capsys.readouterr().err


def test_a_key_is_made_in_the_admin_shown_once_and_revoked_after_a_question(client):
    staff = make_staff("serving.add_apikey", "serving.view_apikey", "serving.change_apikey")
    client.force_login(staff)
    answer = client.post(
        ADD, {"name": "shop", "scopes": ["score", "read"], "requests_per_minute": 60}
    )
    assert "no-store" in answer["Cache-Control"]
    (token,) = set(TOKEN.findall(answer.content.decode()))
    assert KeyRing().find(token).scopes == {"score", "read"}
    key = ApiKey.objects.get()
    assert key.made_by == staff.username
    again = client.post(ADD, {"name": "shop", "scopes": ["score"], "requests_per_minute": 60})
    assert "already exists" in again.content.decode()
    for address in ("/admin/serving/apikey/", f"/admin/serving/apikey/{key.pk}/change/"):
        page = client.get(address).content.decode()
        assert token[: len(key.start)] in page
        assert token not in page
        assert key.digest not in page
    revoke = f"/admin/serving/apikey/{key.pk}/revoke/"
    assert "401" in client.get(revoke).content.decode()
    assert KeyRing().find(token) is not None
    client.post(revoke)
    assert KeyRing().find(token) is None
    acts = AuditEntry.objects.of(Act.KEY)
    assert {(one.actor, one.title) for one in acts} == {(staff.username, "shop")}
    assert len(acts) == 2


def test_a_key_that_would_be_over_is_an_error_at_its_field(client):
    client.force_login(make_staff("serving.add_apikey", "serving.view_apikey"))
    past = {"expires_at_0": "2020-01-01", "expires_at_1": "00:00:00"}
    answer = client.post(
        ADD, {"name": "shop", "scopes": ["score"], "requests_per_minute": 60, **past}
    )
    assert answer.status_code == 200
    assert "Expected a moment to come." in answer.content.decode()
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("right", ["serving.view_apikey", "serving.add_apikey", ""])
def test_nobody_revokes_or_makes_without_the_right(client, right):
    issue_key(ApiKey(name="shop", scopes=["score"]))
    client.force_login(make_staff(*filter(None, [right])))
    key = ApiKey.objects.get()
    assert client.post(f"/admin/serving/apikey/{key.pk}/revoke/").status_code == 403
    made = client.post(ADD, {"name": "b", "scopes": ["score"], "requests_per_minute": 60})
    assert made.status_code == (200 if right == "serving.add_apikey" else 403)
    assert KeyRing()
    assert ApiKey.objects.filter(revoked_at=None, name="shop").exists()


def test_a_key_that_is_made_cannot_be_given_more(client):
    client.force_login(make_staff("serving.view_apikey", "serving.change_apikey"))
    issue_key(ApiKey(name="shop", scopes=["read"]))
    key = ApiKey.objects.get()
    answer = client.post(
        f"/admin/serving/apikey/{key.pk}/change/",
        {"name": "shop", "scopes": ["score", "read"], "requests_per_minute": 999},
    )
    assert answer.status_code == 403
    key.refresh_from_db()
    assert (key.scopes, key.requests_per_minute) == (["read"], 6000)
