"""Making the next thing ready while this one is worked on."""

import sys
from collections.abc import Iterator

import pytest

from project.ahead import ahead


def test_everything_comes_once_and_in_order() -> None:
    assert list(ahead(iter(range(5)))) == [0, 1, 2, 3, 4]
    assert list(ahead(iter([]))) == []
    assert list(ahead(iter([None, None]))) == [None, None]


def test_no_more_than_one_is_made_ahead() -> None:
    made: list[int] = []

    def make() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            yield number

    for number in ahead(make()):
        assert len(made) <= number + 2


def test_what_goes_wrong_while_making_is_raised_to_the_one_who_works() -> None:
    def make() -> Iterator[int]:
        yield 1
        raise OSError("the disk is full")

    things = ahead(make())
    assert next(things) == 1
    with pytest.raises(OSError, match="disk is full"):
        next(things)


def test_threads_take_turns_as_before_once_the_work_ends() -> None:
    usual = sys.getswitchinterval()
    things = ahead(iter(range(5)))
    next(things)
    assert sys.getswitchinterval() < usual
    things.close()
    assert sys.getswitchinterval() == usual
