"""Fixtures of every test: the real servers, started under a var folder of their own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
import redis
from django.conf import settings
from django.db import connection
from psycopg import sql
from selenium import webdriver

from project import bootstrap, embedded
from tests import s3

SHARED_STORE = settings.ARTIFACT_ROOT  # of the processes that tests start
WORKERS_AT_LEAST, WORKERS_AT_MOST = 2, 15  # Valkey has 16 numbers, one for runs without workers

# No example has a time limit, and none is refused because it took long to draw: both tell how busy
# the machine is. The same examples in every run: what goes red goes red again, and no change is
# blamed for what the run before it happened not to draw. To look further: pytest
# --hypothesis-profile=search.
NO_TIMES: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [hypothesis.HealthCheck.too_slow],
}
hypothesis.settings.register_profile("seedbed", derandomize=True, database=None, **NO_TIMES)
hypothesis.settings.register_profile("search", print_blob=True, **NO_TIMES)
hypothesis.settings.load_profile("seedbed")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Distribute the tests only where workers are asked for; pyproject.toml says how."""
    if isinstance(config.option.numprocesses, int) and (
        config.option.numprocesses > WORKERS_AT_MOST
    ):
        raise pytest.UsageError(f"Expected at most {WORKERS_AT_MOST} workers.")
    if not config.option.numprocesses:
        config.option.dist = "no"


def pytest_xdist_auto_num_workers() -> int:
    """Give a worker to each core; two where there is one, for much of the time is waiting."""
    return min(max(os.cpu_count() or 1, WORKERS_AT_LEAST), WORKERS_AT_MOST)


def pytest_configure() -> None:
    """Refuse to run on anything but the tests' own folder: tests flush and drop."""
    if settings.VAR.name != "test" or not settings.USES_EMBEDDED_VALKEY:
        raise pytest.UsageError(
            "Tests run with DJANGO_SETTINGS_MODULE=tests.settings; unset DJANGO_SETTINGS_MODULE."
        )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with what takes long, so that none is left alone with it in the end.

    And keep groups together: pytest-xdist 3.8 writes the group into an id that pytest 9.2 does not
    read (pytest-dev/pytest-xdist#1386), and its scheduler then finds no groups at all.
    """
    if not hasattr(config, "workerinput"):
        return
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        if mark is not None and not item.nodeid.endswith(f"@{mark.args[0]}"):
            item._id = type(item.id).parse(f"{item.nodeid}@{mark.args[0]}")
            if not item.nodeid.endswith(f"@{mark.args[0]}"):
                raise pytest.UsageError(f"{item.nodeid} cannot be kept in its group.")


@pytest.fixture(scope="session")
def servers() -> None:
    """PostgreSQL and Valkey of the tests; they stay up, the next run attaches to them."""
    bootstrap.start_servers()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    servers: None, django_db_modify_db_settings_parallel_suffix: None, django_db_keepdb: bool
) -> Iterator[None]:
    """Make room for the database of this worker, and keep other runs out of it.

    A second run in the same folder waits for the first. What a killed one left, with sessions of
    processes that it had started, makes way.
    """
    at = settings.DATABASES["default"]
    name = connection.creation._get_test_db_name()
    with psycopg.connect(
        host=at["HOST"], port=at["PORT"], user=at["USER"], dbname="postgres", autocommit=True
    ) as admin:
        admin.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])
        # No test cuts the power; what it kills, the system's own memory survives.
        admin.execute("ALTER SYSTEM SET fsync = off")
        admin.execute("SELECT pg_reload_conf()")
        if not django_db_keepdb:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            admin.execute(drop.format(sql.Identifier(name)))
            # The folder has the id of the database that went: the next one is another one.
            shutil.rmtree(settings.ARTIFACT_ROOT, ignore_errors=True)
        yield


@pytest.fixture(autouse=True)
def own_store(settings: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give every test a store of its own, but where its module has one: a test that emptied the
    database leaves it with another id."""
    root = tmp_path_factory.mktemp("own")
    if settings.ARTIFACT_ROOT == SHARED_STORE:
        settings.ARTIFACT_ROOT = root / "store"
    settings.CACHE_ROOT = root / "cache"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[s3.S3Server]:
    with s3.running() as server:
        yield server


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the key of the bucket in the environment, as every process has it."""
    for name, value in s3.KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def valkey(servers: None) -> Iterator["redis.Redis[bytes]"]:
    """Give a client of an empty Valkey; other workers have other numbers of the same server."""
    with closing(redis.Redis.from_url(settings.REDIS_URL)) as client:
        client.flushdb()
        yield client


@pytest.fixture
def fresh_var(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a var folder without servers; what was started in it is stopped."""
    var = tmp_path_factory.mktemp("var")
    yield var
    embedded.stop(var)


@pytest.fixture(scope="session")
def chromium() -> Iterator[webdriver.Chrome]:
    """Give Debian's Chromium without a window; skips where there is none, fails in the pipeline."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        reason = "no Chromium here: apt-get install chromium chromium-driver"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.add_argument("--headless=new")
    options.add_argument("--window-size=1400,1000")
    options.add_argument("--disable-dev-shm-usage")  # a container's /dev/shm is too small for it
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # which Chromium refuses to be root in
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture
def browser(chromium: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """Give the browser as if nobody had used it: what one test leaves is not told of the next."""
    yield chromium
    chromium.delete_all_cookies()  # of the page's host
    chromium.get("about:blank")  # which asks nothing any more
    chromium.get_log("browser")
