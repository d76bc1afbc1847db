"""What `serve` says of its processes is believed for as long as it lives, and no longer."""

from pathlib import Path
from typing import Any

import pytest

from project.household import Household, ailments


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.VAR = tmp_path


def test_it_is_told_while_it_ails_and_while_it_lives() -> None:
    serve = Household()
    serve.note([])
    assert ailments() == []
    serve.note(["The worker dies."])
    assert ailments() == ["The worker dies."]
    serve.note(["It dies.", "So does the scheduler."])
    assert ailments() == ["It dies.", "So does the scheduler."]
    serve.note([])
    assert ailments() == []
    serve.note(["The worker dies."])
    serve.end()
    assert ailments() == []


def test_what_a_killed_one_has_left_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "serve.json").write_bytes(b'["The worker dies."]')
    assert ailments() == []


@pytest.mark.parametrize("left", [b"", b"{", b"\xff"])
def test_half_a_word_is_none(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "serve.json").write_bytes(left)
    assert ailments() == []


def test_a_second_one_takes_no_word_from_the_first() -> None:
    first, second = Household(), Household()
    first.note(["The worker dies."])
    second.note(["Mine too."])
    assert ailments() == ["The worker dies."]
    second.end()
    assert ailments() == ["The worker dies."]
    first.end()


def test_a_folder_that_cannot_be_written_stops_nobody(settings: Any) -> None:
    settings.VAR = Path("/nowhere")
    serve = Household()
    serve.note(["The worker dies."])
    serve.end()
    assert ailments() == []
