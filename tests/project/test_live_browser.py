"""The page of a running job in a real browser: what it renews, and what it leaves alone.

Time is the browser's own, made to run a hundred times as fast; pauses are noted, not measured.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.http import HttpResponse, JsonResponse
from django.test import Client
from django.urls import reverse
from django.utils.html import format_html
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from project.jobs import admin as jobs_admin
from project.jobs.models import Job, JobLogLine
from project.jobs.services import enqueue
from tests.clicking import click
from tests.factories import make_staff
from tests.waiting import until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("valkey"),
]
NOTES_PAUSES = """
window.pauses = [];
const later = window.setTimeout;
window.setTimeout = (work, pause, ...more) => {
  if (pause) window.pauses.push(pause);
  // A slow machine answers late: nobody loses patience but where that is what is tried.
  if (pause === 15000 && !window.isImpatient) return 0;
  return later(work, pause / 100, ...more);
};
"""
NOTES_WHAT_IS_SAID = """
window.said = [];
const region = document.querySelector("[data-live-url] [role=status]");
new MutationObserver(() => window.said.push(region.textContent))
  .observe(region, {childList: true, characterData: true, subtree: true});
"""
LOOKS = """
Object.defineProperty(document, 'hidden', {value: !arguments[0], configurable: true});
document.dispatchEvent(new Event('visibilitychange'));
"""
# A hundred pictures, each of them longer than a pause.
FRAMES = """
const done = arguments[0];
let turns = 100;
const turn = () => (turns-- ? requestAnimationFrame(turn) : done());
turn();
"""
PATIENCE = 15_000


def work(run: Any) -> dict[str, Any]:
    return {}


class Page:
    """The page of a job that somebody looks at."""

    def __init__(self, browser: Chrome, job: Job, user: User) -> None:
        self.browser, self.job, self.user = browser, job, user

    def change(self, **fields: Any) -> None:
        """Change the job as a worker would."""
        Job.objects.filter(pk=self.job.pk).update(**fields)

    def log(self, *messages: str) -> None:
        JobLogLine.objects.bulk_create(JobLogLine(job=self.job, message=each) for each in messages)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def text(self) -> str:
        return str(self.run("return document.querySelector('[data-live-url]').innerText"))

    def until_shown(self, text: str) -> None:
        until(lambda: text in self.text())

    def pauses(self) -> list[int]:
        return [pause for pause in self.run("return window.pauses") if pause != PATIENCE]

    def tick(self) -> None:
        """Wait until two more answers have come."""
        before = len(self.pauses())
        until(lambda: len(self.pauses()) >= before + 2)


@pytest.fixture
def page(declare: Callable[..., str], browser: Chrome, live_server: LiveServer) -> Iterator[Page]:
    user = make_staff("jobs.view_job", "jobs.stop_job", "jobs.add_schedule", name="ada")
    client = Client()
    client.force_login(user)
    job = enqueue(declare(work), by=user, ring_bell=False)
    far = "2999-01-01T00:00Z"
    Job.objects.filter(pk=job.pk).update(state="running", fence=1, lease_until=far, worker="a:1")
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    browser.get(f"{live_server.url}{reverse('admin:login')}")
    browser.add_cookie({"name": settings.SESSION_COOKIE_NAME, "value": cookie})
    source = {"source": NOTES_PAUSES}
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)
    browser.get_log("browser")
    browser.get(f"{live_server.url}{reverse('admin:jobs_job_change', args=[job.pk])}")
    browser.execute_script(NOTES_WHAT_IS_SAID)
    yield Page(browser, job, user)
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Give what the server answers with instead of a job's parts: `status`, when that is not 0."""
    told: dict[str, Any] = {"status": 0, "body": ""}

    def answer(data: dict[str, Any]) -> HttpResponse:
        if told["status"]:
            return HttpResponse(told["body"], status=told["status"])
        return JsonResponse(data)

    monkeypatch.setattr(jobs_admin, "JsonResponse", answer)
    return told


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, ""), (500, "<h1>no</h1>"), (429, ""), (200, "<h1>a proxy's page</h1>"), (200, "null")],
)
def test_an_error_does_not_end_the_renewal(
    status: int, body: str, page: Page, server: dict[str, Any]
) -> None:
    server |= {"status": status, "body": body}
    page.until_shown("trying again")
    assert page.find(".sb-note").text.startswith("Not renewed since ")
    until(lambda: page.pauses()[-1] == 30_000)
    assert 30_000 in page.pauses()
    assert max(page.pauses()) == 30_000
    growing = page.pauses()[page.pauses().index(3_000) :]
    assert growing[:5] == [3_000, 6_000, 12_000, 24_000, 30_000]
    page.change(progress_total=4, progress_done=1, progress_message="still at it")
    server["status"] = 0
    page.until_shown("still at it")
    assert page.browser.find_elements(By.CSS_SELECTOR, ".sb-note") == []
    page.tick()
    assert page.pauses()[-1] == 1_500  # as before
    assert page.run("return window.said") == []


