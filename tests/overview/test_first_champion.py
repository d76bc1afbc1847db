"""From an empty folder to a first live model, by clicking alone: the clicks are counted."""

import pytest

from project.accounts.services import make_first_account
from tests.overview.person import Person, work_once
from training.models import ModelVersion

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("valkey"),
]
CLICKS_AT_MOST = 5
OWN = "my-own-long-password"


def test_the_first_champion_takes_five_clicks_after_the_login(person: Person) -> None:
    account = make_first_account()
    assert account is not None
    person.open("/admin/")
    person.send("#login-form", username=account["user"], password=account["password"])
    person.until_shown("good for once")
    person.send(
        "#content-main",
        old_password=account["password"],
        new_password1=OWN,
        new_password2=OWN,
    )
    person.until_shown("Three steps to a first live model")

    person.click("Make 200 people")
    work_once()
    person.click("Create their trips")  # the page has renewed itself
    work_once()
    person.click("Rebuild …")
    person.click("Start")
    work_once()
    version = ModelVersion.objects.champions().get().version
    person.until_shown(f"Version {version} is live")
    person.click(f"Open version {version}")
    person.until_shown("champion")
    assert person.clicks <= CLICKS_AT_MOST
