"""What a command loads before it does anything: a light one loads nothing that computes."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings

from tests.rooms import ROOMS

# Beside the standard library and our own modules. pandas, pyarrow, scikit-learn and the like take a
# second and 100 MB, which a command that lists, asks or enqueues does without.
ALLOWED = frozenset(
    {
        "annotated_types",
        "asgiref",
        "axes",
        "cffi",
        "click",
        "croniter",
        "cronsim",
        "crontab",
        "cryptography",
        "django",
        "django_rq",
        "environ",
        "markdown_it",
        "mdurl",
        "orjson",
        "psycopg",
        "psycopg_binary",
        "pydantic",
        "pydantic_core",
        "pygments",
        "redis",
        "rich",
        "rq",
        "simple_history",
        "sqlparse",
        "typing_extensions",
        "typing_inspection",
        "whitenoise",
    }
)
OWN = frozenset({*ROOMS, "manage"})
LIGHT = ("jobs list", "status", "models list", "feedback_status", "auto_collect status")
# One process loads Django, and forks for each command line: what that one loads is its own.
PROGRAM = """
import json, os, sys
from io import StringIO
from pathlib import Path

ALLOWED, LINES = map(json.loads, sys.argv[1:])
found = {}

class Watch:
    # Stands before the finders of Python, finds nothing, and remembers on whose behalf it was
    # asked.
    def find_spec(self, name, path=None, target=None):
        is_known = name in ALLOWED or name in sys.stdlib_module_names or name[0] == "_"
        if "." not in name and not is_known:
            chain, frame = [name], sys._getframe()
            while frame is not None:
                module = frame.f_globals.get("__name__", "")
                if module.partition(".")[0] in OWN and module != chain[0]:
                    chain.insert(0, module)
                frame = frame.f_back
            found.setdefault(name, " > ".join(chain))

OWN = {"project", "matching", "feedback", "training", "overview"}
sys.meta_path.insert(0, Watch())
import manage
from project.bootstrap import start_servers
start_servers()
import django
django.setup()
at_start = dict(found)
told = {}
for line in ["jobs list", *LINES]:  # the first one may have to migrate
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        told[line] = json.loads(os.fdopen(reading).read())
        os.waitpid(child, 0)
        continue
    found.clear()
    found.update(at_start)
    sys.argv = ["manage.py", *line.split()]
    sys.stdout = StringIO()
    code = 0
    try:
        manage.main()
    except SystemExit as end:
        code = end.code or 0
    shown = sys.stdout.getvalue()
    loaded = {name: chain for name, chain in found.items() if name in sys.modules}
    os.write(writing, json.dumps({"code": code, "shown": len(shown), "loaded": loaded}).encode())
    os._exit(0)
print(json.dumps(told))
"""


def command_names() -> list[str]:
    """Return every command of ours."""
    return sorted(
        file.stem
        for app in OWN
        for file in Path(settings.BASE_DIR, app).rglob("management/commands/[a-z]*.py")
    )


LINES = (*LIGHT, "--help", *(f"{name} --help" for name in command_names()))


@cache
def loaded() -> dict[str, dict[str, object]]:
    """Run every light command line, and say what each loaded that it may not."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            PROGRAM,
            json.dumps([*ALLOWED, *OWN]),
            json.dumps(LINES),
        ],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.usefixtures("servers")
@pytest.mark.xdist_group("serve")  # for its database, and to ask once
@pytest.mark.parametrize("line", LINES)
def test_light_command_loads_nothing_that_computes(line: str) -> None:
    told = loaded()[line]
    assert told["loaded"] == {}  # what may not be loaded: by which way of our modules it was
    assert (told["code"], bool(told["shown"])) == (0, True)


def test_worker_has_loaded_what_jobs_compute_with_before_it_forks() -> None:
    program = """
import sys, django
django.setup()
from project.jobs.management.commands.worker import preload
preload()
print(*sorted(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    names = set(done.stdout.split())
    ours = {
        ".".join(file.relative_to(settings.BASE_DIR).with_suffix("").parts)
        for app in ("matching", "feedback", "training", "overview")
        for room in ("domain", "queries", "services", "jobs", "kinds")
        for file in Path(settings.BASE_DIR, app, room).rglob("[a-z]*.py")
    }
    assert {"project.jobs.runner", "sklearn.ensemble", "pyarrow.parquet", *ours} <= names
    assert "matching.admin" not in names


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "manage.py", "services", "status", "--json"],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as command:
        assert command.stdout
        assert command.stderr
        command.stdout.close()
        assert command.stderr.read() == b""


def test_a_command_looks_for_garbage_but_not_in_what_was_loaded() -> None:
    """A job of hours may make some; to look through all of Django each time costs what it takes."""
    asked = "import gc; print(gc.isenabled(), gc.get_freeze_count() > 50_000)"
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    done = subprocess.run(
        [*manage, "shell", "--no-imports", "--command", asked],
        env={**os.environ, "SEEDBED_VAR": str(settings.VAR)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["True", "True"], done.stderr