def test_a_server_that_is_away_is_asked_again(page: Page, browser: Chrome) -> None:
    browser.execute_cdp_cmd("Network.enable", {})
    away = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", away)
    try:
        page.until_shown("trying again")
    finally:
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", {**away, "offline": False})
    page.change(progress_total=4, progress_done=1, progress_message="there again")
    page.until_shown("there again")


def test_an_answer_that_never_comes_is_given_up(page: Page) -> None:
    page.run(
        "window.isImpatient = true; window.real = window.fetch;"
        "window.fetch = (at, {signal}) => new Promise((_, no) => {"
        "  signal.addEventListener('abort', () => no(signal.reason)); });"
    )
    page.until_shown("trying again")
    page.run("window.isImpatient = false; window.fetch = window.real")
    page.change(progress_message="answered")
    page.until_shown("answered")


def test_a_question_that_is_under_way_is_dropped_when_nobody_looks(page: Page) -> None:
    page.run(
        "window.real = window.fetch; window.asked = [];"
        "window.fetch = (at, {signal}) => new Promise((yes) => window.asked.push({yes, signal}));"
    )
    until(lambda: page.run("return window.asked.length") == 1)
    page.run(LOOKS, False)
    assert page.run("return window.asked[0].signal.aborted")
    page.run(LOOKS, True)
    late = "<p>late</p>"
    page.run(
        "window.fetch = window.real;"
        "window.asked[0].yes({ok: true, json: async () => ({parts: {head: arguments[0]}})});",
        late,
    )
    page.change(progress_message="asked anew")
    page.run(LOOKS, False)
    page.run(LOOKS, True)
    page.until_shown("asked anew")
    assert "late" not in page.text()


def test_the_focus_survives_and_only_what_changed_is_renewed(page: Page) -> None:
    page.run("document.getElementById('job-stop').focus()")
    page.run("document.getElementById('job-stop').mark = true")
    for done in (1, 2, 3):
        page.change(progress_total=4, progress_done=done, progress_message=f"part {done}")
        page.log(f"line {done}")
        page.until_shown(f"line {done}")
        page.until_shown(f"part {done}")
    # The very same button: nothing of its part has changed.
    assert page.run("return document.activeElement.mark") is True
    assert page.browser.switch_to.active_element.get_attribute("id") == "job-stop"
    click(page.browser, By.CSS_SELECTOR, "#job-stop")  # and it leads to what comes of it
    until(lambda: "1 running job ends with its chunk." in page.browser.page_source)
    click(page.browser, By.CSS_SELECTOR, "#content-main button")
    until(lambda: Job.objects.get(pk=page.job.pk).stop_requested)
    page.until_shown("It stops at the end of its chunk.")
    assert page.browser.get_log("browser") == []


def test_a_part_that_is_renewed_keeps_focus_and_what_is_unfolded(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"count": 0}
    true_parts = jobs_admin.JobAdmin._live

    def with_folds(self: Any, request: Any, job: Job) -> dict[str, Any]:
        live = true_parts(self, request, job)
        parts = {
            **live["parts"],
            "records": format_html(
                "<section><details id=a><summary>One</summary><p>count {}</p></details>"
                "<details><summary>Two</summary>x</details><a href='/admin/'>Three</a></section>",
                told["count"],
            ),
        }
        return {**live, "parts": parts}

    monkeypatch.setattr(jobs_admin.JobAdmin, "_live", with_folds)
    until(lambda: page.browser.find_elements(By.CSS_SELECTOR, "#a"))
    for selector, name in (("#a > summary", "One"), ("[data-live-part=records] a", "Three")):
        page.run("document.querySelector('#a').open = true")
        page.run("document.querySelector(arguments[0]).focus()", selector)
        told["count"] += 1
        page.until_shown(f"count {told['count']}")
        assert page.run(
            "return [...document.querySelectorAll('[data-live-part] details')].map(d => d.open)"
        ) == [
            True,
            False,
        ]
        assert page.run("return document.activeElement.textContent") == name


