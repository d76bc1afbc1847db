"""Every command with every argument poisoned ends with 1 or 2 and says why in one line."""

import argparse
import io
import random
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.core.management.base import BaseCommand
from django.db import connections, transaction

from project.command import LARGEST
from tests.factories import make_group, make_seed_user, make_session
from tests.feedback.collected import rate, real_source
from tests.project.fuzz import IN_FULL, POISONS
from tests.project.test_every_kind_and_command import commands
from tests.rooms import ROOMS
from tests.training.batches import make_dataset, make_good_batch, make_model
from training.services import registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
SEED = 11
# What no argument at all may be: not a number in any range, nor a text that can be kept.
NEVER = ("\0", "a\0b", "9" * 5_000, "-" + "9" * 5_000)
# No count of seconds, days or processes; the number of a record may be so large.
VAST = str(LARGEST)
# No file, no name and no text of these is a fault of the command; they run until they are stopped.
RUN_ON = {"serve", "worker", "scheduler"}
APPS = {"jobs": "project.jobs", "worker": "project.jobs", "scheduler": "project.jobs"}


@dataclass
class Place:
    """One value of a command that can be poisoned, and what stands before it and behind it."""

    command: str
    words: list[str]
    option: str
    behind: list[str]
    is_number: bool

    def filled(self, poison: str) -> list[str]:
        value = [f"{self.option}={poison}"] if self.option else ["--", poison]
        if not self.option and self.behind:
            return [*self.words, *value, *[word for word in self.behind if word[:2] != "--"]]
        return [*self.words, *value, *self.behind]


def command_of(name: str) -> BaseCommand:
    for app in ("project.jobs", "project.removal", *ROOMS):
        try:
            return load_command_class(app, name)
        except ModuleNotFoundError:
            continue
    raise LookupError(name)


def places(name: str) -> Iterator[Place]:
    """Yield every argument of a command, those of its subcommands too."""
    parser = command_of(name).create_parser("manage.py", name)
    yield from _places(name, parser, [])


def _places(name: str, parser: argparse.ArgumentParser, words: list[str]) -> Iterator[Place]:
    ours = [a for a in parser._actions if a.dest not in DJANGOS and a.nargs != 0]
    subs = [a for a in ours if isinstance(a, argparse._SubParsersAction)]
    for sub in subs:
        for word, inner in sub.choices.items():
            yield from _places(name, inner, [*words, word])
    # Jobs work here and now, and not in a worker that nobody started.
    now = ["--now"] if any("--now" in a.option_strings for a in parser._actions) else []
    for action in ours:
        if action in subs:
            continue
        behind = [
            word for other in ours if other is not action and other not in subs
            for word in _needed(other)
        ]  # fmt: skip
        option = action.option_strings[-1] if action.option_strings else ""
        is_number = action.type is not None and action.type not in (str, Path)
        yield Place(name, [*words, *now], option, behind, is_number)


def _needed(action: argparse.Action) -> list[str]:
    if action.option_strings:
        return [f"{action.option_strings[-1]}=quality_feedback"] if action.required else []
    return ["1"] * (action.nargs if isinstance(action.nargs, int) else action.nargs in (None, "+"))


DJANGOS = {
    *("help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color"),
    *("force_color", "skip_checks", "json", "now", "detach"),
}


@dataclass
class Outcome:
    code: object
    out: str
    err: str
    raised: str = ""


@pytest.fixture
def ask(settings, tmp_path: Path, monkeypatch, capsys):
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"
    settings.MEDIA_ROOT = tmp_path / "uploads"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(connections, "close_all", lambda: None)
    make_session(make_seed_user("user1"))
    make_session(make_group())
    registry.promote(make_model(make_dataset(make_good_batch(400))))
    rate(real_source(), [0.2, 0.4, 0.6])

    def run(name: str, words: list[str]) -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        raised, code = "", 0
        capsys.readouterr()
        try:
            with transaction.atomic():
                try:
                    command_of(name).run_from_argv(["manage.py", name, *words])
                finally:
                    transaction.set_rollback(True)
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            raised = traceback.format_exc()
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err, raised)

    return run


def faults(ask, drawn: int) -> list[str]:
    draw = random.Random(SEED)  # noqa: S311 - for tests
    found = []
    for name in commands():
        for place in places(name):
            poisons = [*NEVER, str(10**30), VAST] if place.is_number else list(NEVER[:2])
            if place.is_number or name not in RUN_ON:
                poisons += draw.sample(POISONS, drawn)
            if name in RUN_ON:
                poisons = [each for each in poisons if each in (*NEVER, VAST)]
            for poison in poisons:
                words = place.filled(poison)
                outcome = ask(name, words)
                never = NEVER if place.is_number else NEVER[:2]
                must_fail = poison in never or (poison == VAST and name in RUN_ON)
                problem = fault_of(outcome, must_fail=must_fail)
                if problem:
                    shown = [word[:60] for word in words]
                    found.append(f"{name} {shown}: {problem}\n{outcome.raised[-1500:]}")
    return found


def fault_of(outcome: Outcome, *, must_fail: bool) -> str:
    lines = [line for line in outcome.err.splitlines() if line.strip()]
    if outcome.raised or "Traceback" in outcome.err + outcome.out:
        return "a traceback"
    if outcome.code not in (0, 1, 2):
        return f"exit code {outcome.code!r}"
    if must_fail and outcome.code == 0:
        return "it was taken"
    if outcome.code == 1 and len(lines) != 1:
        return f"{len(lines)} lines: {lines[:4]}"
    if outcome.code == 2 and len(lines) > 2:
        return f"{len(lines)} lines: {lines[:4]}"
    if any(len(line) > 2_200 for line in lines):
        return "a line without end"
    return ""


def test_every_argument_is_found() -> None:
    found = [place for name in commands() for place in places(name)]
    assert len(found) > 60
    assert {place.command for place in found} >= {"predict", "models", "jobs", "serve"}


def test_poisoned_arguments_end_with_words(ask) -> None:
    found = faults(ask, 3)
    assert not found, "\n\n".join(found)


@pytest.mark.slow
@pytest.mark.skipif(not IN_FULL, reason="`make fuzz` puts every poison everywhere.")
def test_much_poison_in_arguments_ends_with_words(ask) -> None:
    found = faults(ask, 30)
    assert not found, "\n\n".join(found)
