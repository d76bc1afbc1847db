"""Runs every benchmark on servers of its own, and prints the figures beside their targets."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import (
    collection,
    features,
    first_edition,
    importing,
    lists,
    loading,
    prediction,
    reports,
    servers,
    serving,
    startup,
    tables,
    whole_job,
)
from benchmarks.figures import Figure
from benchmarks.measure import in_fresh_process
from project.output import OutputUnusable, require_output, written

ROWS = (10_000, 100_000, 1_000_000)
# A million events need a million pairs whose features differ, and A with B has those of B with A.
USERS = 8_000
USERS_QUICK = 300
ROWS_QUICK = (1_000,)
PAIRS, LOADED = 1_000_000, 262_144
PAIRS_QUICK, LOADED_QUICK = 20_000, 4_096
CALLS, CALLS_QUICK = 500, 50
COLLECTED, COLLECTED_QUICK = 100_000, 1_000  # rows of each of the three tables
LISTED, LISTED_QUICK = 10_000_000, 1_000  # events; a tenth as many rows in every other list
REPORTED, REPORTED_QUICK = (10_000, 1_000_000), (1_000,)  # rows of each of the three tables
LIVE, LIVE_QUICK = (10_000, 100_000, 1_000_000), (200,)  # sessions that the API ranks
LOAD_SECONDS, LOAD_SECONDS_QUICK = 10.0, 1.0  # of each load of the API
SOAK_SECONDS, SOAK_SECONDS_QUICK = 600.0, 2.0
PROMOTIONS, PROMOTIONS_QUICK = 50, 3
RUNS = 5
TABLE_WIDTH = 140  # characters, where the output is no terminal


def main() -> None:
    """Measure, print, and keep the figures where --json says."""
    options = _options()
    servers.use_own()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else TABLE_WIDTH)
    figures: list[Figure] = []
    try:
        with console.status("") as status:
            for title, found in _measure(options):
                status.update(title)
                figures += found
    finally:
        servers.remove()
    console.print(_table(figures))
    unmet = [figure for figure in figures if figure.met is False]
    console.print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}; medians of "
        f"{options.runs} runs. {len(unmet)} of "
        f"{sum(figure.met is not None for figure in figures)} targets are not met."
    )
    if options.json:
        told = {
            "measured_at": datetime.now(UTC).isoformat(),
            "cores": os.cpu_count(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "runs": options.runs,
            "figures": [figure.as_dict() for figure in figures],
        }
        with written(options.json) as file:
            file.write(json.dumps(told, indent=2).encode())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=None, help=f"events of the whole job ({ROWS})"
    )
    parser.add_argument("--runs", type=int, default=None, help=f"of each figure ({RUNS})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, once: shows that all of it runs"
    )
    options = parser.parse_args()
    options.rows = sorted(set(options.rows or (ROWS_QUICK if options.quick else ROWS)))
    options.runs = options.runs or (1 if options.quick else RUNS)
    if options.rows[0] < 100 or options.runs < 1:
        parser.error("--rows of at least 100 and --runs of at least 1 are needed")
    if options.json:
        try:
            require_output(options.json)
        except OutputUnusable as error:
            parser.error(str(error))
    return options


def _measure(options: argparse.Namespace) -> Iterator[tuple[str, list[Figure]]]:
    """Yield each part's figures; the title is that of the part that comes next."""
    quick = options.quick
    yield "Features in memory", []
    pairs = PAIRS_QUICK if quick else PAIRS
    yield "Servers and population", in_fresh_process(features.run, pairs, options.runs)
    servers.prepare(USERS_QUICK if quick else USERS)
    yield "Start of commands", []
    yield "Events into PostgreSQL", in_fresh_process(startup.run, options.runs)
    loaded = LOADED_QUICK if quick else LOADED
    yield "Whole job", in_fresh_process(loading.run, loaded, options.runs)
    for rows in options.rows:
        yield f"Whole job, after {rows:,} events", whole_job.run(rows, options.runs)
    yield "Import of a log", in_fresh_process(prediction.run, CALLS_QUICK if quick else CALLS)
    yield "Import of a table", in_fresh_process(importing.run, options.rows[-1])
    yield "Collection of feedback", in_fresh_process(tables.run, options.rows[-1])
    collected = COLLECTED_QUICK if quick else COLLECTED
    yield "Lists of the admin", in_fresh_process(collection.run, collected, options.runs)
    listed = LISTED_QUICK if quick else LISTED
    yield "Reports of feedback", in_fresh_process(lists.run, listed, is_quick=quick)
    reported = list(REPORTED_QUICK if quick else REPORTED)
    yield "The API", in_fresh_process(reports.run, reported, options.runs)
    last = "" if quick else "Beside the first edition"
    whole_job.run(options.rows[0], 1)  # reports began from empty tables: a model is needed
    yield (
        last,
        in_fresh_process(
            serving.run,
            list(LIVE_QUICK if quick else LIVE),
            LOAD_SECONDS_QUICK if quick else LOAD_SECONDS,
            SOAK_SECONDS_QUICK if quick else SOAK_SECONDS,
            PROMOTIONS_QUICK if quick else PROMOTIONS,
        ),
    )
    if not quick:
        yield "", first_edition.run(options.rows[-1], options.runs)


def _table(figures: list[Figure]) -> Table:
    """One line a figure; what was measured at several sizes stands side by side."""
    sizes = sorted(figure.at for figure in figures if figure.name == whole_job.TOTAL)
    table = Table("figure", *(f"{size:,} events" for size in sizes), "target", "", "note")
    for name in dict.fromkeys(figure.name for figure in figures):
        same = [figure for figure in figures if figure.name == name]
        by_size = {figure.at: figure for figure in same}
        cells = [_number(by_size[size].value) if size in by_size else "" for size in sizes]
        if not any(cells):
            cells[-1] = _number(same[-1].value)
        judged = [figure for figure in same if figure.met is not None]
        target = ", ".join(
            f"{'>=' if figure.at_least else '<='} {figure.target:g}" for figure in judged
        )
        verdict = ", ".join("met" if figure.met else "NOT MET" for figure in judged)
        table.add_row(name, *cells, target, verdict, same[-1].note)
    return table


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) < 0.1 else f"{value:.2f}"


if __name__ == "__main__":
    main()
