"""Whole days of work at the admin, by clicking: from a profile to a model and back again."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db.models import Q
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from feedback.models import QualityFeedback
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


def log_in(person: Person) -> Any:
    """Let somebody who may do everything in at the front page."""
    ada = get_user_model().objects.create_superuser("ada", password=PASSWORD)
    person.open("/admin/")
    person.send("#login-form", username="ada", password=PASSWORD)
    person.until_shown("Three steps to a first live model")
    return ada


@pytest.fixture
def unfinished(person: Person) -> SeedUser:
    """Give somebody without an age, among people whose model is live; the person is logged in."""
    ada = log_in(person)

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


def test_a_table_of_stars_is_refused_mapped_collected_and_reported(
    person: Person, tmp_path: Path
) -> None:
    log_in(person)
    stars = tmp_path / "ratings.csv"
    lines = [f"r{n},{n % 5 + 1},2026-01-{n % 28 + 1:02}T10:00:00Z" for n in range(40)]
    stars.write_text("\n".join(["id,stars,created_at", *lines]))
    person.open("/admin/feedback/feedbacksource/import/")
    person.browser.find_element(By.NAME, "file").send_keys(str(stars))
    Select(person.browser.find_element(By.NAME, "table")).select_by_value("quality_feedback")
    person.click("Start")
    work_once(Job.State.REFUSED)
    person.open(f"/admin/jobs/job/{Job.objects.get().pk}/change/")
    person.until_shown("1 to 5 becomes 0 to 1")
    assert not QualityFeedback.objects.exists()

    person.click("Look at the proposed mapping")
    person.until_shown("Its first rows, before and after")
    person.click("Look and confirm")
    person.click("Confirm and import")
    work_once()
    assert QualityFeedback.objects.filter(csat=1.0).count() == 8
    person.open("/admin/feedback/feedbacksource/")
    person.click("What feedback says")
    person.until_shown("Source: files.")


def test_a_job_is_stopped_from_its_page_and_goes_on_as_a_retry(person: Person) -> None:
    job = enqueue("matching.seed_users", by=log_in(person), ring_bell=False, count=20)
    person.open(f"/admin/jobs/job/{job.pk}/change/")
    person.click("Stop …")
    person.click("Stop Make seed users")
    person.until_shown("was stopped")
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    run_job(str(job.pk))  # a bell that was rung before
    assert not SeedUser.objects.exists()
    person.click("Retry …")
    person.until_shown("goes on after the last step that was done")
    person.click("Retry Make seed users")
    work_once()
    assert SeedUser.objects.exists()
    person.until_shown("Run again with changes")
