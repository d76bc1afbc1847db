"""What the journeys through the admin begin with."""

from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome

from project.jobs.models import Process
from tests.overview.person import Person


@pytest.fixture
def person(browser: Chrome, live_server: LiveServer, settings: Any, tmp_path: Path) -> Person:
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"  # where versions begin with 1
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()
    for role in Process.Role:
        Process.objects.create(name=f"host-{role}-1", role=role)
    return Person(browser, live_server.url)
