"""No poisoned value in any field, filter or address of the admin brings a page down."""

from pathlib import Path

import pytest
from django.test import Client

from project.jobs.models import Schedule
from project.jobs.services import enqueue
from tests.factories import make_admin, make_group, make_seed_user, make_session, make_word
from tests.feedback.collected import answer, judge, rate, real_source
from tests.project.fuzz import IN_FULL, Fuzz, summary
from tests.training.batches import make_dataset, make_good_batch, make_model
from training.services import registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
SEED = 7


@pytest.fixture
def fuzz(settings, tmp_path: Path, client: Client) -> Fuzz:
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"
    settings.MEDIA_ROOT = tmp_path / "uploads"
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    admin = make_admin()
    make_session(make_seed_user("user1"))
    make_session(make_group())
    make_word()
    registry.promote(make_model(make_dataset(make_good_batch(400))))
    for land in (rate, judge, answer):
        land(real_source(land.__name__), [0.2, 0.4, 0.6])
    Schedule.objects.create(name="daily", kind="matching.seed_users", interval_seconds=86_400)
    enqueue("matching.seed_users", by=admin, count=1, seed=1)
    client.force_login(admin)
    return Fuzz(client, SEED)


def run(fuzz: Fuzz, requests: int) -> None:
    fuzz.learn()
    fuzz.go(requests)
    # It did get somewhere: most pages opened, and who asks is still signed in.
    assert fuzz.statuses[200] > fuzz.asked / 4, fuzz.statuses
    assert fuzz.client.get("/admin/").status_code == 200
    assert not fuzz.faults, f"{len(fuzz.faults)} of {fuzz.asked}\n{summary(fuzz.faults)}"


def test_poison_brings_no_page_down(fuzz: Fuzz) -> None:
    run(fuzz, 500)


@pytest.mark.slow
@pytest.mark.skipif(not IN_FULL, reason="`make fuzz` puts every poison everywhere.")
def test_much_poison_brings_no_page_down(fuzz: Fuzz) -> None:
    run(fuzz, 3_000)
    assert fuzz.planned < fuzz.asked - fuzz.learnt  # everything once at least
