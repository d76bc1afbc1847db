"""What a generation would make, and how a batch was made."""

from datetime import date
from typing import TypedDict

from django.db.models import Max
from django.utils import timezone

from matching.domain.generation import (
    CEILING_REVISION,
    Generation,
    Population,
    Specification,
)
from matching.domain.limits import DEFAULT_SEED, MAX_EVENTS
from matching.domain.remedies import remedy_of
from matching.domain.words import MatchType, Preset, asked_match_types, revision_of
from matching.models import EventBatch, SeedUser, TravelSession
from matching.queries.frozen import require_population
from matching.queries.travellers import LoadedTravellers, ReasonCount, load_travellers
from matching.queries.words import measured_lexicon
from project import clock, words
from project.refusal import Refusal


class Expected(TypedDict):
    """What is to be expected of a batch.

    distinct_pairs : by match type, the pairs that can be asked for without repeats
    expected_duplicate_share : of the feature vectors, in [0, 1]
    remedy : what would make it better; empty where nothing has to
    """

    distinct_pairs: dict[str, int]
    expected_duplicate_share: float
    remedy: str


class Forecast(Expected):
    """The same of what is asked; `met` says whether it can be had without copies."""

    met: bool


class Preview(Forecast):
    """A forecast, and who is left out, by reason."""

    skipped: dict[str, ReasonCount]


def plan_generation(
    *,
    count: int,
    match_type: str,
    preset: str,
    seed: int,
    feature_set: str,
    allow_repeats: bool,
) -> tuple[Generation, LoadedTravellers]:
    """Return the generation that is asked for, and who takes part; nothing is made yet.

    Refuses when nobody can be matched.
    """
    if not 1 <= count <= MAX_EVENTS:
        raise ValueError(f"Expected 1 to {MAX_EVENTS:,} events; got {count:,}.")
    match_types = asked_match_types(match_type)
    loaded = load_travellers(match_types[-1])
    _require_travellers(loaded, match_types)
    specification = Specification(
        count,
        match_types,
        preset,
        seed,
        feature_set,
        allow_repeats,
        _as_of(),
        revision_of(feature_set),
        CEILING_REVISION,
        measured_lexicon(),
    )
    groups = loaded.users.iloc[:0] if loaded.groups is None else loaded.groups
    return Generation(specification, Population(loaded.users, groups)), loaded


def preview(
    *,
    count: int,
    match_type: str,
    preset: str = Preset.BALANCED,
    seed: int = DEFAULT_SEED,
    feature_set: str = "smooth-1",
    allow_repeats: bool = False,
) -> Preview:
    """Say what a generation would find and what is to be expected of it, without making
    anything."""
    generation, loaded = plan_generation(
        count=count,
        match_type=match_type,
        preset=preset,
        seed=seed,
        feature_set=feature_set,
        allow_repeats=allow_repeats,
    )
    return {**_forecast(generation), "skipped": loaded.skipped()}


def expect(generation: Generation, loaded: LoadedTravellers) -> Expected:
    """Return the forecast of a batch; refuse one that cannot be met."""
    forecast = _forecast(generation)
    if not forecast["met"]:
        pairs = ", ".join(
            f"{number:,} {name}" for name, number in forecast["distinct_pairs"].items()
        )
        raise Refusal(
            f"{words.tally(generation.specification.count, 'event')} "
            f"{words.bend(generation.specification.count, 'was', 'were')} asked for; there are "
            f"{pairs} distinct "
            f"pairs, and {words.share(forecast['expected_duplicate_share'])} of the feature "
            "vectors would "
            "be copies.",
            remedy=forecast["remedy"],
            details={**forecast, "skipped": loaded.skipped()},
        )
    return {
        "distinct_pairs": forecast["distinct_pairs"],
        "expected_duplicate_share": forecast["expected_duplicate_share"],
        "remedy": forecast["remedy"],
    }


def load_generation(batch: EventBatch) -> Generation:
    """Return the generation behind a batch; any chunk of it can be made again."""
    return Generation(Specification.from_dict(batch.parameters), require_population(batch))


def require_same_formulas(generation: Generation) -> None:
    """Refuse to go on with a batch whose first chunks were made by formulas that were corrected."""
    begun = generation.specification
    if begun.feature_revision != revision_of(begun.feature_set):
        raise Refusal(
            f"This batch was begun with revision {begun.feature_revision} of {begun.feature_set}; "
            f"now it is revision {revision_of(begun.feature_set)}.",
            remedy="Generate anew.",
        )


def _require_travellers(loaded: LoadedTravellers, match_types: tuple[MatchType, ...]) -> None:
    details = {"skipped": loaded.skipped()}
    if len(loaded.users) < (2 if MatchType.USER_USER in match_types else 1):
        raise Refusal(
            f"Matches need complete users with live sessions; there are {len(loaded.users)}.",
            remedy="Run `manage.py seed_users`, `manage.py check_profiles` and "
            "`manage.py create_sessions`, then generate again.",
            details=details,
        )
    if loaded.groups is not None and loaded.groups.empty:
        raise Refusal(
            "Matches with groups need groups with live sessions; there are none.",
            remedy="Run `manage.py seed_users` and `manage.py create_sessions`, or choose "
            "--match-type user_user.",
            details=details,
        )


def _as_of() -> date:
    """Return the day the newest session was planned: events are older than that."""
    newest = TravelSession.objects.live().aggregate(newest=Max("created_at"))["newest"]
    return timezone.localdate(newest, timezone=timezone.get_default_timezone())


def _free_seed() -> int:
    """Return a seed of which no user was drawn, so that seeding with it adds as many as asked."""
    seed = DEFAULT_SEED
    while SeedUser.objects.filter(external_id__regex=rf"^seed_[a-z_]+_s{seed}_[0-9]+$").exists():
        seed += 1
    return seed


def _forecast(generation: Generation) -> Forecast:
    diversity = generation.diversity()
    asked = generation.specification.count
    copies = sum(each.expected_duplicate_share * each.asked for each in diversity.values())
    return {
        "distinct_pairs": {name: each.distinct_pairs for name, each in diversity.items()},
        "expected_duplicate_share": round(copies / asked, 4),
        "met": all(each.met for each in diversity.values()),
        "remedy": remedy_of(generation, diversity, clock.today(), _free_seed()),
    }
