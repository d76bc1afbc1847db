"""A foreign CSV is read strictly, in either spelling."""

import numpy as np
import pandas as pd
import pytest

from matching.domain.features.names import FEATURE_NAMES, GROUP_ONLY, PRODUCTS
from training.domain.any_table import read_any_table
from training.domain.expectations import FeatureSpec, QualitySpec
from training.domain.foreign_csv import (
    ForeignCsvError,
    camel_case,
    label_column,
    read_foreign_csv,
)
from training.kinds import get_kind
from training.queries.datasets import analyze_csv

SPEC = QualitySpec(
    (FeatureSpec("distance_score"), FeatureSpec("destination_interest")),
    "label",
    "classification",
    1,
)


@pytest.fixture
def write(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "train.csv"
        path.write_text(text, encoding=encoding)
        return path

    return write


@pytest.mark.parametrize("header", ["distanceScore", "distance_score", '"distanceScore"'])
def test_either_spelling_is_read(write, header):
    frame = read_foreign_csv(
        write(f"{header},destination_interest,label,note\n0.25,,1,x\n1,0.5,0,y\n"), SPEC
    )
    assert list(frame.columns) == ["distance_score", "destination_interest", "label"]
    assert frame["distance_score"].dtype == np.float32
    assert frame["distance_score"].tolist() == [0.25, 1.0]
    assert np.isnan(frame["destination_interest"][0])


@pytest.mark.parametrize("written", [("TRUE", "false"), (" 1 ", "0.0"), ("True", "False")])
@pytest.mark.parametrize("name", ["label", "Label", "decision", "Matched"])
def test_a_label_may_be_true_and_false_and_called_as_labels_are(write, written, name):
    frame = read_foreign_csv(
        write(f"distance_score,{name}\n0.5,{written[0]}\n0.6,{written[1]}\n0.7,\n"), SPEC
    )
    assert frame["label"].tolist()[:2] == [1.0, 0.0]
    assert np.isnan(frame["label"][2])


def test_a_label_of_ours_goes_before_other_names(write):
    frame = read_foreign_csv(write("decision,distance_score,label\n1,0.5,0\n"), SPEC)
    assert frame["label"].tolist() == [0]
    assert label_column(["decision", "label"], SPEC) == "label"
    assert label_column(["a", "OUTCOME", "Liked"], SPEC) == "OUTCOME"
    assert label_column(["a", "b"], SPEC) is None


def test_the_products_of_a_file_are_derived_before_it_is_judged(tmp_path):
    draw = np.random.default_rng(0)
    kind = get_kind("match_compatibility")
    names = [name for name in FEATURE_NAMES if name not in (*PRODUCTS, *GROUP_ONLY)]
    rows = pd.DataFrame(draw.random((200, len(names))), columns=names)
    rows.assign(Liked=draw.integers(0, 2, 200)).to_csv(tmp_path / "a.csv", index=False)
    report, took = analyze_csv(kind, tmp_path / "a.csv")
    assert (took.label, set(report.not_in_log)) == ("Liked", set(GROUP_ONLY))


def test_byte_order_mark_is_tolerated(write):
    frame = read_foreign_csv(write("distance_score,label\n0.5,1\n", "utf-8-sig"), SPEC)
    assert frame["label"].tolist() == [1]


def test_outcome_serves_as_label(write):
    text = "distance_score,outcome,matchType\n1,accept,user_user\n1,Ignore,user_user\n"
    frame = read_foreign_csv(write(text), SPEC)
    assert frame["label"].tolist() == [1, 0]
    assert frame["match_type"].tolist() == ["user_user", "user_user"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("distance_score,label\n0.5,1\nabc,1\n", "column distance_score"),
        ("distance_score,distanceScore,label\n1,0,1\n", "one column for distance_score"),
        ("distance_score,other\n1,1\n", "label or outcome.*--label"),
        ("distance_score,label\n1,no match\n1,match\n", "'no match', 'match'.*as 0 and 1"),
        ("distance_score,label\n1,1\n1,NaN1\n", "'NaN1'"),
        ("label,other\n1,1\n", "not one feature"),
        ("distance_score,label\n1,1,1\n", "Expected 2 columns, got 3"),
        ("distance_score,outcome\n1,liked\n", "'liked' in row 2"),
        ("distance_score,outcome,label\n1,accept,0\n", "contradicts"),
        ("", "header"),
    ],
)
def test_unreadable_file_is_refused_by_name(write, text, message):
    with pytest.raises(ForeignCsvError, match=message):
        read_foreign_csv(write(text), SPEC)


