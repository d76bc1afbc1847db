"""A generation that nothing but good weather was promised to, in a short form."""

import os
from pathlib import Path

import pytest

from tests import s3
from tests.chaos.weather import FAKETIME, go_through, table_of

IS_LONG = "SEEDBED_CHAOS_KILLS" in os.environ
EVENTS = 4_000_000 if IS_LONG else 240_000
CUTS = 10 if IS_LONG else 3


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.xdist_group("weather")
def test_every_row_is_there_once_whatever_the_weather(tmp_path: Path) -> None:
    s3.require_program()
    weather, found = go_through(tmp_path, EVENTS, CUTS)
    print(table_of(weather, found).caption)  # noqa: T201 - shown where it fails
    (bad, total), (calm, calm_total) = found["rows"]
    assert (bad, total) == (EVENTS, calm_total)
    assert calm == EVENTS
    missed, has_run, is_due_soon = found["schedule"]
    assert (missed <= 1, has_run, is_due_soon) == (True, True, True)
    assert len(weather.moments) >= CUTS + 5
    if os.environ.get("CI") == "true" and os.geteuid() == 0:
        assert FAKETIME is not None, "the README's command installs libfaketime"
