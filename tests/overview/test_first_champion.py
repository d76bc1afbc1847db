"""From an empty folder to a first live model, by clicking alone: the clicks are counted."""

from typing import Any

import pytest
from django.core.cache import cache
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from project.accounts.services import make_first_account
from project.jobs.models import Job, Process
from project.jobs.runner import run_job
from tests.clicking import click
from tests.waiting import until
from training.models import ModelVersion

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("valkey"),
]
CLICKS_AT_MOST = 5
OWN = "my-own-long-password"


class Person:
    """Somebody with a mouse, who types only a name and a password."""

    def __init__(self, browser: Chrome, address: str) -> None:
        self.browser, self.address, self.clicks = browser, address, 0

    def open(self, path: str) -> None:
        self.browser.get(f"{self.address}{path}")

    def send(self, form: str, **fields: str) -> None:
        """Fill in a form, and send it by the keyboard."""
        for name, value in fields.items():
            self.browser.find_element(By.NAME, name).send_keys(value)
        self.browser.find_element(By.CSS_SELECTOR, f"{form} [type=submit]").submit()

    def click(self, text: str) -> None:
        """Click on the link or button that says so, once it is there."""
        said = f"//main//*[normalize-space(.)='{text}' or @value='{text}']"
        said += "[self::a or self::button or self::input]"
        click(self.browser, By.XPATH, said)
        self.clicks += 1

    def until_shown(self, text: str) -> None:
        """Wait for words of the page, which renews itself."""
        script = "return document.querySelector('main')?.innerText ?? ''"
        until(lambda: text in str(self.browser.execute_script(script)))


@pytest.fixture
def person(browser: Chrome, live_server: LiveServer, settings: Any) -> Person:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()
    for role in Process.Role:
        Process.objects.create(name=f"host-{role}-1", role=role)
    return Person(browser, live_server.url)


def work_once() -> None:
    """Do what waits, as a worker would."""
    job = until(lambda: Job.objects.filter(state=Job.State.QUEUED).first())
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED, job.error


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
    person.until_shown("Version 1 is live")
    assert ModelVersion.objects.champions().exists()
    person.click("Open version 1")
    person.until_shown("champion")
    assert person.clicks <= CLICKS_AT_MOST
