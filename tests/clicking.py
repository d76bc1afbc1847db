"""Clicking on pages that renew themselves."""

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome

from tests.waiting import until


def click(browser: Chrome, how: str, what: str) -> None:
    """Click on the first such element, once there is one.

    A page that renews itself may replace it between the look and the click, which is then done
    again: a person would not notice.
    """

    def is_clicked() -> bool:
        found = browser.find_elements(how, what)
        if not found:
            return False
        try:
            browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", found[0])
            found[0].click()
        except StaleElementReferenceException:
            return False
        return True

    until(is_clicked, awaited=lambda: f"{what} to click on at {browser.current_url}")
