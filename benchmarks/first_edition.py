"""How many times as fast as the first edition, by turns on the same machine."""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Figure
from benchmarks.servers import ROOT, VAR

COMMIT: Final = "85447345912ed9761886c8aeb93c7ddce628af6d"  # the last commit of the first edition
USERS: Final = 4_000
LOADED: Final = 131_072  # events, of which as many users give enough that differ
# What both editions measure, the part that measures it, and whether more is better.
COMPARED: Final = {
    "import of a log, lines/s": ("importing", True),
    "the same log again, s": ("importing", False),
    "events into PostgreSQL, rows/s": ("loading", True),
    "features smooth-1, rows/s": ("features", True),
    "features tiered-1, rows/s": ("features", True),
}
TARGETS: Final = {"import of a log, lines/s": 2.0}

_ONCE: Final = """
import json, sys
from benchmarks import servers
servers.use_own()
from importlib import import_module
part, *sizes = sys.argv[1:]
found = import_module(f"benchmarks.{part}").run(*map(int, sizes))
print(json.dumps([figure.as_dict() for figure in found]))
"""
_PREPARE: Final = """
import sys
from benchmarks import servers
servers.use_own()
servers.prepare(int(sys.argv[1])) if sys.argv[2] == "up" else servers.remove()
"""


def run(rows: int, runs: int, users: int = USERS) -> list[Figure]:
    """Return the ratios; none where the first edition is not in this clone's history."""
    there = VAR.parent / "first-edition"
    try:
        python = _check_out(there)
    except subprocess.CalledProcessError as error:
        print(f"The first edition is not to be had here: {error}", file=sys.stderr)
        return []
    trees = {"now": (ROOT, sys.executable), "then": (there, python)}
    measured: dict[str, dict[str, list[float]]] = {"now": {}, "then": {}}
    try:
        for tree, program in trees.values():
            _call(tree, program, _PREPARE, str(users), "up")
        for _ in range(runs):
            for part in dict.fromkeys(part for part, _ in COMPARED.values()):
                sizes = [str(rows)] if part == "importing" else [str(min(rows, LOADED)), "1"]
                for edition, (tree, program) in trees.items():
                    for figure in json.loads(_call(tree, program, _ONCE, part, *sizes)):
                        measured[edition].setdefault(figure["name"], []).append(figure["value"])
    finally:
        for tree, program in trees.values():
            _call(tree, program, _PREPARE, "0", "down")
        _git("worktree", "remove", "--force", str(there))
    return [_figure(name, rows, measured) for name in COMPARED if name in measured["then"]]


def _figure(name: str, rows: int, measured: dict[str, dict[str, list[float]]]) -> Figure:
    now, then = measured["now"][name], measured["then"][name]
    more_is_better = COMPARED[name][1]
    ratios = [a / b if more_is_better else b / a for a, b in zip(now, then, strict=True)]
    return Figure(
        f"{name}: times as fast as the first edition",
        statistics.median(ratios),
        rows,
        TARGETS.get(name),
        at_least=True,
        note=f"{statistics.median(now):,.0f} against {statistics.median(then):,.0f}"
        if more_is_better
        else f"{statistics.median(now):.2f} against {statistics.median(then):.2f}",
        runs=ratios,
    )


def _check_out(there: Path) -> str:
    """Return the Python of the first edition, in a worktree with an environment of its own."""
    if not there.exists():
        _git("worktree", "prune")
        _git("worktree", "add", "--detach", str(there), COMMIT)
    python = there / ".venv/bin/python"
    if not python.exists():
        uv = [str(Path(sys.executable).parent / "uv")]
        for command in (
            [*uv, "venv", "--quiet", "--python", sys.executable, str(there / ".venv")],
            [*uv, "pip", "install", "--quiet", "--python", str(python), "-r", "requirements.txt"],
        ):
            subprocess.run(command, check=True, cwd=there)  # noqa: S603 - our own tools
    return str(python)


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True)  # noqa: S603, S607


def _call(tree: Path, program: str, code: str, *arguments: Any) -> str:
    found = subprocess.run(  # noqa: S603 - this repository's own code, in either edition
        [program, "-c", code, *arguments], cwd=tree, check=True, stdout=subprocess.PIPE, text=True
    )
    return found.stdout.strip().rpartition("\n")[2]
