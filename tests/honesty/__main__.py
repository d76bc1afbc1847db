"""Run every claim in full and write docs/honesty.md: `make honest`.

    python -m tests.honesty [--section 3] [--repetitions 100] [--page PATH] [--jobs 2] [--rest]
                            [--again 9]

Exit code 0: each figure inside its band or on its edge; 1: one outside, or one that could not be
tried.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import django
from threadpoolctl import threadpool_limits

from tests.honesty.claim import Claim, Outcome
from tests.honesty.claims import all_claims

PAGE = Path(__file__).resolve().parents[2] / "docs" / "honesty.md"
HEAD = """# What the figures claim, and whether they hold

Written by `make honest`; not edited by hand. Every figure below was measured by simulation, on data
that Seedbed's own generator did not make (effects of people and of partners, other distributions,
sessions), except where a line names the generator, whose forecasts and ceilings are tried on its
own batches.

How to read a line: the claim names what is measured and on how much data. The figure is what so
many repetitions gave, with its own 99 % interval, for a simulation has an error too. The band is
what was promised. "yes": the figure lies in it. "on its edge": it does not, but its interval
touches the band, so the simulation cannot tell. "no": the whole interval lies outside, and the
claim fails. "broken": the simulation raised an error, which stands below the table. Each line has
the day on which it was measured. The same seeds give the same figures; `python -m tests.honesty
--section 3` repeats one section, `--again 3` measures it anew and keeps the other lines.

"""
DATED = re.compile(r"\| \d{4}-\d\d-\d\d \|$")
TABLE = """
## {section}

| claim | figure (99 % interval) | band | holds | repetitions | seed | seconds | date |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Trial:
    """What became of one claim: its outcome, or the error that kept it from one."""

    claim: Claim
    seconds: float
    outcome: Outcome | None = None
    error: str = ""
    date: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())

    @property
    def fails(self) -> bool:
        return self.outcome is None or self.outcome.fails

    @property
    def holds(self) -> str:
        if self.outcome is None:
            return "broken"
        return "no" if self.outcome.fails else "yes" if self.outcome.is_inside else "on its edge"

    def __str__(self) -> str:
        return f"{self.holds:11}  {self.outcome or f'{self.claim.name}: {self.error}'}"

    def as_row(self) -> str:
        figure, repetitions = "", ""
        if found := self.outcome:
            figure = f"{found.value:.4f} ({found.low:.4f} to {found.high:.4f})"
            repetitions = f"{found.repetitions:,}"
        return (
            f"| {self.claim.name} | {figure} | {self.claim.band} | {self.holds} | {repetitions} | "
            f"{self.claim.seed} | {self.seconds:.0f} | {self.date} |\n"
        )


@dataclass(frozen=True)
class Told:
    """A claim that the page of a run which was ended early has already."""

    claim: Claim
    row: str

    @property
    def holds(self) -> str:
        return self.row.split(" | ")[3]

    @property
    def fails(self) -> bool:
        return self.holds in ("no", "broken")

    @property
    def error(self) -> str:
        return ""

    def as_row(self) -> str:
        return f"{self.row}\n"


def told_on(page: str) -> dict[int, Told]:
    """Return number of the claim to its row, of those that a page has as they are claimed now.

    What held no longer, or broke, is tried again.
    """
    rows = {line.removeprefix("| ").split(" | ")[0]: line for line in page.splitlines()}
    found = {}
    for number, claim in enumerate(all_claims()):
        row = rows.get(claim.name, "")
        asked = f"{claim.repetitions:,} | {claim.seed} | "
        if f" | {claim.band} | " in row and asked in row and DATED.search(row):
            found[number] = Told(claim, row)
    return {number: one for number, one in found.items() if not one.fails}


def try_claim(number: int, repetitions: int | None) -> Trial:
    """Run one claim; by number, because what a claim is given need not be fit for a process."""
    claim = all_claims()[number]
    started = time.monotonic()
    try:
        # Claims share the cores among themselves; threads of each would only wait for one another.
        with threadpool_limits(1):
            outcome = claim.run(repetitions or claim.repetitions)
    except Exception as error:
        return Trial(claim, time.monotonic() - started, error=f"{type(error).__name__}: {error}")
    return Trial(claim, time.monotonic() - started, outcome)


