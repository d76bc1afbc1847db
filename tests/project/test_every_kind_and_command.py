"""Every job kind and every command of ours is called by a test."""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from django.conf import settings

from project.jobs.contract import all_kinds
from project.removal.registry import removal_of

# What runs a command in this process, and the first word of one in another process.
RUNNERS = frozenset({"call_command", "run", "_run", "run_command", "run_json", "show_command"})
PROGRAM = "manage.py"
STARTERS = frozenset({"enqueue"})
REMOVERS = frozenset({"remove", "remove_dying"})  # of the thing that is their first word


def commands_called(code: str) -> set[str]:
    """Return the commands that some code runs: `call_command("jobs")`, `[python, "manage.py",
    "jobs"]`.

    The same word elsewhere, as an app's label, a key or a part of a sentence, runs nothing.
    """
    return {name for node in ast.walk(ast.parse(code)) for name in _commands_of(node)}


def kinds_started(code: str) -> set[str]:
    """Return the kinds of the jobs that some code enqueues."""
    nodes = list(ast.walk(ast.parse(code)))
    removed = {removal_of(name) for node in nodes for name in _first_text(node, REMOVERS)}
    return {name for node in nodes for name in _first_text(node, STARTERS)} | {
        how.kind for how in removed if how is not None
    }


def kind_of_command(code: str) -> str:
    """Return the kind that a command names as its own; empty for one that starts no job."""
    for node in ast.parse(code).body:
        for part in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "kind":
                return _text(part.value)
    return ""


def _commands_of(node: ast.AST) -> Iterator[str]:
    yield from _first_text(node, RUNNERS)
    if isinstance(node, ast.List | ast.Tuple):
        yield from (name for program, name in pairwise(map(_text, node.elts)) if program == PROGRAM)


def _first_text(node: ast.AST, callers: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Call):
        caller = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if caller in callers:
            yield next(filter(None, map(_text, node.args)), "")


def _text(node: ast.AST) -> str:
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else ""


@cache
def in_tests(find: Callable[[str], set[str]]) -> set[str]:
    """Return what is found in the code of all tests but this one."""
    files = (settings.BASE_DIR / "tests").rglob("*.py")
    return {name for file in files if file != Path(__file__) for name in find(file.read_text())}


def commands() -> dict[str, str]:
    """Return the code of each command by its name."""
    return {
        file.stem: file.read_text()
        for app in sorted(settings.BASE_DIR.glob("*/"))
        if (app / "__init__.py").exists()
        for file in sorted(app.rglob("management/commands/*.py"))
        if file.stem != "__init__"
    }


def test_there_are_kinds_and_commands() -> None:
    assert len(all_kinds()) > 3
    assert {"serve", "worker", "scheduler", "jobs", "demo", "feedback_report"} <= commands().keys()


@pytest.mark.parametrize("name", commands())
def test_command_is_called_by_a_test(name: str) -> None:
    assert name in in_tests(commands_called), f"No test under tests/ calls the command {name!r}."


def test_every_kind_is_started_by_a_test_or_by_its_command() -> None:
    by_commands = {
        kind_of_command(code)
        for name, code in commands().items()
        if name in in_tests(commands_called)
    }
    ours = {kind.name for kind in all_kinds() if not kind.name.startswith("tests.")}
    assert ours - by_commands - in_tests(kinds_started) == set()


@pytest.mark.parametrize(
    "code",
    [
        "permissions.filter(content_type__app_label='jobs')",
        "jobs = {'jobs': 1}['jobs']",
        "assert 'jobs' in call_command('status')",
        "# call_command('jobs')",
        "run('status', 'jobs')",
        "subprocess.run([python, '-m', 'jobs'])",
        "def jobs(): ...",
    ],
)
def test_word_that_runs_nothing_is_no_test_of_a_command(code: str) -> None:
    assert "jobs" not in commands_called(code)


@pytest.mark.parametrize(
    "code",
    [
        "call_command('jobs', 'list')",
        "run_json(capsys, 'jobs')",
        "Popen([sys.executable, 'manage.py', 'jobs', '--json'])",
    ],
)
def test_run_of_a_command_is_found(code: str) -> None:
    assert "jobs" in commands_called(code)


def test_kind_counts_as_started_where_it_is_enqueued() -> None:
    assert kinds_started("Job.objects.filter(kind='a.kind'); 'a.kind'") == set()
    assert kinds_started("services.enqueue('a.kind', by=user)") == {"a.kind"}
    assert kind_of_command("class Command(JobCommand):\n    kind = 'a.kind'") == "a.kind"
    assert kind_of_command("class Command(JobCommand):\n    help = 'a.kind'") == ""
