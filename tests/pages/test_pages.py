"""Every page of the admin in a browser: the short form of what `make pages` writes down."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from tests.pages import axe
from tests.pages.crawl import IN_FULL, REPRESENTATIVE, Crawl, crawl
from tests.pages.installation import Shown
from tests.pages.look import KINDS, Eyes, Page, View, Violation
from tests.pages.plan import LEFT_OUT, forms
from tests.pages.report import in_short, write

WRITTEN = Path(settings.BASE_DIR) / "var" / "pages"
SHORT = Path(settings.BASE_DIR) / "docs" / "crawl.md"
# In one worker: all tests of the browser share what was seen.
in_browser = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.xdist_group("pages"),
]


def browser_test(test: Callable[..., None]) -> Callable[..., None]:
    for mark in in_browser:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def seen(eyes: Eyes, fill: Callable[..., Shown]) -> Crawl:
    """Look at all pages once, for all tests of this module."""
    return crawl(eyes, fill, in_full=IN_FULL)


@browser_test
def test_every_address_is_opened_or_left_out_for_a_reason(seen: Crawl) -> None:
    assert seen.unseen() == [], "Let plan.py open these, or say there why not."
    assert LEFT_OUT.keys() <= forms().keys(), "These are left out and not there any more."
    assert len(seen.pages) > 100


@browser_test
def test_representative_pages_are_there(seen: Crawl) -> None:
    asked = [page for page in seen.pages if any(view.axe is not None for view in page.views)]
    assert len(asked) >= len(REPRESENTATIVE)
    looks = {(view.size, view.theme) for page in asked for view in page.views}
    assert looks >= {("1366", "light"), ("1366", "dark"), ("390", "light")}


@browser_test
@pytest.mark.parametrize("kind", KINDS)
def test_no_page_is_red(seen: Crawl, kind: str) -> None:
    found = [
        f"{page.name}: {said[:300]}"
        for page in seen.pages
        for one, said in page.reds()
        if one == kind
    ]
    assert not found, "\n".join(found)


@browser_test
@pytest.mark.skipif(not IN_FULL, reason="`make pages` looks at everything and writes it down.")
def test_what_was_seen_is_written_down(seen: Crawl) -> None:
    write(seen, WRITTEN)
    SHORT.write_text(in_short(seen.pages, axe.VERSION), encoding="utf-8")
    assert json.loads((WRITTEN / "pages.json").read_text())["pages"]


# --- The measure itself ---------------------------------------------------------------------------


def a_page(**fields: object) -> Page:
    known = {"status": 200, "expected": 200, "queries": 3, "budget": 25, "address": "/list/"}
    return Page(name="list", form="", **{**known, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("status", a_page(status=500)),
        ("status", a_page(queries=None)),
        ("queries", a_page(queries=26)),
        ("console", a_page(console=["SEVERE: refused"])),
        ("requests", a_page(requests=["https://elsewhere.example/x.css answers 0"])),
        ("sideways", a_page(views=[View("390", "light", sideways=1)])),
        ("cut", a_page(views=[View("390", "light", cut=["td: 40 px"])])),
        ("outside", a_page(views=[View("390", "light", outside=["table: 40 px"])])),
        ("small text", a_page(views=[View("390", "light", small=["text: 10.5 px"])])),
        ("axe", a_page(views=[View("390", "dark", axe=[Violation("x", "serious", "", True, [])])])),
    ],
)
def test_each_kind_of_fault_is_red_and_named_with_a_word(
    kind: str, page: Page, tmp_path: Path
) -> None:
    assert [one for one, _ in page.reds()] == [kind]
    assert write(Crawl([page]), tmp_path)[kind] == 1
    report = (tmp_path / "index.html").read_text()
    assert f"{kind}: " in report
    assert "RED" in report or kind in ("outside",)


def test_it_is_told_in_short_by_parts_of_the_admin() -> None:
    view = View("390", "light", cut=["td: 40 px"], axe=[Violation("x", "serious", "", True, [])])
    pages = [
        a_page(address="/admin/jobs/job/3/change/", queries=9, views=[view]),
        a_page(address="/admin/jobs/job/", console=["SEVERE: refused"]),
        a_page(address="/admin/answers/person/?user=x"),
    ]
    said = in_short(pages, "9.9")
    assert "3 pages, 1 looks. Red: " in said
    assert "axe 1" in said
    assert "| `/admin/jobs/job/` | 2 | 9 | 1 | 0 | 1 | 1 |" in said
    assert "| `/admin/answers/person/` | 1 | 3 | 0 | 0 | 0 | 0 |" in said


def test_what_is_advised_is_told_and_not_red() -> None:
    advised = Violation("region", "serious", "", False, [])
    light = Violation("x", "moderate", "", True, [])
    assert list(a_page(views=[View("390", "light", axe=[advised, light])]).reds()) == []
    assert list(a_page(queries=99, budget=None).reds()) == []


def test_only_the_known_package_of_axe_is_taken() -> None:
    with pytest.raises(ValueError, match="Expected axe-core"):
        axe.unpack(b"another one")
