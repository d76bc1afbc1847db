"""Settings of the workers that the harness starts: those of the tests, on the test database."""

import os
from pathlib import Path

from tests.settings import *  # noqa: F403 - the same settings, but for the database's name

DATABASES["default"]["NAME"] = os.environ["SEEDBED_CHAOS_DATABASE"]  # noqa: F405 - from above
# The store is that of the test which started them.
ARTIFACT_ROOT = Path(os.environ.get("SEEDBED_CHAOS_ARTIFACTS", ARTIFACT_ROOT))  # noqa: F405
