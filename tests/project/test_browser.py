"""The admin in a real browser, from the login page on."""

import pytest
from django.contrib.auth import get_user_model
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.clicking import click


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_superuser_logs_in_and_the_browser_has_nothing_to_complain_about(
    browser: Chrome, live_server: LiveServer
) -> None:
    get_user_model().objects.create_superuser("ada", password="correct horse")
    browser.get(f"{live_server.url}/admin/")
    browser.find_element(By.NAME, "username").send_keys("ada")
    browser.find_element(By.NAME, "password").send_keys("correct horse")
    click(browser, By.CSS_SELECTOR, "[type=submit]")
    assert browser.find_element(By.ID, "user-tools")
    assert [entry["message"] for entry in browser.get_log("browser")] == []
