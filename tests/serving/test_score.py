"""Scores over the API: the same as everywhere else, and never silent about how they came."""

import orjson
import pytest

from matching.models import SeedUser, TravelSession
from serving.api.schemas import PairScore, RankAnswer, ScoreAnswer
from tests.blobs import last_file_of
from tests.training.batches import make_dataset, make_model
from training.models import ModelVersion
from training.queries.loading import forget_loaded
from training.queries.pairs import score_pairs
from training.queries.scoring import score_vectors
from training.services import registry

pytestmark = pytest.mark.django_db


@pytest.fixture
def champion(db, valkey):
    forget_loaded()
    model = make_model(make_dataset())
    registry.promote(model)
    yield model
    forget_loaded()


def scores_of(answer):
    assert answer.status_code == 200, answer.content
    told = answer.json()
    ScoreAnswer.model_validate(told)  # answers are written unchecked: here they are held to it
    return told


def pair(left, right):
    return {"left": left, "right": right}


@pytest.mark.usefixtures("people")
def test_pairs_are_scored_as_everywhere_else(ask, champion):
    names = [
        ("seed_0", "seed_1"),
        ("seed_0", "group_1"),
        ("seed_0", "seed_4"),
        ("seed_0", "seed_5"),
    ]
    told = scores_of(ask("match/score", {"pairs": [pair(*each) for each in names]}))
    assert told["warning"] == ""
    wanted = score_pairs(names)
    assert [one["score"] for one in told["scores"]] == pytest.approx(wanted.score.tolist())
    assert len({one["score"] for one in told["scores"]}) == len(names)
    for one in told["scores"]:
        assert (one["served_by"], one["model_version"]) == ("model", champion.version)
        assert one["trained_on"] == "synthetic"
        assert (one["feature_set"], one["feature_revision"]) == (
            champion.dataset.feature_set,
            champion.feature_revision,
        )
    assert [one["why_not"] for one in told["scores"]] == [
        None,
        None,
        "too_far_apart",
        "destination_unknown",
    ]
    assert [one["is_candidate"] for one in told["scores"]] == [True, True, False, False]
    assert "distance_score" in told["scores"][3]["missing"]


@pytest.mark.usefixtures("people", "champion")
def test_a_pair_that_names_nobody_stops_no_other(ask):
    pairs = [pair("nobody", "seed_1"), pair("seed_0", "seed_1"), pair("seed_0", "seed_0"),
             pair("group_1", "seed_0")]  # fmt: skip
    told = scores_of(ask("match/score", {"pairs": pairs}))["scores"]
    assert [one["score"] is None for one in told] == [True, False, True, True]
    said = [one["problem"]["detail"] for one in told if "problem" in one]
    assert "'nobody'" in said[0]
    assert "itself" in said[1]
    assert "is a group" in said[2]
    assert all(one["problem"]["remedy"] for one in told if "problem" in one)


@pytest.mark.usefixtures("people")
def test_who_is_not_known_is_scored_by_what_is_said_of_them(ask, champion):
    SeedUser.objects.filter(external_id="seed_3").update(age=None)
    wanted = score_pairs([("seed_0", "seed_1"), ("seed_0", "seed_3")])
    mine = said("seed_0")
    asked = {"profiles": [pair(mine, said("seed_1")), pair(mine, said("seed_3"))]}
    told = scores_of(ask("match/score", asked))["scores"]
    assert [one["score"] for one in told] == pytest.approx(wanted.score.tolist())
    assert [one["missing"] for one in told] == [list(row) for row in wanted.missing]
    assert "age_score" in told[1]["missing"]


def said(external_id):
    user = SeedUser.objects.get(external_id=external_id)
    trip = TravelSession.objects.get(user=user)
    names = ("age", "personality", "extraversion", "interests", "languages", "smoking", "drinking",
             "nationality", "religion", "home_lat", "home_lon")  # fmt: skip
    own = {name: getattr(user, name) for name in names}
    where = ("destination_lat", "destination_lon", "start_date", "end_date", "budget")
    return own | {name: getattr(trip, name) for name in where}


