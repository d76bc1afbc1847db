"""Somebody at the admin in a real browser, whose clicks are counted, and who works for them."""

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from project.jobs.models import Job
from project.jobs.runner import run_job
from tests.clicking import click
from tests.waiting import until

# Follows the links of the page that were not followed yet, one after the other; gives what answers
# no, and all that were followed.
FOLLOW = """
const [known, done] = arguments, seen = new Set(known), refused = [];
const links = [location.href, ...[...document.links].map((link) => link.href)];
(async () => {
  for (const link of links) {
    const at = new URL(link), place = at.pathname + at.search;
    if (at.origin !== location.origin || seen.has(place)) continue;
    seen.add(place);
    const answer = await fetch(place);
    await answer.arrayBuffer();
    if (answer.status >= 400) refused.push(`${place} answers ${answer.status}`);
  }
  done([refused, [...seen]]);
})();
"""
# The words of what changes something: the buttons of forms that are posted, but for the search.
BUTTONS = """
return [...document.querySelectorAll("main form[method=post] button, main [type=submit]")]
  .filter((one) => one.checkVisibility() && one.form?.method === "post")
  .map((one) => (one.innerText || one.value).trim());
"""


class Person:
    """Somebody with a mouse, who types only a name and a password."""

    def __init__(self, browser: Chrome, address: str) -> None:
        self.browser, self.address, self.clicks = browser, address, 0
        self.followed: list[str] = []

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

    def refused(self) -> list[str]:
        """Follow the links of the page; returns those that answer no, and the page if it does."""
        self.browser.set_script_timeout(600)
        refused, self.followed = self.browser.execute_async_script(FOLLOW, self.followed)
        return list(refused)

    def buttons(self) -> list[str]:
        """Return what the buttons of the page say that change something."""
        return list(self.browser.execute_script(BUTTONS))

    def click(self, text: str) -> None:
        """Click on the link or button that says so, in its first line, once it is there."""
        first = f"normalize-space((.//text()[normalize-space()])[1])='{text}'"
        said = f"//main//*[{first} or normalize-space(.)='{text}' or @value='{text}']"
        said += "[self::a or self::button or self::input]"
        click(self.browser, By.XPATH, said)
        self.clicks += 1

    def until_shown(self, text: str) -> None:
        """Wait for words of the page, which renews itself."""
        until(
            lambda: text in self.text(),
            awaited=lambda: f"“{text}” at {self.browser.current_url}, which says: {self.text()}",
        )


def work_once(ends: Job.State = Job.State.SUCCEEDED) -> None:
    """Do what waits, as a worker would, and see how it ends."""
    job = until(lambda: Job.objects.filter(state=Job.State.QUEUED).first())
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == ends, job.error
