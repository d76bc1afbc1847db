"""Remedies that fit what is set: of the embedded servers, and of servers of one's own."""

import errno
import os
from typing import Any

import pytest
from django.conf import settings
from django.core.management.base import CommandError
from django.test import override_settings

from project.command import SeedbedCommand
from project.machine import said_of_file, see_database, see_valkey

AT = {"HOST": "db.example.org", "PORT": 6543, "PASSWORD": "hidden"}
OWN = {
    "USES_EMBEDDED_POSTGRES": False,
    "USES_EMBEDDED_VALKEY": False,
    "REDIS_URL": "rediss://user:hidden@valkey.example.org/3",
}


def test_a_server_of_ones_own_is_named_and_no_command_that_knows_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(settings.DATABASES, "default", AT)
    with override_settings(**OWN):
        said = f"{see_database()} {see_valkey()}"
    assert "db.example.org:6543" in said
    assert "valkey.example.org:6379" in said
    assert "services" not in said
    assert "hidden" not in said


def test_an_embedded_one_is_started_by_a_command() -> None:
    assert "services start" in see_database()
    assert "services start" in see_valkey()


@pytest.mark.django_db
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_command_that_cannot_write_says_what_to_do(number: int) -> None:
    class Writes(SeedbedCommand):
        def run(self, **options: Any) -> Any:
            raise OSError(number, os.strerror(number), "/x/y")

    with pytest.raises(CommandError, match=r"/x/y .*SEEDBED_VAR"):
        Writes().handle(json=False)


def test_other_errors_say_nothing_of_the_machine() -> None:
    assert said_of_file(OSError(errno.ENOENT, "No such file", "/x")) == ""
