"""What the first edition took unchecked, brought into the words of the contract."""

import gzip
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings as django_settings

from project.jobs.contract import UnusableArguments, get_kind, read_arguments
from project.uploads.models import Upload
from project.uploads.services import path_of
from tests.factories import make_staff

before = import_module("project.jobs.migrations.0004_contract")
ODD = [None, 5, 1.5, True, "", "x" * 5000, "../../etc/passwd", "/etc/passwd", [], {}, [[]], ["a"]]


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "uploads"
    (settings.MEDIA_ROOT / "feedback").mkdir(parents=True)
    return settings.MEDIA_ROOT


def converted(kind: str, arguments: Any, *, is_active: bool = True) -> Any:
    job = SimpleNamespace(kind=kind, user=None)
    asked = before.in_todays_words(kind, arguments)
    return before.with_uploads(Upload, job, asked, is_active)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "kind", ["matching.import_events", "matching.import_users", "feedback.import"]
)
@pytest.mark.parametrize("odd", ODD, ids=str)
def test_nothing_that_was_asked_stops_the_migration(kind: str, odd: Any) -> None:
    for name in ("files", "file", "path", "name", "sha256"):
        converted(kind, {name: odd})
    converted(kind, {"files": [{"sha256": odd, "name": odd}], "path": odd, "name": odd})
    converted(kind, odd)
    assert not Upload.objects.exists()


@pytest.mark.django_db
def test_a_file_that_waits_becomes_an_upload_and_one_elsewhere_does_not(folder: Path) -> None:
    waiting = folder / "feedback" / "a1b2"
    waiting.write_bytes(gzip.compress(b"id,quality_rating\n"))
    elsewhere = folder.parent / "secret"
    elsewhere.write_text("not ours")
    (folder / "feedback" / "link").symlink_to(elsewhere)
    asked = {"path": str(waiting), "name": "own.csv.gz", "table": "quality_feedback"}
    arguments = converted("feedback.import", asked)
    upload = Upload.objects.get(pk=arguments["file"])
    assert (upload.name, path_of(upload).read_bytes()) == ("own.csv.gz", b"id,quality_rating\n")
    for path in (
        elsewhere,
        folder / "feedback" / "link",
        folder / "feedback" / ".." / ".." / "secret",
    ):
        assert "file" not in converted("feedback.import", {**asked, "path": str(path)})
    assert converted("feedback.import", asked, is_active=False) == {"table": "quality_feedback"}
    assert Upload.objects.count() == 1


def test_the_words_of_before_are_those_of_today() -> None:
    for kind, asked in (
        ("matching.generate_events", {"match_type": "solo", "count": 5, "seed": 1}),
        ("training.rebuild", {"match_type": "group", "count": 5}),
        ("training.build_dataset", {"source": "synthetic", "batches": [], "split": ""}),
        ("feedback.collect", {"sources": [], "days": None, "start": None, "limit": 3}),
    ):
        now = get_kind(before.KINDS.get(kind, kind))
        with pytest.raises(UnusableArguments):
            read_arguments(now, {**asked, "colour": "red"})
        read_arguments(now, before.in_todays_words(kind, asked))


@pytest.mark.django_db
def test_schedules_go_to_the_one_who_may_own_them(settings: Any) -> None:
    from django.apps import apps
    from django.contrib.auth.models import User

    assert before.owner_of_before(apps) is None
    only = User.objects.create_superuser("only")
    assert before.owner_of_before(apps) == only
    User.objects.create_superuser("second")
    assert before.owner_of_before(apps) is None
    settings.SCHEDULE_OWNER = make_staff(name="named").username
    assert before.owner_of_before(apps).username == "named"
    User.objects.filter(username="named").update(is_active=False)
    assert before.owner_of_before(apps) is None
    assert django_settings.SCHEDULE_OWNER == "named"
