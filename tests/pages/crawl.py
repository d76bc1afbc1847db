"""Looks at every page: all of it for `make pages`, the short form for `make test`."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product

from django.contrib.auth.models import User

from tests.pages.installation import Shown
from tests.pages.look import SIZES, THEMES, Eyes, Page
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
    choose = _all if in_full else _one_of_each
    for visit in choose(pages_without_rows(owner)):
        if in_full or visit.is_list:
            found.pages += _look_at(eyes, visit, in_full=in_full)
    shown = fill()
    for visit in choose(pages(owner, shown)):
        found.pages += _look_at(eyes, visit, in_full=in_full)
    return found


def _all(visits: Iterable[Visit]) -> Iterable[Visit]:
    return visits


def _one_of_each(visits: Iterable[Visit]) -> Iterator[Visit]:
    """Yield of each address the visit with the longest words, or the first; all that has none."""
    chosen: dict[str, Visit] = {}
    for visit in visits:
        place = visit.form or visit.name
        if place not in chosen or visit.is_hard:
            chosen[place] = visit
    yield from chosen.values()


def _look_at(eyes: Eyes, visit: Visit, *, in_full: bool) -> Iterator[Page]:
    """Yield the page of a visit, and what it shows when its form is sent empty."""
    page = eyes.visit(visit)
    if page is None:
        return
    _measure(eyes, page, visit.short_name, in_full=in_full)
    yield page
    # The records of one model have one form; one of them shows its errors.
    if visit.form and (in_full or visit.is_form) and visit.form not in eyes.sent:
        eyes.sent.add(visit.form)
        answer = eyes.send_empty(visit)
        if answer is not None:
            _measure(eyes, answer, f"{visit.short_name}, sent empty", in_full=in_full)
            yield answer


def _measure(eyes: Eyes, page: Page, name: str, *, in_full: bool) -> None:
    everywhere = in_full or name in REPRESENTATIVE
    for size, theme in product(SIZES, THEMES) if everywhere else [("1366", "light")]:
        eyes.look(page, size, theme, with_axe=everywhere)
