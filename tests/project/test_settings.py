"""Settings are read in a process of their own: they are made once and for all at import."""

import errno
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from project import keys
from project import settings as seedbed_settings

ROOT = Path(__file__).resolve().parents[2]
KEYS = ("SEEDBED_SECRET_KEY", "SEEDBED_ARTIFACT_KEY", "SEEDBED_FIELD_KEY")
PRODUCTION = {
    "SEEDBED_ENV": "production",
    "SEEDBED_ALLOWED_HOSTS": "seedbed.example.org",
    **{name: secrets.token_urlsafe(48) for name in KEYS},
}


def read_settings(var: Path, expression: str = "settings.ENVIRONMENT", **variables: str):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SEEDBED_")}
    return subprocess.run(
        [sys.executable, "-c", f"from project import settings; print({expression})"],
        cwd=ROOT,
        env={**inherited, "SEEDBED_VAR": str(var), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_production_starts_with_all_secrets_and_hosts(tmp_path):
    assert read_settings(tmp_path, **PRODUCTION).stdout.strip() == "production"


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "is missing"),
        ("change-me" * 6, "example's value"),
        ("k3" * 10, "has 20 characters"),
        ("ab" * 30, "repeats a few characters"),
    ],
)
def test_production_refuses_a_missing_default_or_short_secret_by_name(
    tmp_path, name, value, reason
):
    run = read_settings(tmp_path, **{**PRODUCTION, name: value})
    assert run.returncode != 0
    assert name in run.stderr
    assert reason in run.stderr
    if value:
        assert value not in run.stderr


@pytest.mark.parametrize(
    ("variables", "word"),
    [
        ({"SEEDBED_ALLOWED_HOSTS": ""}, "SEEDBED_ALLOWED_HOSTS"),
        ({"SEEDBED_DEBUG": "true"}, "SEEDBED_DEBUG"),
        ({"SEEDBED_ENV": "prod"}, "'prod'"),
    ],
)
def test_production_refuses_unsafe_values_by_name(tmp_path, variables, word):
    run = read_settings(tmp_path, **{**PRODUCTION, **variables})
    assert run.returncode != 0
    assert word in run.stderr


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SEEDBED_SECRET_KEY", "SEEDBED_ARTIFACT_KEY"),
        ("SEEDBED_SECRET_KEY", "SEEDBED_FIELD_KEY"),
        ("SEEDBED_ARTIFACT_KEY", "SEEDBED_FIELD_KEY"),
        ("SEEDBED_SECRET_KEY", "SEEDBED_FIELD_KEY_FALLBACKS"),
        ("SEEDBED_FIELD_KEY", "SEEDBED_ARTIFACT_KEY_FALLBACKS"),
    ],
)
def test_production_refuses_one_key_for_two_purposes_by_both_names(tmp_path, one, other):
    run = read_settings(tmp_path, **{**PRODUCTION, other: PRODUCTION[one]})
    assert run.returncode != 0
    assert f"{one} and {other} hold the same key" in run.stderr
    assert "rotate_keys" in run.stderr
    assert PRODUCTION[one] not in run.stderr


def test_an_installation_with_one_key_for_all_can_get_away_from_it(tmp_path):
    old = "ab" * 30  # which earlier editions took
    earlier = {
        "SEEDBED_FIELD_KEY_FALLBACKS": old,
        "SEEDBED_ARTIFACT_KEY_FALLBACKS": f"{old},",
    }
    run = read_settings(tmp_path, "settings.ARTIFACT_KEY_FALLBACKS", **PRODUCTION, **earlier)
    assert run.stdout.strip() == str([old])


@pytest.mark.parametrize("entry", ["short", "change-me" * 6])
def test_what_was_never_a_key_is_none_of_the_earlier_ones(tmp_path, entry):
    run = read_settings(tmp_path, **PRODUCTION, SEEDBED_ARTIFACT_KEY_FALLBACKS=entry)
    assert "SEEDBED_ARTIFACT_KEY_FALLBACKS" in run.stderr
    assert entry not in run.stderr


