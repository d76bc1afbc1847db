"""A wait ends, and says what it was for."""

import pytest

from tests import waiting
from tests.project.test_tests_know_no_time import HANG_SECONDS
from tests.waiting import NeverCame, until


def test_what_comes_late_is_given() -> None:
    looks = iter([0, 0, 7])
    assert until(lambda: next(looks)) == 7


def test_what_never_comes_ends_with_its_words() -> None:
    with pytest.raises(NeverCame, match="in vain for the kettle"):
        until(lambda: False, awaited="the kettle", looks=2)
    with pytest.raises(NeverCame, match="a pot, for it is empty"):
        until(lambda: False, awaited=lambda: "a pot, for it is empty", looks=1)


def test_without_words_the_condition_is_told_with_what_it_looks_for() -> None:
    wanted = "Rebuild …"
    with pytest.raises(NeverCame, match=r"lambda: wanted == .*wanted='Rebuild …'"):
        until(lambda: wanted == "", looks=1)
    with pytest.raises(NeverCame, match="method-wrapper"):
        until([].__len__, looks=1)


def test_no_busy_machine_ends_a_wait() -> None:
    assert waiting.LOOKS_AT_MOST * waiting.PAUSE_SECONDS >= HANG_SECONDS
