"""Drawn users, sessions and groups: complete, repeatable, and varied enough for the data gates."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency

from matching.domain.features.columns import applicable
from matching.domain.features.compute import compute_features
from matching.domain.features.names import COLUMN
from matching.domain.geo import distance_km, unit_vectors
from matching.domain.pairing import find_candidates, own_groups, sample_pairs
from matching.domain.personality import personality_of
from matching.domain.population import (
    ARCHETYPES,
    HOMELANDS,
    HUBS,
    PROFESSION_AGES,
    cities,
    destinations,
    draw_budgets,
    draw_groups,
    draw_population,
    draw_sessions,
)
from matching.domain.travellers import Travellers, Vocabulary
from matching.domain.words import (
    GENDERS,
    INTEREST_SHARES,
    INTERESTS,
    LANGUAGES,
    NATIONALITIES,
    PROFESSIONS,
    RELIGIONS,
    Habit,
)
from project.measure.hashing import hash_rows
from tests.matching.drawn import draw_travellers, travellers_frame

TODAY = date(2026, 1, 1)


@pytest.fixture(scope="module")
def profiles():
    return draw_population(2_000, np.random.default_rng(7))


def test_profiles_are_complete_and_within_the_vocabulary(profiles):
    assert not profiles.isna().any().any()
    assert profiles["external_id"].is_unique
    assert profiles["external_id"].str.fullmatch(r"seed_[a-z_]+_\d{5}").all()
    assert profiles["age"].between(18, 100).all()
    assert profiles["extraversion"].between(0, 1).all()
    assert (profiles["budget"] > 0).all()
    assert profiles["home_lat"].between(-90, 90).all()
    for column, words in (
        ("gender", GENDERS),
        ("smoking", Habit),
        ("drinking", Habit),
        ("religion", RELIGIONS),
        ("nationality", NATIONALITIES),
        ("profession", PROFESSIONS),
    ):
        assert set(profiles[column]) <= set(words)
    assert {tag for tags in profiles["interests"] for tag in tags} == set(INTERESTS)
    assert {word for words in profiles["languages"] for word in words} <= set(LANGUAGES)
    assert profiles["interests"].str.len().min() >= 3
    assert profiles["languages"].str.len().min() >= 1


def test_personality_names_the_extraversion(profiles):
    expected = [personality_of(x) for x in profiles["extraversion"]]
    assert list(profiles["personality"]) == expected
    assert [personality_of(x) for x in (0, 0.3333, 0.3334, 0.6666, 0.6667, 1)] == [
        *("introvert", "introvert", "ambivert", "ambivert", "extrovert", "extrovert")
    ]


def test_traits_hang_together(profiles):
    lively = profiles["interests"].map(lambda tags: "nightlife" in tags)
    quiet = profiles["interests"].map(lambda tags: "reading" in tags)
    extraversion = profiles["extraversion"]
    assert extraversion[lively].mean() > extraversion[quiet].mean() + 0.1
    assert np.corrcoef(profiles["age"], np.log(profiles["budget"]))[0, 1] > 0.3
    german = profiles["nationality"] == "german"
    assert profiles.loc[german, "languages"].map(lambda words: "german" in words).all()


def chi_square(*columns: pd.Series) -> float:
    """p-value of the independence of two columns."""
    return float(chi2_contingency(pd.crosstab(*columns))[1])


def share(rows: pd.Series, value: str = "yes") -> float:
    """Share of a value; nobody has no share."""
    return float((rows == value).mean())


@pytest.mark.parametrize("seed", [1, 7, 42])
def test_ages_rise_and_fall_without_a_heap_at_either_end(seed):
    age = draw_population(4_000, np.random.default_rng(seed))["age"]
    held = age.value_counts(normalize=True).reindex(range(18, 79), fill_value=0)
    assert held[18] < 0.015  # it was 0.04
    assert held[18] < held.loc[20:30].min()
    assert held[78] < 0.005
    assert age.max() <= 78


@pytest.mark.parametrize("seed", [1, 7, 42])
def test_professions_come_at_their_age(seed):
    people = draw_population(4_000, np.random.default_rng(seed))
    for name, ages in people.groupby("profession")["age"]:
        youngest, oldest = PROFESSION_AGES[name]
        assert youngest <= ages.min() <= ages.max() <= oldest, name
    assert set(PROFESSION_AGES) == set(PROFESSIONS) == set(people["profession"])
    retired, student = people["profession"] == "retired", people["profession"] == "student"
    assert not retired[people["age"] < 55].any()
    by_age = [people["age"].between(*ages) for ages in ((55, 59), (60, 64), (65, 78))]
    low, middle, high = (retired[rows].mean() for rows in by_age)
    assert low < 0.3 < middle < 0.7 < high
    assert student[people["age"] <= 21].mean() > 0.6
    assert student[people["age"].between(27, 32)].mean() < 0.2
    assert chi_square(pd.cut(people["age"], [17, 24, 34, 54, 78]), people["profession"]) < 1e-9


def test_kinds_of_travellers_have_people_of_their_age_and_work(profiles):
    by_kind = profiles.groupby("archetype")
    assert by_kind["age"].min()["easygoing_elder"] >= 55
    assert by_kind["age"].min()["luxury_traveler"] >= 25
    for kind in ARCHETYPES:
        allowed = {*kind.professions, "student", "retired"}
        assert set(profiles.loc[profiles["archetype"] == kind.name, "profession"]) <= allowed
    nomads = profiles["archetype"] == "digital_nomad"
    assert not profiles.loc[nomads, "profession"].isin(["nurse", "chef", "student"]).any()


@pytest.mark.parametrize("seed", [1, 7, 42])
def test_habits_follow_faith_and_one_another(seed):
    people = draw_population(6_000, np.random.default_rng(seed))
    abstains = {faith: share(rows, "no") for faith, rows in people.groupby("religion")["drinking"]}
    assert abstains["muslim"] > 0.6
    assert abstains["muslim"] > abstains["hindu"] + 0.15 > abstains["christian"] + 0.25
    assert share(people.loc[people["religion"] == "muslim", "drinking"]) < 0.1
    assert share(people.loc[people["religion"] == "sikh", "smoking"], "no") > 0.9
    assert chi_square(people["religion"], people["drinking"]) < 1e-9
    assert chi_square(people["smoking"], people["drinking"]) < 1e-9
    # Not through the kinds of travellers alone.
    quiet = people[people["archetype"] == "culture_seeker"]
    assert chi_square(quiet["smoking"], quiet["drinking"]) < 1e-3
    # As a whole people drink and smoke as ever.
    assert 0.2 < share(people["drinking"], "no") < 0.3
    assert 0.66 < share(people["smoking"], "no") < 0.76


def test_interests_follow_habits_and_work(profiles):
    def held(tag: str) -> pd.Series:
        return profiles["interests"].map(lambda tags: tag in tags)

    assert held("wine")[profiles["drinking"] == "no"].mean() < 0.04
    assert held("wine")[profiles["drinking"] == "yes"].mean() > 0.15
    assert held("remote work")[profiles["profession"].isin(["retired", "nurse"])].mean() < 0.04
    assert held("nightlife")[profiles["age"] > 60].mean() < 0.1


def test_languages_and_faith_follow_the_nationality(profiles):
    for name, rows in profiles.groupby("nationality"):
        _, tongues, english = HOMELANDS[name]
        assert rows["languages"].map(lambda words, own=tongues: set(own) <= set(words)).all()
        assert rows["languages"].map(lambda words: len(words) == len(set(words))).all()
        if english and len(rows) > 100:
            spoken = rows["languages"].map(lambda words: "english" in words).mean()
            assert spoken == pytest.approx(english, abs=0.15)
    faith = profiles.groupby("nationality")["religion"]
    for name, word, low, high in (
        *(("turkish", "muslim", 0.5, 0.95), ("indian", "hindu", 0.5, 0.85)),
        *(("mexican", "christian", 0.5, 0.9), ("japanese", "christian", 0.0, 0.0)),
    ):
        assert low <= share(faith.get_group(name), word) <= high


def test_who_earns_more_spends_more(profiles):
    budget = profiles.groupby("profession")["budget"].median()
    assert budget["student"] < 0.8 * profiles["budget"].median()
    assert budget[["doctor", "lawyer"]].min() > 2 * budget[["nurse", "teacher", "chef"]].max()
    backpackers = profiles[profiles["archetype"] == "budget_backpacker"]
    by_work = backpackers.groupby("profession")["budget"].median()
    assert by_work["student"] < 0.9 * by_work["nurse"]
    # A trip of somebody who has a profile is paid for as that of somebody who was drawn.
    again = draw_budgets(profiles, np.random.default_rng(5))
    ratio = np.log(again / profiles["budget"]).groupby(profiles["profession"]).mean()
    assert ratio.abs().max() < 0.25


def test_people_come_from_real_cities_of_their_country(profiles):
    table = cities().set_index(["name", "lat", "lon"])["country"]
    for row in profiles.head(200).itertuples():
        found = table.loc[[(row.home_city, row.home_lat, row.home_lon)]]
        assert NATIONALITIES[row.nationality][0] in set(found)


def test_same_seed_same_people_and_trips():
    one = draw_travellers(50, 7, TODAY, group_count=5)
    again = draw_travellers(50, 7, TODAY, group_count=5)
    for frame, other in zip(one, again, strict=True):
        pd.testing.assert_frame_equal(frame, other)
    assert not one[0].equals(draw_travellers(50, 8, TODAY)[0])


def test_later_draws_continue_the_numbers():
    more = draw_population(2, np.random.default_rng(1), first_number=201)
    assert [name[-5:] for name in more["external_id"]] == ["00201", "00202"]


def test_nobody_is_a_population_too():
    nobody = draw_population(0, np.random.default_rng(1))
    sessions = draw_sessions(nobody, np.random.default_rng(1), TODAY)
    assert len(nobody) == len(sessions) == len(travellers_frame(nobody, sessions)) == 0


def test_one_archetype_may_be_drawn_alone():
    people = draw_population(20, np.random.default_rng(1), ARCHETYPES[:1])
    assert set(people["archetype"]) == {"budget_backpacker"}


def test_sessions_lie_ahead_at_known_places(profiles):
    sessions = draw_sessions(profiles, np.random.default_rng(3), TODAY)
    assert list(sessions["external_id"]) == list(profiles["external_id"])
    assert (sessions["start_date"] > pd.Timestamp(TODAY)).all()
    assert ((sessions["end_date"] - sessions["start_date"]).dt.days >= 2).all()
    assert set(sessions["mode"]) == {"solo", "group"}
    assert set(sessions["hub"]) == set(HUBS)
    places = {
        (hub, *place)
        for hub, table in destinations().items()
        for place in table[["name", "lat", "lon"]].itertuples(index=False)
    }
    columns = ["hub", "destination_name", "destination_lat", "destination_lon"]
    assert set(sessions[columns].itertuples(index=False, name=None)) <= places


def km_from_home(profiles, sessions):
    homes = unit_vectors(profiles["home_lat"].to_numpy(), profiles["home_lon"].to_numpy())
    stays = unit_vectors(*(sessions[f"destination_{x}"].to_numpy() for x in ("lat", "lon")))
    return distance_km(homes, stays)


@pytest.mark.parametrize("seed", [1, 7, 42])
def test_few_travel_to_where_they_live(seed):
    rng = np.random.default_rng(seed)
    people = draw_population(4_000, rng)
    trips = draw_sessions(people, rng, TODAY)
    assert (km_from_home(people, trips) <= 50).mean() < 0.002
    # Rare, not impossible: of many who all live there, some stay.
    people = people.assign(home_lat=41.38879, home_lon=2.15899)
    near = km_from_home(people, draw_sessions(people, rng, TODAY)) <= 50
    assert 0 < near.mean() < 0.02
    unknown = people.assign(home_lat=np.nan, home_lon=np.nan)
    hubs = draw_sessions(unknown, rng, TODAY)["hub"].value_counts(normalize=True)
    assert hubs["Barcelona"] == pytest.approx(HUBS["Barcelona"][1], abs=0.03)


def test_groups_seldom_travel_to_where_a_member_lives(profiles):
    groups = draw_groups(profiles, 300, np.random.default_rng(3), TODAY)
    members = groups.explode("member_ids").reset_index(drop=True)
    homes = profiles.set_index("external_id").loc[members["member_ids"]].reset_index()
    assert (km_from_home(homes, members) <= 50).mean() < 0.002
    # As the rows of sessions have it: the homes of a group are lists.
    homes = homes.groupby(members.index // 8)[["home_lat", "home_lon"]].agg(list)
    rows = homes.assign(external_id="group", archetype="", budget=1000.0, interests="food")
    trips = draw_sessions(rows, np.random.default_rng(3), TODAY)
    each = trips.assign(home_lat=homes["home_lat"], home_lon=homes["home_lon"])
    each = each.explode(["home_lat", "home_lon"]).astype({"home_lat": float, "home_lon": float})
    assert (km_from_home(each, each) <= 50).mean() < 0.002


def test_trips_last_as_their_kind_of_traveller_stays(profiles):
    sessions = draw_sessions(profiles, np.random.default_rng(3), TODAY)
    days = (sessions["end_date"] - sessions["start_date"]).dt.days
    by_kind = days.groupby(profiles["archetype"]).median()
    for kind in ARCHETYPES:
        assert by_kind[kind.name] == pytest.approx(kind.trip_days[0], rel=0.25)
    assert (days > 35).mean() < 0.05


def test_profiles_without_an_archetype_get_sessions_as_well(profiles):
    plain = profiles.drop(columns="archetype").head(20)
    assert len(draw_sessions(plain, np.random.default_rng(3), TODAY)) == 20


def test_a_session_speaks_before_the_profile():
    people = draw_population(3, np.random.default_rng(1))
    sessions = draw_sessions(people, np.random.default_rng(1), TODAY)
    sessions["budget"] = [1.0, np.nan, 3.0]
    joined = travellers_frame(people, sessions)
    assert list(joined["budget"]) == [1.0, people["budget"][1], 3.0]
    assert list(joined["user_id"]) == [0, 1, 2]


def test_groups_have_distinct_members_of_like_age(profiles):
    groups = draw_groups(profiles, 100, np.random.default_rng(3), TODAY)
    ages = profiles.set_index("external_id")["age"]
    assert groups["external_id"].is_unique
    for members in groups["member_ids"]:
        assert len(members) == len(set(members)) >= 2
    spread = np.mean([ages[members].std() for members in groups["member_ids"]])
    assert spread < ages.std() / 2


def test_a_group_needs_two_users(profiles):
    assert len(draw_groups(profiles.head(2), 3, np.random.default_rng(3), TODAY)) == 3
    with pytest.raises(ValueError, match="at least two users"):
        draw_groups(profiles.head(1), 3, np.random.default_rng(3), TODAY)


def test_frozen_interest_shares_are_those_of_the_population():
    people = draw_population(8_000, np.random.default_rng(11))
    held = people["interests"].explode().value_counts() / len(people)
    for tag, share in INTEREST_SHARES.items():
        assert held[tag] == pytest.approx(share, abs=0.03)


def test_every_mother_tongue_and_origin_is_in_the_vocabulary():
    assert set(HOMELANDS) <= set(NATIONALITIES)
    assert {word for _, words, _ in HOMELANDS.values() for word in words} <= set(LANGUAGES)


@pytest.mark.parametrize("seed", [1, 7, 42])
def test_a_thousand_events_of_two_hundred_users_pass_the_data_gates(seed):
    users = Travellers.from_frame(draw_travellers(200, seed, TODAY)[0])
    candidates = find_candidates(users)
    assert 1_100 <= candidates.pair_count <= 1_900
    pairs = sample_pairs(candidates, 1_000, seed, 0)
    values = compute_features(users, users, left_index=pairs.left, right_index=pairs.right).values
    assert len(np.unique(hash_rows(list(values.T)))) / 1_000 > 0.9
    distinct = [len(np.unique(values[:, k])) for k in np.flatnonzero(applicable("user_user"))]
    assert min(distinct) >= 10
    assert len(np.unique(values[:, COLUMN["interest_score"]])) > 20
    assert len(np.unique(values[:, COLUMN["age_score"]])) > 20
    assert len(np.unique(values[:, COLUMN["personality_score"]])) > 10


def test_events_with_few_groups_have_no_copies_and_are_not_refused_for_sameness():
    # Sixty groups have few sizes: 5 to 9 distinct values is a warning of the gate, under 5 a
    # refusal.
    frames = draw_travellers(200, 7, TODAY, group_count=60)
    words = Vocabulary.of(*frames)
    users, groups = (Travellers.from_frame(frame, words) for frame in frames)
    candidates = find_candidates(users, groups, own_groups(*frames))
    assert candidates.pair_count > 500
    pairs = sample_pairs(candidates, 500, 7, 0)
    block = compute_features(
        users,
        groups,
        match_type="user_group",
        left_index=pairs.left,
        right_index=pairs.right,
    )
    assert not block.missing.any()
    assert len(np.unique(hash_rows(list(block.values.T)))) > 450
    assert min(len(np.unique(column)) for column in block.values.T) >= 5
