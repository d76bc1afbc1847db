"""The project's settings, with a var folder and servers that only tests use."""

import os
from pathlib import Path

# Set before the settings are read, and in the environment: commands that tests start inherit them.
os.environ["SEEDBED_VAR"] = str(Path(__file__).resolve().parent.parent / "var" / "test")
os.environ["SEEDBED_ENV"] = "development"
os.environ["DATABASE_URL"] = ""  # a developer's own servers, named in .env, are never touched
os.environ["REDIS_URL"] = ""

from project.settings import *  # noqa: F403 - the environment has to come first

# A connection that a live server's thread keeps open would keep the test database from being dropped.
DATABASES["default"]["CONN_MAX_AGE"] = 0  # noqa: F405 - from the line above
