"""What a mouse does, the keyboard does: and where it is can be seen."""

from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from project.jobs.models import Schedule
from project.jobs.services import enqueue
from tests.factories import make_admin, make_alarm, make_api_key, make_seed_user, make_session
from tests.serving.logged import log_pairs
from tests.training.batches import make_dataset, make_good_batch, make_model
from tests.waiting import until
from training.services import registry

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
    until(lambda: f"/seeduser/{user.pk}/" in browser.current_url)

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


# What of the page somebody can use, as places in the document; those that Tab skips by rule (the
# other buttons of a group of radios, what is disabled) left out.
USABLE = """
const usable = "a[href], button, input:not([type=hidden]), select, textarea, summary, " +
  "[tabindex='0']";
window.usable = [...document.querySelectorAll(`#header :is(${usable}), main :is(${usable})`)]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled
    && one.tabIndex >= 0 && !(one.type === "radio" && !one.checked) && one.getClientRects().length);
return window.usable.length;
"""
REACHED = "return window.usable.indexOf(document.activeElement);"
UNREACHED = "return arguments[0].map((at) => window.usable[at].outerHTML.slice(0, 120));"


@pytest.fixture
def addresses() -> dict[str, str]:
    """Give the pages that are used most, and all of serving, with something on each."""
    owner = make_admin()
    user, key, alarm = make_seed_user("ada_by_keys"), make_api_key(), make_alarm()
    make_session(user)
    model = make_model(make_dataset(make_good_batch(400)))
    registry.promote(model)
    log_pairs(["ada_by_keys"] * 9, [timezone.now()] * 9, np.linspace(0.2, 0.8, 9))
    job = enqueue("serving.monitor_scores", by=owner)

    def at(name: str, *args: Any) -> str:
        return reverse(f"admin:{name}", args=args)

    return {
        "home": at("index"),
        "person": at("matching_seeduser_change", user.pk),
        "dataset": at("training_dataset_change", model.dataset.pk),
        "model": at("training_modelversion_change", model.pk),
        "job": at("jobs_job_change", job.pk),
        "answers": at("serving_monitoring"),
        "watch": at("serving_watch"),
        "production": f"{at('serving_debug')}?user=ada_by_keys",
        "alarms": at("serving_alarm_changelist"),
        "alarm": at("serving_alarm_change", alarm.pk),
        "keys": at("serving_apikey_changelist"),
        "key": at("serving_apikey_change", key.pk),
        "a new key": at("serving_apikey_add"),
        "revoking": at("serving_apikey_revoke", key.pk),
    }


@pytest.mark.slow
def test_tab_leads_to_all_that_can_be_used_and_each_stop_is_seen(
    browser: Chrome, live_server: LiveServer, addresses: dict[str, str]
) -> None:
    client = Client()
    client.force_login(make_admin())
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    browser.get(f"{live_server.url}{reverse('admin:login')}")
    browser.add_cookie({"name": settings.SESSION_COOKIE_NAME, "value": cookie})
    faults: list[str] = []
    for name, address in addresses.items():
        browser.get(f"{live_server.url}{address}")
        missing = set(range(browser.execute_script(USABLE)))
        assert missing, name
        browser.execute_script("document.activeElement.blur()")
        for _ in range(2 * STEPS):
            press(browser, Keys.TAB)
            missing.discard(browser.execute_script(REACHED))
            words, field, is_seen = browser.execute_script(FOCUSED)
            if not is_seen:
                faults.append(f"{name}: {words or field} has the focus, and nobody sees it")
            if not missing:
                break
        faults += [f"{name}: {one}" for one in browser.execute_script(UNREACHED, list(missing))]
    assert not faults, "\n".join(faults)


def test_the_watch_is_switched_on_by_the_keyboard_alone(
    browser: Chrome, live_server: LiveServer
) -> None:
    client = Client()
    client.force_login(make_admin())
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    browser.get(f"{live_server.url}{reverse('admin:login')}")
    browser.add_cookie({"name": settings.SESSION_COOKIE_NAME, "value": cookie})
    browser.get(f"{live_server.url}{reverse('admin:serving_monitoring')}")
    for words in ("Watch the answers …", "Watch the answers"):
        walk_to(browser, words)
        press(browser, Keys.ENTER)
        until(lambda: browser.execute_script("return document.activeElement === document.body"))
    until(lambda: "Answers are watched every 1 min" in browser.page_source)
    assert Schedule.objects.get().is_enabled
