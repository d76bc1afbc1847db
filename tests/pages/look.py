"""Opens pages in the browser and measures them, in both themes, on a desk and on a phone."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.test import Client
from selenium.webdriver import Chrome

from tests.pages.plan import Visit
from tests.pages.server import asked, downloads
from tests.waiting import until

SIZES = {"1366": (1366, 900), "390": (390, 844)}  # CSS pixels: a small laptop, a phone
THEMES = ("light", "dark")
SERIOUS = ("critical", "serious")
EVERY_RULE = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    },
    "rules": {"target-size": {"enabled": True}},  # off unless it is asked for
}
# What a theme can change: all else is the same by day and by night.
COLOUR_RULES = {"runOnly": ["color-contrast", "link-in-text-block"]}
KINDS = (
    *("status", "queries", "console", "requests", "sideways", "cut", "outside", "small text"),
    "axe",
)

MEASURE = (Path(__file__).parent / "measure.js").read_text()
# What moves is finished, so that no colour is measured on its way to another one.
SETTLE = """
const done = arguments[arguments.length - 1];
requestAnimationFrame(() => requestAnimationFrame(() => {
  for (const one of document.getAnimations()) { try { one.finish(); } catch { one.cancel(); } }
  requestAnimationFrame(() => done());
}));
"""
# A bar that stays at the lower edge covers what is scrolled from under it, and axe takes what it
# leaves of that for a small target: axe is asked with each bar in its own place.
AXE = """
const answer = arguments[arguments.length - 1];
const bars = [...document.querySelectorAll("main *")].filter((one) => {
  const style = getComputedStyle(one);
  return style.position === "sticky" && style.bottom !== "auto";
});
for (const bar of bars) bar.style.position = "static";
const done = (told) => {
  for (const bar of bars) bar.style.removeProperty("position");
  answer(told);
};
axe.run(document, {
  ...arguments[0], resultTypes: ["violations"],
}).then((found) => done(found.violations.map(({ id, impact, tags, help, nodes }) => ({
  id, impact, help, isRule: tags.some((tag) => tag.startsWith("wcag")),
  nodes: nodes.map((node) => ({ target: node.target.flat().join(" "), why: node.failureSummary })),
}))), (error) => done([{ id: "axe itself", impact: "critical", help: String(error),
  isRule: true, nodes: [] }]));
"""
ANSWER = """
const [page] = performance.getEntriesByType("navigation");
return {
  status: page.responseStatus, redirects: page.redirectCount, type: document.contentType,
  address: location.pathname + location.search, title: document.title,
  loaded: performance.getEntriesByType("resource").map((one) => [one.name, one.responseStatus]),
};
"""
POST = """
const form = document.createElement("form");
form.method = "post"; form.action = arguments[0]; form.hidden = true;
for (const [name, value] of arguments[1]) {
  const field = document.createElement("input");
  field.type = "hidden"; field.name = name; field.value = value; form.append(field);
}
document.body.append(form); window.isLeft = true;
HTMLFormElement.prototype.submit.call(form);
"""
# Sends the form of a page with nothing filled in; false where there is no such form.
SEND_EMPTY = """
const form = [...document.querySelectorAll("#content form, main form")].find((one) =>
  one.method === "post" && one.id !== "changelist-form" &&
  one.querySelector(
    "input:not([type=hidden], [type=submit], [type=checkbox]):enabled, select:enabled, " +
    "textarea:enabled"));
if (!form) return false;
for (const field of form.elements) {
  if (field.type === "hidden" || field.disabled) continue;
  if (field.type === "checkbox" || field.type === "radio") field.checked = false;
  else if (field.localName === "select") field.selectedIndex = field.multiple ? -1 : 0;
  else if (["input", "textarea"].includes(field.localName) && field.type !== "submit")
    field.value = "";
}
window.isLeft = true;
HTMLFormElement.prototype.submit.call(form);
return true;
"""


@dataclass
class Violation:
    """One rule of axe that a page breaks, and where."""

    id: str
    impact: str
    help: str
    is_rule: bool  # of WCAG; else a practice that axe recommends
    nodes: list[dict[str, str]]

    @property
    def is_red(self) -> bool:
        return self.is_rule and self.impact in SERIOUS


@dataclass
class View:
    """A page in one theme at one width."""

    size: str
    theme: str
    sideways: int = 0  # pixels that the page scrolls sideways
    cut: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    shortened: list[str] = field(default_factory=list)  # with an ellipsis
    small: list[str] = field(default_factory=list)
    axe: list[Violation] | None = None  # None: not asked

    def reds(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong, by kind."""
        at = f"at {self.size}"
        if self.sideways > 0:
            yield "sideways", f"{at} the page scrolls {self.sideways} px sideways"
        for kind, found in (("cut", self.cut), ("outside", self.outside)):
            yield from ((kind, f"{at} {one}") for one in found)
        yield from (("small text", f"{at} {one}") for one in self.small)
        for one in self.axe or []:
            if one.is_red:
                where = "; ".join(node["target"] for node in one.nodes[:3])
                yield (
                    "axe",
                    f"{at} {self.theme} {one.impact}: {one.id} ({len(one.nodes)}): {where}",
                )


