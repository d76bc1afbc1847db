"""What a dataset of match events must look like."""

from matching.domain.features.names import FEATURE_NAMES, GROUP_ONLY, PRODUCTS, TIERED_DEFAULT
from matching.domain.limits import MINIMUM_EVENTS
from matching.domain.personality import LABEL_LIKENESS
from training.domain.expectations import DISTINCT_DEFAULT, DISTINCT_REFUSE, FeatureSpec, QualitySpec

# The features that broke most often, and the distinct values above which they are sound.
DISTINCT_PASS = {"interest_score": 21, "age_score": 21, "personality_score": 11}
# Columns that identify what train and validation may share. A user is the one who decided.
GROUPS = {"event": ("event_key",), "user": ("user_id",), "pair": ("user_id", "partner_id")}
# tiered-1 formulas that can give exactly 0.5 without any input missing: an age gap of 11 to 15
# years; habits one step apart; half-known backgrounds; a group of one language and nationality.
# An interest score of 0.5 needs exactly 3 of 10 interests (half of them in a group): too rare to
# excuse a fifth of the rows.
TIERED_HALVES = frozenset(
    {"age_score", "lifestyle_score", "background_score", "group_diversity_score"}
)
# How many values the tiered formulas have at all. Fewer than that, or than the usual limit, is
# refused; a formula is not refused for its own few tiers, only warned of.
# A gap relative to the larger of two budgets is at most 1, so only four of their tiers are reached.
TIERED_LEVELS = {"budget_score": 4}
ONLY_GROUPS = frozenset({"user_group"})
ONLY_PAIRS = frozenset({"user_user"})


def match_quality_spec(feature_set: str, disjoint: frozenset[str] = frozenset()) -> QualitySpec:
    """The expectations of the dataset gate for match events.

    Parameters
    ----------
    feature_set : smooth-1 or tiered-1; files and logs from elsewhere are judged as tiered-1, where
        0.5 stands for a missing input.
    disjoint : groups beside `event` that the split keeps apart: user, pair.

    Returns
    -------
    QualitySpec
    """
    is_tiered = feature_set == "tiered-1"
    features = []
    for name in FEATURE_NAMES:
        applies_to = ONLY_GROUPS if name in GROUP_ONLY else None
        if is_tiered and name == "personality_score":
            # The tiered formulas give every group the neutral 0.5.
            applies_to = ONLY_PAIRS
        features.append(
            FeatureSpec(
                name,
                distinct_pass=DISTINCT_PASS.get(name, DISTINCT_DEFAULT),
                distinct_refuse=(
                    TIERED_LEVELS.get(name, DISTINCT_REFUSE) if is_tiered else DISTINCT_REFUSE
                ),
                grid=LABEL_LIKENESS if name == "personality_score" else (),
                applies_to=applies_to,
                made_variety_remedy=_variety_remedy(name, is_tiered),
                half_is_legitimate=is_tiered and name in TIERED_HALVES,
                factors=PRODUCTS.get(name, ()),
                made_missing_remedy="complete the profiles behind them and generate anew",
            )
        )
    return QualitySpec(
        features=tuple(features),
        target="label",
        task="classification",
        minimum_rows=MINIMUM_EVENTS,
        pair=GROUPS["pair"],
        is_a_log=True,
        groups=GROUPS,
        disjoint=disjoint | {"event"},
        default_value=TIERED_DEFAULT if is_tiered else None,
        copies_remedy="build with --outcomes last, which takes one row of each pair",
        vectors_remedy=(
            "the tiers tell no more pairs apart, build with --feature-set smooth-1"
            if is_tiered
            else "draw from a more varied population (more users, cities, dates)"
        ),
    )


def _variety_remedy(name: str, is_tiered: bool) -> str:
    if is_tiered:
        return "the tiers allow no more, build with --feature-set smooth-1"
    if name in GROUP_ONLY:
        return "add groups of other sizes, languages and nationalities"
    return "add seed users, and vary what their profiles say"
