"""Fixtures of the ledger's tests: kinds that exist for one test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import ConfigDict

from project.jobs import contract as kinds
from project.jobs.run import JobRun
from project.jobs.run import shutdown as shutting_down
from project.jobs.said import Said


class Anything(kinds.Arguments):
    """Takes every argument, for tests that are not about them."""

    model_config = ConfigDict(extra="allow")


@pytest.fixture
def declare() -> Iterator[Callable[..., str]]:
    """Give a function that declares a job kind for the length of the test."""
    names: list[str] = []

    def declare_kind(work: Callable[[JobRun], dict[str, Any]], **options: Any) -> str:
        name = options.pop("name", f"tests.kind_{len(names)}")
        options.setdefault("arguments", Anything)
        options.setdefault("says", lambda result: Said("The ledger was tried."))

        def answer(run: JobRun, asked: kinds.Arguments) -> dict[str, Any]:
            return work(run)

        kinds.job(name, title="Try the ledger", permission="jobs.add_schedule", **options)(answer)
        names.append(name)
        return name

    yield declare_kind
    for name in names:
        del kinds._kinds[name]


@pytest.fixture
def shutdown() -> Iterator[None]:
    """Let a test ask its own process to shut down."""
    yield
    shutting_down.is_asked = False
