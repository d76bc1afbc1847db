"""A server with an installation in it, and somebody who looks at all of its pages."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections
from django.test import Client, override_settings
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome

from tests.pages import axe
from tests.pages.installation import Shown, populate
from tests.pages.look import Eyes
from tests.pages.plan import ANALYST, LOCKED, OWNER
from training.queries.loading import forget_loaded


@pytest.fixture(scope="session")
def axe_script() -> str:
    """Give axe-core; skips where it was not fetched, fails in the pipeline."""
    if not axe.SCRIPT.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(axe.MISSING)
        pytest.skip(axe.MISSING)
    return axe.SCRIPT.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def eyes(
    chromium: Chrome,
    axe_script: str,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Eyes]:
    """Give eyes before an empty installation; what is put into it is removed at the end."""
    root = tmp_path_factory.mktemp("pages")
    elsewhere = override_settings(
        ARTIFACT_ROOT=root / "artifacts",
        MEDIA_ROOT=root / "uploads",
        # Nobody is signed out by what is undone.
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        ROOT_URLCONF="tests.pages.urls",
        AXES_COOLOFF_TIME=timedelta(days=1),  # whoever is locked out still is when looked at
        MIDDLEWARE=["tests.pages.server.measured", *settings.MIDDLEWARE],
    )
    with django_db_blocker.unblock(), elsewhere:
        redis.Redis.from_url(settings.REDIS_URL).flushdb()
        forget_loaded()
        server = None
        try:
            User.objects.create_superuser(OWNER, first_name="Ada", last_name="Lovelace")
            server = LiveServer("127.0.0.1")
            seeing = Eyes(chromium, server.url, axe_script, {OWNER: _cookie_of(OWNER)})
            yield seeing
            seeing.leave()
        finally:
            if server is not None:
                server.stop()
            call_command("flush", verbosity=0, interactive=False, allow_cascade=True)
            connections.close_all()
            forget_loaded()
            redis.Redis.from_url(settings.REDIS_URL).flushdb()


@pytest.fixture(scope="module")
def fill(eyes: Eyes, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Shown]:
    """Give a function that fills the installation, and lets others sign in."""

    def fill_it(*, is_odd: bool = True) -> Shown:
        folder = tmp_path_factory.mktemp("rows")
        shown = populate(folder, User.objects.get(username=OWNER), is_odd=is_odd)
        eyes.cookies = {who: _cookie_of(who) for who in (OWNER, ANALYST)}
        for _ in range(settings.AXES_FAILURE_LIMIT):
            Client().post("/admin/login/", {"username": LOCKED, "password": "wrong"})
        return shown

    return fill_it


def _cookie_of(who: str) -> tuple[str, str]:
    client = Client()
    client.force_login(User.objects.get(username=who))
    name = settings.SESSION_COOKIE_NAME
    return name, client.cookies[name].value