@dataclass
class Page:
    """What one visit came to."""

    name: str
    address: str
    form: str
    status: int
    expected: int
    queries: int | None
    budget: int | None
    repeated: str = ""  # the statement asked most often, with its count
    title: str = ""
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    views: list[View] = field(default_factory=list)

    def reds(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong, by kind."""
        if self.status != self.expected:
            yield "status", f"answers {self.status}, expected {self.expected}"
        if self.queries is None:
            yield "status", "is not answered by our server"
        elif self.budget is not None and self.queries > self.budget:
            yield (
                "queries",
                f"{self.queries} queries, at most {self.budget}; {self.repeated}",
            )
        yield from (("console", one) for one in self.console)
        yield from (("requests", one) for one in self.requests)
        for view in self.views:
            yield from view.reds()

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "red": [list(one) for one in self.reds()]}


class Eyes:
    """A browser before the admin."""

    def __init__(
        self, browser: Chrome, url: str, axe: str, cookies: Mapping[str, tuple[str, str]]
    ) -> None:
        self.browser, self.url, self.axe, self.cookies = browser, url, axe, cookies
        self.host = urlsplit(url).netloc
        self.who: str | None = None
        self.appearance = ("", "")
        self.sent: set[str] = set()  # addresses whose form was sent empty
        self.led: dict[str, str] = {}  # name of a visit to where it led instead of to a page

    # --- Going there --------------------------------------------------------------------------

    def visit(self, visit: Visit) -> Page | None:
        """Open a page on a desk in the light; None where it leads elsewhere, or is no page."""
        self._be(visit.who)
        self._appear("1366", "light")
        self.browser.get_log("browser")  # of the page before
        downloads.clear()
        if visit.post is None:
            asked.pop(("GET", visit.address), None)
            self.browser.get(f"{self.url}{visit.address}")
        else:
            self._post(visit)
        return self._read(visit)

    def ask(self, visit: Visit) -> Page | None:
        """Ask for a page without a browser: what it answers and costs is told, not how it looks."""
        client = Client(raise_request_exception=False)
        if visit.who:
            client.cookies[self.cookies[visit.who][0]] = self.cookies[visit.who][1]
        method = "GET" if visit.post is None else "POST"
        response = (
            client.generic("GET", visit.address)
            if visit.post is None
            else client.post(visit.address, visit.post)
        )
        if response.streaming:
            b"".join(response.streaming_content)
        if visit.may_lead_on and (
            response.status_code == 302 or response.get("Content-Disposition", "")
        ):
            self.led[visit.name] = response.get("Location", "a download")
            return None
        queries = asked.get((method, visit.address))
        return Page(
            name=visit.name,
            address=visit.address,
            form=visit.form,
            status=response.status_code,
            expected=visit.status,
            queries=None if queries is None else len(queries),
            budget=visit.budget,
            repeated=_most_repeated(queries or []),
        )

    def send_empty(self, visit: Visit) -> Page | None:
        """Send the form of the page that is open with nothing in it; None where it is taken."""
        self._appear("1366", "light")
        self.browser.get_log("browser")
        downloads.clear()
        if not self.browser.execute_script(SEND_EMPTY):
            return None
        self._arrive()
        sent = Visit(
            f"{visit.name}, sent empty", visit.address, who=visit.who, post={}, may_lead_on=True
        )
        return self._read(sent)

    def _be(self, who: str) -> None:
        if who == self.who:
            return
        if urlsplit(self.browser.current_url).netloc != self.host:
            self.browser.get(f"{self.url}/admin/login/")  # a place for the cookies
        self.browser.delete_all_cookies()
        if who:
            name, value = self.cookies[who]
            self.browser.add_cookie({"name": name, "value": value})
        self.who = who

    def _post(self, visit: Visit) -> None:
        if not self.browser.get_cookie(settings.CSRF_COOKIE_NAME):
            self.browser.get(f"{self.url}/admin/login/")
        token = self.browser.get_cookie(settings.CSRF_COOKIE_NAME)
        if token is None or self.browser.execute_script("return !document.body"):
            self.browser.get(f"{self.url}/admin/password_change/")
            token = self.browser.get_cookie(settings.CSRF_COOKIE_NAME)
        assert token is not None
        pairs = [("csrfmiddlewaretoken", token["value"])]
        for name, value in (visit.post or {}).items():
            pairs += [(name, each) for each in (value if isinstance(value, list) else [value])]
        self.browser.get_log("browser")
        downloads.clear()
        self.browser.execute_script(POST, f"{self.url}{visit.address}", pairs)
        self._arrive()

    def _arrive(self) -> None:
        """Wait for the page after the one that was left; a download leaves it as it is."""
        has_arrived = "return !window.isLeft && document.readyState === 'complete'"
        until(lambda: downloads or self.browser.execute_script(has_arrived))

    def _read(self, visit: Visit) -> Page | None:
        answer = self.browser.execute_script(ANSWER)
        if "/logout/" in visit.address:
            self.who = None
        here = answer["address"]
        if downloads:
            downloads.clear()
            self.led[visit.name] = "a download"
            return None
        is_elsewhere = here != visit.address or (
            visit.post is not None and answer["redirects"] and visit.may_lead_on
        )
        if visit.may_lead_on and is_elsewhere:
            self.led[visit.name] = here
            return None
        # What a form sends is answered, or leads to a page that is asked for.
        queries = asked.get(("POST", here)) if visit.post is not None else None
        if queries is None or answer["redirects"]:
            queries = asked.get(("GET", here), queries)
        page = Page(
            name=visit.name,
            address=visit.address,
            form=visit.form,
            status=answer["status"],
            expected=visit.status,
            queries=None if queries is None else len(queries),
            budget=visit.budget,
            repeated=_most_repeated(queries or []),
            title=answer["title"],
        )
        if answer["type"] != "text/html":
            page.requests.append(f"is {answer['type']}, no page: say in plan.py why it is left out")
        page.requests += [
            f"{address} answers {status}"
            for address, status in answer["loaded"]
            if status >= 400 or urlsplit(address).netloc not in ("", self.host)
        ]
        page.console = [
            f"{entry['level']}: {entry['message']}"
            for entry in self.browser.get_log("browser")
            # That the page itself is a refusal is what was expected.
            if not (visit.status >= 400 and f"status of {visit.status}" in entry["message"])
            and entry["level"] in ("SEVERE", "WARNING")
        ]
        return page

    # --- Looking ------------------------------------------------------------------------------

    def look(self, page: Page, size: str, theme: str, *, rules: dict[str, Any] | None) -> View:
        """Measure the page that is open in a theme and at a width, and ask axe for rules."""
        self._appear(size, theme)
        self.browser.execute_async_script(SETTLE)
        found = self.browser.execute_script(MEASURE)
        expected = SIZES[size][0]
        assert found.pop("width") == expected, f"The page is not laid out at {expected} pixels."
        view = View(size, theme, **found)
        if rules is not None:
            if self.browser.execute_script("return typeof axe === 'undefined'"):
                self.browser.execute_script(self.axe)
            view.axe = [
                Violation(
                    one["id"], one["impact"] or "minor", one["help"], one["isRule"], one["nodes"]
                )
                for one in self.browser.execute_async_script(AXE, rules)
            ]
        page.views.append(view)
        return view

    def picture(self, path: Path, size: str, theme: str) -> None:
        """Write what is seen without scrolling."""
        self._appear(size, theme)
        self.browser.execute_async_script(SETTLE)
        path.write_bytes(self.browser.get_screenshot_as_png())

    def _appear(self, size: str, theme: str) -> None:
        if self.appearance == (size, theme):
            return
        self.appearance = (size, theme)
        width, height = SIZES[size]
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        # They take no room on a phone, and on a desk they take 15 pixels or none.
        self.browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        features = [
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def leave(self) -> None:
        """Give the browser back as it was."""
        self.appearance = ("", "")
        self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        self.browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": False})
        self.browser.delete_all_cookies()
        self.browser.get("about:blank")
        self.browser.get_log("browser")


def _most_repeated(queries: list[str]) -> str:
    counted = Counter(queries).most_common(1)
    if not counted or counted[0][1] < 2:
        return ""
    statement, count = counted[0]
    return f"{count} times {statement[:160]}"
