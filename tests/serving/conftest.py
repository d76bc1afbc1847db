"""An application with a key, and people whom it can ask about."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.test import Client

from serving.models import ApiKey, Scope
from serving.queries.standing import Holder
from serving.services.keys import issue_key
from tests.factories import make_group, make_seed_user, make_session

Ask = Callable[..., Any]


@pytest.fixture(autouse=True)
def artifact_root(settings: Any, tmp_path: Path) -> None:
    """Give each test a folder: some empty the database, which then owns no folder of before."""
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"


@pytest.fixture(autouse=True)
def fresh_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each request read the keys and the live model: every test has others."""
    monkeypatch.setattr("serving.queries.keys.RENEWED_SECONDS", 0.0)
    monkeypatch.setattr("serving.queries.standing.RENEWED_SECONDS", 0.0)
    monkeypatch.setattr("serving.api.match.holder", Holder())


@pytest.fixture(autouse=True)
def fresh_means(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let means of feedback be counted anew: every test has other rows."""
    monkeypatch.setattr("training.queries.group_means._kept", {})


@pytest.fixture
def make_token(db: None) -> Callable[..., str]:
    """Return what makes a key and gives its token."""

    def make(*scopes: str, **fields: Any) -> str:
        name = f"application {ApiKey.objects.count() + 1}"
        return issue_key(ApiKey(name=name, scopes=list(scopes or Scope.values), **fields))

    return make


@pytest.fixture
def ask(make_token: Callable[..., str], valkey: Any) -> Ask:
    """Return what asks the API as an application that may everything."""
    token = make_token()
    client = Client(headers={"Authorization": f"Bearer {token}"})

    def send(path: str, body: Any = None) -> Any:
        address = f"/api/v1/{path}"
        if body is None:
            return client.get(address)
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return client.post(address, data, content_type="application/json")

    return send


@pytest.fixture
def people(db: None) -> None:
    """Four people at one place at one time, one far away, one without a trip, and a group."""
    users = [make_seed_user(f"seed_{n}", age=20 + 6 * n) for n in range(6)]
    for number, user in enumerate(users[:4]):
        make_session(user, budget=800.0 + 300 * number)
    make_session(users[4], destination_lat=60.0, destination_lon=25.0)
    make_session(make_group("group_1", users[2:4]))
