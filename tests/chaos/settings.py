"""Settings of the workers that the harness starts: those of the tests, on the test database."""

import os

from tests.settings import *  # noqa: F403 - the same settings, but for the database's name

DATABASES["default"]["NAME"] = os.environ["SEEDBED_CHAOS_DATABASE"]  # noqa: F405 - from above
