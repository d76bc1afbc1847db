"""What a Prometheus reads: what was counted, by all processes, for who may."""

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from serving.services.metrics import add_gauge, log_rows_lost
from serving.services.score_log import ScoreLog
from tests.factories import make_alarm
from tests.serving.test_score_log import offered

pytestmark = pytest.mark.django_db


def read(client=None, **labels):
    """Return the samples of /metrics by name; of those with labels the ones that have them."""
    answer = (client or Client()).get("/metrics")
    assert answer.status_code == 200, answer.content
    found = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            if labels.items() <= sample.labels.items() or not sample.labels:
                found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def test_requests_pairs_and_fallbacks_are_counted_by_route_and_status(ask, client):
    labels = {"route": "api/v1/match/score", "method": "POST", "status": "200"}
    before = read(**labels)
    ask("match/score", {"features": [{}, {}], "feature_set": "smooth-1"})
    ask("match/score", b"{")
    after = read(**labels)

    def more(name):
        return after[name] - before.get(name, 0)

    assert more("seedbed_requests_total") == 1
    assert more("seedbed_pairs_scored_total") == more("seedbed_fallbacks_total") == 2
    refused = read(**{**labels, "status": "400"})
    assert refused["seedbed_requests_total"] >= 1
    took = read(route="api/v1/match/score", le="10.0")
    assert took["seedbed_request_seconds_bucket"] >= 2
    client.get("/admin/login/")
    client.get("/there/is/nothing/user-text")
    routes = client.get("/metrics").content.decode()
    assert 'route="pages"' in routes
    assert "user-text" not in routes


def test_the_log_the_alarms_and_what_others_add_are_shown(monkeypatch, settings):
    before = read()
    log = ScoreLog()
    monkeypatch.setattr(log, "begin", lambda: None)
    log.offer(offered(3))
    log.flush()
    log_rows_lost.inc(2)
    make_alarm()
    add_gauge("index_age_seconds", "Since the index was made.", lambda: 1.5)
    add_gauge("unknown", "Nobody knows.", lambda: None)
    after = read()
    written = "seedbed_score_log_rows_written_total"
    assert after[written] - before.get(written, 0) == 3
    assert after["seedbed_score_log_rows_lost_total"] >= 2
    assert after["seedbed_alarms_open"] == 1
    assert after["seedbed_index_age_seconds"] == 1.5
    assert "seedbed_unknown" not in after


def test_counters_are_shown_while_the_database_is_away(monkeypatch):
    def gone(*_):
        raise OperationalError("password=secret")

    monkeypatch.setattr("serving.models.AlarmQuerySet.open", gone)
    assert "seedbed_alarms_open" not in read()


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"REMOTE_ADDR": "10.0.0.7"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "10.0.0.7"},
        {"REMOTE_ADDR": "::1", "HTTP_FORWARDED": "for=10.0.0.7"},
    ],
)
def test_from_elsewhere_a_key_of_the_scope_read_is_needed(make_token, valkey, elsewhere):
    client = Client(**elsewhere)
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics")["Content-Type"] == "application/problem+json"
    score, may = make_token("score"), make_token("read")
    for token, status in ((score, 403), (may, 200)):
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status
    assert Client(REMOTE_ADDR="::1").get("/metrics").status_code == 200
    assert Client().post("/metrics").status_code == 405


def test_other_processes_are_added_and_those_that_are_gone_are_forgotten():
    code = (
        "import django; django.setup()\n"
        "from serving.services.metrics import fallbacks, exposition\n"
        "before = exposition(); fallbacks.inc(1000)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
    )
    total = read()["seedbed_fallbacks_total"]
    assert total >= 1000
    subprocess.run(
        [sys.executable, "-c", code.replace("inc(1000)", "inc(0)")],
        check=True,
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
    )
    assert read()["seedbed_fallbacks_total"] <= total - 1000
