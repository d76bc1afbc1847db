"""Every job kind and every command of ours is named by a test."""

import re
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings

from project.jobs.contract import all_kinds

APPS = ("project", "project/jobs", "matching", "feedback", "training")


@cache
def code_of_tests() -> str:
    """Return the code of all tests but this one."""
    files = (settings.BASE_DIR / "tests").rglob("*.py")
    return "\n".join(file.read_text() for file in sorted(files) if file != Path(__file__))


def commands() -> dict[str, str]:
    """Return the code of each command by its name."""
    return {
        file.stem: file.read_text()
        for app in APPS
        for file in sorted((settings.BASE_DIR / app / "management" / "commands").glob("*.py"))
        if file.stem != "__init__"
    }


def is_named(name: str) -> bool:
    # As a string of its own: part of a longer name, or a word of a sentence, is no test of it.
    return bool(re.search(rf"""["']{re.escape(name)}["']""", code_of_tests()))


def test_there_are_kinds_and_commands() -> None:
    assert len(all_kinds()) > 3
    assert {"serve", "worker", "scheduler", "jobs"} <= commands().keys()


@pytest.mark.parametrize("name", commands())
def test_command_is_named_by_a_test(name: str) -> None:
    assert is_named(name), f"No test under tests/ calls the command {name!r}."


def test_every_kind_is_named_by_a_test_or_run_by_its_command() -> None:
    ours = [kind for kind in all_kinds() if not kind.name.startswith("tests.")]
    unnamed = [
        kind.name
        for kind in ours
        if not is_named(kind.name)
        and not any(
            is_named(command) and f'kind = "{kind.name}"' in code
            for command, code in commands().items()
        )
    ]
    assert unnamed == []
