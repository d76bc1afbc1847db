"""What production sees of one person: what is there, what is not, and what comes of it."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from matching.models import SeedUser
from serving.queries.debugging import see_person
from tests.factories import make_admin, make_seed_user, make_staff
from tests.matching.commands import run_command, show_command
from tests.serving.logged import log_pairs
from training.queries.pairs import score_pairs

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("people", "valkey")
def test_it_is_what_a_score_is_computed_from_and_was():
    SeedUser.objects.filter(external_id="seed_0").update(age=None)
    now = timezone.now()
    log_pairs(
        ["seed_0", "seed_0", "seed_1", "seed_0"],
        [now, now - timedelta(hours=1), now, now - timedelta(days=2)],
        [0.5] * 4,
        missing=[["age_score"], [], ["age_score"], ["budget_score"]],
    )
    seen = see_person("seed_0", at=timezone.now())
    assert seen["no_attributes"] == ["age"]
    assert seen["attributes"]["extraversion"] is not None
    assert (seen["trip"]["budget"], seen["no_trip"]) == (800.0, [])
    assert (seen["live"], seen["scored"], seen["candidates"]) == (4, 4, 3)
    assert list(seen["gates"]) == ["their destinations are over 200 km apart"]
    wanted = score_pairs([("seed_0", f"seed_{n}") for n in range(1, 5)]).score
    assert (seen["lowest"], seen["highest"]) == (
        pytest.approx(wanted.min(), abs=1e-6),
        pytest.approx(wanted.max(), abs=1e-6),
    )
    features = {one["name"]: one for one in seen["features"]}
    assert features["age_score"]["missing_share"] == 1.0
    assert features["age_score"]["median"] is None
    assert features["budget_score"]["missing_share"] == 0.0
    assert features["budget_score"]["lowest"] < features["budget_score"]["highest"]
    assert (seen["logged"], seen["logged_missing"]) == (2, {"age_score": 0.5})


@pytest.mark.usefixtures("people", "valkey")
def test_who_has_no_trip_is_seen_too_and_who_is_nobody_is_refused():
    seen = see_person("seed_5", at=timezone.now())
    assert "budget" in seen["no_trip"]
    assert (seen["candidates"], seen["logged"], seen["last_logged_at"]) == (0, 0, None)
    for name, said in (("nobody", "no seed user"), ("group_1", "is a group")):
        code, told = run_command("debug_features", name)
        assert (code, said in told["refused"]["message"]) == (2, True)


def test_where_nobody_is_live_there_is_nothing_to_hold_it_against(valkey):
    make_seed_user("alone")
    seen = see_person("alone", at=timezone.now())
    assert (seen["live"], seen["scored"], seen["features"][0]["missing_share"]) == (0, 0, None)


@pytest.mark.usefixtures("people", "valkey")
def test_command_and_page_show_it(client):
    SeedUser.objects.filter(external_id="seed_0").update(age=None)
    code, told = run_command("debug_features", "seed_0")
    assert (code, told["user"]) == (0, "seed_0")
    said = show_command("debug_features", "seed_0")
    assert "Not there: age" in said
    assert "no champion" in said
    assert "No application asked" in said
    page = reverse("admin:serving_debug")
    client.force_login(make_staff("serving.view_alarm", name="looker"))
    assert client.get(page).status_code == 403
    client.force_login(make_admin())
    assert client.get(page).status_code == 200
    shown = client.get(page, {"user": "seed_0"}).content.decode()
    assert "against every live person" in shown
    assert "100.0 %" in shown
    assert "no seed user" in client.get(page, {"user": "nobody"}).content.decode()
    assert "errorlist" in client.get(page, {"user": ""}).content.decode()
    user = SeedUser.objects.get(external_id="seed_0")
    person = reverse("admin:matching_seeduser_change", args=[user.pk])
    assert f"{page}?user=seed_0" in client.get(person).content.decode()
