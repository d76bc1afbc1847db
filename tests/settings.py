"""The project's settings, with a var folder and servers that only tests use."""

import os
from pathlib import Path

# Set before the settings are read, and in the environment: commands that tests start inherit them.
os.environ["SEEDBED_VAR"] = str(Path(__file__).resolve().parent.parent / "var" / "test")
os.environ["SEEDBED_ENV"] = "development"
os.environ["DATABASE_URL"] = ""  # a developer's own servers, named in .env, are never touched
os.environ["REDIS_URL"] = ""
os.environ["SEEDBED_STORE_URL"] = ""
os.environ["SEEDBED_BACKUP_TO"] = ""

from project.settings import *  # noqa: F403 - the environment has to come first

# A slow hash protects nobody's password here, and each test that logs somebody in would wait for
# it.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# What the navigation counts is kept for seconds; a test sees what is there.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}

# A connection that a live server's thread keeps open would keep the test database from being
# dropped.
DATABASES["default"]["CONN_MAX_AGE"] = 0  # noqa: F405 - from the line above

# A thread of its own would write past the transaction of a test; those about the log turn it on.
SCORE_LOG = False

# Which of pytest-xdist's workers this is; empty without them. Processes that a test starts inherit
# it.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if WORKER:
    # The servers are the same; what is in them, and beside them, is each worker's own.
    # pytest-django names the database after the worker. Number 0 is that of runs without workers,
    # and of `serve`.
    VALKEY_NUMBER = int(WORKER.removeprefix("gw")) + 1
    REDIS_URL = f"{REDIS_URL}?db={VALKEY_NUMBER}"  # noqa: F405 - from the line above
    RQ_QUEUES["default"]["URL"] = f"{REDIS_URL}&socket_timeout=5"  # noqa: F405 - from the line above
    ARTIFACT_ROOT = VAR / WORKER / "artifacts"  # noqa: F405 - from the line above
    CACHE_ROOT = VAR / WORKER / "cache"  # noqa: F405 - from the line above
    MEDIA_ROOT = VAR / WORKER / "uploads"  # noqa: F405 - from the line above
    METRICS_ROOT = VAR / WORKER / "metrics"  # noqa: F405 - from the line above
