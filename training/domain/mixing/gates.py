"""What a dataset of real and synthetic rows has to show."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from project import words
from project.measure.jackknife import FEWEST_CLUSTERS
from training.domain.checks import Check, Gate, Verdict, verdict_of
from training.domain.mixing.likeness import TOLD_APART, Likeness, Nearness

MINIMUM_REAL_ROWS = 100
MINIMUM_REAL_GROUPS = 30
COPIED_SIGNIFICANCE = 0.01
NOTHING: Final[Mapping[str, int]] = MappingProxyType({})
CHANCE = 0.5  # a ROC-AUC, and the share nearer to one of two halves

REAL_VALIDATION_ROWS = Gate(
    "real_validation_rows",
    target=f">= {MINIMUM_REAL_ROWS} real rows in validation",
    limit=MINIMUM_REAL_ROWS,
)
REAL_VALIDATION_GROUPS = Gate(
    "real_validation_groups",
    target=f">= {MINIMUM_REAL_GROUPS} different ones among them",
    limit=MINIMUM_REAL_GROUPS,
)
SYNTHETIC_PART = Gate(
    "synthetic_part", target="synthetic rows pass the checks of their own", limit=0
)
SYNTHETIC_LIKENESS = Gate(
    "synthetic_likeness",
    target="ROC-AUC of telling synthetic rows from real ones no more than chance",
    limit=CHANCE,
)
SYNTHETIC_COPIES = Gate(
    "synthetic_copies",
    target="synthetic rows no nearer to real training rows than to held-out ones",
    limit=CHANCE,
)


def check_real_rows(
    rows: int, groups: int | None, noun: str, all_real: int, few: Mapping[str, int] = NOTHING
) -> list[Check]:
    """Ask whether so many real validation rows, of so many people, can judge a mixture.

    Parameters
    ----------
    rows, groups : real rows in validation, and the different people (or groups) in them; None where
        rows do not say.
    noun : what the groups are.
    all_real : real rows of the dataset.
    few : of what all real rows together have fewer than any test needs, and how many.
    """
    remedy = (
        "too few to judge a mixture by. Build with --split origin: the synthetic rows alone "
        f"train, and all {all_real:,} real rows are the test."
    )
    if few:
        said = " and ".join(words.counted(count, what) for what, count in few.items())
        remedy = (
            f"too few to judge anything by, and so are all {all_real:,} of them: they are of "
            f"{said}, and below {FEWEST_CLUSTERS} nothing can be said of the next one. Bring real "
            f"rows of more {' and '.join(f'{what}s' for what in few)}; until then build with "
            "--origin synthetic."
        )
    checks = [
        REAL_VALIDATION_ROWS.check(
            rows,
            "pass" if rows >= MINIMUM_REAL_ROWS else "refuse",
            f"{words.counted(rows, 'real row')} in validation, {MINIMUM_REAL_ROWS} are needed: "
            f"{remedy}",
        )
    ]
    if groups is not None:
        checks.append(
            REAL_VALIDATION_GROUPS.check(
                groups,
                "pass" if groups >= MINIMUM_REAL_GROUPS else "refuse",
                f"{words.counted(rows, 'real validation row')} of "
                f"{words.counted(groups, f'different {noun}')}, "
                f"{MINIMUM_REAL_GROUPS} are needed: {remedy}",
            )
        )
    return checks


def check_synthetic_part(checks: Sequence[Check]) -> Check:
    """Say what the synthetic rows alone come to."""
    verdict: Verdict = verdict_of(checks)
    failed = [check for check in checks if check.verdict == verdict != "pass"]
    said = "; ".join(f"{check.name}: {check.remedy}" for check in failed[:3])
    return SYNTHETIC_PART.check(len(failed), verdict, f"Of the synthetic rows alone: {said}")


def check_likeness(found: Likeness) -> Check:
    """Name the columns that tell synthetic rows from real ones; a difference is no refusal."""
    named = ", ".join(
        f"{row['column']} ({row['distance'] or 0:.2f})" for row in found["columns"][:5]
    )
    more = len(found["columns"]) - 5
    p_value = found["p_value"]
    differs = bool(named) or (p_value is not None and p_value < TOLD_APART)
    auc = found["auc"]
    said = "A classifier tells " if auc is None else f"A classifier (ROC-AUC {auc:.3f}) tells "
    remedy = (
        f"{said}synthetic rows from real ones"
        + (f", by {named}" if named else ", by several columns together")
        + (f" and {more} more" if more > 0 else "")
        + ". Training decides what they are worth; the nearer these columns come to real ones, the "
        "more."
    )
    return SYNTHETIC_LIKENESS.check(auc, "warn" if differs else "pass", remedy)


def check_copies_of_real(found: Nearness) -> Check:
    """Ask whether synthetic rows were copied from the real rows that were trained on."""
    share, p_value = found["share"], found["p_value"]
    copies = share is not None and p_value is not None and p_value < COPIED_SIGNIFICANCE
    return SYNTHETIC_COPIES.check(
        share,
        "warn" if copies else "pass",
        f"{100 * (share or 0):.1f} % of the synthetic rows lie nearer to a real training row than "
        "to a held-out one, where 50 % would: what made them has copied real rows. Make them anew "
        "from fewer details of single rows, or leave them out.",
    )
