"""docs/serving.md: its examples are sent as they stand there, its tables say what the code does."""

import re
import shlex
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from matching.domain.trips import HardGate
from project.origin import Origin
from serving.api.app import api
from serving.api.schemas import PairScore
from serving.models import ApiKey, Scope
from tests.factories import make_seed_user, make_session
from tests.training.batches import make_dataset, make_model
from training.services import registry

pytestmark = pytest.mark.django_db
PAGE = (Path(settings.BASE_DIR) / "docs/serving.md").read_text(encoding="utf-8")
CURLS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
SERVER = "http://testserver"


def sent(example: str, token: str):
    """Send what a line of curl would send; fails for what is not understood here."""
    line = example.replace("\\\n", " ")  # a line that goes on
    line = to_come(line)
    words = shlex.split(line.replace("$SEEDBED_URL", SERVER).replace("$SEEDBED_KEY", token))
    assert words.pop(0) == "curl"
    headers, data, address, method = {}, None, "", ""
    while words:
        word = words.pop(0)
        if word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word == "-X":
            method = words.pop(0).lower()
        elif word == "-d":
            data = words.pop(0)
        else:
            assert word.startswith(SERVER), word
            address = word.removeprefix(SERVER)
    client = Client(headers=headers)
    if data is None:
        return getattr(client, method or "get")(address)
    # What curl says of a body for which no type is given.
    send = getattr(client, method or "post")
    return send(address, data, content_type="application/x-www-form-urlencoded")


def to_come(text: str) -> str:
    """Let days of an example be to come, whenever it is read."""
    return text.replace("2027-", f"{timezone.localdate().year + 1}-")


@pytest.mark.parametrize("example", CURLS)
def test_each_example_is_answered(example, make_token, valkey):
    registry.promote(make_model(make_dataset()))
    for name in ("ana", "ben", "zoe"):
        make_session(make_seed_user(name, origin=Origin.REAL.code), origin=Origin.REAL.code)
    answer = sent(example, make_token())
    assert answer.status_code in (200, 201, 202), answer.content
    told = answer.json()
    for one in told.get("scores", ()):
        assert 0 < one["score"] < 1 if one["score"] is not None else "'nobody'" in str(one)
    if "feedback/predict" not in example:  # no kind of feedback has a live model here
        assert told.get("warning", "") == ""
    assert told.get("refused", []) == []


def test_the_walk_leads_from_a_key_to_a_ranked_list(make_token, valkey):
    token = make_token()
    walk = CURLS[: next(at for at, one in enumerate(CURLS) if "match/rank" in one) + 1]
    answers = [sent(example, token) for example in walk]
    assert [answer.status_code for answer in answers] == [201] * (len(walk) - 1) + [200]
    told = answers[-1].json()
    assert [one["right"] for one in told["best"]] == ["ben"]
    assert "no champion" in told["warning"]
    assert told["best"][0]["missing"] == []


def test_the_example_in_python_is_answered(live_server, make_token, valkey, monkeypatch, capsys):
    monkeypatch.setenv("SEEDBED_URL", live_server.url)
    monkeypatch.setenv("SEEDBED_KEY", make_token())
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    exec(compile(to_come(program), "docs/serving.md", "exec"), {})  # noqa: S102 - our own page
    name, score, served_by, *_ = capsys.readouterr().out.split()
    assert (name, served_by) == ("ben", "rule_score")
    assert 0 < float(score) < 1


def rows_of(header: str) -> set[str]:
    """Return the names in the first column of a table."""
    table = PAGE.partition(header)[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    return set(re.findall(r"\w+", " ".join(cells)))


def test_its_tables_name_what_there_is():
    assert rows_of("| field |") == {*PairScore.model_fields, "problem"}
    assert {gate for gate in HardGate if gate != HardGate.OPEN} == {
        gate for gate in HardGate if f"`{gate}`" in PAGE
    }
    documented = {
        status
        for operations in api.get_openapi_schema()["paths"].values()
        for operation in operations.values()
        for status in map(str, operation["responses"])
    }
    not_of_a_route = {"405", "408"}
    assert rows_of("| status |") == (documented | not_of_a_route) - {"200", "201", "202"}
    assert all(f"`{scope}`" in PAGE for scope in Scope.values)
    default = ApiKey._meta.get_field("requests_per_minute").default
    assert f"{default:,} unless" in PAGE
