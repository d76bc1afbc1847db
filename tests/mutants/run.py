"""Break each rule that has a patch here, and see that its tests notice.

A patch is the mutation, a unified diff, below a line `# rule: SENTENCE` and lines `# tests: NODE
ID` for the tests of which each has to fail under it. `make mutants` tries all, `python -m
tests.mutants.run NAME ...` some.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
WORKTREES = 2  # each with a PostgreSQL and a Valkey of its own
SHOWN_LINES = 15
A_TEST_OF_THE_DATABASE = (
    "tests/training/test_models.py::test_database_allows_one_champion_of_a_kind"
)
# Keeps the database of the tests as it is, or brings it back as it was kept.
DATABASE = """
import shutil, sys
import django
django.setup()
import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql

at, name = settings.DATABASES["default"], connection.creation._get_test_db_name()
of, to = (name, f"{name}_kept") if sys.argv[1] == "keep" else (f"{name}_kept", name)
with psycopg.connect(
    host=at["HOST"], port=at["PORT"], user=at["USER"], dbname="postgres", autocommit=True
) as admin:
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(to)))
    admin.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(to), sql.Identifier(of))
    )
shutil.rmtree(settings.ARTIFACT_ROOT, ignore_errors=True)
"""


class PatchBroken(Exception):
    """A patch says nothing: it does not apply, or its tests did not get as far as failing."""


@dataclass(frozen=True)
class Mutant:
    """One rule, how it is broken, and the tests that notice."""

    path: Path
    rule: str
    tests: tuple[str, ...]


def mutants() -> list[Mutant]:
    """Read all patches, by name."""
    return [_read(path) for path in sorted(FOLDER.glob("*.patch"))]


def _read(path: Path) -> Mutant:
    said: dict[str, list[str]] = {"rule": [], "tests": []}
    for line in path.read_text().partition("\n--- ")[0].splitlines():
        name, _, value = line.removeprefix("# ").partition(": ")
        if line.startswith("# ") and name in said:
            said[name].append(value.strip())
    tests = tuple(" ".join(said["tests"]).split())
    if not tests or not any(said["rule"]):
        raise PatchBroken(f"{path.name} has to begin with the lines '# rule: ' and '# tests: '.")
    return Mutant(path, " ".join(said["rule"]), tests)


def main(names: list[str]) -> int:
    """Try the mutants; 1 when one survives or cannot be tried."""
    chosen = [one for one in mutants() if not names or one.path.stem in names]
    if not chosen:
        print("No such patch.")
        return 1
    with contextlib.ExitStack() as stack:
        # What is changed here and not committed counts too, once git knows the file.
        commit = _git("stash", "create").strip() or "HEAD"
        places: SimpleQueue[Path] = SimpleQueue()
        for _ in range(min(WORKTREES, len(chosen))):
            places.put(stack.enter_context(_worktree(commit)))

        def in_a_worktree(task, *arguments):
            place = places.get()
            try:
                return task(place, *arguments)
            finally:
                places.put(place)

        pool = stack.enter_context(ThreadPoolExecutor(WORKTREES))
        tests = sorted({test for one in chosen for test in one.tests})
        halves = [half for half in (tests[::2], tests[1::2]) if half]
        print(f"{len(tests)} tests have to pass, then to fail under {len(chosen)} mutants.")
        migrated = pool.map(lambda _: in_a_worktree(_migrate), range(places.qsize()))
        for code, said in (*migrated, *pool.map(lambda half: in_a_worktree(_pytest, half), halves)):
            if code or any(line.startswith("SKIPPED ") for line in said.splitlines()):
                print(said, "These tests have to pass before a mutant says anything.", sep="\n")
                return 1
        verdicts = list(pool.map(lambda one: in_a_worktree(_try, one), chosen))
    return 0 if all(verdicts) else 1


def _try(place: Path, mutant: Mutant) -> bool:
    """Say whether every test of a mutant fails under it."""
    try:
        survived = _survived(place, mutant)
    except PatchBroken as error:
        print(f"BROKEN    {mutant.path.stem}: {error}", flush=True)
        return False
    print(f"{'SURVIVED' if survived else 'killed':9} {mutant.path.stem}: {mutant.rule}", flush=True)
    for test in survived:
        print(f"          passed all the same: {test}", flush=True)
    return not survived


def _survived(place: Path, mutant: Mutant) -> list[str]:
    try:
        _git("apply", str(mutant.path), at=place)
    except subprocess.CalledProcessError as error:
        raise PatchBroken(f"it does not apply. {error.stderr.strip()}") from error
    try:
        code, said = _pytest(place, mutant.tests)
    finally:
        _git("apply", "--reverse", str(mutant.path), at=place)
    lines = said.splitlines()
    # 0 all passed, 1 some failed; an error outside of a test is not a test that noticed. What a
    # test logs as an error is none: the summary names a test.
    if code not in (0, 1) or any(line.startswith("ERROR tests/") for line in lines):
        tail = "\n".join(lines[-SHOWN_LINES:])
        raise PatchBroken(f"pytest ended with {code} and errors:\n{tail}")
    failed = [line.removeprefix("FAILED ") for line in lines if line.startswith("FAILED ")]
    return [
        test
        for test in mutant.tests
        if not any(line == test or line.startswith((f"{test} - ", f"{test}[")) for line in failed)
    ]


def _migrate(place: Path) -> tuple[int, str]:
    """Migrate a database once for all runs of a worktree: that takes most of a run's time."""
    code, said = _pytest(place, [A_TEST_OF_THE_DATABASE], is_first=True)
    return (code, said) if code else _call(place, ["-c", DATABASE, "keep"])


def _pytest(
    place: Path, tests: "list[str] | tuple[str, ...]", *, is_first: bool = False
) -> tuple[int, str]:
    """Run tests, on the migrated database as it was kept: no run sees what another one left."""
    options = ["-q", "-rfEs", "--tb=line", "--color=no", "--reuse-db"]
    if is_first:
        options.append("--create-db")
    else:
        code, said = _call(place, ["-c", DATABASE, "restore"])
        if code:
            return code, said
    return _call(place, ["-m", "pytest", *options, *tests])


def _call(place: Path, arguments: list[str]) -> tuple[int, str]:
    environment = {**os.environ, "COLUMNS": "1000"}  # the summary cuts its lines
    environment["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@contextlib.contextmanager
def _worktree(commit: str) -> Iterator[Path]:
    """Check a commit out, and leave neither folder nor servers behind."""
    # Not below the repository: the sockets of the servers need a short path.
    with tempfile.TemporaryDirectory(prefix="seedbed-mutants-") as folder:
        place = Path(folder) / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(place), commit)
        try:
            for installed in (".venv", ".venv-s3"):
                (place / installed).symlink_to(ROOT / installed)
            yield place
        finally:
            stop = [sys.executable, "manage.py", "services", "stop"]
            environment = {**os.environ, "SEEDBED_VAR": str(place / "var" / "test")}
            subprocess.run(stop, cwd=place, env=environment, capture_output=True)
            _git("worktree", "remove", "--force", str(place))


def _git(*arguments: str, at: Path = ROOT) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=at, capture_output=True, text=True, check=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
