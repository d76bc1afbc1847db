"""The words that reports are asked for with, and what they take when nothing is asked."""

from typing import Final

REPORT_KINDS: Final = ("csat", "baselines", "calibration", "experiments")
FACTORS: Final = ("provider", "model", "action_type")  # what a baseline is learnt of
QUALITY_EDGES: Final = (0.0, 0.5, 0.7, 0.85, 1.0)  # of the ranges of quality

LONGEST_DAYS: Final = 36_500  # of a period that is asked for: a hundred years

# Sessions of the smaller arm that an experiment was planned with, chosen before it began.
PLANNED_SESSIONS: Final = 200
FEWEST_PLANNED: Final = 15
MOST_PLANNED: Final = 100_000