def test_the_equator_and_greenwich_are_places(ask, champion):
    trip = {"start_date": "2027-05-01", "end_date": "2027-05-08"}
    here = dict.fromkeys(("destination_lat", "destination_lon", "home_lat", "home_lon"), 0)
    here |= {**trip, "extraversion": 0}
    (told,) = scores_of(ask("match/score", {"profiles": [pair(here, here)]}))["scores"]
    assert told["is_candidate"]
    assert not {"distance_score", "personality_score"} & set(told["missing"])


def test_nothing_said_is_nothing_known(ask, champion):
    told = scores_of(ask("match/score", {"profiles": [pair({}, {})]}))["scores"][0]
    assert len(told["missing"]) >= 9
    assert told["why_not"] == "destination_unknown"


def test_ready_features_are_scored_by_a_model_of_their_set_alone(ask, champion):
    features = [{"distance_score": 0.9, "age_score": None}, {"ageScore": 0.1}]
    wanted = score_vectors(features)
    for feature_set in ("smooth-1", "tiered-1"):
        told = scores_of(ask("match/score", {"features": features, "feature_set": feature_set}))
        is_own = feature_set == champion.dataset.feature_set
        assert bool(told["warning"]) != is_own
        given = wanted.score if is_own else wanted.rule_score
        assert [one["score"] for one in told["scores"]] == pytest.approx(given.tolist())
        assert {one["feature_set"] for one in told["scores"]} == {feature_set}
        assert {one["is_candidate"] for one in told["scores"]} == {None}


@pytest.mark.usefixtures("people")
def test_a_broken_champion_leaves_the_one_that_answered(ask, champion, monkeypatch):
    asked = {"pairs": [pair("seed_0", "seed_1")]}
    by_model = scores_of(ask("match/score", asked))["scores"][0]
    newer = make_model(champion.dataset, seed=2)
    registry.promote(newer, reason="a test")
    file = last_file_of(newer)
    kept = file.read_bytes()
    for content in (b" " + kept, b"x" * len(kept), None):
        file.unlink() if content is None else file.write_bytes(content)
        told = scores_of(ask("match/score", asked))
        assert f"Champion {newer.version} cannot be used" in told["warning"]
        assert f"Version {champion.version}, which was loaded before" in told["warning"]
        assert told["scores"][0]["score"] == by_model["score"]
        assert told["scores"][0]["model_version"] == champion.version
    file.write_bytes(kept)
    told = scores_of(ask("match/score", asked))
    assert (told["warning"], told["scores"][0]["model_version"]) == ("", newer.version)
    # Nobody hears of a fault in who is no champion any more.
    ModelVersion.objects.update(stage=ModelVersion.Stage.CANDIDATE)
    assert scores_of(ask("match/score", asked))["scores"][0]["served_by"] == "rule_score"


@pytest.mark.usefixtures("people")
def test_the_rules_answer_with_the_reason_where_no_model_can(ask, champion):
    asked = {"pairs": [pair("seed_0", "seed_1")]}
    file = last_file_of(champion)
    file.write_bytes(b" " + file.read_bytes())
    told = scores_of(ask("match/score", asked))
    by_rules = told["scores"][0]
    assert "cannot be used" in told["warning"]
    assert by_rules["served_by"] == "rule_score"
    assert by_rules["model_version"] is None
    assert by_rules["score"] == by_rules["rule_score"] == score_pairs([("seed_0", "seed_1")]).score
    ModelVersion.objects.update(stage=ModelVersion.Stage.CANDIDATE)
    assert "no champion" in scores_of(ask("match/score", asked))["warning"]