def test_the_sentence_is_said_when_the_state_or_the_stage_is_another(page: Page) -> None:
    page.tick()
    for done in (1, 2):
        page.change(progress_total=4, progress_done=done, progress_message=f"part {done}")
        page.log(f"line {done}")
        page.until_shown(f"part {done}")
    assert page.run("return window.said") == []
    page.change(stages=[{"name": "count", "state": "running"}])
    page.until_shown("count")
    page.tick()
    page.change(state="succeeded", result={"rows": 5}, finished_at="2026-01-01T00:00Z")
    page.until_shown("Result")
    assert page.run("return window.said") == [
        "Try the ledger is running: count.",
        "Try the ledger has succeeded.",
    ]
    asked = len(page.pauses())
    page.run("document.dispatchEvent(new Event('visibilitychange'))")
    assert len(page.pauses()) == asked  # it has ended


def test_the_focus_is_not_lost_with_a_button_that_goes(page: Page) -> None:
    page.run("document.getElementById('job-stop').focus()")
    page.change(state="succeeded", finished_at="2026-01-01T00:00Z")
    until(lambda: not page.browser.find_elements(By.ID, "job-stop"))
    assert page.run("return document.activeElement.dataset.livePart") == "actions"


def test_a_log_stays_where_its_reader_is_and_at_its_end(page: Page) -> None:
    page.log(*(f"line {number}" for number in range(200)))
    page.until_shown("line 199")
    at_end = (
        "const log = document.getElementById('job-log-lines');"
        "return log.scrollTop > 0 && log.scrollTop + log.clientHeight >= log.scrollHeight - 4"
    )
    assert page.run(at_end)
    page.log("line 200")
    page.until_shown("line 200")
    assert page.run(at_end)
    page.run("document.getElementById('job-log-lines').scrollTop = 40")
    page.log("line 201")
    page.until_shown("line 201")
    assert page.run("return document.getElementById('job-log-lines').scrollTop") == 40


def test_nobody_is_asked_while_nobody_looks(page: Page) -> None:
    page.tick()
    page.run(LOOKS, False)
    page.change(progress_message="unseen")
    asked = page.run("return performance.getEntriesByType('resource').length")
    pauses = page.pauses()
    page.browser.execute_async_script(FRAMES)
    assert page.pauses() == pauses
    assert page.run("return performance.getEntriesByType('resource').length") == asked
    assert "unseen" not in page.text()
    page.run(LOOKS, True)
    page.until_shown("unseen")


def test_a_page_that_is_opened_in_the_background_waits_until_it_is_looked_at(page: Page) -> None:
    source = {"source": "Object.defineProperty(document, 'hidden', {value: true, writable: true});"}
    script = page.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)
    page.browser.refresh()
    page.browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    page.change(progress_message="unseen")
    page.browser.execute_async_script(FRAMES)
    assert "unseen" not in page.text()
    page.run(
        "document.hidden = false; document.dispatchEvent(new Event('visibilitychange'));",
    )
    page.until_shown("unseen")


@pytest.mark.parametrize("way", ["signed out", "no right", "deleted"])
def test_what_cannot_be_renewed_any_more_says_so_and_ends(way: str, page: Page) -> None:
    page.tick()
    if way == "signed out":
        Session.objects.all().delete()
        said = "You are signed out."
    elif way == "no right":
        page.user.user_permissions.remove(Permission.objects.get(codename="view_job"))
        said = "You may not look at this any more."
    else:
        Job.objects.all().delete()
        said = "This is not there any more."
    page.until_shown(said)
    assert said in page.run("return window.said")[-1]
    links = page.browser.find_elements(By.CSS_SELECTOR, ".sb-note a")
    if way == "deleted":
        assert links == []
    else:
        (link,) = links
        assert link.text == "Log in again"
        at = reverse("admin:jobs_job_change", args=[page.job.pk]).replace("/", "%2F")
        assert link.get_attribute("href").endswith(f"{reverse('admin:login')}?next={at}")
    asked = len(page.pauses())
    page.run("document.dispatchEvent(new Event('visibilitychange'))")
    assert len(page.pauses()) == asked
