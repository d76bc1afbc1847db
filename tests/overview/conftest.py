"""What all tests of the top floor share, and what the journeys through the admin begin with."""

from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome

from project.jobs.models import Process
from tests.overview.person import Person
from training.queries.loading import forget_loaded


@pytest.fixture(autouse=True)
def artifact_root(settings: Any, tmp_path: Path) -> Path:
    """Give a folder of artefacts of its own, and nothing that was kept of another test."""
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"
    forget_loaded()
    cache.clear()
    return tmp_path / "artifacts"


@pytest.fixture
def person(browser: Chrome, live_server: LiveServer, settings: Any) -> Person:
    """Give somebody at a browser, where workers and a scheduler seem to run."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()
    for role in Process.Role:
        Process.objects.create(name=f"host-{role}-1", role=role)
    return Person(browser, live_server.url)
