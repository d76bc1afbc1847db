"""The way of a log that cannot be used as it is, in a real browser: refused whole, accepted in
part, its refused rows mended in place, until all have landed."""

import csv
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from matching.models import EventBatch, MatchEvent, RejectedEvent
from project.jobs.models import Job
from project.jobs.runner import run_job
from tests.clicking import click
from tests.factories import make_admin, make_seed_user
from tests.waiting import until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("valkey"),
]
ROWS, WRONG = 40, 12  # 30 %


def write_log(path: Path) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "target", "action", "time"])
        for n in range(ROWS):
            action = ("hmm" if n % 2 else "odd") if n < WRONG else ("accept", "ignore")[n % 2]
            writer.writerow([f"u{n}", f"t{n}", action, f"2025-01-01T10:{n:02}:00Z"])
    return path


class Person:
    """Somebody at the admin, and the worker that does what is asked there."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser, self.url = browser, url
        client = Client()
        client.force_login(make_admin())
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        browser.get(f"{url}{reverse('admin:login')}")
        browser.add_cookie({"name": settings.SESSION_COOKIE_NAME, "value": cookie})

    def go(self, name: str) -> None:
        self.browser.get(f"{self.url}{reverse(f'admin:{name}')}")

    def one(self, selector: str) -> WebElement:
        return until(lambda: self.browser.find_elements(By.CSS_SELECTOR, selector))[0]

    def press(self, selector: str) -> None:
        before = self.browser.find_element(By.TAG_NAME, "html")
        click(self.browser, By.CSS_SELECTOR, selector)
        # Between two pages there is none.
        until(lambda: self.browser.find_elements(By.TAG_NAME, "html") not in ([], [before]))

    def follow(self, text: str) -> None:
        before = self.browser.find_element(By.TAG_NAME, "html")
        click(self.browser, By.PARTIAL_LINK_TEXT, text)
        # Between two pages there is none.
        until(lambda: self.browser.find_elements(By.TAG_NAME, "html") not in ([], [before]))

    def act(self, label: str) -> None:
        """Choose all rows of the list, and an action."""
        click(self.browser, By.ID, "action-toggle")
        buttons = self.browser.find_elements(By.CSS_SELECTOR, ".actions button")
        number = [button.text.removesuffix(" …") for button in buttons].index(label)
        self.press(f".actions button[value='{buttons[number].get_attribute('value')}']")

    def says(self, text: str) -> bool:
        return text in self.browser.find_element(By.TAG_NAME, "main").text

    def let_work(self) -> Job:
        """Let the job that was asked for last run, and look at its page."""
        job = Job.objects.latest("created_at")
        run_job(str(job.pk))
        job.refresh_from_db()
        self.browser.get(f"{self.url}{reverse('admin:jobs_job_change', args=[job.pk])}")
        return job


@pytest.fixture
def person(browser: Chrome, live_server: LiveServer, settings: Any, tmp_path: Path) -> Person:
    settings.MEDIA_ROOT = tmp_path / "uploads"
    for n in range(ROWS):
        make_seed_user(f"u{n}")
        make_seed_user(f"t{n}")
    return Person(browser, live_server.url)


def test_a_log_that_is_refused_is_accepted_in_part_and_mended_in_place_until_all_has_landed(
    person: Person, tmp_path: Path
) -> None:
    browser = person.browser
    person.go("matching_eventbatch_upload")
    person.one("input[type=file]").send_keys(str(write_log(tmp_path / "swipes.csv")))
    Select(person.one("select[name=origin]")).select_by_value("real")
    person.press("main input[type=submit]")

    # Refused whole, with the reason.
    assert person.let_work().state == Job.State.REFUSED
    assert person.says("12 of 40 values of action cannot be outcome")
    assert person.says("Nothing has landed")
    assert not EventBatch.objects.exists()

    # Accepted in part, with its consequence in words.
    assert person.says("12 of 40 rows (30.0 %) are left out")
    assert person.says("every report of these match events says how many are not in it")
    person.press("#job-take-offer")
    assert person.let_work().state == Job.State.SUCCEEDED
    batch = EventBatch.objects.get()
    assert (batch.made, batch.rejected.count()) == (28, 12)

    # From the batch to its refused rows, and to one of them.
    person.follow(f"Batch {batch.pk}")
    assert person.says("12 of 40 lines of swipes.csv are not in it")
    person.follow("Mend the rejected lines")
    assert len(browser.find_elements(By.CSS_SELECTOR, "#result_list tbody tr")) == 12
    person.press("#result_list tbody tr:last-child th a")
    marked = person.one(".form-row.errors")
    assert marked.find_element(By.TAG_NAME, "label").text.startswith("action")
    assert marked.find_element(By.TAG_NAME, "input").get_attribute("value") == "odd"
    field = marked.find_element(By.TAG_NAME, "input")
    field.clear()
    field.send_keys("ignore")
    person.press("input[name=again]")
    assert person.let_work().state == Job.State.SUCCEEDED
    assert person.says("1 of 1 line landed; 11 of batch")

    # The others together: what they say decides what they should say.
    person.follow(f"Batch {batch.pk}")
    person.follow("Mend the rejected lines")
    for said, means in (("hmm", "ignore"), ("odd", "accept")):
        person.act("Correct one column of all")
        person.one("input[name=where]").send_keys(said)
        person.one("input[name=value]").send_keys(means)
        person.press(".submit-row input")
        assert person.says("rows have a corrected action; try them again")
    person.act("Try again, with corrections")
    person.press("main .submit-row button")
    assert person.let_work().state == Job.State.SUCCEEDED

    # All landed, and it says so.
    assert person.says(f"All landed: nothing of batch {batch.pk} is refused any more")
    person.follow(f"Batch {batch.pk}")
    assert person.says("All 12 lines that were refused at first have landed since")
    batch.refresh_from_db()
    assert (batch.made, batch.asked, MatchEvent.objects.count()) == (ROWS, ROWS, ROWS)
    assert not RejectedEvent.objects.open().exists()
    lines = MatchEvent.objects.order_by("pk").values_list("pk", flat=True)
    assert [pk - batch.first_event_id + 1 for pk in lines] == list(range(2, ROWS + 2))
    assert [entry["message"] for entry in browser.get_log("browser")] == []
