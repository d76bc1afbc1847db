"""The frame of every page in a browser: navigation of a phone, themes, what stays in sight."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.factories import make_admin, make_seed_user
from tests.waiting import until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("valkey"),
]
PEOPLE = "admin:matching_seeduser_changelist"


@pytest.fixture
def at(browser: Chrome, live_server: LiveServer) -> Iterator[Any]:
    """Give a function that opens a page of the admin, for somebody who may do everything."""
    client = Client()
    client.force_login(make_admin())
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    browser.get(f"{live_server.url}{reverse('admin:login')}")
    browser.add_cookie({"name": settings.SESSION_COOKIE_NAME, "value": cookie})

    def open_page(name: str, *arguments: Any) -> None:
        browser.get(f"{live_server.url}{reverse(name, args=arguments)}")

    yield open_page
    browser.execute_script("localStorage.clear()")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def sized(browser: Chrome, width: int, height: int) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def test_on_a_phone_the_navigation_is_a_drawer(browser: Chrome, at: Any) -> None:
    sized(browser, 390, 844)
    at(PEOPLE)
    drawer = browser.find_element(By.ID, "nav-sidebar")
    assert not drawer.is_displayed()
    browser.find_element(By.ID, "nav-open").click()
    until(drawer.is_displayed)
    assert browser.execute_script(
        "const box = arguments[0].getBoundingClientRect();"
        "return box.left >= 0 && box.right <= innerWidth && box.height >= innerHeight - 1",
        drawer,
    )
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    until(lambda: not drawer.is_displayed())
    browser.find_element(By.ID, "nav-open").click()
    until(drawer.is_displayed)
    drawer.find_element(By.LINK_TEXT, "Jobs").click()
    until(lambda: "/jobs/job/" in browser.current_url)
    assert browser.execute_script("return document.scrollingElement.scrollWidth <= innerWidth")


def test_a_theme_that_was_chosen_is_there_before_anything_is_painted(
    browser: Chrome, at: Any
) -> None:
    # What the theme was when the body, the first of all that is painted, came.
    script = """
    new MutationObserver((_, seen) => {
      if (!document.body) return;
      seen.disconnect(); window.themeAtFirst = document.documentElement.dataset.theme;
    }).observe(document, { childList: true, subtree: true });
    """
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    grounds = []
    try:
        for wanted in ("light", "dark"):
            at("admin:index")
            while browser.execute_script("return document.documentElement.dataset.theme") != wanted:
                browser.find_element(By.CSS_SELECTOR, ".theme-toggle").click()
            at(PEOPLE)
            assert browser.execute_script("return window.themeAtFirst") == wanted
            ground = "return getComputedStyle(document.body).backgroundColor"
            grounds.append(browser.execute_script(ground))
    finally:
        browser.execute_cdp_cmd(
            "Page.removeScriptToEvaluateOnNewDocument", {"identifier": added["identifier"]}
        )
    assert len(set(grounds)) == 2


def test_the_head_of_a_list_and_the_buttons_of_a_form_stay_in_sight(
    browser: Chrome, at: Any
) -> None:
    users = [make_seed_user() for _ in range(60)]
    sized(browser, 1366, 700)
    in_sight = (
        "const box = document.querySelector(arguments[0]).getBoundingClientRect();"
        "return box.top >= 0 && box.bottom <= innerHeight && box.height > 0"
    )
    for page, what in (
        ((PEOPLE,), "#result_list thead th"),
        (("admin:matching_seeduser_change", users[0].pk), ".submit-row [name=_save]"),
    ):
        at(*page)
        for to in (0.5, 0.9):
            browser.execute_script(f"scrollTo(0, {to} * document.scrollingElement.scrollHeight)")
            until(lambda what=what: browser.execute_script(in_sight, what), awaited=f"{what} seen")


def test_the_buttons_of_a_form_leave_a_phone_its_form(browser: Chrome, at: Any) -> None:
    sized(browser, 390, 844)
    at("admin:matching_seeduser_change", make_seed_user().pk)
    bar = browser.find_element(By.CSS_SELECTOR, ".submit-row")
    assert bar.size["height"] <= 844 / 6
    assert len(bar.find_elements(By.CSS_SELECTOR, "input, a")) == 4  # and none is missing


def test_without_script_what_opens_is_a_page_or_opens_all_the_same(
    browser: Chrome, at: Any
) -> None:
    make_seed_user()
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    at(PEOPLE)
    drawer = browser.find_element(By.CSS_SELECTOR, ".sb-drawer")
    assert not drawer.is_displayed()
    browser.find_element(By.CSS_SELECTOR, f"[popovertarget='{drawer.get_attribute('id')}']").click()
    until(drawer.is_displayed)
    at(PEOPLE)
    browser.find_element(By.CSS_SELECTOR, "a.sb-jump").click()
    until(lambda: "/find/" in browser.current_url)
    browser.find_element(By.CSS_SELECTOR, "main input[name=q]").send_keys("nobody\n")
    until(lambda: "Nothing of that name" in browser.page_source)
