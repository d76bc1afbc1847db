"""Each role in a browser: signs in, sees home, takes the step that it is offered, and meets nothing
on the way that answers no."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from project.jobs.models import Schedule
from serving.models import ApiKey
from tests.factories import make_seed_user, make_session
from tests.overview.person import Person, work_once
from tests.roles import make_person_of
from tests.training.batches import make_dataset, make_good_batch, make_model
from training.models import Dataset, ModelVersion
from training.services import registry

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("valkey"),
]
PASSWORD = "correct-horse-battery"


@pytest.fixture
def candidate() -> ModelVersion:
    """A version that waits beside the one that is live."""
    make_session(make_seed_user())
    dataset = make_dataset(make_good_batch(400))
    registry.promote(make_model(dataset))
    return make_model(dataset, seed=1)


def log_in(person: Person, role: str) -> User:
    user = make_person_of(role)
    user.set_password(PASSWORD)
    user.save()
    person.open("/admin/")
    person.send("#login-form", username=user.username, password=PASSWORD)
    person.until_shown("Live trips")
    look_round(person)
    return user


def look_round(person: Person) -> None:
    """Follow each link of the page, its navigation among them, that was not followed yet."""
    assert person.refused() == []


def test_a_viewer_looks_at_what_waits_for_others(person: Person, candidate: ModelVersion) -> None:
    log_in(person, "Viewer")
    person.until_shown("It waits for somebody who may promote models.")
    assert "Rebuild" not in person.text()
    person.click(f"Look at version {candidate.version}")
    person.until_shown("candidate")
    look_round(person)
    assert person.buttons() == []
    person.click(f"Dataset {candidate.dataset.version}")
    person.until_shown("Balance of the answer")
    look_round(person)
    assert person.buttons() == []


def test_an_operator_builds_and_trains_and_hands_over(person: Person) -> None:
    make_session(make_seed_user())
    make_good_batch(400)
    log_in(person, "Operator")
    person.click("Build a dataset")
    look_round(person)
    person.click("Start")
    work_once()
    person.open("/admin/")
    person.click("Train …")
    look_round(person)
    person.click("Start")
    work_once()
    made = ModelVersion.objects.get()
    assert made.dataset == Dataset.objects.get()
    person.open("/admin/")
    person.until_shown("It waits for somebody who may promote models.")
    person.click(f"Look at version {made.version}")
    person.until_shown("candidate")
    look_round(person)
    assert not any("live" in button for button in person.buttons())


def test_an_approver_decides(person: Person, candidate: ModelVersion) -> None:
    log_in(person, "Approver")
    person.click(f"Decide on version {candidate.version} …")
    person.until_shown("Beside the champion")
    look_round(person)
    person.type(reason="as good on the same rows")
    person.click(f"Make version {candidate.version} live")
    person.until_shown(f"Version {candidate.version} is live")
    look_round(person)
    person.open("/admin/")
    person.until_shown("Nothing waits")
    look_round(person)


def test_an_administrator_lets_an_application_in_and_watches_it(
    person: Person, candidate: ModelVersion
) -> None:
    log_in(person, "Administrator")
    person.click("Make a key")
    person.type(name="the shop")
    look_round(person)
    person.click("Save")
    person.until_shown("Keep this key now")
    person.click("It is kept: to the keys")
    person.until_shown("the shop")
    assert ApiKey.objects.get().made_by == "of_Administrator"
    person.open("/admin/")
    person.click("Watch them …")
    person.until_shown("with your rights")
    look_round(person)
    person.click("Watch the answers")
    person.until_shown("Answers are watched every 1 min from now on")
    look_round(person)
    schedule: Any = Schedule.objects.get()
    assert (schedule.kind, schedule.owner.username) == (
        "serving.monitor_scores", "of_Administrator",
    )  # fmt: skip
    person.click("Stop watching …")
    person.click("Stop watching the answers")
    person.until_shown("not watched by themselves any more")
    assert not Schedule.objects.get().is_enabled