def try_claims(
    numbers: Sequence[int], repetitions: int | None, jobs: int
) -> Iterator[tuple[int, Trial]]:
    """Run claims, each in a process of its own where there is more than one job; as they end."""
    if jobs == 1:
        for number in numbers:
            yield number, try_claim(number, repetitions)
        return
    with ProcessPoolExecutor(jobs) as pool:
        running: dict[Future[Trial], int] = {
            pool.submit(try_claim, number, repetitions): number for number in numbers
        }
        for done in as_completed(running):
            number, error = running[done], done.exception()
            if error is None:
                yield number, done.result()
            else:  # its process died
                said = f"{type(error).__name__}: {error}"
                yield number, Trial(all_claims()[number], 0.0, error=said)


def main(given: list[str] | None = None) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()  # kinds of models stand beside records; no server is asked
    parser = argparse.ArgumentParser(prog="python -m tests.honesty", description=__doc__)
    parser.add_argument(
        "--section", action="append", help="only sections that begin so; may be given again"
    )
    parser.add_argument("--repetitions", type=int, help="instead of each claim's own")
    parser.add_argument(
        "--page", type=Path, help=f"where to write; of a whole run docs/{PAGE.name}, else nowhere"
    )
    parser.add_argument(
        "--rest",
        action="store_true",
        help="go on with the page of a whole run that was ended early",
    )
    parser.add_argument(
        "--again",
        action="append",
        default=[],
        metavar="TEXT",
        help="go on with the page, but measure anew what has a section or a name that begins so; "
        "may be given again",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="claims at a time")
    options = parser.parse_args(given)
    wanted = [
        number
        for number, claim in enumerate(all_claims())
        if not options.section or claim.section.startswith(tuple(options.section))
    ]
    if not wanted:
        parser.error(f"There is no section that begins with {', '.join(options.section)}.")
    is_whole = not options.section and not options.repetitions
    page = options.page or (PAGE if is_whole else None)
    trials: dict[int, Trial | Told] = {}
    if options.rest or options.again:
        if page is None:
            parser.error("--rest and --again go on with a whole run.")
        anew = tuple(options.again)
        for number, told in told_on(page.read_text()).items():
            if not told.claim.section.startswith(anew) and not told.claim.name.startswith(anew):
                trials[number] = told
    started = time.monotonic()
    seconds = 0.0
    wanted = [number for number in wanted if number not in trials]
    for number, trial in try_claims(wanted, options.repetitions, options.jobs):
        trials[number] = trial
        seconds = time.monotonic() - started
        sys.stdout.write(f"{seconds:6.0f} s  {trial}\n")
        sys.stdout.flush()
        if page:  # a run takes long: what ends it early leaves what was found
            page.write_text(page_of(trials, seconds))
    failing = sum(trial.fails for trial in trials.values())
    sys.stdout.write(f"{len(trials)} claims, {failing} failing, {seconds:.0f} s\n")
    return int(failing > 0)


def page_of(trials: Mapping[int, Trial | Told], seconds: float) -> str:
    """The page: how to read it, how the run went, and a table for each section.

    Parameters
    ----------
    trials : number of the claim among all to what became of it.
    seconds : that the run took; of one that went on with another, the rest of it.
    """
    total = len(all_claims())
    found = [trials[number] for number in sorted(trials)]
    counts = {
        word: sum(trial.holds == word for trial in found)
        for word in ("yes", "on its edge", "no", "broken")
    }
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    date = datetime.now(UTC).date().isoformat()
    run = f"Date: {date}. The run took {seconds / 60:.0f} minutes. Whether the {len(found)} claims"
    parts = [HEAD, f"{run} hold: {said}.\n"]
    if len(found) < total:
        sections = ", ".join(dict.fromkeys(trial.claim.section for trial in found))
        parts.append(
            f"\n**This run is not whole: {len(found)} of {total} claims were tried,"
            f" of the sections: {sections}.**\n"
        )
    for section in dict.fromkeys(trial.claim.section for trial in found):
        inside = [trial for trial in found if trial.claim.section == section]
        parts.append(TABLE.format(section=section))
        parts += [trial.as_row() for trial in inside]
        parts += [
            f"\n{trial.claim.name}: `{' '.join(trial.error.split())}`\n"
            for trial in inside
            if trial.error
        ]
    return "".join(parts)


if __name__ == "__main__":
    sys.exit(main())
