"""The pictures of the documentation: `make screenshots`."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from matching.models import SeedUser
from tests.pages.installation import Shown
from tests.pages.look import Eyes
from tests.pages.plan import OWNER, Visit, pages

PICTURES = {
    "home": "/admin/",
    "people": "/admin/matching/seeduser/",
    "person": "/admin/matching/seeduser/*/change/ (complete)",
    "scores": "/admin/scores/",
    "generate": "/admin/matching/eventbatch/generate/",
    "batch": "/admin/matching/eventbatch/*/change/ (imported with rejected lines)",
    "dataset": "/admin/training/dataset/*/change/ (good)",
    "model": "/admin/training/modelversion/*/change/ (champion)",
    "job": "/admin/jobs/job/*/change/ (running)",
    "feedback": "/admin/feedback/says/*/ (csat)",
    "answers": "/admin/answers/",
    "sign-in": "sign in",
}
PAIR = ("user1", "user6")
FOLDER = Path(settings.BASE_DIR) / "docs" / "screenshots"
MOST_BYTES = 4_200_000  # all of them together
LOOKS = (("1366", "light"), ("1366", "dark"), ("390", "light"))


@pytest.mark.browser
@pytest.mark.django_db
@pytest.mark.skipif(
    os.environ.get("SEEDBED_PAGES") != "screenshots", reason="`make screenshots` takes them."
)
def test_pictures_are_taken(eyes: Eyes, taken: dict[str, Path]) -> None:
    assert len(taken) == len(PICTURES) * len(LOOKS)
    assert sum(path.stat().st_size for path in taken.values()) < MOST_BYTES


@pytest.fixture(scope="module")
def taken(eyes: Eyes, fill: Callable[..., Shown]) -> dict[str, Path]:
    """Take all pictures, of an installation without odd rows."""
    shown = fill(is_odd=False)
    visits = {visit.name: visit for visit in pages(User.objects.get(username=OWNER), shown)}
    FOLDER.mkdir(exist_ok=True)
    files: dict[str, Path] = {}
    for name, page in PICTURES.items():
        visit: Visit = visits[page]
        if name == "scores":  # two who could be met
            left, right = (SeedUser.objects.get(external_id=one).pk for one in PAIR)
            visit = replace(visit, address=f"{page}?left={left}&right={right}")
        assert eyes.visit(visit) is not None, page
        for size, theme in LOOKS:
            file = FOLDER / f"{name}-{theme}{'' if size == '1366' else '-phone'}.png"
            eyes.picture(file, size, theme)
            files[file.name] = file
    return files