@pytest.mark.parametrize(
    ("body", "at", "words"),
    [
        (b"", "the body", "required"),
        (b"{", "", "no JSON"),
        (b'{"pairs": [NaN]}', "", "no JSON"),
        (b"[" * 5000, "", "no JSON"),
        (b'{"pairs": [{"left": "\xff", "right": "b"}]}', "", "no JSON"),
        (b'{"pairs": [{"left": "\\ud800", "right": "b"}]}', "", "no JSON"),
        ([], "the body", "dict"),
        ({}, "the body", "exactly one of pairs, profiles and features, got none"),
        ({"pairs": []}, "pairs", "at least 1"),
        ({"pairs": [pair("a", "b")] * 1001}, "pairs", "at most 1000"),
        ({"pairs": [pair("a", "b")], "profiles": [pair({}, {})]}, "the body", "got pairs and"),
        ({"pairs": [{"left": "a"}]}, "pairs.0.right", "required"),
        ({"pairs": [pair("a", "\0")]}, "pairs.0.right", "pattern"),
        ({"pairs": [pair("a", "b" * 101)]}, "pairs.0.right", "at most 100"),
        ({"pairs": [pair("a", 7)]}, "pairs.0.right", "string"),
        ({"pairs": [{**pair("a", "b"), "more": 1}]}, "pairs.0.more", "not permitted"),
        ({"profiles": [pair({"age": 17}, {})]}, "profiles.0.left.age", "18"),
        ({"profiles": [pair({"home_lat": 9}, {})]}, "profiles.0.left", "home_lon"),
        ({"profiles": [pair({"age": "31"}, {})]}, "profiles.0.left.age", "number"),
        ({"profiles": [pair({"budget": True}, {})]}, "profiles.0.left.budget", "number"),
        (
            {"features": [{"ageScore": "0.5"}], "feature_set": "smooth-1"},
            "features.0.ageScore",
            "number",
        ),
        (
            {"features": [{"ageScore": True}], "feature_set": "smooth-1"},
            "features.0.ageScore",
            "number",
        ),
        ({"pairs": [pair("a", "b")], "match_type": "user_group"}, "the body", "match_type"),
        ({"features": [{"ageScore": 1.5}], "feature_set": "smooth-1"}, "features.0.ageScore", "1"),
        ({"features": [{"ageScore": 0.5}]}, "the body", "feature_set"),
        ({"features": [{}], "feature_set": "smooth-9"}, "feature_set", "smooth-1"),
        (
            {"profiles": [pair({"start_date": "2026-05-02", "end_date": "2026-05-01"}, {})]},
            "profiles.0.left",
            "after",
        ),
    ],
)
def test_what_cannot_be_used_is_named_where_it_stands(ask, body, at, words):
    answer = ask("match/score", body)
    told = answer.json()
    assert answer.status_code in (400, 422)
    assert told["remedy"]
    shown = told["errors"][0] if "errors" in told else {"at": "", "said": told["detail"]}
    assert shown["at"] == at
    assert words in shown["said"]


def test_a_name_that_is_no_feature_is_named(ask):
    answer = ask("match/score", {"features": [{"agescore": 0.5}], "feature_set": "smooth-1"})
    assert answer.status_code == 422
    assert "'agescore' is no feature" in answer.json()["detail"]


def test_answers_have_no_field_that_is_not_documented():
    row = orjson.loads(orjson.dumps(score_vectors([{}]).as_rows()[0]))
    assert {*row, "response_id"} == set(PairScore.model_fields)


@pytest.mark.usefixtures("people", "champion")
def test_the_best_are_those_who_score_best_among_who_may_be_met(ask):
    answer = ask("match/rank", {"left": "seed_0", "count": 2})
    assert answer.status_code == 200, answer.content
    told = RankAnswer.model_validate(answer.json())
    names = ["seed_1", "seed_2", "seed_3"]
    scores = score_pairs([("seed_0", name) for name in names]).score
    wanted = sorted(zip(scores.tolist(), names, strict=True), reverse=True)
    assert [(one.right, one.score) for one in told.best] == [
        (name, pytest.approx(score)) for score, name in wanted[:2]
    ]
    assert (told.available, told.warning) == (3, "")
    groups = ask("match/rank", {"left": "seed_0", "match_type": "user_group"}).json()
    assert [one["right"] for one in groups["best"]] == ["group_1"]
    alone = ask("match/rank", {"left": "seed_5"}).json()
    assert (alone["available"], alone["best"]) == (0, [])


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({"left": "nobody"}, 404, "'nobody'"),
        ({"left": "group_1"}, 404, "is a group"),
        ({"left": "seed_0", "count": 0}, 422, "1"),
        ({"left": "seed_0", "count": 101}, 422, "100"),
        ({"left": "seed_0", "count": "7"}, 422, "integer"),
        ({"left": "seed_0", "match_type": "solo"}, 422, "user_user"),
    ],
)
def test_nobody_is_ranked_for_what_cannot_be_asked(ask, asked, status, words):
    answer = ask("match/rank", asked)
    assert answer.status_code == status
    assert words in answer.content.decode()
