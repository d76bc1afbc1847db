"""Variables of the environment: each is what it stands for, or refused in words by its name."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.project.test_settings import PRODUCTION, ROOT

VALUES = ("abc", "", "-1", "1e9", " 5 ")
EXAMPLE = (ROOT / ".env.example").read_text()
NAMES = sorted(
    name
    for name in re.findall(r"^#? ?([A-Z_]+)=", EXAMPLE, re.M)
    # Those of the bucket are read by its client alone, the passphrase by the commands it is for.
    if not name.startswith("AWS_") and name != "SEEDBED_BACKUP_PASSPHRASE"
)
# What each stands for, and which of VALUES it can be; the others are refused. Texts can be any.
NUMBERS = (
    *("SEEDBED_CACHE_BYTES", "SEEDBED_HSTS_SECONDS", "SEEDBED_JOB_MAX_ATTEMPTS"),
    *("SEEDBED_KEEP_REJECTED_DAYS", "SEEDBED_KEEP_SCORES_DAYS", "SEEDBED_KEEP_TEXT_DAYS"),
    *("SEEDBED_LOCKOUT_SECONDS", "SEEDBED_LOGIN_FAILURES", "SEEDBED_JOB_LEASE_SECONDS"),
    *("SEEDBED_MAX_PAGE_UPLOAD_BYTES", "SEEDBED_SESSION_IDLE_SECONDS"),
)
# Yes or no, words, and addresses; keys that were never any.
OTHERS = (
    *("SEEDBED_DEBUG", "SEEDBED_FOLLOWS_IN_BACKGROUND", "SEEDBED_SCORE_LOG"),
    *("SEEDBED_SSL_REDIRECT", "SEEDBED_HSTS_SUBDOMAINS"),
    *("SEEDBED_ENV", "SEEDBED_TIME_ZONE", "SEEDBED_LOG_LEVEL", "SEEDBED_FEEDBACK_ALLOWED_HOSTS"),
    *("DATABASE_URL", "REDIS_URL", "SEEDBED_ALARM_WEBHOOK", "SEEDBED_TRUSTED_PROXY"),
    *("SEEDBED_STORE_URL", "SEEDBED_BACKUP_TO", "SEEDBED_CSRF_TRUSTED_ORIGINS"),
    *("SEEDBED_ARTIFACT_KEY_FALLBACKS", "SEEDBED_FIELD_KEY_FALLBACKS"),
)
SECRETS = ("SEEDBED_SECRET_KEY", "SEEDBED_ARTIFACT_KEY", "SEEDBED_FIELD_KEY")
# FEEDBACK_VARIABLES are read by a check and wherever one is used, which say what was expected.
TEXTS = ("SEEDBED_FEEDBACK_VARIABLES", "SEEDBED_SCHEDULE_OWNER", "SEEDBED_VAR")
TAKEN: dict[str, set[str]] = {
    **{name: {"", " 5 "} for name in NUMBERS},
    **{name: {""} for name in OTHERS},
    **{name: set() for name in SECRETS},  # production needs each
    **{name: {*VALUES} for name in TEXTS},
    "SEEDBED_ALLOWED_HOSTS": {*VALUES} - {""},  # it needs these too
}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Give a function that reads the settings of production, with some variables."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)  # where a folder that is named without its path would be made

    def settings(**variables: str) -> dict[str, Any]:
        with monkeypatch.context() as patch:
            for name, value in {"SEEDBED_VAR": str(tmp_path), **PRODUCTION, **variables}.items():
                patch.setenv(name, value)
            return runpy.run_path(str(ROOT / "project" / "settings.py"))

    return settings


def test_every_variable_is_tried() -> None:
    assert sorted(TAKEN) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_is_what_it_stands_for_or_refused_by_its_name(read: Any, name: str) -> None:
    for value in VALUES:
        if value in TAKEN[name]:
            read(**{name: value})
            continue
        with pytest.raises(ImproperlyConfigured) as refused:
            read(**{name: value})
        assert str(refused.value).startswith(name), value
        assert re.search("[Ee]xpected|needs|never a key", str(refused.value)), value


def test_spaces_are_no_part_of_a_value_and_an_empty_one_is_none(read: Any) -> None:
    said = read(SEEDBED_JOB_MAX_ATTEMPTS=" 5 ", SEEDBED_KEEP_TEXT_DAYS="", SEEDBED_SCORE_LOG=" No ")
    assert said["JOB_MAX_ATTEMPTS"] == 5
    assert said["KEEP_TEXT_DAYS"] == 0
    assert said["SCORE_LOG"] is False
    assert read(SEEDBED_SCORE_LOG="")["SCORE_LOG"] is True
    assert read(SEEDBED_VAR="")["VAR"] == ROOT / "var"
    assert read(SEEDBED_TRUSTED_PROXY="")["TRUSTED_PROXY"] == ""  # none, and not this machine
    assert read(SEEDBED_JOB_LEASE_SECONDS="2.5")["JOB_LEASE_SECONDS"] == 2.5
    assert read(SEEDBED_ALLOWED_HOSTS="a, b,")["ALLOWED_HOSTS"] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgres://me:secret@host:port/name"),
        ("DATABASE_URL", "postgres://me:secret@host:5432"),
        ("DATABASE_URL", "mysql://me:secret@host/name"),
        ("REDIS_URL", "redis://:secret@host:99999/0"),
        ("REDIS_URL", "redis://:secret@/0"),
        ("SEEDBED_ALARM_WEBHOOK", "ftp://host/secret"),
    ],
)
def test_an_address_that_is_none_is_refused_without_its_secret(
    read: Any, name: str, value: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"{name} is no such address") as refused:
        read(**{name: value})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgres://me@/seedbed?host=/run/postgresql"),
        ("DATABASE_URL", "postgresql://me:x@one:5432,two:5433/seedbed"),
        ("REDIS_URL", "rediss://cache.example.org:6379/3"),
        ("REDIS_URL", "unix:///run/valkey.sock"),
        ("SEEDBED_FEEDBACK_ALLOWED_HOSTS", "*.example.org:*, 10.0.0.1:5432, [::1]:5432"),
        ("SEEDBED_TRUSTED_PROXY", "::1"),
    ],
)
def test_addresses_are_taken_in_each_of_their_forms(read: Any, name: str, value: str) -> None:
    read(**{name: value})


def test_a_command_says_it_in_one_line(tmp_path: Path) -> None:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SEEDBED_")}
    own = {"DJANGO_SETTINGS_MODULE": "project.settings", "SEEDBED_VAR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**inherited, **own, "SEEDBED_KEEP_SCORES_DAYS": "abc"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr == (
        "SEEDBED_KEEP_SCORES_DAYS is 'abc'; expected a whole number from 0 to 36,500 (days; 0 for "
        "ever). Change it, or leave it out.\n"
    )
