"""The profile form in a real browser: words by autocomplete."""

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.clicking import click
from tests.factories import make_admin, make_seed_user
from tests.waiting import until


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_words_are_found_by_typing_and_unknown_ones_kept_and_named(
    browser: Chrome, live_server: LiveServer
) -> None:
    client = Client()
    client.force_login(make_admin())
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    user = make_seed_user(interests=["food"])
    browser.get(f"{live_server.url}{reverse('admin:login')}")
    browser.add_cookie({"name": settings.SESSION_COOKIE_NAME, "value": cookie})
    browser.get(f"{live_server.url}{reverse('admin:matching_seeduser_change', args=[user.pk])}")

    def type_interest(text: str) -> None:
        field = browser.find_element(By.CSS_SELECTOR, ".field-interests .select2-search__field")
        field.send_keys(text, Keys.ENTER)

    type_interest("photog")
    type_interest("hikin;")
    click(browser, By.NAME, "_continue")
    said = until(lambda: browser.find_elements(By.CSS_SELECTOR, ".messagelist .warning"))
    assert "interest “hikin” (did you mean hiking?)" in said[0].text
    chosen = browser.find_elements(By.CSS_SELECTOR, ".field-interests .select2-selection__choice")
    assert {choice.get_attribute("title") for choice in chosen} == {"food", "photography", "hikin"}
    wrong = ".field-interests [title=hikin] .select2-selection__choice__remove"
    click(browser, By.CSS_SELECTOR, wrong)
    click(browser, By.NAME, "_continue")
    until(
        lambda: (
            browser.find_elements(By.CSS_SELECTOR, ".messagelist .success")
            and not browser.find_elements(By.CSS_SELECTOR, ".messagelist .warning")
        )
    )
    user.refresh_from_db()
    assert sorted(user.interests) == ["food", "photography"]
    assert [entry["message"] for entry in browser.get_log("browser")] == []
