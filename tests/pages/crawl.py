"""Looks at every page: all of it for `make pages`, the short form for `make test`."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from django.contrib.auth.models import User

from tests.pages.installation import Shown
from tests.pages.look import COLOUR_RULES, EVERY_RULE, SIZES, THEMES, Eyes, Page
from tests.pages.plan import OWNER, Visit, forms, pages, pages_without_rows, why_left_out

IN_FULL = os.environ.get("SEEDBED_PAGES") == "full"
# Pages of each kind there is; the short form asks axe about these, in both themes and sizes.
REPRESENTATIVE = (
    "/admin/",
    "/admin/matching/seeduser/",
    "/admin/matching/seeduser/*/change/",
    "/admin/matching/seeduser/*/history/",
    "/admin/matching/eventbatch/generate/, sent empty",
    "/admin/jobs/job/",
    "/admin/jobs/job/*/change/",
    "/admin/training/modelversion/*/change/",
    "/admin/training/dataset/*/change/",
    "/admin/matching/travelsession/add/",
    "/admin/auth/user/*/change/",
    "/admin/auth/user/*/password/",
    "/admin/auth/group/add/",
    "/admin/feedback/says/*/",
    "/admin/auth/group/*/delete/",
    "not found",
    "sign in",
)


@dataclass
class Crawl:
    """What was seen, where visits led instead, and what was not opened."""

    pages: list[Page] = field(default_factory=list)
    led: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)  # address to why

    def unseen(self) -> list[str]:
        """Return the addresses of the resolver that were neither opened nor left out."""
        return sorted(forms().keys() - self.left_out.keys() - {page.form for page in self.pages})


def crawl(eyes: Eyes, fill: Callable[[], Shown], *, in_full: bool) -> Crawl:
    """Look at the pages without rows, fill the installation, and look at all of them."""
    owner = User.objects.get(username=OWNER)
    found = Crawl(led=eyes.led)
    found.left_out = {form: why for form in forms() if (why := why_left_out(form, owner))}
    look_at = _look_closely if in_full else Glance()
    for visit in pages_without_rows(owner):
        found.pages += look_at(eyes, visit)
        if in_full:
            tell(visit.name)
    shown = fill()
    visits = pages(owner, shown)
    for visit in visits if in_full else _one_of_each(visits):
        found.pages += look_at(eyes, visit)
        if in_full:
            tell(visit.name)
    return found


def tell(name: str) -> None:
    """Say to who waits in a terminal which page was looked at, past what pytest keeps."""
    if (at := os.environ.get("SEEDBED_PAGES_TOLD")) is not None:
        with Path(at).open("a", encoding="utf-8") as told:
            told.write(f"{name}\n")


def _one_of_each(visits: Iterable[Visit]) -> Iterator[Visit]:
    """Yield of each address the visit with the longest words, or the first; all that has none."""
    chosen: dict[str, Visit] = {}
    for visit in visits:
        if visit.name.endswith("(searched)"):
            continue  # the list as it is, with other rows
        place = visit.form or visit.name
        if place not in chosen or visit.is_hard:
            chosen[place] = visit
    yield from chosen.values()


def _look_closely(eyes: Eyes, visit: Visit) -> Iterator[Page]:
    """Yield the page of a visit, and what it shows when its form is sent empty."""
    page = eyes.visit(visit)
    if page is None:
        return
    _look_everywhere(eyes, page)
    yield page
    # The records of one model have one form; one of them shows its errors.
    if visit.form and visit.form not in eyes.sent:
        eyes.sent.add(visit.form)
        answer = eyes.send_empty(visit)
        if answer is not None:
            _look_everywhere(eyes, answer)
            yield answer


def _look_everywhere(eyes: Eyes, page: Page) -> None:
    for size, theme in product(SIZES, THEMES):
        eyes.look(page, size, theme, rules=EVERY_RULE)


class Glance:
    """The short form: pages of one template are looked at once, the others only asked for."""

    def __init__(self) -> None:
        # Those that axe is asked about stand for the others of their shape.
        self.shapes = {shape for name in REPRESENTATIVE if (shape := _shape_of(name))}

    def __call__(self, eyes: Eyes, visit: Visit) -> Iterator[Page]:
        """Yield the page of a visit, and for forms of records what they show when sent empty."""
        shape = _shape_of(visit.short_name if visit.form else visit.name)
        if shape in self.shapes and visit.short_name not in REPRESENTATIVE:
            page = eyes.ask(visit)
            if page is not None:
                yield page
            return
        self.shapes |= {shape} - {""}
        page = eyes.visit(visit)
        if page is None:
            return
        self.look(eyes, page, visit.short_name)
        yield page
        sent = f"{visit.short_name}, sent empty"
        model = re.match(r"(/admin/\w+/\w+/).*(?:add|change)/$", visit.form)
        if sent in REPRESENTATIVE or (model and model[1] not in eyes.sent):
            eyes.sent |= {model[1]} if model else set()
            answer = eyes.send_empty(visit)
            if answer is not None:
                self.look(eyes, answer, sent)
                yield answer

    def look(self, eyes: Eyes, page: Page, name: str) -> None:
        """Measure as much as its name asks for."""
        if name in REPRESENTATIVE:
            eyes.look(page, "1366", "light", rules=EVERY_RULE)
            eyes.look(page, "1366", "dark", rules=COLOUR_RULES)
            eyes.look(page, "390", "light", rules=EVERY_RULE)
        else:
            eyes.look(page, "1366", "light", rules=None)


# What looks the same whichever model it is of.
SHAPES = re.compile(
    r"/admin/\w+/\w+/(?:[\w*]+/)?"
    r"(, no rows| \(nothing found\)| \(filtered\)| \(asked: (?:delete_selected)?|"
    r"\*/history/(?:\*/)?|\*/delete/)"
)


def _shape_of(name: str) -> str:
    """Return what a page has in common with those of other models; empty where it is its own."""
    found = SHAPES.match(name)
    return found[1] if found else ""
