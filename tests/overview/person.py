"""Somebody at the admin in a real browser, whose clicks are counted, and who works for them."""

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from project.jobs.models import Job
from project.jobs.runner import run_job
from tests.clicking import click
from tests.waiting import until


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

    def type(self, **fields: str) -> None:
        """Write into fields of the page, instead of what stands there."""
        for name, value in fields.items():
            field = until(lambda name=name: self.browser.find_elements(By.NAME, name))[0]
            field.clear()
            field.send_keys(value)

    def press(self, key: str, name: str) -> None:
        """Press a key in a field of the page."""
        until(lambda: self.browser.find_elements(By.NAME, name))[0].send_keys(key)

    def text(self) -> str:
        """Return what the page says."""
        script = "return document.querySelector('main')?.innerText ?? ''"
        return str(self.browser.execute_script(script))

    def click(self, text: str) -> None:
        """Click on the link or button that says so, in its first line, once it is there."""
        first = f"normalize-space((.//text()[normalize-space()])[1])='{text}'"
        said = f"//main//*[{first} or normalize-space(.)='{text}' or @value='{text}']"
        said += "[self::a or self::button or self::input]"
        click(self.browser, By.XPATH, said)
        self.clicks += 1

    def until_shown(self, text: str) -> None:
        """Wait for words of the page, which renews itself."""
        until(lambda: text in self.text())


def work_once(ends: Job.State = Job.State.SUCCEEDED) -> None:
    """Do what waits, as a worker would, and see how it ends."""
    job = until(lambda: Job.objects.filter(state=Job.State.QUEUED).first())
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == ends, job.error
