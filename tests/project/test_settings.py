"""Settings are read in a process of their own: they are made once and for all at import."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD_SECRET = "k3" * 30
PRODUCTION = {
    "SEEDBED_ENV": "production",
    "SEEDBED_SECRET_KEY": GOOD_SECRET,
    "SEEDBED_ARTIFACT_KEY": GOOD_SECRET,
    "SEEDBED_FIELD_KEY": GOOD_SECRET,
    "SEEDBED_ALLOWED_HOSTS": "seedbed.example.org",
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


@pytest.mark.parametrize(
    "name", ["SEEDBED_SECRET_KEY", "SEEDBED_ARTIFACT_KEY", "SEEDBED_FIELD_KEY"]
)
@pytest.mark.parametrize(
    ("value", "reason"),
    [("", "is missing"), ("change-me" * 6, "example's value"), ("k3" * 10, "has 20 characters")],
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
    assert read == example
