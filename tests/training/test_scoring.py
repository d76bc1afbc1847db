"""Scoring with the champion, falling back to the rule score, and explaining."""

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from matching.domain.features.names import COLUMN, FEATURE_NAMES
from matching.models import EventBatch
from project.origin import Origin
from tests.blobs import own_files_of
from tests.factories import make_group, make_seed_user, make_session
from tests.training.batches import draw_events, make_batch, make_dataset, make_model
from tests.training.test_datasets import run_json
from training.kinds import DEFAULT_KIND, get_kind
from training.queries.loading import forget_loaded
from training.queries.pairs import explain_match, score_pairs
from training.queries.scoring import UnusableFeatures, current_serving, score_features, score_frame
from training.services import registry

pytestmark = pytest.mark.django_db
GOOD = {name: 0.9 for name in FEATURE_NAMES if not name.startswith("group_")}


@pytest.fixture
def champion(db):
    model = make_model(make_dataset())
    registry.promote(model)
    return model


@pytest.fixture
def travellers(db):
    """Eight users of different ages and tastes, with trips to one place at one time."""
    tastes = ("food", "hiking", "history", "art", "music", "wine", "yoga", "diving")
    users = []
    for number, taste in enumerate(tastes):
        user = make_seed_user(
            f"seed_score_{number}", age=20 + 5 * number, interests=[taste, "nature"],
            extraversion=number / 8,
        )  # fmt: skip
        make_session(user, budget=800.0 + 300 * number, interests=[taste, "nature"])
        users.append(user)
    return users


def test_champion_scores_and_names_its_version(champion):
    scores = score_features(GOOD)
    assert (scores.serving.served_by, scores.serving.model_version) == ("model", champion.version)
    assert scores.missing == ((),)
    poor = score_features(dict.fromkeys(GOOD, 0.1))
    assert scores.score[0] > poor.score[0] + 0.2


def test_without_champion_the_rule_score_serves_and_says_so():
    scores = score_features(GOOD)
    assert scores.serving.served_by == "rule_score"
    assert "no champion yet" in scores.serving.warning
    assert scores.score[0] == scores.rule_score[0] == pytest.approx(0.9)


def test_every_missing_input_is_named(champion):
    scores = score_features({"ageScore": 0.8, "interest_score": None})
    assert set(scores.missing[0]) == set(GOOD) - {"age_score"}
    assert 0 < scores.score[0] < 1


def test_product_is_computed_from_its_parts(champion):
    scores = score_features({"distance_score": 0.5, "interest_score": 0.5})
    assert scores.features[0, COLUMN["destination_interest"]] == 0.25


@pytest.mark.parametrize(
    "features",
    [
        {"moonScore": 0.5},
        {"age_score": 1.5},
        {"age_score": "high"},
        {"age_score": True},
        {"age_score": float("nan")},
        {"age_score": 0.5, "ageScore": 0.5},
    ],
)
def test_features_that_cannot_be_are_named(features):
    with pytest.raises(UnusableFeatures):
        score_features(features)


def test_corrupt_champion_is_a_clear_warning_and_the_rule_score_serves(champion, caplog):
    before = make_model(champion.dataset, seed=4)
    registry.promote(before, reason="newer")
    own = own_files_of(before)[0]  # the model itself may have the very bytes of the other one
    own.write_bytes(own.read_bytes()[:-1] + b" ")
    forget_loaded()
    scores = score_features(GOOD)
    assert scores.serving.served_by == "rule_score"
    assert "has changed since it was written" in scores.serving.warning
    assert "cannot be used" in caplog.text
    assert "Traceback" not in caplog.text
    registry.rollback(get_kind(DEFAULT_KIND), reason="damaged")
    assert score_features(GOOD).serving.model_version == champion.version


def test_new_champion_replaces_the_one_in_memory(champion):
    assert current_serving().model_version == champion.version
    newer = make_model(champion.dataset, seed=4)
    registry.promote(newer, reason="newer")
    assert current_serving().model_version == newer.version


def test_no_pairs_give_no_scores(champion):
    assert len(score_frame(pd.DataFrame(), pd.DataFrame()).score) == 0


def test_pair_is_scored_from_profiles_and_sessions(champion, travellers):
    near, far = (score_pairs([("seed_score_0", f"seed_score_{n}")]) for n in (1, 7))
    assert near.missing == far.missing == ((),)
    assert near.rule_score[0] > far.rule_score[0]
    assert 0 < far.score[0] < 1


def test_incomplete_profile_is_scored_and_its_gaps_named(champion, travellers):
    make_seed_user("seed_gap", age=None, interests=[])
    scores = score_pairs([("seed_score_0", "seed_gap")])
    assert {"age_score", "interest_score", "distance_score", "budget_score"} <= set(
        scores.missing[0]
    )
    assert np.isfinite(scores.score[0])


@pytest.mark.parametrize("has_session", [True, False])
def test_group_is_scored_as_a_group(champion, travellers, has_session):
    group = make_group("group_score", travellers[2:5])
    if has_session:
        make_session(group)
    scores = score_pairs([("seed_score_0", "group_score")])
    assert ("distance_score" in scores.missing[0]) is not has_session
    assert np.isfinite(scores.features[0, COLUMN["group_size_score"]])


