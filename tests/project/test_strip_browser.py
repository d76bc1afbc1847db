"""The strip of running jobs and the notice of their end, in a browser."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from project.jobs.models import Job
from project.jobs.services import enqueue
from tests.clicking import click
from tests.factories import make_staff
from tests.waiting import until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("valkey"),
]
HASTENS = """
const every = window.setInterval;
window.setInterval = (work, pause) => every(work, pause / 20);
"""
SAID = {"text": "0 of 2 landed.", "outcome": "without effect", "figures": []}


@pytest.fixture
def own(declare: Callable[..., str], browser: Chrome, live_server: LiveServer) -> Iterator[Job]:
    """Give a running job of somebody who is signed in."""
    user = make_staff("jobs.view_job", "jobs.add_schedule", "auth.view_user", name="ada")
    client = Client()
    client.force_login(user)
    job = enqueue(declare(lambda run: {}), by=user, ring_bell=False)
    far = "2999-01-01T00:00Z"
    Job.objects.filter(pk=job.pk).update(state="running", fence=1, lease_until=far, worker="a:1")
    browser.get(f"{live_server.url}{reverse('admin:login')}")
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    browser.add_cookie({"name": settings.SESSION_COOKIE_NAME, "value": cookie})
    browser.execute_script("sessionStorage.clear()")
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": HASTENS})
    browser.get_log("browser")
    yield job
    browser.execute_script("sessionStorage.clear()")
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def go(browser: Chrome, live_server: LiveServer, name: str, *arguments: Any) -> None:
    browser.get(f"{live_server.url}{reverse(f'admin:{name}', args=arguments)}")


def strip_text(browser: Chrome) -> str:
    return browser.find_element(By.ID, "jobs-strip").text


def notices(browser: Chrome) -> list[str]:
    told = "return [...document.querySelectorAll('#jobs-notices p')].map(one => one.innerText)"
    found: list[str] = browser.execute_script(told)
    return found


def end(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(
        state="succeeded", said=SAID, result={}, finished_at="2026-01-01T00:00Z"
    )


def test_the_strip_is_live_and_tells_the_end_on_the_page_and_in_its_title(
    own: Job, browser: Chrome, live_server: LiveServer
) -> None:
    go(browser, live_server, "auth_user_changelist")
    title = browser.title
    assert "Try the ledger" in strip_text(browser)
    stages = [{"name": "Count", "state": "running"}, {"name": "Sum", "state": "pending"}]
    Job.objects.filter(pk=own.pk).update(stages=stages, progress_done=1, progress_total=2)
    until(lambda: "Count" in strip_text(browser))
    assert "25.0 %" in strip_text(browser)
    end(own)
    until(lambda: notices(browser))
    assert browser.title == f"0 of 2 landed. | {title}"
    (notice,) = notices(browser)
    assert "without effect" in notice
    assert not browser.find_element(By.ID, "jobs-strip").is_displayed()
    link = browser.find_element(By.CSS_SELECTOR, "#jobs-notices a")
    assert link.get_attribute("href").endswith(reverse("admin:jobs_job_change", args=[own.pk]))
    click(browser, By.CSS_SELECTOR, "#jobs-notices [data-close]")
    assert notices(browser) == []
    assert browser.title == title
    assert browser.get_log("browser") == []


def test_an_end_between_two_pages_is_told_once(
    own: Job, browser: Chrome, live_server: LiveServer
) -> None:
    go(browser, live_server, "auth_user_changelist")
    assert "Try the ledger" in strip_text(browser)
    # A page without a strip, of the same tab.
    browser.get(f"{live_server.url}{reverse('admin:auth_user_changelist')}?_popup=1")
    end(own)
    go(browser, live_server, "jobs_job_changelist")
    until(lambda: notices(browser))
    go(browser, live_server, "auth_user_changelist")
    assert browser.execute_script("return sessionStorage.getItem('seedbed:watched-jobs')") == ""
    assert notices(browser) == []


def test_its_own_page_tells_in_the_title_alone(
    own: Job, browser: Chrome, live_server: LiveServer
) -> None:
    go(browser, live_server, "jobs_job_change", own.pk)
    end(own)
    until(lambda: browser.title.startswith("0 of 2 landed. | "))
    assert notices(browser) == []
    # Asked in one go: an element that was found may be renewed before it is read.
    said = "return document.querySelector('.sb-headline')?.innerText ?? ''"
    until(lambda: "0 of 2 landed." in str(browser.execute_script(said)))


def offers(browser: Chrome) -> list[str]:
    """What a notice offers beside its words, once it has compared the page with what it is now."""
    until(lambda: browser.find_elements(By.CSS_SELECTOR, "#jobs-notices [data-compared]"))
    found = browser.find_elements(By.CSS_SELECTOR, "#jobs-notices .sb-btn")
    return [one.text for one in found if one.is_displayed()]


def test_a_list_that_is_old_since_the_end_is_shown_anew(
    own: Job, browser: Chrome, live_server: LiveServer
) -> None:
    go(browser, live_server, "auth_user_changelist")
    make_staff(name="newcomer")
    assert "newcomer" not in browser.find_element(By.ID, "content").text
    end(own)
    assert offers(browser) == ["Show it", "Close"]
    assert "newcomer" not in browser.find_element(By.ID, "content").text  # nothing moves by itself
    click(browser, By.CSS_SELECTOR, "#jobs-notices [data-renew]")
    until(lambda: "newcomer" in browser.find_element(By.ID, "content").text)
    assert browser.get_log("browser") == []


def test_a_list_that_is_as_it_was_is_not_offered_anew(
    own: Job, browser: Chrome, live_server: LiveServer
) -> None:
    go(browser, live_server, "auth_user_changelist")
    end(own)
    assert offers(browser) == ["Close"]


@pytest.mark.parametrize("width", [390, 1366])
def test_notices_are_sentences_beside_small_buttons(
    own: Job, browser: Chrome, live_server: LiveServer, width: int
) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        go(browser, live_server, "auth_user_changelist")
        # As a page says it that has started a job.
        put = """
        const list = document.createElement("ul");
        list.className = "messagelist";
        list.innerHTML = '<li class="info">Started: <a href="#">Remove it</a>. Its page.</li>';
        document.getElementById("content").before(list);
        const [link] = list.getElementsByTagName("a");
        const range = document.createRange();
        range.setStart(link.previousSibling, 0);
        range.setEnd(link.previousSibling, link.previousSibling.length);
        const before = [...range.getClientRects()].at(-1);
        return link.getClientRects()[0].left - before.right;
        """
        assert browser.execute_script(put) < 8  # a space apart, not the width of the page
        end(own)
        until(lambda: notices(browser))
        button = browser.find_element(By.CSS_SELECTOR, "#jobs-notices [data-close]")
        assert button.size["width"] < 100
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
