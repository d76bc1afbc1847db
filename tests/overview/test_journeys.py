"""Whole days of work at the admin, by clicking: from a profile to a model and back again."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db.models import Q
from selenium.webdriver.common.keys import Keys

from matching.models import EventBatch, MatchEvent, SeedUser
from matching.queries.sessions import travellers_of_users
from matching.services.sessions import publish_sessions
from project.jobs.models import Job
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from tests.overview.person import Person, work_once
from training.models import ModelVersion

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("valkey"),
]
CLICKS_AT_MOST = 6
PASSWORD = "correct-horse-battery"


@pytest.fixture
def unfinished(person: Person) -> SeedUser:
    """Give somebody without an age, among people whose model is live; the person is logged in."""
    ada = get_user_model().objects.create_superuser("ada", password=PASSWORD)

    def run(kind: str, **asked: Any) -> None:
        job = enqueue(kind, by=ada, ring_bell=False, **asked)
        run_job(str(job.pk))
        job.refresh_from_db()
        assert job.state == Job.State.SUCCEEDED, job.error

    run("matching.seed_users", count=200, seed=4)
    run("matching.create_sessions")
    user = SeedUser.objects.order_by("pk")[7]
    SeedUser.objects.filter(pk=user.pk).update(age=None)
    publish_sessions(travellers_of_users([user.pk]))
    run("overview.rebuild_model")
    person.open("/admin/")
    person.send("#login-form", username="ada", password=PASSWORD)
    return user


def live() -> int:
    return ModelVersion.objects.champions().get().version


def test_from_a_profile_to_a_live_model_and_back(person: Person, unfinished: SeedUser) -> None:
    person.click("Complete 1")
    person.click(unfinished.title)
    person.type(age="31")
    person.click("Save")
    person.until_shown("was changed successfully")
    person.click("Rebuild")
    person.press(Keys.SPACE, "promote")  # somebody is to look at it first
    person.click("Start")
    first = live()
    work_once()
    made = ModelVersion.objects.select_related("dataset").latest("version")
    person.click(f"Decide on version {made.version} …")  # once the page has renewed itself
    assert person.clicks <= CLICKS_AT_MOST
    newest = MatchEvent.objects.of_batch(EventBatch.objects.latest("pk"))
    assert newest.filter(Q(user_id=unfinished.pk) | Q(target_id=unfinished.pk)).exists()

    person.until_shown("Beside the champion")
    person.click("Back")
    person.click(f"Dataset {made.dataset.version}")
    person.until_shown("Balance of the answer")
    person.click("Copies and leakage")
    person.until_shown("must not stand on both sides")
    person.click("Overview")
    person.click(f"Version {made.version}")
    person.click(f"Make version {made.version} live …")
    person.type(reason="better on the same rows")
    person.click(f"Make version {made.version} live")
    person.until_shown(f"Version {made.version} is live")
    assert live() == made.version

    person.open(f"/admin/matching/seeduser/{unfinished.pk}/change/")
    person.click("Whom, and why")
    person.until_shown(f"for {unfinished.title}")
    person.click("Why")
    person.until_shown("What moved it")

    person.open(f"/admin/training/modelversion/{made.pk}/change/")
    person.click(f"Return to version {first} …")
    person.type(reason="people complained")
    person.click(f"Return to version {first}")
    person.until_shown(f"Version {first} is live")
    assert live() == first