def test_explanation_names_inputs_and_exact_effects(champion, travellers):
    explanation = explain_match("seed_score_0", "seed_score_7")
    assert explanation.gate == "open"
    effects = {effect.explained.name: effect for effect in explanation.effects}
    assert set(effects) == set(GOOD)
    age = effects["age_score"]
    assert age.explained.inputs["left"] == 20
    assert age.explained.inputs["gap_years"] == 35
    features = dict(zip(FEATURE_NAMES, explanation.scores.features[0].tolist(), strict=True))
    replaced = score_features(
        {name: value for name, value in features.items() if np.isfinite(value)}
        | {"age_score": age.reference}
    )
    assert age.effect == pytest.approx(explanation.scores.score[0] - replaced.score[0], abs=1e-6)
    sizes = [abs(effect.effect or 0) for effect in explanation.effects]
    assert sizes == sorted(sizes, reverse=True)


def test_a_score_of_generated_rows_does_not_speak_of_your_users(champion, travellers, capsys):
    assert champion.trained_on == "synthetic"
    call_command("explain_match", "seed_score_0", "seed_score_1")
    printed = capsys.readouterr().out
    assert "by what generated users did." in printed
    assert "(synthetic)" in printed
    call_command("predict", "--pair", "seed_score_0", "seed_score_1")
    assert "Model 1 was trained on synthetic rows." in capsys.readouterr().out


def test_a_score_that_starts_from_the_rules_says_its_parts(db, travellers, capsys):
    events = draw_events(1_000, users=333)
    people = make_batch(events, method=EventBatch.Method.IMPORTED, origin=Origin.REAL)
    champion = make_model(make_dataset(people))
    registry.promote(champion)
    assert champion.algorithm == "rules_plus_corrections"
    explained = run_json(capsys, "explain_match", "seed_score_0", "seed_score_1")
    assert 0 < explained["by_rules"] < 1
    assert explained["by_rules"] + explained["by_users"] == pytest.approx(explained["score"])
    good, poor = (score_features(dict.fromkeys(GOOD, value)).by_rules[0] for value in (0.9, 0.1))
    assert good > poor + 0.2
    call_command("explain_match", "seed_score_0", "seed_score_1")
    printed = capsys.readouterr().out
    assert f"{explained['by_rules']:.3f} by the rules, " in printed
    assert "by what your users did." in printed
    call_command("predict", "--pair", "seed_score_0", "seed_score_1")
    assert "By the" in capsys.readouterr().out


def test_a_score_of_no_model_or_of_another_has_no_parts(travellers, capsys):
    assert np.isnan(score_features(GOOD).by_rules[0])
    explained = run_json(capsys, "explain_match", "seed_score_0", "seed_score_1")
    assert explained["by_rules"] is explained["by_users"] is None
    call_command("explain_match", "seed_score_0", "seed_score_1")
    assert "by the rules," not in capsys.readouterr().out


def test_explanation_without_champion_has_no_reference(travellers):
    explanation = explain_match("seed_score_0", "seed_score_1")
    assert all(effect.effect is None for effect in explanation.effects)
    assert any(effect.effect_if_unknown for effect in explanation.effects)


def test_predict_and_explain_commands(champion, travellers, capsys):
    sampled = run_json(capsys, "predict", "--sample", "20")["scores"]
    assert len(sampled) == 20
    assert len({round(row["score"], 3) for row in sampled}) > 10
    assert len({(row["left"], row["right"]) for row in sampled}) == 20
    pair = run_json(capsys, "predict", "--pair", "seed_score_0", "seed_score_1")
    assert pair["model_version"] == champion.version
    given = run_json(capsys, "predict", "--features", '{"ageScore": 0.8}')
    assert "budget_score" in given["scores"][0]["missing"]
    explained = run_json(capsys, "explain_match", "seed_score_0", "seed_score_1")
    assert {"score", "rule_score", "model_version", "features", "missing"} <= explained.keys()
    call_command("predict", "--sample", "5")
    call_command("explain_match", "seed_score_0", "seed_score_1")
    assert "Moves the score by" in capsys.readouterr().out


def test_fallback_is_printed(travellers, capsys):
    call_command("predict", "--pair", "seed_score_0", "seed_score_1")
    printed = capsys.readouterr().out
    assert "There is no champion yet" in printed
    assert "(fallback)" in printed


@pytest.mark.parametrize(
    "arguments",
    [
        ("--pair", "seed_score_0", "nobody"),
        ("--pair", "seed_score_0", "seed_score_0"),
        ("--sample", "5"),
    ],
)
def test_travellers_that_are_not_there_are_refused(capsys, arguments):
    assert run_json(capsys, "predict", *arguments, code=2)["refused"]["remedy"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--features", "{"),
        ("--features", "[]"),
        ("--features", '{"x": 1}'),
        ("--sample", "0"),
        ("--sample", "2", "--features", "{}"),
    ],
)
def test_unusable_predict_arguments_are_errors(arguments):
    with pytest.raises(CommandError):
        call_command("predict", *arguments)