@pytest.mark.parametrize("header", ["distance_score,distanceScore", "distanceScore,distanceScore"])
def test_a_column_that_stands_twice_with_equal_values_is_one(write, header):
    text = f"{header},matchType,matchType,label\n0.5,0.5,user_user,user_user,1\n,,,,0\n"
    frame = read_foreign_csv(write(text), SPEC)
    assert frame["distance_score"].tolist()[0] == 0.5
    assert list(frame.columns) == ["distance_score", "label", "match_type"]


def test_any_table_with_a_label_and_numbers_is_read_and_says_what_it_took(write):
    frame, spec, took = read_any_table(
        write(
            "Age,age_gap,town,user_id,empty,Match,Age\n31,2.5,Rome,7,,true,31\n40,,Oslo,8,,false,40\n"
        )
    )
    assert (took.label, took.features) == ("Match", ("Age", "age_gap"))
    assert took.left == {
        "town": "no numbers",
        "user_id": "names a row",
        "empty": "empty",
        "Age (again)": "stands twice with equal values",
    }
    assert spec.task == "classification"
    assert frame["Match"].tolist() == [1.0, 0.0]
    *_, spec, took = read_any_table(write("a,b,label\n1,2.5,0\n2,3.5,1\n3,4.5,1\n"), "b")
    assert (spec.task, took.features) == ("regression", ("a", "label"))


@pytest.mark.parametrize(("no", "yes"), [(-1, 1), (1, 2), (0, 5)])
def test_two_numbers_are_a_label_and_it_is_said_how_they_were_read(write, no, yes):
    frame, spec, took = read_any_table(write(f"a,decision\n1,{yes}\n2,{no}\n3,\n"))
    assert (spec.task, took.label_values) == ("classification", (no, yes))
    assert frame["decision"].tolist()[:2] == [1.0, 0.0]
    assert np.isnan(frame["decision"][2])
    *_, took = read_any_table(write("a,decision\n1,0\n2,1\n"))
    assert took.label_values is None


@pytest.mark.parametrize(
    ("text", "label", "message"),
    [
        ("a,b\n1,2\n", "", "--label"),
        ("a,label\n1,2\n", "c", "column c"),
        ("a,label\n1,yes\n", "", "got 'yes'.*as 0 and 1"),
        ("a,label\nx,1\n", "", "columns of numbers"),
        ("a,a,label\n1,2,1\n", "", "stands twice with different values"),
        ("a,label\n1,1,1\n", "", "Expected 2 columns, got 3"),
    ],
)
def test_a_table_that_cannot_be_measured_says_what_it_lacks(write, text, label, message):
    with pytest.raises(ForeignCsvError, match=message):
        read_any_table(write(text), label)


def test_file_without_rows_gives_no_row(write):
    assert len(read_foreign_csv(write("distance_score,label\n"), SPEC)) == 0


def test_text_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "train.csv"
    path.write_bytes(b"distance_score,label,\xff\n1,1,1\n")
    with pytest.raises(ForeignCsvError, match="UTF-8"):
        read_foreign_csv(path, SPEC)


def test_names_are_turned_into_camel_case():
    assert camel_case("date_overlap_score") == "dateOverlapScore"
