"""The kind that predicts whether a proposed match is taken up.

What lists kinds loads this module, so pandas is loaded by the functions that compute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.words import FeatureSet
from training.domain.expectations import QualitySpec
from training.domain.kind import LoadedRows, ModelKind, Recipe, SplitColumns
from training.domain.match_quality import GROUPS, match_quality_spec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd


# Neither paper states a ROC-AUC. The range is what matching by profiles gave in the trials behind
# the rule of `suspicious_input`, on decisions of speed daters.
EXPECTATION = (
    "What to expect of real rows: matching by profiles alone honestly reaches a ROC-AUC of about "
    "0.55 to 0.62 (Seedbed's own trials on decisions of speed daters; the data of that kind best "
    "known are those of Fisman, Iyengar, Kamenica & Simonson 2006, Quarterly Journal of Economics "
    "121, 673-697). More than 100 self-reports before the date told 4 to 18 % of the variance of "
    "how much somebody desires others and 7 to 27 % of how much somebody is desired, and nothing "
    "of who desires whom beyond that (Joel, Eastwick & Finkel 2017, Psychological Science 28, "
    "1478-1489). A figure far above asks when its inputs were written."
)


def load(recipe: Recipe) -> LoadedRows:
    """Read the events of the recipe's batches, with one set of feature formulas for all rows."""
    from training.kinds.rows import matches

    return matches.load(recipe)


def quality(recipe: Recipe) -> QualitySpec:
    """Return what match rows must look like under their feature set."""
    return match_quality_spec(recipe.feature_set or FeatureSet.TIERED)


def baselines(train: pd.DataFrame, rows: pd.DataFrame) -> dict[str, npt.NDArray[np.float64]]:
    """Score rows by `rule-1`."""
    from training.kinds.rows import matches

    return matches.baselines(rows)


def rule_weights(train: pd.DataFrame) -> dict[str, float]:
    """Return the weights of `rule-1` over the match types of these rows."""
    from training.kinds.rows import matches

    return matches.rule_weights(train)


MATCH_COMPATIBILITY = ModelKind(
    name="match_compatibility",
    title="Match compatibility",
    task="classification",
    numeric=FEATURE_NAMES,
    target="label",
    quality=quality,
    load=load,
    splits={
        "time": SplitColumns("time"),
        "user": SplitColumns("user", GROUPS["user"], partner="partner_id"),
        "pair": SplitColumns("pair", GROUPS["pair"]),
        "random": SplitColumns("random"),
        "origin": SplitColumns("origin"),
    },
    default_split="time",
    file_stem="match_compatibility_model",
    baselines=baselines,
    rule_weights=rule_weights,
    ceilings={"oracle": "true_probability", "feature": "feature_probability"},
    monotone=tuple(name for name in FEATURE_NAMES),
    clusters=("user_id", "partner_id"),
    slices=("match_type",),
    expectation=EXPECTATION,
)
