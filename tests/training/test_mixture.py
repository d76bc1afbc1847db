"""Real and synthetic rows together: judged by held-out real rows, kept only where that serves."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matching.models import EventBatch
from project.origin import Origin
from tests.blobs import file_of
from tests.training.batches import draw_events, make_batch, make_dataset, make_model
from training.domain.fitted import FitSettings
from training.domain.kind import ORIGIN_COLUMN, Recipe, real_rows
from training.domain.mixing.fit import choose_weight, fit_origins
from training.domain.mixing.gates import MINIMUM_REAL_GROUPS, MINIMUM_REAL_ROWS
from training.domain.mixing.likeness import compare_rows, nearest_rows
from training.domain.splits import SplitError, split_mixture, split_rows
from training.domain.tasks.classification.fit import _calibrated, uncalibrated_part
from training.kinds import get_kind
from training.queries.datasets import read_part

KIND = get_kind("match_compatibility")
SETTINGS = FitSettings(0, (), KIND.monotone)


def rng(seed=0):
    return np.random.default_rng(seed)


def rows_of(events: pd.DataFrame, origin: str) -> pd.DataFrame:
    """The frame of a dataset, as the kind would read it."""
    return events.rename(columns={"target_id": "partner_id"}).assign(
        match_type="user_user", label=events["label"].astype(np.int8), **{ORIGIN_COLUMN: origin}
    )


def shuffled(events: pd.DataFrame, seed: int = 3) -> pd.DataFrame:
    """The same people with labels that say nothing."""
    order = rng(seed).permutation(len(events))
    return events.assign(
        label=events["label"].to_numpy()[order], outcome=events["outcome"].to_numpy()[order]
    )


def real_batch(events: pd.DataFrame) -> EventBatch:
    names = {"true_probability": np.nan, "feature_probability": np.nan}
    return make_batch(events.assign(**names), method=EventBatch.Method.IMPORTED, origin=Origin.REAL)


def mixture(real: int, synthetic: int, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    others = draw_events(synthetic, seed=seed + 1)
    others[["user_id", "target_id"]] += 10_000
    frame = pd.concat(
        [
            rows_of(draw_events(real, seed=seed), "real"),
            rows_of(others, "synthetic"),
        ],
        ignore_index=True,
    )
    return frame, (frame[ORIGIN_COLUMN] == "real").to_numpy()


# --- Splits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["time", "user", "pair", "random"])
def test_validation_is_of_real_rows_alone_under_every_split(how):
    frame, is_real = mixture(600, 2_000)
    columns = {"user": ("user_id",), "pair": ("user_id", "partner_id")}.get(how, ())
    split = split_mixture(
        frame,
        is_real,
        how,
        seed=0,
        group_columns=columns,
        partner_column="partner_id" if how == "user" else None,
    )
    assert split.validation.sum() > 60
    assert not (split.validation & ~is_real).any()
    assert (split.train & ~is_real).any()
    assert not (split.train & split.validation).any()


def test_synthetic_rows_that_name_a_held_out_person_train_nothing():
    frame, is_real = mixture(600, 2_000)
    frame.loc[~is_real, ["user_id", "partner_id"]] -= 10_000  # the same people
    split = split_mixture(
        frame, is_real, "user", seed=0, group_columns=("user_id",), partner_column="partner_id"
    )
    held_out = set(frame.loc[split.validation, "user_id"])
    trained = frame[split.train]
    assert not held_out & (set(trained["user_id"]) | set(trained["partner_id"]))
    assert split.dropped["partner"] > 0


def test_a_synthetic_copy_of_a_validation_row_trains_nothing_and_the_real_row_stays():
    frame, is_real = mixture(300, 300)
    frame.loc[~is_real, "age_score"] = frame.loc[is_real, "age_score"].to_numpy()
    split = split_mixture(frame, is_real, "random", seed=0, copy_columns=("age_score",))
    values = set(frame.loc[split.validation, "age_score"])
    assert not values & set(frame.loc[split.train & ~is_real, "age_score"])
    assert split.dropped["copy"] > 0


def test_a_split_by_origin_trains_on_synthetic_rows_and_tests_on_every_real_one():
    frame, is_real = mixture(50, 400)
    split = split_mixture(frame, is_real, "origin")
    assert split.validation.tolist() == is_real.tolist()
    assert split.train.tolist() == (~is_real).tolist()
    with pytest.raises(SplitError, match="one origin"):
        split_rows(frame, "origin", seed=0)


# --- What a mixture is worth ----------------------------------------------------------------------


def parts_of(frame, is_real, seed=0):
    split = split_mixture(
        frame, is_real, "user", seed=seed, group_columns=("user_id",), partner_column="partner_id"
    )
    return frame[split.train], is_real[split.train], frame[split.validation]


def test_real_rows_without_signal_stay_a_real_model_however_many_synthetic_ones_stand_beside():
    real, others = shuffled(draw_events(1_000, seed=5)), draw_events(5_000, seed=6)
    others[["user_id", "target_id"]] += 10_000
    frame = pd.concat([rows_of(real, "real"), rows_of(others, "synthetic")], ignore_index=True)
    is_real = (frame[ORIGIN_COLUMN] == "real").to_numpy()
    found = fit_origins(KIND, *parts_of(frame, is_real), SETTINGS)
    assert found.origin is Origin.REAL
    assert found.kept is found.real
    assert found.synthetic_rows == 0
    assert found.found["kept"] == "real"
    assert found.found["alone"]["real"]["low"] < 0.5


def test_synthetic_rows_that_are_like_real_ones_are_worth_having_where_real_ones_are_few():
    frame, is_real = mixture(3_000, 4_000, seed=5)
    train, of_train, validation = parts_of(frame, is_real)
    few = ~of_train | (np.cumsum(of_train) <= 80)  # most real rows are validation
    fits = fit_origins(KIND, train[few], of_train[few], validation, SETTINGS)
    assert fits.found["synthetic_against_real"]["verdict"] != "worse"
    assert {row["algorithm"] for row in fits.found["weights"]} == {"0", "0.03", "0.1", "0.3", "1"}
    assert fits.found["kept"] == "combined"
    assert fits.found["combined_against_real"]["low"] > 0
    assert fits.origin is Origin.COMBINED
    assert fits.kept is not fits.real
    used = round(fits.found["weight"] * int((~of_train).sum()))
    assert (fits.synthetic_rows, fits.kept.rows) == (used, 80)
    assert fits.kept.rows_fitted == 80 + used


def test_rows_beside_teach_a_model_and_do_not_calibrate_it():
    events = draw_events(3_000, seed=12)
    inputs, label = KIND.inputs(rows_of(events, "real")), events["label"].to_numpy(int)
    # Inputs as sharp as these make boosting too sure of itself, so that a map is taken.
    many = rng().permutation(3_000)
    real, other = many[:1_500], many[1_500:]
    turned = rng(1).random(1_500) < 0.5  # answers beside that would flatten any map
    beside = (inputs.iloc[other], np.where(turned, 1 - label[other], label[other]))
    fold = np.arange(1_500) % 5
    found = _calibrated(
        make_pipeline(
            SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(C=100)
        ),
        "sigmoid",
        pd.concat([inputs.iloc[real], beside[0]], ignore_index=True),
        np.concatenate([label[real], beside[1]]),
        fold,
    )
    score = found.predict_proba(inputs.iloc[real])[:, 1]
    # A base model of half-turned answers is timid; the map of the real ones alone sets it right.
    slope = np.polyfit(score, label[real], 1)[0]
    base = uncalibrated_part(found).predict_proba(inputs.iloc[real])[:, 1]
    assert np.polyfit(base, label[real], 1)[0] > 1.5
    assert 0.8 < slope < 1.2


def test_the_weight_is_0_where_synthetic_answers_are_turned_round():
    frame, is_real = mixture(600, 3_000)
    frame.loc[~is_real, "label"] = 1 - frame.loc[~is_real, "label"]
    weight, table = choose_weight(KIND, frame[is_real], frame[~is_real], SETTINGS)
    assert weight == 0
    assert table[-1]["difference"] > 0


# --- Likeness -------------------------------------------------------------------------------------


def likeness_of(frame, is_real):
    return compare_rows(frame, is_real, list(KIND.numeric), ["occurred_at"], rng())


def test_columns_that_differ_are_named_with_gaps_and_times_among_them():
    frame, is_real = mixture(800, 800)
    frame.loc[is_real, "budget_score"] = frame.loc[is_real, "budget_score"] ** 2
    frame.loc[is_real & (frame.index % 3 == 0), "age_score"] = np.nan
    found = likeness_of(frame, is_real)
    named = {row["column"] for row in found["columns"]}
    assert {"budget_score", "age_score is missing"} <= named
    assert "personality_score" not in named
    assert found["p_value"] < 0.001
    assert found["auc"] > 0.6


def test_rows_of_one_population_are_rarely_told_apart():
    frame, _ = mixture(1_500, 10)
    frame = frame[frame[ORIGIN_COLUMN] == "real"].drop(columns=["occurred_at"])
    told = 0
    for seed in range(30):
        is_real = rng(seed).random(len(frame)) < 0.5
        found = compare_rows(frame, is_real, list(KIND.numeric), [], rng(seed))
        told += found["p_value"] < 0.05
        assert found["detectable"] > 0.1
    assert told <= 6


def test_copies_of_training_rows_lie_nearer_to_them_than_to_held_out_rows():
    frame = rows_of(draw_events(1_200, seed=8), "real")
    trained, held_out, other = frame[:400], frame[400:800], frame[800:]
    columns = ["budget_score", "age_score", "interest_score", "distance_score"]
    copied = trained.assign(budget_score=trained["budget_score"] + rng().normal(0, 0.01, 400))
    assert nearest_rows(copied, trained, held_out, columns, rng())["share"] > 0.9
    honest = nearest_rows(other, trained, held_out, columns, rng())
    assert 0.42 < honest["share"] < 0.58


# --- Datasets and models -------------------------------------------------------------------------


def other_people(events: pd.DataFrame) -> pd.DataFrame:
    shifted = events.copy()
    shifted[["user_id", "target_id"]] += 10_000
    return shifted


@pytest.mark.django_db
def test_a_mixture_is_built_trained_and_labelled_by_what_it_came_to():
    real = real_batch(shuffled(draw_events(1_000, seed=5)))
    synthetic = make_batch(other_people(draw_events(3_000, seed=6)))
    dataset = make_dataset(real, synthetic, split="user")
    assert dataset.origin == "combined"
    assert dataset.origin_words == "combined (1,000 real, 3,000 synthetic)"
    assert dataset.report["rows"] <= 1_000
    validation = read_part(dataset, "val")
    assert set(validation[ORIGIN_COLUMN]) == {"real"}
    assert real_rows(read_part(dataset, "train")) is not None
    names = {check["name"] for check in dataset.checks}
    assert {"real_validation_rows", "synthetic_part", "synthetic_likeness"} <= names

    model = make_model(dataset)
    assert (model.origin, model.synthetic_rows) == ("real", 0)
    assert model.origin_words == "real"
    assert model.verdict == "refuse"
    assert model.origins["kept"] == "real"
    assert model.metrics["validation"]["rows"] == len(validation)
    assert model.metrics["by_origin"]["synthetic, of training"]["roc_auc"]["value"] is not None
    metadata = json.loads(file_of(model, "model_metadata.json").read_text())
    assert metadata["origin"] == "real"
    assert metadata["origins"]["why"] == model.origins["why"]


@pytest.mark.django_db
def test_too_few_real_validation_rows_are_refused_with_a_remedy_that_works():
    real = real_batch(draw_events(150, seed=5, users=60))
    synthetic = make_batch(other_people(draw_events(2_000, seed=6)))
    dataset = make_dataset(real, synthetic, split="time")
    check = next(c for c in dataset.checks if c["name"] == "real_validation_rows")
    assert (check["verdict"], check["limit"]) == ("refuse", MINIMUM_REAL_ROWS)
    assert "--split origin" in check["remedy"]
    assert "all 150 real rows" in check["remedy"]
    groups = next(c for c in dataset.checks if c["name"] == "real_validation_groups")
    assert groups["limit"] == MINIMUM_REAL_GROUPS

    mended = make_dataset(real, synthetic, split="origin")
    assert mended.validation_rows == 150
    assert mended.verdict != "refuse", mended.checks
    model = make_model(mended)
    assert (model.origin, model.real_rows, model.origins) == ("synthetic", 0, {})
    assert model.metrics["validation"]["rows"] == 150


@pytest.mark.django_db
def test_real_rows_of_too_few_people_are_not_offered_as_a_test():
    few = draw_events(150, seed=5, users=60)
    real = real_batch(few.assign(user_id=few["user_id"] % 4 + 1))
    synthetic = make_batch(other_people(draw_events(2_000, seed=6)))
    dataset = make_dataset(real, synthetic, split="user")
    for name in ("real_validation_rows", "real_validation_groups"):
        check = next(c for c in dataset.checks if c["name"] == name)
        assert check["verdict"] == "refuse"
        assert "all 149 of them: they are of 4 users" in check["remedy"]
        assert "--split origin" not in check["remedy"]
        assert "--origin synthetic" in check["remedy"]
    mended = make_dataset(synthetic, origin="synthetic")
    assert (mended.origin, mended.verdict) == ("synthetic", "pass")


@pytest.mark.django_db
@pytest.mark.parametrize("what", ["dataset", "modelversion"])
def test_the_pages_tell_the_parts_of_a_mixture(admin_client, what):
    real = real_batch(draw_events(1_000, seed=5))
    dataset = make_dataset(real, make_batch(other_people(draw_events(1_500, seed=6))), split="user")
    record = dataset if what == "dataset" else make_model(dataset)
    tab = {"tab": "leakage" if what == "dataset" else "data"}
    page = admin_client.get(f"/admin/training/{what}/{record.pk}/change/", tab).content.decode()
    expected = "Synthetic rows against real ones" if what == "dataset" else "synthetic rows alone"
    assert expected in page
    listed = admin_client.get(f"/admin/training/{what}/").content.decode()
    assert "1,000 real, 1,500 synthetic" in listed or record.origin_words in listed


def test_a_recipe_keeps_the_split_by_origin():
    assert Recipe.from_dict({"split": "origin"}).split in KIND.splits