@pytest.mark.parametrize(
    "key",
    [
        *("a" * 60, "ab" * 30, "0123456789" * 4, "abcdefghijklmnopqrstuvw" * 2),
        *("a" * 28 + "bcdefghijklm", "k3" * 19 + "zz", "aaaaabbbbbcccccdddddeeeeefffffggggghhhhh"),
    ],
)
def test_a_key_that_repeats_itself_is_none(key):
    assert keys.weakness(key) == "repeats a few characters"


def test_what_people_make_keys_with_is_random_enough():
    for _ in range(200):
        for key in (
            *(secrets.token_urlsafe(30), secrets.token_urlsafe(48), secrets.token_hex(32)),
            *(secrets.token_hex(20), get_random_secret_key()),
        ):
            assert keys.weakness(key) == ""


def test_the_check_of_a_deployment_has_nothing_to_say(tmp_path):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SEEDBED_")}
    run = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "INFO"],
        cwd=ROOT,
        env=inherited
        | PRODUCTION
        | {"DJANGO_SETTINGS_MODULE": "project.settings", "SEEDBED_VAR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "no issues (1 silenced)" in run.stdout  # to be in the browsers' own list: the owner's


def test_commands_say_why_production_refuses_in_one_line(tmp_path):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SEEDBED_")}
    run = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=inherited
        | {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "SEEDBED_VAR": str(tmp_path),
            "SEEDBED_ENV": "production",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith("SEEDBED_SECRET_KEY is missing")
    assert run.stderr.count("\n") == 1


def test_development_makes_one_secret_for_each_folder_and_keeps_it(tmp_path):
    first = read_settings(tmp_path / "a", "settings.SECRET_KEY").stdout
    assert len(first.strip()) >= 40
    assert read_settings(tmp_path / "a", "settings.SECRET_KEY").stdout == first
    assert read_settings(tmp_path / "b", "settings.SECRET_KEY").stdout != first
    assert (tmp_path / "a/secrets/seedbed_secret_key").stat().st_mode & 0o077 == 0


def test_external_servers_come_from_the_environment(tmp_path):
    run = read_settings(
        tmp_path,
        "settings.DATABASES['default']['HOST'], settings.REDIS_URL, "
        "settings.USES_EMBEDDED_POSTGRES",
        DATABASE_URL="postgres://somebody:secret@db.example.org:5433/seedbed",
        REDIS_URL="redis://cache.example.org:6379/3",
    )
    assert run.stdout.split("\n")[0] == ("db.example.org redis://cache.example.org:6379/3 False")


def test_every_variable_that_settings_read_stands_in_the_example():
    read = set(
        re.findall(
            r'"((?:SEEDBED_[A-Z_]+)|DATABASE_URL|REDIS_URL)"',
            (ROOT / "project/settings.py").read_text(),
        )
    )
    example = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    # Those of the bucket are read by its client alone, the passphrase by the commands it is for.
    elsewhere = {name for name in example if name.startswith("AWS_")}
    assert read == example - elsewhere - {"SEEDBED_BACKUP_PASSPHRASE"}


def test_a_secret_that_is_there_is_read_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full, or may only be read, keeps no command from starting."""
    path = tmp_path / "secrets" / "seedbed_secret_key"
    made = seedbed_settings._development_secret(path)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("touch", "write_text", "mkdir", "hardlink_to", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    assert seedbed_settings._development_secret(path) == made


@pytest.mark.parametrize("step", ["touch", "write_text", "hardlink_to"])
def test_a_secret_that_cannot_be_written_says_what_to_do_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "secrets" / "seedbed_secret_key"

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, step, refuse)
        with pytest.raises(ImproperlyConfigured, match="No space left on device"):
            seedbed_settings._development_secret(path)
    assert list(path.parent.iterdir()) == []
    # What a full disk once left is no secret.
    path.touch()
    assert len(seedbed_settings._development_secret(path)) > 40
    assert [found.name for found in path.parent.iterdir()] == [path.name]
