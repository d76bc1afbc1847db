"""The words a profile may use, and how alike two of them are; validation, autocomplete and features
read them."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from matching.domain.nations import FURTHER_NATIONALITIES
from project.coded import CodedWord

ALREADY_KNOWN: Final = "already_known"  # why a line was left out, beside reasons of refused ones


class MatchType(CodedWord):
    """Who is matched with whom."""

    USER_USER = "user_user", 1
    USER_GROUP = "user_group", 2


class Outcome(CodedWord):
    """What a person did with a proposed match."""

    ACCEPT = "accept", 1
    CHAT = "chat", 2
    IGNORE = "ignore", 3
    UNMATCH = "unmatch", 4

    @property
    def label(self) -> int:
        """1 for what counts as taken up, else 0."""
        return int(self in (Outcome.ACCEPT, Outcome.CHAT))


class Preset(CodedWord):
    """How picky the simulated users are."""

    BALANCED = "balanced", 1
    STRICT = "strict", 2
    LOOSE = "loose", 3


class FeatureSet(StrEnum):
    """Which formulas make a feature vector; those of `logged-1` are not known here."""

    SMOOTH = "smooth-1"
    TIERED = "tiered-1"
    LOGGED = "logged-1"


class OnChange(StrEnum):
    """What becomes of an event whose id is known when a later line says something else of it."""

    REPLACE = "replace"
    KEEP = "keep"
    REFUSE = "refuse"


class Habit(StrEnum):
    """How often somebody smokes or drinks, in order."""

    NO = "no"
    OCCASIONALLY = "occasionally"
    YES = "yes"


# What a generation is asked for: one match type, or both with half of the events each.
BOTH_MATCH_TYPES: Final = "both"
MATCH_TYPES_ASKED: Final[Mapping[str, str]] = MappingProxyType(
    {
        MatchType.USER_USER.value: "users with users",
        MatchType.USER_GROUP.value: "users with groups",
        BOTH_MATCH_TYPES: "half of each",
    }
)
# What the first edition called them; its schedules and jobs still say so.
ASKED_BEFORE: Final = MappingProxyType({"solo": "user_user", "group": "user_group"})
# The revision of each feature set, raised whenever a definition is corrected; CHANGELOG.md says
# what. What was computed by an earlier revision is not mixed with, or scored by, what is computed
# now.
FEATURE_REVISIONS: Final = MappingProxyType(
    {FeatureSet.SMOOTH: 3, FeatureSet.TIERED: 3, FeatureSet.LOGGED: 1}
)
# Those whose formulas are here, so that they can be computed from profiles.
COMPUTED_SETS: Final = (FeatureSet.SMOOTH, FeatureSet.TIERED)

GENDERS: Final = ("female", "male", "non-binary")
PROFESSIONS: Final = (
    "student",
    "engineer",
    "teacher",
    "designer",
    "nurse",
    "doctor",
    "lawyer",
    "manager",
    "entrepreneur",
    "artist",
    "writer",
    "consultant",
    "chef",
    "scientist",
    "sales",
    "retired",
)

# Habits in order, 0 never to 1 regularly: in even steps for `tiered-1`, while for `smooth-1`
# "occasionally" stands nearer to "no" than to "yes": people who rarely smoke or drink put up with
# abstainers more easily than with daily habits.
EVEN_HABITS: Final[Mapping[str, float]] = MappingProxyType(
    {Habit.NO: 0.0, Habit.OCCASIONALLY: 0.5, Habit.YES: 1.0}
)
GRADED_HABITS: Final[Mapping[str, float]] = MappingProxyType(
    {Habit.NO: 0.0, Habit.OCCASIONALLY: 0.4, Habit.YES: 1.0}
)

# Tag -> share of travellers who hold it, rounded from a drawn population of 20,000. Part of the
# definition of `smooth-1`: rarity is frozen here, so training and serving cannot weigh a tag
# differently. Other shares would be another feature set.
INTEREST_SHARES: Final = MappingProxyType(
    {
        "food": 0.29,
        "beaches": 0.26,
        "hiking": 0.32,
        "history": 0.19,
        "photography": 0.22,
        "museums": 0.22,
        "nightlife": 0.27,
        "local culture": 0.28,
        "nature": 0.23,
        "art": 0.23,
        "shopping": 0.20,
        "street food": 0.25,
        "music": 0.14,
        "architecture": 0.16,
        "backpacking": 0.19,
        "wellness": 0.17,
        "adventure sports": 0.15,
        "coffee": 0.16,
        "reading": 0.13,
        "festivals": 0.14,
        "wine": 0.17,
        "wildlife": 0.14,
        "cycling": 0.14,
        "diving": 0.15,
        "yoga": 0.10,
        "surfing": 0.15,
        "skiing": 0.07,
        "road trips": 0.14,
        "spa": 0.14,
        "remote work": 0.11,
        "volunteering": 0.07,
        "family": 0.10,
    }
)
INTERESTS: Final = tuple(INTEREST_SHARES)

# Share assumed for a tag outside the list (another application's word): rare.
UNKNOWN_INTEREST_SHARE: Final = 0.05

RELIGIONS: Final = (
    "none",
    "agnostic",
    "christian",
    "muslim",
    "hindu",
    "buddhist",
    "jewish",
    "sikh",
    "other",
)
# Words that say that religion takes little room: halfway to every faith.
SECULAR_RELIGIONS: Final = frozenset({"none", "agnostic"})

LANGUAGES: Final = (
    "english",
    "spanish",
    "french",
    "german",
    "italian",
    "portuguese",
    "dutch",
    "swedish",
    "polish",
    "hindi",
    "tamil",
    "mandarin",
    "japanese",
    "korean",
    "arabic",
    "turkish",
    "russian",
    "indonesian",
    "thai",
    "vietnamese",
)

# Nationality -> (ISO 3166 country, sub-region, continent), sub-regions after the UN M49 list.
NATIONALITIES: Final = MappingProxyType(
    {
        "american": ("US", "northern america", "america"),
        "canadian": ("CA", "northern america", "america"),
        "mexican": ("MX", "latin america", "america"),
        "brazilian": ("BR", "latin america", "america"),
        "argentine": ("AR", "latin america", "america"),
        "british": ("GB", "northern europe", "europe"),
        "irish": ("IE", "northern europe", "europe"),
        "swedish": ("SE", "northern europe", "europe"),
        "german": ("DE", "western europe", "europe"),
        "french": ("FR", "western europe", "europe"),
        "dutch": ("NL", "western europe", "europe"),
        "spanish": ("ES", "southern europe", "europe"),
        "italian": ("IT", "southern europe", "europe"),
        "portuguese": ("PT", "southern europe", "europe"),
        "polish": ("PL", "eastern europe", "europe"),
        "turkish": ("TR", "western asia", "asia"),
        "emirati": ("AE", "western asia", "asia"),
        "israeli": ("IL", "western asia", "asia"),
        "egyptian": ("EG", "northern africa", "africa"),
        "south african": ("ZA", "southern africa", "africa"),
        "indian": ("IN", "southern asia", "asia"),
        "chinese": ("CN", "eastern asia", "asia"),
        "japanese": ("JP", "eastern asia", "asia"),
        "korean": ("KR", "eastern asia", "asia"),
        "thai": ("TH", "south-eastern asia", "asia"),
        "vietnamese": ("VN", "south-eastern asia", "asia"),
        "indonesian": ("ID", "south-eastern asia", "asia"),
        "australian": ("AU", "australasia", "oceania"),
        "new zealander": ("NZ", "australasia", "oceania"),
    }
)

# Every nationality that is known: those that people are drawn of first.
NATIONS: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {**NATIONALITIES, **FURTHER_NATIONALITIES}
)


def asked_word(asked: str) -> str:
    """Return a word for what a generation is asked for as it is said today."""
    return ASKED_BEFORE.get(asked, asked)


def asked_match_types(asked: str) -> tuple[MatchType, ...]:
    """Return the match types that a generation is asked for: one by its name, or `both`.

    Raises
    ------
    ValueError
        For any other word.
    """
    asked = asked_word(asked)
    if asked not in MATCH_TYPES_ASKED:
        raise ValueError(f"Expected one of {', '.join(MATCH_TYPES_ASKED)}; got {asked!r}.")
    return tuple(MatchType) if asked == BOTH_MATCH_TYPES else (MatchType(asked),)


def revision_of(feature_set: str) -> int:
    """Revision of a feature set's definitions now; 1 where there is no set, as of feedback."""
    return FEATURE_REVISIONS[FeatureSet(feature_set)] if feature_set else 1


def nationality_similarity(a: str, b: str) -> float:
    """Graded likeness of two known nationalities: same 1, same sub-region 0.7, same continent 0.4,
    else 0.1, as for a word of which only is known that it is a nationality."""
    if a == b:
        return 1.0
    if a not in NATIONS or b not in NATIONS:
        return 0.1
    (_, region_a, continent_a), (_, region_b, continent_b) = NATIONS[a], NATIONS[b]
    if region_a == region_b:
        return 0.7
    return 0.4 if continent_a == continent_b else 0.1


def religion_similarity(a: str, b: str) -> float:
    """Graded likeness of two known religions: same 1, one or both of them secular 0.5, else 0.2."""
    if a == b:
        return 1.0
    return 0.5 if SECULAR_RELIGIONS & {a, b} else 0.2
