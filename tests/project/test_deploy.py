"""deploy/ shows three hosts without a shared folder; what it says is tried as far as it goes here.

No container engine runs in tests: the steps of the Dockerfile are run one by one below a folder.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
DEPLOY = ROOT / "deploy"
HOSTS = ("one", "two", "three")
# Programs of the image that change the system: here they are written down only.
RECORDED = ("useradd", "chown")


def steps() -> Iterator[tuple[str, str]]:
    """Yield word and rest of each line of the Dockerfile."""
    for line in (DEPLOY / "Dockerfile").read_text().splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest


@pytest.mark.slow
@pytest.mark.skipif(
    "SEEDBED_CHAOS_KILLS" not in os.environ, reason="`make chaos` takes the steps, for minutes."
)
def test_the_steps_of_the_dockerfile_lead_to_a_seedbed_that_starts(tmp_path: Path) -> None:
    image, programs, record = tmp_path / "image", tmp_path / "bin", tmp_path / "record"
    programs.mkdir()
    for name in RECORDED:
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {record}\n')
        (programs / name).chmod(0o755)
    environment = {
        **{name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ},
        **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))},
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    place, user, started = image, "root", []
    for word, rest in steps():
        if word == "WORKDIR":
            place = image / rest.lstrip("/")
            place.mkdir(parents=True)
        elif word == "COPY":
            source, target = rest.split()
            copied, into = ROOT / source, place / target
            if copied.is_dir():
                shutil.copytree(copied, into, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(copied, into)
        elif word == "RUN":
            where = place if place != image else tmp_path
            done = subprocess.run(
                ["/bin/sh", "-ec", rest], cwd=where, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, (rest, done.stdout, done.stderr)
        elif word == "ENV":
            name, _, value = rest.partition("=")
            environment[name] = value
        elif word == "USER":
            user = rest
        elif word in ("ENTRYPOINT", "CMD"):
            started += json.loads(rest)
    assert user == "10001"
    assert record.read_text().splitlines()[0].startswith("useradd --system --uid 10001 ")
    assert (place / "var").stat().st_mode & 0o777 == 0o700
    assert started[:3] == [".venv/bin/python", "-m", "project.web"]
    # It starts with nothing but what was copied and installed: and refuses to be open.
    refused = subprocess.run(
        [place / started[0], "manage.py", "help"],
        cwd=place, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert "SEEDBED_SECRET_KEY" in refused.stderr + refused.stdout
    environment["SEEDBED_ENV"] = "development"
    for line in (("manage.py", "help"), ("-m", "project.web", "--help"), ("-c", "import obstore")):
        done = subprocess.run(
            [place / started[0], *line], cwd=place, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def services() -> dict[str, dict]:
    told = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return {name: one for name, one in told.items() if one["image"] == "seedbed"}


def test_each_host_has_every_part_and_shares_no_folder_with_another() -> None:
    found = services()
    for host in HOSTS:
        assert {f"{part}-{host}" for part in ("web", "directory", "worker")} <= set(found)
    assert sum(name.startswith("scheduler-") for name in found) >= 2
    volumes = Counter()
    for name, one in found.items():
        for volume in one.get("volumes", []):
            if ":" in volume:
                assert volume.split(":")[0] == name.rpartition("-")[2], "a folder of another host"
                volumes[volume] += 1
    assert set(volumes.values()) == {2}  # a web server and the directory that it answers from


def test_no_part_is_root_and_each_has_the_same_store_and_no_secret_of_ours() -> None:
    example = (ROOT / ".env.example").read_text()
    found = services()
    for one in found.values():
        assert (one["user"], one["read_only"], one["cap_drop"]) == ("10001", True, ["ALL"])
        assert one["environment"]["SEEDBED_STORE_URL"].startswith("s3://")
        for name, value in one["environment"].items():
            assert re.search(rf"^#? ?{name}=", example, re.M), name
            if "KEY" in name or "PASSWORD" in value:
                assert re.search(r"\$\{\w+:\?\}", value), name
    assert len({json.dumps(one["environment"]) for one in found.values()}) == 1


def test_the_image_holds_no_secret_and_every_room() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".env", ".git", "var", ".venv"} <= set(ignored)
    copied = {rest.split()[0].rstrip("/") for word, rest in steps() if word == "COPY"}
    rooms = {path.parent.name for path in ROOT.glob("*/apps.py")} | {"templates", "manage.py"}
    assert rooms <= copied


def test_the_units_run_what_there_is() -> None:
    for unit in DEPLOY.glob("*.service"):
        told = unit.read_text()
        (line,) = re.findall(r"^ExecStart=(.+)$", told, re.M)
        program = shlex.split(line)[1:]
        if program[0] == "-m":
            assert (ROOT / f"{program[1].replace('.', '/')}.py").exists()
        else:
            assert list(ROOT.glob(f"*/**/management/commands/{program[1]}.py"))
        assert "User=seedbed" in told
        assert "EnvironmentFile=/etc/seedbed.env" in told
