"""Run every claim in full and write docs/honesty.md: `make honest`.

    python -m tests.honesty [--section 3] [--repetitions 100]

Exit code 0: each figure inside its band or on its edge; 1: one outside.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from tests.honesty.claim import Outcome
from tests.honesty.claims import all_claims

PAGE = Path(__file__).resolve().parents[2] / "docs" / "honesty.md"
HEAD = """# What the figures claim, and whether they hold

Written by `make honest`; not edited by hand. Every figure below was measured by simulation, on data
that Seedbed's own generator did not make (effects of people and of partners, other distributions,
sessions). A claim fails where the 99 % interval of its figure lies wholly outside the band; a
figure whose interval touches the band is marked as on its edge. The same seeds give the same
figures.

Date: {date}. Repetitions and seed stand beside each figure; `python -m tests.honesty --section 3`
repeats one section.
"""


def run_claim(number: int, repetitions: int | None) -> Outcome:
    """Run one claim; by number, because functions of other modules are not sent to a process."""
    claim = all_claims()[number]
    return claim.run(repetitions or claim.repetitions)


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.honesty", description=__doc__)
    parser.add_argument("--section", help="only sections that begin so; the page is not written")
    parser.add_argument(
        "--repetitions", type=int, help="instead of each claim's own; the page is not written"
    )
    options = parser.parse_args(given)
    claims = all_claims()
    wanted = [
        number
        for number, claim in enumerate(claims)
        if not options.section or claim.section.startswith(options.section)
    ]
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        started = time.monotonic()
        for outcome in pool.map(run_claim, wanted, [options.repetitions] * len(wanted)):
            outcomes.append(outcome)
            state = "FAILS" if outcome.fails else "inside" if outcome.is_inside else "on the edge"
            sys.stdout.write(f"{time.monotonic() - started:6.0f} s  {state:11}  {outcome}\n")
            sys.stdout.flush()
    if not options.section and not options.repetitions:
        PAGE.write_text(page_of(outcomes))
    return int(any(outcome.fails for outcome in outcomes))


def page_of(outcomes: list[Outcome]) -> str:
    """The page: a table for each section."""
    parts = [HEAD.format(date=datetime.now(UTC).date().isoformat())]
    section = ""
    for outcome in outcomes:
        claim = outcome.claim
        if claim.section != section:
            section = claim.section
            parts.append(
                f"\n## {section}\n\n| claim | figure (99 % interval) | band | holds | repetitions "
                "| seed |\n|---|---|---|---|---|---|\n"
            )
        holds = "no" if outcome.fails else "yes" if outcome.is_inside else "on its edge"
        parts.append(
            f"| {claim.name} | {outcome.value:.4f} ({outcome.low:.4f} to {outcome.high:.4f}) | "
            f"{outcome.band} | {holds} | {outcome.repetitions:,} | {claim.seed} |\n"
        )
    return "".join(parts)


if __name__ == "__main__":
    sys.exit(main())
