"""What the pages of documentation name is there."""

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = settings.BASE_DIR
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
TOP = ("project", "matching", "feedback", "training", "overview", "tests", "benchmarks", "docs")
# Files that a page shows how to write.
EXAMPLES = {"matching/jobs/archive.py", "training/kinds/early_quality.py"}
PATH = re.compile(rf"`((?:{'|'.join(TOP)})(?:/[\w.]+)+/?)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_link_of_a_page_is_there(page: Path) -> None:
    text = page.read_text()
    named = set(PATH.findall(text)) - EXAMPLES
    if page.name == "CHANGELOG.md":  # tells of what was
        named = set()
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
    linked = set(LINK.findall(text))
    assert [name for name in sorted(linked) if not (page.parent / name).exists()] == []
