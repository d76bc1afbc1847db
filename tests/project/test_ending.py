"""A process that is asked to end does end, wherever the signal finds it."""

import ast
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from project.ending import Ending
from tests.rooms import ROOMS


@pytest.fixture
def ending() -> Iterator[Ending]:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield Ending.by_signal()
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_a_wait_of_an_hour(ending: Ending, number: int) -> None:
    assert not ending.is_asked
    os.kill(os.getpid(), number)
    assert ending.wait(3600)


def test_signal_in_the_midst_of_a_wait_ends_it(ending: Ending) -> None:
    signal.signal(signal.SIGALRM, ending.ask)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    assert ending.wait(3600)


def test_signals_without_number_never_block_it(ending: Ending) -> None:
    for _ in range(100_000):  # more than a pipe holds
        ending.ask()
    assert ending.wait(3600)


def handlers(path: Path) -> Iterator[str]:
    """Yield what a module gives to `signal.signal`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"signal.signal", "signal"}:
            yield ast.unparse(node.args[1])


def test_no_handler_of_a_signal_takes_a_lock() -> None:
    found = {
        str(path.relative_to(settings.BASE_DIR)): sorted(handlers(path))
        for app in ROOMS
        for path in (settings.BASE_DIR / app).rglob("*.py")
    }
    assert {path: given for path, given in found.items() if given} == {
        "project/ending.py": ["ending.ask"],
        "project/jobs/worker.py": ["shutdown.ask", "signal.SIG_IGN"],
        "project/web.py": ["signal.SIG_DFL"],
    }
