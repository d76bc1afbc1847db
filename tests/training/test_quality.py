"""The dataset gate refuses what must not be trained on, and says why."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from training.domain.expectations import FeatureSpec, QualitySpec
from training.domain.quality import excess_repeats, report_quality

GROUP_ONLY = frozenset({"user_group"})
SPEC = QualitySpec(
    features=(
        FeatureSpec("interest_score", distinct_pass=21),
        FeatureSpec("age_score", distinct_pass=21, half_is_legitimate=True),
        FeatureSpec("distance_score"),
        FeatureSpec("group_size_score", applies_to=GROUP_ONLY),
    ),
    target="label",
    task="classification",
    minimum_rows=100,
    groups={
        "event": ("event_key",),
        "user": ("user_id",),
        "pair": ("user_id", "target_id"),
    },
    disjoint=frozenset({"event"}),
)
LEGACY = QualitySpec(SPEC.features, "label", "classification", 100, default_value=0.5)
METRICS = QualitySpec(
    features=(
        FeatureSpec("security", 0, 100, 5, 2),
        FeatureSpec("complexity", 0, 100, 5, 2),
        FeatureSpec("csat", 0, 1, 5, 2, is_optional=True),
        FeatureSpec("provider", None, None, 2, 2, is_categorical=True),
    ),
    target="quality",
    task="regression",
    minimum_rows=100,
    target_minimum=0,
    target_maximum=100,
)


def make_events(rows=400, seed=0, match_type="user_user"):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.random((rows, 4)), columns=list(SPEC.feature_names), dtype=np.float32)
    frame["match_type"] = match_type
    if match_type == "user_user":
        frame["group_size_score"] = np.float32(np.nan)
    frame["label"] = (rng.random(rows) < frame["interest_score"]).astype(np.int8)
    frame["event_key"] = np.arange(rows)
    frame["user_id"] = rng.integers(0, 30, rows)
    frame["target_id"] = rng.integers(0, 30, rows)
    return frame


def make_metrics(rows=300, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "security": rng.uniform(0, 100, rows),
            "complexity": rng.uniform(0, 100, rows),
            "csat": rng.random(rows),
            "provider": rng.choice(["one", "two"], rows),
        }
    )
    frame["quality"] = (frame["security"] + 100 - frame["complexity"]) / 2
    return frame


def verdicts(report):
    return {check.name: check.verdict for check in report.checks}


def remedies(report, name):
    return next(check.remedy for check in report.checks if check.name == name)


def test_clean_events_pass():
    frame = make_events()
    report = report_quality(frame, SPEC, np.arange(400) < 320)
    assert report.verdict == "pass", verdicts(report)
    assert report.duplicate_share == 0
    assert report.label_share == pytest.approx(frame["label"].mean())


@pytest.mark.parametrize(
    ("copies", "verdict"), [(0, "pass"), (39, "pass"), (40, "warn"), (79, "warn"), (80, "refuse")]
)
def test_duplicate_share_is_held_to_its_limits(copies, verdict):
    frame = make_events(400)
    frame.loc[400 - copies :, list(SPEC.feature_names)] = frame.loc[
        : copies - 1, list(SPEC.feature_names)
    ].to_numpy()
    report = report_quality(frame, SPEC)
    assert report.duplicate_share == pytest.approx(copies / 400)
    assert report.duplicate_group_share == pytest.approx(2 * copies / 400)
    assert verdicts(report)["duplicate_share"] == verdict


def test_half_copies_are_refused_with_the_number_to_remove():
    unique = make_events(114)
    frame = pd.concat([unique, unique, unique.head(4)], ignore_index=True)
    report = report_quality(frame, SPEC)
    assert report.verdict == "refuse"
    assert report.duplicate_share == pytest.approx(118 / 232)
    assert "118 of 232" in remedies(report, "duplicate_share")
    # The stated number of copies is enough: without them the share is within the limit.
    assert "at least 106" in remedies(report, "duplicate_share")
    assert report_quality(frame.iloc[: 232 - 106], SPEC).duplicate_share < 0.1


@pytest.mark.parametrize(
    ("values", "of_a_log", "generated"),
    [
        (25, "pass", "pass"),
        (12, "warn", "warn"),
        (5, "warn", "warn"),
        (4, "warn", "refuse"),
        (2, "warn", "refuse"),
        (1, "refuse", "refuse"),
    ],
)
def test_distinct_values_are_held_to_their_limits(values, of_a_log, generated):
    frame = make_events()
    frame["interest_score"] = (np.arange(400) % values / values).astype(np.float32)
    assert verdicts(report_quality(frame, SPEC))["distinct:interest_score"] == of_a_log
    made_here = report_quality(frame, SPEC, generated=np.full(400, True))
    assert verdicts(made_here)["distinct:interest_score"] == generated


@pytest.mark.parametrize(
    ("values", "verdict"), [((2, 2, 1), "refuse"), ((2, 3, 1), "warn"), ((2, 2, 3), "pass")]
)
def test_a_log_of_coarse_scores_is_judged_by_its_vectors(values, verdict):
    frame, row = make_events(), np.arange(400)
    for name in ("interest_score", "age_score", "distance_score"):
        count, values = values[0], values[1:]
        frame[name] = ((row % count + 1) / 10).astype(np.float32)
        row = row // count
    report = report_quality(frame, SPEC)
    assert verdicts(report)["distinct_vectors"] == verdict
    assert verdicts(report)["distinct:interest_score"] == "warn"
    if verdict == "refuse":
        assert "at most 4 different scores" in remedies(report, "distinct_vectors")


@pytest.mark.parametrize(("missing", "verdict"), [(19, "pass"), (20, "warn"), (80, "refuse")])
def test_missing_values_are_held_to_their_limits(missing, verdict):
    frame = make_events()
    frame.loc[: missing - 1, "distance_score"] = np.nan
    report = report_quality(frame, SPEC)
    assert report.features["distance_score"]["missing_share"] == pytest.approx(missing / 400)
    assert verdicts(report)["missing:distance_score"] == verdict


def test_defaults_and_missing_values_add_up():
    frame = make_events()
    frame.loc[:39, "distance_score"] = np.nan
    mask = np.zeros(400, dtype=bool)
    mask[20:80] = True
    report = report_quality(frame, SPEC, defaulted={"distance_score": mask})
    assert report.features["distance_score"]["default_share"] == pytest.approx(0.1)
    assert verdicts(report)["missing:distance_score"] == "refuse"


def test_mask_of_defaults_may_be_a_matrix_in_the_order_of_the_features():
    frame = make_events()
    matrix = np.zeros((400, 4), dtype=bool)
    matrix[:100, 2] = True
    report = report_quality(frame, SPEC, defaulted=matrix)
    assert report.features["distance_score"]["default_share"] == pytest.approx(0.25)
    assert report.features["interest_score"]["default_share"] == 0


def test_one_half_is_a_default_only_where_the_legacy_marker_is_named():
    frame = make_events()
    frame.loc[:99, "distance_score"] = 0.5
    assert verdicts(report_quality(frame, SPEC))["missing:distance_score"] == "pass"
    assert verdicts(report_quality(frame, LEGACY))["missing:distance_score"] == "refuse"


def test_honest_one_half_warns_but_does_not_refuse():
    frame = make_events()
    frame.loc[:199, "age_score"] = 0.5
    report = report_quality(frame, LEGACY)
    assert verdicts(report)["missing:age_score"] == "warn"
    assert "exactly 0.5" in remedies(report, "missing:age_score")


def test_feature_of_groups_is_not_judged_among_pairs():
    report = report_quality(make_events(), SPEC)
    assert report.features["group_size_score"]["rows"] == 0
    assert not any("group_size_score" in name for name in verdicts(report))


def test_mixed_dataset_judges_a_feature_over_its_own_rows():
    groups = make_events(100, 1, "user_group")
    groups.loc[:29, "group_size_score"] = np.nan
    frame = pd.concat([make_events(300), groups], ignore_index=True)
    report = report_quality(frame, SPEC)
    assert report.features["group_size_score"]["rows"] == 100
    assert report.features["group_size_score"]["missing_share"] == pytest.approx(0.3)
    assert verdicts(report)["missing:group_size_score"] == "refuse"


def test_foreign_file_without_match_type_leaves_an_unused_group_feature_alone():
    frame = make_events().drop(columns="match_type")
    frame["group_size_score"] = np.float32(0.5)
    assert report_quality(frame, LEGACY).features["group_size_score"]["rows"] == 0
    frame["group_size_score"] = np.linspace(0, 1, 400, dtype=np.float32)
    assert report_quality(frame, LEGACY).features["group_size_score"]["rows"] == 400


def test_absent_column_is_missing_everywhere():
    report = report_quality(make_events().drop(columns="age_score"), SPEC)
    assert verdicts(report)["missing:age_score"] == "refuse"
    assert report.not_in_log == ()


@pytest.mark.parametrize("drop", [True, False])
def test_input_that_no_row_of_a_log_carries_is_listed_and_neither_missing_nor_judged(drop):
    spec = replace(SPEC, is_a_log=True)
    frame = make_events()
    frame = frame.drop(columns="age_score") if drop else frame.assign(age_score=np.float32(np.nan))
    report = report_quality(frame, spec)
    assert report.verdict == "pass", verdicts(report)
    assert report.not_in_log == ("age_score", "group_size_score")
    assert not any("age_score" in name for name in verdicts(report))
    assert report.features["age_score"]["missing_share"] == 1
    # Whoever generated the rows can complete them.
    made_here = report_quality(frame, spec, generated=np.ones(400, bool))
    assert made_here.not_in_log == ()
    assert verdicts(made_here)["missing:age_score"] == "refuse"


def test_what_a_log_lacks_is_left_out_although_generated_rows_beside_it_have_it():
    spec = replace(SPEC, is_a_log=True)
    frame = make_events()
    frame.loc[:199, "age_score"] = np.nan
    assert "age_score" in report_quality(frame, spec, generated=np.arange(400) >= 200).not_in_log
    assert "age_score" not in report_quality(frame, spec).not_in_log


def test_a_log_without_any_input_is_refused():
    frame = make_events().drop(columns=list(SPEC.feature_names))
    report = report_quality(frame, replace(SPEC, is_a_log=True))
    assert verdicts(report)["inputs"] == "refuse"


def test_inputs_are_left_out_with_the_products_made_of_them():
    spec = replace(SPEC, features=(*SPEC.features, FeatureSpec("both", factors=("age_score",))))
    left = spec.leaving_out(["age_score"])
    assert left.feature_names == ("interest_score", "distance_score", "group_size_score")


@pytest.mark.parametrize("value", [1.01, -0.01, np.inf, -np.inf])
def test_value_out_of_range_is_refused_by_name(value):
    frame = make_events()
    frame.loc[3, "distance_score"] = value
    report = report_quality(frame, SPEC)
    assert verdicts(report)["range"] == "refuse"
    assert "distance_score" in remedies(report, "range")


@pytest.mark.parametrize("labels", [np.zeros(400), np.ones(400)])
def test_single_label_is_refused(labels):
    frame = make_events().assign(label=labels)
    assert verdicts(report_quality(frame, SPEC))["labels"] == "refuse"


def test_single_label_in_validation_is_refused():
    frame = make_events().sort_values("label", ignore_index=True)
    report = report_quality(frame, SPEC, np.arange(400) < 350)
    assert verdicts(report)["labels:validation"] == "refuse"


def test_label_given_away_by_one_feature_is_refused():
    frame = make_events()
    frame["distance_score"] = (frame["label"] * 0.5 + frame["distance_score"] / 2).astype(
        np.float32
    )
    report = report_quality(frame, SPEC)
    assert verdicts(report)["giveaway"] == "refuse"
    assert "distance_score" in remedies(report, "giveaway")


def test_label_given_away_by_what_is_missing_is_refused():
    frame = make_events()
    frame.loc[frame["label"] == 0, "distance_score"] = np.nan
    assert verdicts(report_quality(frame, SPEC))["giveaway"] == "refuse"


def test_giveaway_is_the_area_under_the_curve_with_ties_and_negatives():
    frame = make_events()
    for values in (
        np.round(frame["interest_score"], 1),
        np.round(frame["interest_score"], 1) - 0.5,
    ):
        frame["interest_score"] = values.astype(np.float32)
        expected = roc_auc_score(frame["label"], frame["interest_score"])
        found = report_quality(frame, SPEC).leakage["giveaway"]["interest_score"]
        assert found == pytest.approx(max(expected, 1 - expected))


def test_what_train_and_validation_share_is_counted():
    frame = make_events()
    in_train = np.arange(400) < 320
    frame.loc[399, list(SPEC.feature_names)] = frame.loc[0, list(SPEC.feature_names)]
    frame.loc[398, "event_key"] = frame.loc[1, "event_key"]
    report = report_quality(frame, SPEC, in_train)
    assert report.leakage["copy"]["shared"] == 1
    assert report.leakage["event"]["shared"] == 1
    assert verdicts(report)["shared:copy"] == "refuse"
    assert verdicts(report)["shared:event"] == "refuse"
    train_users = set(frame["user_id"][in_train])
    shared = frame["user_id"][~in_train].isin(train_users)
    assert report.leakage["user"]["validation_rows"] == shared.sum()
    # Users may be shared by a split by time: shown, not judged.
    assert "shared:user" not in verdicts(report)


def test_pair_is_shared_in_either_order():
    frame = make_events(200)
    frame["user_id"], frame["target_id"] = np.arange(200), np.arange(200) + 1000
    frame.loc[199, ["user_id", "target_id"]] = [1000, 0]
    report = report_quality(frame, SPEC, np.arange(200) < 150)
    assert report.leakage["pair"]["shared"] == 1


@given(st.randoms(use_true_random=False))
def test_report_does_not_depend_on_the_order_of_the_rows(random):
    frame = make_events(150, 3)
    frame.loc[:9, "age_score"] = np.nan
    in_train = np.arange(150) < 120
    order = list(range(150))
    random.shuffle(order)
    before = report_quality(frame, SPEC, in_train).as_dict()
    after = report_quality(frame.iloc[order], SPEC, in_train[order]).as_dict()
    for name in SPEC.feature_names:
        assert after["features"].pop(name) == pytest.approx(before["features"].pop(name))
    before.pop("target"), after.pop("target")
    assert [
        (check["name"], check["verdict"], check["remedy"]) for check in after.pop("checks")
    ] == [(check["name"], check["verdict"], check["remedy"]) for check in before.pop("checks")]
    before["label_share"] = after["label_share"] = None
    assert after == before


def test_no_row_is_refused_and_not_an_error():
    report = report_quality(make_events(0), SPEC, np.empty(0, dtype=bool))
    assert report.verdict == "refuse"
    assert report.rows == 0


def test_one_row_is_refused_and_not_an_error():
    assert report_quality(make_events(1), SPEC, np.array([True])).verdict == "refuse"


def test_missing_target_column_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="'label'"):
        report_quality(make_events().drop(columns="label"), SPEC)


def test_figures_are_those_of_pandas():
    frame = make_events()
    frame.loc[:4, "age_score"] = np.nan
    found = report_quality(frame, SPEC).features["age_score"]
    column = frame["age_score"].astype(float)
    assert found["unique"] == column.nunique()
    assert found["mean"] == pytest.approx(column.mean())
    assert found["std"] == pytest.approx(column.std(ddof=0))
    assert found["min"] == column.min()
    assert found["max"] == column.max()


def test_clean_metrics_pass():
    report = report_quality(make_metrics(), METRICS)
    assert report.verdict == "pass", verdicts(report)
    assert report.label_share is None


def test_ninety_nine_rows_are_refused_with_the_number_to_collect():
    report = report_quality(make_metrics(99), METRICS)
    assert verdicts(report)["rows"] == "refuse"
    assert "1 more" in remedies(report, "rows")


def test_constant_metric_is_refused_and_constant_category_only_warns():
    frame = make_metrics().assign(security=75.0, provider="one")
    found = verdicts(report_quality(frame, METRICS))
    assert found["distinct:security"] == "refuse"
    assert found["distinct:provider"] == "warn"


def test_optional_input_may_be_missing_everywhere():
    report = report_quality(make_metrics().assign(csat=np.nan), METRICS)
    assert report.verdict == "pass", verdicts(report)
    assert report.features["csat"]["missing_share"] == 1
    assert report_quality(make_metrics().drop(columns="csat"), METRICS).verdict == "pass"


def test_mostly_copies_are_refused_but_equal_inputs_with_other_answers_are_not():
    frame = make_metrics(9)
    copies = pd.concat([frame] * 34, ignore_index=True)
    assert verdicts(report_quality(copies, METRICS))["duplicate_share"] == "refuse"
    copies["quality"] = np.linspace(0, 100, len(copies))
    assert verdicts(report_quality(copies, METRICS))["duplicate_share"] == "pass"


def test_target_leaking_into_an_input_is_refused():
    frame = make_metrics()
    frame["security"] = frame["quality"]
    assert verdicts(report_quality(frame, METRICS))["giveaway"] == "refuse"


@pytest.mark.parametrize("target", [50.0, 101.0, np.nan])
def test_useless_target_is_refused(target):
    frame = make_metrics()
    if target == 50.0:
        frame["quality"] = target
    else:
        frame.loc[0, "quality"] = target
    assert report_quality(frame, METRICS).verdict == "refuse"


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.5, 1.0])), max_size=60),
    st.integers(1, 4),
)
def test_excess_repeats_is_a_share(rows, times):
    inputs = np.array([row[0] for row in rows] * times, dtype=np.uint64)
    share = excess_repeats(inputs, np.array([row[1] for row in rows] * times))
    assert 0 <= share <= 1


def test_ratings_that_repeat_by_chance_are_no_excess_and_copies_are_all_of_it():
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 40, 4000).astype(np.uint64)
    assert excess_repeats(inputs, rng.choice([0.0, 0.5, 1.0], 4000)) < 0.02
    assert excess_repeats(inputs, inputs % 4 / 4.0) == pytest.approx(0.99, abs=0.01)
    assert excess_repeats(np.arange(4000, dtype=np.uint64), rng.random(4000)) == 0
    assert excess_repeats(np.empty(0, np.uint64), np.empty(0)) == 0


def test_category_that_tells_a_number_is_refused_and_one_that_only_helps_is_not():
    frame = make_metrics(600)
    frame["provider"] = "answer-" + (frame["quality"] // 5).astype(int).astype(str)
    assert "provider alone tells" in remedies(report_quality(frame, METRICS), "giveaway")
    frame["provider"] = np.where(frame["quality"] > 50, "good", "bad")
    assert verdicts(report_quality(frame, METRICS))["giveaway"] == "pass"


@pytest.mark.parametrize("names", [["only"], [None], range(300)])
def test_category_of_one_name_or_of_a_name_a_row_gives_nothing_away(names):
    frame = make_metrics(300)
    frame["provider"] = [names[row % len(names)] for row in range(300)]
    assert report_quality(frame, METRICS).leakage["giveaway"]["provider"] == 0


def test_value_that_may_be_missing_warns_where_it_is_and_is_refused_where_it_is_constant():
    features = tuple(
        replace(one, is_optional=False, may_be_missing=True) if one.name == "csat" else one
        for one in METRICS.features
    )
    spec = replace(METRICS, features=features)
    absent = verdicts(report_quality(make_metrics().assign(csat=np.nan), spec))
    assert absent["missing:csat"] == "warn"
    assert "distinct:csat" not in absent
    constant = verdicts(report_quality(make_metrics().assign(csat=0.75), spec))
    assert constant["distinct:csat"] == "refuse"


def test_rows_without_an_identifier_share_nothing():
    frame = make_metrics(300).assign(session=None)
    frame.loc[:9, "session"] = "s"
    spec = replace(METRICS, groups={"session": ("session",)}, disjoint=frozenset({"session"}))
    found = report_quality(frame, spec, train_mask=np.arange(300) < 200)
    assert (found.leakage["session"]["shared"], verdicts(found)["shared:session"]) == (0, "pass")


def test_rows_that_a_split_left_out_share_nothing():
    frame = make_metrics(300).assign(session=np.arange(300) // 150)
    spec = replace(METRICS, groups={"session": ("session",)}, disjoint=frozenset({"session"}))
    train = np.arange(300) < 151
    assert verdicts(report_quality(frame, spec, train))["shared:session"] == "refuse"
    left_out = np.arange(300) == 150
    found = verdicts(report_quality(frame, spec, train, left_out=left_out))
    assert found["shared:session"] == "pass"
