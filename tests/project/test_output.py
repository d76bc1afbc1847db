"""Files that somebody names to write to: plain ones, whole or not at all, for their owner alone.

What is no place for a file is left as it is, and said before any work. Pipes stand for devices.
"""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from benchmarks import __main__ as benchmarks
from project.backup.failures import BackupRefused
from project.backup.places import open_place
from project.exports.models import Export
from project.jobs.models import Job
from project.output import OutputUnusable, require_output, written
from project.refusal import Refusal
from tests.factories import make_admin, make_seed_user
from tests.training.batches import make_good_batch, make_model
from training.services.registry import export_model

# What may stand where somebody wants a file, and the words for it.
OTHERS = {
    "pipe": "a pipe",
    "link": "a symbolic link",
    "link-to-nothing": "a symbolic link",
    "link-to-pipe": "a symbolic link",
    "folder": "a folder",
    "socket": "a socket",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with one of each; where the test runs, so that - is a name too."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("precious").write_text("kept")
    Path("link").symlink_to("precious")
    Path("link-to-nothing").symlink_to("nothing")
    Path("link-to-pipe").symlink_to("pipe")
    Path("folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        yield tmp_path


def looks(folder: Path) -> dict[str, Any]:
    return {one.name: (one.lstat().st_mode, one.lstat().st_ino) for one in folder.iterdir()}


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_but_a_plain_file_is_written_over(place: Path, name: str) -> None:
    before = looks(place)
    with pytest.raises(OutputUnusable, match=f"is {OTHERS[name]}. It was left as it is; name"):
        require_output(Path(name))
    with pytest.raises(OutputUnusable), written(place / name) as file:
        file.write(b"new")
    assert looks(place) == before
    assert Path("precious").read_text() == "kept"


def test_what_becomes_something_else_while_it_is_written_is_left_too(place: Path) -> None:
    def put() -> None:
        with written(place / "new") as file:
            file.write(b"new")
            Path("new").symlink_to("precious")

    with pytest.raises(OutputUnusable, match="a symbolic link"):
        put()
    assert Path("precious").read_text() == "kept"
    assert Path("new").is_symlink()


def test_a_file_is_written_whole_and_for_its_owner_alone(place: Path) -> None:
    with written(place / "new") as file:
        file.write(b"new")
    assert Path("new").read_bytes() == b"new"
    assert Path("new").stat().st_mode & 0o777 == 0o600
    with written(Path("precious")) as file:
        file.write(b"other")
    assert Path("precious").read_bytes() == b"other"
    names = set(looks(place))

    def fail() -> None:
        with written(Path("precious")) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert Path("precious").read_bytes() == b"other"
    assert set(looks(place)) == names


def test_what_the_system_refuses_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputUnusable, match="There is no folder no; make it"):
        require_output(Path("no/new"))
    with pytest.raises(OutputUnusable, match="Not a directory"):
        require_output(Path("precious/new"))
    with pytest.raises(OutputUnusable, match="name too long"):
        require_output(Path("n" * 300))
    with pytest.raises(OutputUnusable, match="- is stdout"):
        require_output(Path("-"))
    with pytest.raises(OutputUnusable, match="No space left"), written(Path("new")):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "access", lambda *asked: False)  # root may write everywhere
    with pytest.raises(OutputUnusable, match="nothing may be put into"):
        require_output(Path("new"))


# --- The doors -----------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("name", [*OTHERS, "-", "no/file", "."])
def test_commands_say_so_before_their_work(place: Path, name: str) -> None:
    make_seed_user("p")
    make_admin()
    before = looks(place)
    for words in (["export", "people", "--now"], ["generate_events", "--now", "--count", "10"]):
        with pytest.raises(CommandError) as refused:
            call_command(*words, "--output", name)
        assert refused.value.returncode == 1
    assert not Job.objects.exists()
    assert not Export.objects.exists()
    assert looks(place) == before


@pytest.mark.django_db
@pytest.mark.parametrize("name", [*OTHERS, "no/file"])
def test_events_take_the_place_of_nothing_else(place: Path, name: str) -> None:
    batch, before = make_good_batch(), looks(place)
    with pytest.raises(CommandError, match=OTHERS.get(name, "There is no folder no")):
        call_command("export_events", "--batch", str(batch.pk), "--output", name)
    assert looks(place) == before


@pytest.mark.django_db
def test_a_copy_of_an_export_is_of_its_owner_alone(place: Path) -> None:
    make_seed_user("p")
    call_command("export", "people", "--now", "--output", "people.csv")
    assert Path("people.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db
@pytest.mark.parametrize("name", [*OTHERS, "precious", "-"])
def test_a_model_takes_the_place_of_nothing(place: Path, name: str) -> None:
    before = looks(place)
    with pytest.raises(Refusal):
        export_model(make_model(), Path(name))
    assert looks(place) == before


@pytest.mark.parametrize("name", ["pipe", "precious", "link", "link-to-nothing", "socket"])
def test_a_backup_is_put_into_nothing_but_a_folder(place: Path, name: str) -> None:
    with pytest.raises(BackupRefused, match="something else"):
        open_place(name)


def test_benchmarks_say_so_before_they_begin(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "--json", "pipe"])
    with pytest.raises(SystemExit):
        benchmarks._options()
    assert "pipe is a pipe" in capsys.readouterr().err
