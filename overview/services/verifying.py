"""Whether a backup can be restored: it is, into an installation that lives for as long as that."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, TypedDict

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from project import embedded, words
from project.backup.failures import BackupBroken
from project.backup.making import EARLIER_SECRETS, SECRETS, Tell
from project.backup.manifest import Manifest
from project.outside import one_line

LOOK_SECONDS: Final = 0.5
NAMED: Final = 20


class Compared(TypedDict):
    """One line of the table: what was compared, as it was and as it is."""

    name: str
    before: str
    after: str
    is_equal: bool


class Verified(TypedDict):
    """What came of it; `differences` are in words."""

    is_equal: bool
    checks: list[Compared]
    differences: list[str]


def verify_backup(address: str, manifest: Manifest, tell: Tell) -> Verified:
    """Restore a backup into embedded servers of a temporary folder, and compare.

    Raises
    ------
    BackupBroken : it could not be restored; the message says why.
    """
    with tempfile.TemporaryDirectory(prefix="seedbed-verify-") as folder:
        var = Path(folder, "var")
        try:
            told = _restored(address, var, tell)
        finally:
            embedded.stop(var)
    tables: dict[str, int] = told["tables"]
    names = sorted(manifest.tables.keys() | tables.keys())
    wrong = [name for name in names if manifest.tables.get(name) != tables.get(name)]
    scored = len(manifest.scores)
    checks: list[Compared] = [
        _compared("tables", len(manifest.tables), len(tables), not wrong),
        _compared("rows", sum(manifest.tables.values()), sum(tables.values()), not wrong),
        _compared(
            "files, by digest",
            len(manifest.blobs),
            told["files"] - len(told["broken"]),
            told["files"] == len(manifest.blobs) and len(told["broken"]) == len(manifest.without),
        ),
        _compared(
            "scores of pairs, to 1e-9", scored, scored - told["differing"], not told["differing"]
        ),
        {
            "name": "answered by",
            "before": manifest.served_by or "nobody",
            "after": told["served_by"] or "nobody",
            "is_equal": manifest.served_by == told["served_by"],
        },
    ]
    differences = [
        f"{name}: {words.tally(manifest.tables.get(name, 0), 'row')} "
        f"{words.bend(manifest.tables.get(name, 0), 'was', 'were')} backed up, {tables.get(name)} "
        "restored"
        for name in wrong[:NAMED]
    ]
    differences += told["broken"][:NAMED]
    if told["differing"]:
        differences.append(f"Scores differ by up to {told['largest_difference']:g}.")
    return {
        "is_equal": all(check["is_equal"] for check in checks),
        "checks": checks,
        "differences": differences,
    }


def _compared(name: str, before: int, after: int, is_equal: bool) -> Compared:
    return {
        "name": name,
        "before": f"{before:,}",
        "after": f"{after:,}",
        "is_equal": is_equal,
    }


def _restored(address: str, var: Path, tell: Tell) -> dict[str, Any]:
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        subprocess.Popen(  # noqa: S603 - this project's own program
            [
                *(sys.executable, "manage.py", "restore", "--check", "--json"),
                *("--", _absolute(address)),
            ],
            cwd=settings.BASE_DIR,
            env=_environment(var),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        ) as process,
    ):
        try:
            while process.poll() is None:
                tell("Restoring into a temporary installation", 0, None)
                try:
                    process.wait(LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.kill()
        out.seek(0), err.seek(0)
        said, complained = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    try:
        told: dict[str, Any] = json.loads(said.splitlines()[-1])
    except (ValueError, IndexError):
        lines = [line for line in complained.splitlines() if line.strip()]
        raise BackupBroken(
            f"The backup could not be restored: {one_line(lines[-1]) if lines else 'no word'}",
            remedy="Look at the space under TMPDIR, and try to restore it by hand.",
        ) from None
    if refused := told.get("refused"):
        raise BackupBroken(
            f"The backup could not be restored: {refused['message']}", remedy=refused["remedy"]
        )
    return told


@sensitive_variables()
def _environment(var: Path) -> dict[str, str]:
    """Return an environment with our secrets, and servers, store and folder of its own."""
    inherited = {
        name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"
    }
    keys = {f"SEEDBED_{name}": getattr(settings, name) for name in SECRETS}
    earlier = {f"SEEDBED_{name}": ",".join(getattr(settings, name)) for name in EARLIER_SECRETS}
    places = dict.fromkeys(("DATABASE_URL", "REDIS_URL", "SEEDBED_STORE_URL"), "")
    return {**inherited, **keys, **earlier, **places, "SEEDBED_VAR": str(var)}


def _absolute(address: str) -> str:
    return address if "://" in address else str(Path(address).expanduser().absolute())
