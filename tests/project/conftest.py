"""Fixtures of the ledger's tests: kinds that exist for one test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from project.jobs import contract as kinds
from project.jobs.run import JobRun
from project.jobs.run import shutdown as shutting_down


@pytest.fixture
def declare() -> Iterator[Callable[..., str]]:
    """Give a function that declares a job kind for the length of the test."""
    names: list[str] = []

    def declare_kind(work: Callable[[JobRun], dict[str, Any]], **options: Any) -> str:
        name = options.pop("name", f"tests.kind_{len(names)}")
        kinds.job(name, title="Try the ledger", permission="jobs.add_schedule", **options)(work)
        names.append(name)
        return name

    yield declare_kind
    for name in names:
        del kinds._kinds[name]


@pytest.fixture
def shutdown() -> Iterator[None]:
    """Let a test ask its own process to shut down."""
    yield
    shutting_down.clear()
