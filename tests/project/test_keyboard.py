"""What a mouse does, the keyboard does: and where it is can be seen."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.factories import make_admin, make_seed_user
from tests.waiting import until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("valkey"),
]
STEPS = 150  # of Tab, after which a page was walked round
# What has the focus: its words, and whether it is drawn and has a ring (or a border of its own).
FOCUSED = """
const at = document.activeElement, inner = at.closest('.select2-selection');
const shown = inner || at, look = getComputedStyle(shown), box = shown.getBoundingClientRect();
const ringed = look.outlineStyle !== 'none' || look.boxShadow !== 'none';
const words = at.getAttribute('aria-label') || at.innerText || at.name || at.id || '';
return [words.trim(), at.name || '', at === document.body || (ringed && box.width > 0)];
"""


def press(browser: Chrome, *keys: str) -> None:
    ActionChains(browser).send_keys(*keys).perform()


def walk_to(browser: Chrome, wanted: str) -> None:
    """Press Tab until what has that name or these words has the focus; each stop is to be seen."""
    for _ in range(STEPS):
        press(browser, Keys.TAB)
        words, name, is_seen = browser.execute_script(FOCUSED)
        assert is_seen, f"{words or name} has the focus, and nobody sees it"
        if wanted in (name, words.split("\n")[0]):
            return
    raise AssertionError(f"Tab does not lead to {wanted}")


def test_list_drawer_menu_form_and_palette_are_walked_by_the_keyboard(
    browser: Chrome, live_server: LiveServer
) -> None:
    user = make_seed_user("ada_by_keys")
    client = Client()
    client.force_login(make_admin())
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    browser.get(f"{live_server.url}{reverse('admin:login')}")
    browser.add_cookie({"name": settings.SESSION_COOKIE_NAME, "value": cookie})

    def run(script: str) -> Any:
        return browser.execute_script(script)

    browser.get(f"{live_server.url}{reverse('admin:matching_seeduser_changelist')}")
    walk_to(browser, "Filters")
    press(browser, Keys.ENTER)
    until(lambda: run("return document.querySelector('.sb-drawer:popover-open') !== null"))
    press(browser, Keys.TAB)
    assert run("return document.activeElement.closest('.sb-drawer') !== null")
    press(browser, Keys.ESCAPE)
    until(lambda: run("return document.querySelector('.sb-drawer:popover-open') === null"))

    run("document.activeElement.blur()")
    walk_to(browser, f"Actions for {user}")
    press(browser, Keys.ENTER)
    until(lambda: run("return document.querySelector('.sb-menu[open]') !== null"))
    press(browser, Keys.TAB)
    assert run("return document.activeElement.closest('.sb-menu[open] ul') !== null")
    press(browser, Keys.ENTER)
    until(lambda: ("/seeduser/" in browser.current_url and "/change" in browser.current_url)
          or "scores" in browser.current_url or "history" in browser.current_url)  # fmt: skip

    browser.get(f"{live_server.url}{reverse('admin:matching_seeduser_change', args=[user.pk])}")
    walk_to(browser, "age")
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).perform()
    press(browser, "44")
    walk_to(browser, "_save")
    press(browser, Keys.ENTER)
    until(lambda: "was changed" in browser.page_source)
    user.refresh_from_db()
    assert user.age == 44

    ActionChains(browser).key_down(Keys.CONTROL).send_keys("k").key_up(Keys.CONTROL).perform()
    until(lambda: run("return document.activeElement.closest('dialog[open]') !== null"))
    press(browser, "Jobs", Keys.ENTER)
    until(lambda: "/find/" in browser.current_url or "/jobs/" in browser.current_url)
