"""What a valid profile is, and which files of profiles can be read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.domain.doors import PEOPLE
from matching.domain.personality import personality_of
from matching.domain.profile_files import LIMITS, MAX_CELL, Row, profile_rows
from matching.domain.profiles import clean_profile
from project.mappings.arguments import TableArguments
from project.mappings.door import open_table
from project.mappings.models import ImportMapping
from project.mappings.services import confirm_mapping
from project.refusal import Refusal
from tests.factories import COMPLETE_PROFILE

WORDS = st.text("ab7 é;|\x00", max_size=6) | st.sampled_from(["food", "introvert", "no", "german"])


def test_complete_profile_passes_unchanged() -> None:
    assert clean_profile(COMPLETE_PROFILE) == (COMPLETE_PROFILE, {})


@pytest.mark.parametrize("age", [17, 101, 29.5, "old", True, float("nan"), "1e999", -1])
def test_age_outside_18_to_100_is_refused_in_words(age: object) -> None:
    cleaned, errors = clean_profile({"age": age})
    assert "age" not in cleaned
    assert "whole number of years from 18 to 100" in errors["age"]


@pytest.mark.parametrize(("age", "stored"), [(18, 18), ("100", 100), (" 44 ", 44), ("", None)])
def test_ages_are_read_from_text(age: object, stored: int | None) -> None:
    assert clean_profile({"age": age}) == ({"age": stored}, {})


@pytest.mark.parametrize(
    ("field", "value"), [("home_lat", 90.1), ("home_lon", -180.5), ("home_lat", "north")]
)
def test_coordinates_out_of_range_are_refused(field: str, value: object) -> None:
    assert "degrees" in clean_profile({field: value})[1][field]


def test_one_coordinate_alone_is_refused_and_none_is_fine() -> None:
    _, errors = clean_profile({"home_lat": 52.5, "home_lon": None})
    assert errors == {"home_lon": "Expected both coordinates or none; the longitude is missing."}
    assert clean_profile({"home_lat": None, "home_lon": None})[1] == {}


@given(st.floats(0, 1))
def test_label_follows_from_extraversion(extraversion: float) -> None:
    cleaned, errors = clean_profile({"personality": "", "extraversion": extraversion})
    assert not errors
    assert cleaned["personality"] == personality_of(extraversion)


@pytest.mark.parametrize(
    ("label", "extraversion"), [("introvert", 0.0), ("ambivert", 0.5), ("extrovert", 1.0)]
)
def test_extraversion_follows_from_the_label_and_agrees_with_it(
    label: str, extraversion: float
) -> None:
    cleaned, _ = clean_profile({"personality": label, "extraversion": None})
    assert cleaned["extraversion"] == extraversion
    assert personality_of(extraversion) == label


def test_label_against_extraversion_is_refused() -> None:
    _, errors = clean_profile({"personality": "introvert", "extraversion": 0.9})
    assert "0.90 means extrovert, not introvert" in errors["personality"]


def test_unknown_words_are_kept_as_they_were_written() -> None:
    said = {
        "interests": ["Hikin", " food", "Kizomba  nights"],
        "languages": "english (fluently)|C++ (poorly)",
        "nationality": " Martian",
        "religion": "Jedi",
        "smoking": "Vapes",
        "drinking": "only mead",
        "personality": "INTJ",
        "gender": "Agender",
    }
    assert clean_profile({**said, "extraversion": None}) == (
        {
            "interests": ["hikin", "food", "kizomba  nights"],
            "languages": ["english", "c++ (poorly)"],
            "nationality": "martian",
            "religion": "jedi",
            "smoking": "vapes",
            "drinking": "only mead",
            "personality": "intj",
            "gender": "agender",
            "extraversion": None,
        },
        {},
    )


def test_what_no_column_can_hold_is_refused() -> None:
    _, errors = clean_profile(
        {"interests": ["x" * 41], "languages": ["a\x00b"], "smoking": "y" * 41, "religion": 5}
    )
    assert "at most 40 characters, got 41" in errors["interests"]
    assert "printable" in errors["languages"]
    assert errors.keys() == {"interests", "languages", "smoking", "religion"}


def test_a_word_that_says_that_nothing_is_said_is_not_set() -> None:
    said = dict.fromkeys(("nationality", "religion", "smoking", "gender", "profession"), "NULL")
    cleaned, errors = clean_profile({**said, "interests": "N/A", "languages": ["-", "german"]})
    assert cleaned == {**dict.fromkeys(said, ""), "interests": [], "languages": ["german"]}
    assert errors == {}


def test_a_label_that_is_not_known_leaves_a_measured_extraversion_alone() -> None:
    values = {"personality": "intj", "extraversion": 0.2}
    assert clean_profile(values) == (values, {})


def test_words_are_lower_cased_and_counted_once() -> None:
    assert clean_profile({"interests": "Food; hiking|FOOD"})[0]["interests"] == ["food", "hiking"]


def test_text_too_long_or_unprintable_is_refused() -> None:
    _, errors = clean_profile({"name": "x" * 101, "profession": "a\x00b", "gender": 5})
    assert "at most 100 characters, got 101" in errors["name"]
    assert "printable" in errors["profession"]
    assert "Expected text" in errors["gender"]


@given(
    st.dictionaries(
        st.sampled_from([*COMPLETE_PROFILE, "name", "archetype", "unheard_of"]),
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.lists(WORDS, max_size=3)
        ),
    )
)
def test_no_input_crashes_and_what_passes_passes_again(values: dict[str, object]) -> None:
    cleaned, errors = clean_profile(values)
    assert cleaned.keys() <= values.keys()
    if not errors:
        assert clean_profile(cleaned) == (cleaned, {})


def read_profiles(path: Path, content: bytes) -> tuple[list[Row], list[str]]:
    """Profiles of a file as they are checked, and what was found out about it."""
    path.write_bytes(content)
    table = open_table(path, path.name, PEOPLE, TableArguments(), limits=LIMITS)
    rows = [row for chunk in table.chunks() for row in profile_rows(chunk.came, chunk.mapped)]
    return rows, table.decision["notes"]


@pytest.mark.django_db
def test_csv_rows_have_the_line_where_they_begin(tmp_path: Path) -> None:
    content = b'external_id,name,age\na,"two\nlines",20\n\nb,short,21\n'
    rows, notes = read_profiles(tmp_path / "a.csv", content)
    assert [(row.line, row.values["external_id"]) for row in rows] == [(2, "a"), (5, "b")]
    assert notes == []


@pytest.mark.django_db
def test_csv_with_semicolons_and_bom_is_read(tmp_path: Path) -> None:
    content = "\ufeffexternal_id;interests\na;food|wine, hiking\n".encode()
    (row,), notes = read_profiles(tmp_path / "a.csv", content)
    assert row.values["interests"] == ["food", "wine", "hiking"]
    assert "separated by semicolons" in notes


@pytest.mark.django_db
def test_json_items_have_the_line_where_they_begin(tmp_path: Path) -> None:
    content = b'[\n {"external_id": "a"},\n\n {"external_id":\n "b"}, 5 ]'
    rows, _ = read_profiles(tmp_path / "a.json", content)
    assert [row.line for row in rows] == [2, 4, 5]
    assert rows[2].problems["row"].startswith("Expected an object")


@pytest.mark.django_db
def test_short_row_and_huge_cell_are_problems_of_their_rows_only(tmp_path: Path) -> None:
    huge = "x" * (MAX_CELL * 20)
    content = f"external_id,name\na\nb,{huge}\nc,fine\n".encode()
    rows, _ = read_profiles(tmp_path / "a.csv", content)
    assert rows[0].problems == {"row": "Expected 2 cells, got 1."}
    assert "at most 10,000 characters, got 200,000" in rows[1].problems["name"]
    assert rows[2].problems == {}


@pytest.mark.django_db
def test_a_profile_without_an_id_is_given_one_once_a_person_agrees(tmp_path: Path) -> None:
    content = b'[{"age": 20, "name": "Ada"}, {"age": 21}, {"name": "Ada", "age": 20}]'
    with pytest.raises(Refusal, match="each row is given one") as waits:
        read_profiles(tmp_path / "a.json", content)
    name = waits.value.details["mapping"]
    confirm_mapping(ImportMapping.objects.get(name=name))
    rows, notes = read_profiles(tmp_path / "a.json", content)
    first, second, again = (row.values["external_id"] for row in rows)
    assert first == again != second
    assert name in notes[0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "the first line should name the columns"),
        ("a.csv", b"external_id,age\n", "names 2 columns, and no rows"),
        ("a.json", b"[]", "has no rows"),
        ("a.csv", b"external_id,age,age\na,1,2\n", "twice, with different values"),
        ("a.csv", b'external_id,name\na,"open\n', "Line 2"),
        ("a.json", b'[{"external_id": "a"},\n {"external_id" "b"}]', "Line 2: the JSON is broken"),
        ("a.json", b"[1] x", "JSON is broken: Extra data"),
        ("a.json", b'[{"age": NaN}]', "NaN"),
        ("a.json", b"[" * 100_000, "nested too deeply"),
    ],
    ids=str,
)
@pytest.mark.django_db
def test_unreadable_file_says_where_and_why(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    with pytest.raises(Refusal, match=words) as refused:
        read_profiles(tmp_path / name, content)
    assert refused.value.remedy
    assert not ImportMapping.objects.exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
@pytest.mark.django_db
def test_the_encoding_is_found_out(tmp_path: Path, encoding: str) -> None:
    text = "external_id,name,home_city\na,José Núñez,Zürich\nb,Zoë Weiß,Köln\n"
    rows, notes = read_profiles(tmp_path / "a.csv", text.encode(encoding))
    assert [row.values["name"] for row in rows] == ["José Núñez", "Zoë Weiß"]
    assert any("encoding" in note for note in notes) == (encoding != "utf-8")
