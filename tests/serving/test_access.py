"""Who may ask: each route refuses each key that does not open it, in words."""

import re
from datetime import timedelta

import pytest
import redis
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from project.audit.models import Act, AuditEntry
from serving.api.app import api
from serving.domain.limits import MAX_BODY_BYTES
from serving.models import ApiKey, Scope
from serving.queries.keys import KeyRing
from serving.services.keys import revoke_key

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
# What stands in addresses; a route with another part is tried with the last of them.
PARTS = {"{kind}": "match_compatibility"}
OPENED = {200, 201, 400, 404, 409, 422}  # answers to who may ask; most bodies here are empty


def documented():
    """Return method and path of every route in the document: a new one is held to all of this."""
    return [
        (method, path.removeprefix("/api/v1"))
        for path, operations in api.get_openapi_schema()["paths"].items()
        for method in operations
    ]


ROUTES = documented()


@pytest.fixture(params=ROUTES, ids=" ".join)
def route(request):
    return request.param


def address_of(path):
    return "/api/v1" + re.sub(r"\{\w+\}", lambda part: PARTS.get(part[0], "seed_0"), path)


def send(route, authorization=None):
    method, path = route
    headers = {} if authorization is None else {"Authorization": authorization}
    given = {} if method == "get" else {"data": b"{}", "content_type": "application/json"}
    return getattr(Client(headers=headers), method)(address_of(path), **given)


def refused(answer, status):
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert told["remedy"], told
    return told["detail"]


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "Bearer",
        "Bearer sb_",
        "Bearer " + "x" * 46,
        "Basic sb_" + "x" * 43,
        "Bearer sb_" + "é" * 43,
        "Bearer sb_" + "x" * 44,
    ],
)
def test_no_key_is_refused(route, given):
    answer = send(route, given)
    assert "Authorization: Bearer" in refused(answer, 401)
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_wrong_key_is_refused(route, make_token):
    token = make_token()
    changed = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert "no such key" in refused(send(route, f"Bearer {changed}"), 401)


def test_a_key_that_is_over_is_refused(route, make_token):
    token = make_token(expires_at=timezone.now() + timedelta(hours=1))
    assert send(route, f"Bearer {token}").status_code in OPENED
    ApiKey.objects.update(expires_at=timezone.now())
    assert "is over" in refused(send(route, f"Bearer {token}"), 401)


def test_a_revoked_key_is_refused(route, make_token):
    token = make_token()
    key = ApiKey.objects.get()
    assert revoke_key(key)
    assert not revoke_key(key)
    assert "revoked" in refused(send(route, f"Bearer {token}"), 401)
    assert [e.detail.split(";")[0] for e in AuditEntry.objects.of(Act.KEY)] == ["revoked", "made"]


def test_one_scope_opens_a_route_and_no_other(route, make_token):
    opening = []
    for scope in Scope.values:
        answer = send(route, f"Bearer {make_token(scope)}")
        if answer.status_code in OPENED:
            opening.append(scope)
        else:
            assert "does not open the scope" in refused(answer, 403)
    assert len(opening) == 1
    others = make_token(*(set(Scope.values) - set(opening)))
    assert f"scope {opening[0]}" in refused(send(route, f"Bearer {others}"), 403)


@pytest.mark.parametrize("is_valkey_there", [True, False])
def test_a_key_beyond_its_limit_has_to_wait(route, make_token, monkeypatch, is_valkey_there):
    if not is_valkey_there:
        monkeypatch.setattr("serving.services.throttle._script", gone)
        monkeypatch.setattr("serving.services.throttle._away_until", 0.0)
    token = make_token(requests_per_minute=3)
    for _ in range(3):
        assert send(route, f"Bearer {token}").status_code in OPENED
    answer = send(route, f"Bearer {token}")
    assert "3 requests a minute" in refused(answer, 429)
    assert 1 <= int(answer["Retry-After"]) <= 20
    other = make_token()
    assert send(route, f"Bearer {other}").status_code in OPENED


def gone():
    def ask(**_):
        raise redis.ConnectionError

    return ask


def test_while_the_database_is_away_known_keys_go_on_and_none_is_called_wrong(
    route, make_token, monkeypatch
):
    token = make_token()
    assert send(route, f"Bearer {token}").status_code in OPENED

    def fail(*_, **__):
        raise OperationalError("gone")

    monkeypatch.setattr("serving.queries.keys.ApiKey.objects.filter", fail)
    assert send(route, f"Bearer {token}").status_code in OPENED
    monkeypatch.setattr("serving.api.access.ring", KeyRing())
    answer = send(route, f"Bearer {token}")
    assert "database" in refused(answer, 503)
    assert int(answer["Retry-After"]) >= 1


def test_a_body_that_is_too_large_is_refused_before_it_is_read(make_token):
    headers = {"Authorization": f"Bearer {make_token()}"}
    body = b'{"pairs": ' + b" " * MAX_BODY_BYTES + b"[]}"
    answer = Client(headers=headers).post(
        "/api/v1/match/score", body, content_type="application/json"
    )
    assert "at most" in refused(answer, 413)


def test_of_a_key_nothing_is_kept_that_opens_anything(make_token, ask):
    token = make_token()
    key = ApiKey.objects.first()
    assert token.startswith(key.start)
    kept = str({field.name: getattr(key, field.name) for field in ApiKey._meta.fields})
    assert token[len(key.start) :] not in kept
    assert re.fullmatch("[0-9a-f]{64}", key.digest)
    assert key.last_used_at is None
    ask("models")
    assert ApiKey.objects.exclude(last_used_at=None).count() == 1


@pytest.mark.parametrize("path", ["nothing", "match/score/", "models/a/b/c"])
def test_what_is_not_there_is_a_problem_and_no_page(client, path):
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", sorted({path for _, path in ROUTES}))
def test_another_method_is_refused_in_words_that_name_its_own(client, path):
    own = {method.upper() for method, other in ROUTES if other == path}
    answer = client.patch(address_of(path))
    assert "PATCH" in refused(answer, 405)
    assert set(answer["Allow"].split(", ")) == own
    assert answer["Allow"] in answer.json()["remedy"]


def test_what_is_too_large_for_a_page_is_for_programs_a_question_of_the_key(client, settings):
    large = str(settings.MAX_PAGE_UPLOAD_BYTES + 1)
    answer = client.post(
        "/api/v1/match/score", b"{}", content_type="application/json", CONTENT_LENGTH=large
    )
    refused(answer, 401)


def test_what_the_admin_would_answer_with_a_page_is_a_problem(client):
    answer = client.get("/api/v1/models", {"a": "\0"})
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
