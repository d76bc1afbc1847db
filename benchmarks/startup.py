"""Start of commands that compute nothing, held to a bare Django process."""

import os
import statistics
import subprocess
import sys
from functools import partial

from benchmarks.figures import Figure
from benchmarks.measure import alternate, ratio
from benchmarks.servers import ROOT

TARGET_RATIO = 1.5
COMMANDS = ("help", "jobs list", "status", "models list")
FLOOR = ("-m", "benchmarks.bare_django")


def run(runs: int) -> list[Figure]:
    """Return CPU time and peak memory of each command, as a multiple of the floor.

    The servers run and the tables are there; one run of each goes before those that count.
    """
    lines = [FLOOR, *(("manage.py", *command.split()) for command in COMMANDS)]
    usages: dict[tuple[str, ...], list[float]] = {line: [] for line in lines}

    def measure(line: tuple[str, ...]) -> float:
        cpu_seconds, peak_mb = _usage(line)
        usages[line].append(peak_mb)
        return cpu_seconds

    works = [partial(measure, line) for line in lines]
    alternate(1, *works)
    floor, *ours = alternate(runs, *works)
    floor_mb, *ours_mb = (statistics.median(peaks) for peaks in usages.values())
    figures = []
    for command, cpu, peak in zip(COMMANDS, ours, ours_mb, strict=True):
        note = (
            f"{statistics.median(cpu):.2f} s and {peak:.0f} MB beside "
            f"{statistics.median(floor):.2f} s and {floor_mb:.0f} MB"
        )
        name = f"{command}: CPU, times a bare Django process"
        figures.append(Figure(name, ratio(cpu, floor), 1, TARGET_RATIO, note=note, runs=cpu))
        name = f"{command}: peak memory, times a bare Django process"
        figures.append(Figure(name, peak / floor_mb, 1, TARGET_RATIO))
    return figures


def _usage(line: tuple[str, ...]) -> tuple[float, float]:
    """Run a program to its end; return its CPU time in seconds and its peak memory in MB."""
    # As in any installation, what was compiled once is kept: of the floor nearly all is installed.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    program = subprocess.Popen(  # noqa: S603 - programs of this repository
        [sys.executable, *line], cwd=ROOT, env=kept, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode:
        raise RuntimeError(f"{' '.join(line)} ended with {program.returncode}.")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
