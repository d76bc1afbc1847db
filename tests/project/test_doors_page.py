"""What each door reads, in which format and dialect, with the test that shows it: docs/doors.md.

`python -m tests.project.test_doors_page` writes the page anew; a test fails where it is stale, or
where a test that it names is not there.
"""

import ast
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs/doors.md"
FEEDBACK, EVENTS = "tests/feedback/test_door.py", "tests/matching/test_door.py"
TRAVEL = "tests/matching/test_travel_files.py"
PEOPLE, SNIFF = "tests/matching/test_door.py", "tests/project/test_sniff.py"
VALUES, PROPOSED = "tests/project/test_mapping.py", "tests/project/test_proposing.py"
ALL: Final = "every door"


class Shown(NamedTuple):
    """What is read of a dialect, and the test that shows it; `case` is a word of its data."""

    door: str
    form: str
    dialect: str
    read: str
    file: str
    test: str
    case: str = ""


_SPREADSHEET = "test_a_file_of_a_spreadsheet_lands_without_a_question"
_STARS = "test_ratings_on_another_scale_wait_and_then_land_whole"
_SHAPE = "test_a_log_of_another_shape_says_the_same"
_FORM = "test_profiles_of_another_form_are_the_same_people"
_ENCODING = "test_the_encoding_of_western_text_is_told_by_its_bytes"
_DELIMITER = "test_cells_are_separated_by_what_splits_them_evenly"
_BYTES = "test_what_is_no_table_is_refused_by_what_it_is"
_JSON = "test_json_is_read_whatever_stands_around_the_rows"
LANDS, WAITS = "read, and told", "waits for a person"

SHOWN: Final = (
    # Bytes: the same for all doors.
    *(
        Shown(ALL, "text", one, LANDS, SNIFF, _ENCODING, one)
        for one in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "mac_roman")
    ),
    Shown(ALL, "text", "cp1251", LANDS, SNIFF, "test_cyrillic_is_told_by_its_letters"),
    Shown(ALL, "text", "cp1251, cp1253, cp850 of a few words", LANDS, SNIFF,
          "test_a_few_words_tell_their_encoding"),
    Shown(ALL, "text", "UTF-8 with a broken line", "the line is refused alone", SNIFF,
          "test_one_broken_line_does_not_change_the_encoding_of_a_file"),
    Shown(ALL, "text", "another encoding that is said", "read", SNIFF,
          "test_the_euro_of_cp1252_and_of_latin_9_are_read_by_who_says_so"),
    *(
        Shown(ALL, "CSV", f"separated by {one}", LANDS, SNIFF, _DELIMITER, one)
        for one in ("semicolons", "tabs", "bars")
    ),
    Shown(ALL, "CSV", "a line sep=", LANDS, SNIFF, _DELIMITER, "sep="),
    Shown(ALL, "CSV", "decimal commas", LANDS, SNIFF,
          "test_decimal_commas_do_not_make_commas_the_delimiter"),
    Shown(ALL, "CSV", "two columns of one name", "one where equal, else refused", PROPOSED,
          "test_two_columns_of_one_name_are_one_where_they_are_equal"),
    Shown(ALL, "CSV, xlsx", "a title, a remark, blank rows above the names", LANDS, SNIFF,
          "test_a_title_above_the_names_of_columns_is_none_of_them"),
    Shown(ALL, "CSV", "a space before quotes; quotes behind backslashes", LANDS, SNIFF,
          "test_quotes_of_other_programs_are_read"),
    Shown(ALL, "JSON", "a list; an object around one", "read", SNIFF, _JSON, "data"),
    Shown(ALL, "JSON Lines", "whatever the name of the file", "read", SNIFF, _JSON, "jsonl"),
    Shown(ALL, "JSON Lines", "behind the prefix of a log", LANDS, SNIFF,
          "test_objects_behind_the_prefix_of_a_log_are_rows"),
    Shown(ALL, "JSON Lines", "in the log of docker", LANDS, SNIFF,
          "test_objects_in_the_log_of_docker_are_rows"),
    Shown(ALL, "xlsx", "the first filled sheet; dates", "read", SNIFF,
          "test_a_workbook_is_read_from_its_first_filled_sheet"),
    Shown(ALL, "xlsx", "a named sheet", "read", SNIFF, "test_a_sheet_is_named"),
    Shown(ALL, "parquet", "numbers, lists, moments", "read", SNIFF,
          "test_parquet_is_read_with_its_types"),
    Shown(ALL, "any, packed", "gzip", "read", SNIFF, "test_what_is_packed_is_read_as_what_is_not"),
    Shown(ALL, "any, packed", "a bomb", "refused", SNIFF,
          "test_a_bomb_is_refused_before_it_is_unpacked"),
    Shown(ALL, "no table", "empty, PNG, PDF, old Office, ZIP", "refused", SNIFF, _BYTES),
    Shown(ALL, "values", "thousands, `4/5`, `85 %`, stars as signs", "read", VALUES,
          "test_numbers_are_read_as_people_write_them"),
    Shown(ALL, "values", "lists: `a, b; c`, JSON, Python, PostgreSQL", "read", VALUES,
          "test_lists_of_words_are_read_as_they_are_written"),
    Shown(ALL, "times", "31/12 anywhere in the column", LANDS, PROPOSED,
          "test_one_day_beyond_12_decides_the_order_of_the_whole_column"),
    Shown(ALL, "times", "01/02 alone", WAITS, PROPOSED, "test_days_that_can_be_months_wait"),
    Shown(ALL, "times", "names of months", LANDS, PROPOSED,
          "test_names_of_months_need_no_order"),
    Shown(ALL, "times", "seconds, milliseconds, microseconds since 1970", LANDS, PROPOSED,
          "test_counts_since_1970_are_told_by_their_size"),
    Shown(ALL, "times", "2025/1/20; 20250120; days of a spreadsheet; 3. März 2025; of Unix",
          "read; their zone waits", PROPOSED,
          "test_other_ways_to_write_a_time_wait_for_their_zone_alone"),
    Shown(ALL, "times", "UTC behind a space; 20250120T140500Z", LANDS, PROPOSED,
          "test_times_that_say_their_zone_wait_for_nothing"),
    Shown(ALL, "times", "in a form that nobody can read", "the column is refused", PROPOSED,
          "test_times_that_nobody_can_read_refuse_their_column"),
    Shown(ALL, "times", "without a zone", WAITS, PROPOSED,
          "test_times_without_a_zone_wait_unless_it_is_said"),
    Shown(ALL, "names", "other case, humps, synonyms", LANDS, PROPOSED,
          "test_names_are_known_by_their_words"),
    Shown(ALL, "names", "German, French, Spanish", LANDS, PROPOSED,
          "test_names_of_other_languages_are_known"),
    Shown(ALL, "names", "deep in objects", LANDS, PROPOSED,
          "test_what_is_looked_for_may_stand_within_objects"),
    Shown(ALL, "names", "a slip of the pen", WAITS, PROPOSED, "test_a_slip_of_the_pen_waits"),
    # Feedback.
    *(
        Shown("feedback", "ratings", one, WAITS, FEEDBACK, _STARS, one)
        for one in ("thumbs of -1 and 1", "1 to 5 stars", "booleans", "two words", "words of five",
                    "percent", "0 to 10", "thumbs")
    ),
    Shown("feedback", "ratings", "0 to 1, 0 and 1", "read", FEEDBACK,
          "test_shares_and_flags_land_without_a_question"),
    Shown("feedback", "ratings", "words that nobody knows", "refused", FEEDBACK,
          "test_a_column_of_words_that_nobody_knows_is_refused"),
    Shown("feedback", "ratings", "another scale, as it is", "refused, or in part by that word",
          FEEDBACK, "test_stars_as_they_are_refuse_the_column_and_land_in_part_only_by_that_word"),
    Shown("feedback", "ratings", "NULL, N/A, -", "the row is refused alone", FEEDBACK,
          "test_words_for_nothing_refuse_their_row_alone"),
    Shown("feedback", "metrics", "0 to 1 where 0 to 100 is meant", WAITS, FEEDBACK,
          "test_metrics_from_0_to_1_in_an_object_become_0_to_100"),
    Shown("feedback", "metrics", "deep in an object", LANDS, FEEDBACK,
          "test_metrics_deep_in_an_object_are_found"),
    *(
        Shown("feedback", "CSV", one, LANDS, FEEDBACK, _SPREADSHEET, one)
        for one in ("semicolons", "semicolons, decimal commas", "tabs", "sep=",
                    "names in capitals with spaces", "utf-16", "cp1252", "31/12/2024",
                    "milliseconds", "seconds", "other columns")
    ),
    Shown("feedback", "standard input", "any table", "read", FEEDBACK,
          "test_standard_input_is_any_table"),
    # Events.
    *(
        Shown("events", "log", one, LANDS, EVENTS, _SHAPE, one)
        for one in ("features by the names of columns", "features as text", "snake case",
                    "outcomes in capitals", "labels as flags", "ISO times", "seconds",
                    "integer ids", "behind a logger", "in the log of docker", "CSV",
                    "CSV of a spreadsheet", "JSON")
    ),
    Shown("events", "log", "swipes: like, pass, block", WAITS, EVENTS,
          "test_a_log_of_swipes_waits_and_lands_with_outcomes_of_ours"),
    Shown("events", "log", "without an origin", "refused: asks for --origin", EVENTS,
          "test_a_log_that_does_not_say_what_it_is_asks_for_its_origin"),
    Shown("events", "log", "no feature of ours", "refused", EVENTS,
          "test_features_that_are_all_unknown_refuse_the_log"),
    Shown("events", "no log", "empty, a picture, broken", "refused, no batch", EVENTS,
          "test_what_is_no_log_is_refused_and_leaves_nothing"),
    # People.
    *(
        Shown("people", "profiles", one, LANDS, PEOPLE, _FORM, one)
        for one in ("semicolons, decimal commas", "tabs", "cp1252", "utf-16", "id", "other names",
                    "other columns", "lines")
    ),
    Shown("people", "profiles", "without an id", WAITS, PEOPLE,
          "test_profiles_without_an_id_are_given_one_once_a_person_agrees"),
    Shown("people", "profiles", "extraversion from 1 to 5", WAITS, PEOPLE,
          "test_extraversion_from_1_to_5_waits"),
    # Groups and trips.
    Shown("groups", "CSV", "other names, lists of members, other columns", LANDS, TRAVEL,
          "test_groups_land_with_their_members_and_a_second_time_change_nothing"),
    Shown("groups", "any", "members who are not here", "refused, or in part by that word", TRAVEL,
          "test_a_group_that_cannot_be_keeps_all_of_them_out"),
    Shown("groups and trips", "any", "refused rows of a table in part",
          "kept, mended in the admin, tried again", TRAVEL,
          "test_refused_groups_are_mended_in_the_admin_and_land"),
    Shown("trips", "CSV", "other names; of people and of groups", LANDS, TRAVEL,
          "test_trips_land_of_people_and_groups_with_their_live_copies"),
    Shown("trips", "days", "01/05/2030", WAITS, TRAVEL,
          "test_days_are_read_in_one_order_and_need_no_zone"),
)  # fmt: skip


ABOUT: Final = (
    "Made by `python -m tests.project.test_doors_page`: what is read of whose tables, and the test "
    "that shows it. *Read, and told*: the import says what it found. *Waits for a person*: it "
    "would change values, so the import ends with 2, lands nothing, and gives the command that "
    "takes what is proposed (`--mapping proposed`)."
)


def page() -> str:
    """The page, as it should be."""
    rows = [
        f"| {one.door} | {one.form} | {one.dialect} | {one.read} | `{one.file}::{one.test}` |"
        for one in SHOWN
    ]
    return "\n".join(
        [
            "# Doors",
            "",
            ABOUT,
            "",
            "| door | format | dialect | what happens | shown by |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


@cache
def _tests_of(file: str) -> dict[str, str]:
    """The tests of a file, with their source, and under "" what all of it says."""
    text = (ROOT / file).read_text(encoding="utf-8")
    found = {
        node.name: ast.get_source_segment(text, node) or ""
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef)
    }
    return {**found, "": text}


def test_the_page_of_the_doors_is_made_anew() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "Run `python -m tests.project.test_doors_page`."
    )


@pytest.mark.parametrize("one", SHOWN, ids=lambda one: f"{one.door}: {one.dialect}")
def test_what_the_page_says_is_shown_by_a_test(one: Shown) -> None:
    tests = _tests_of(one.file)
    assert one.test in tests
    assert one.case in tests[""]


def test_a_door_and_dialect_stand_once() -> None:
    keys = [(one.door, one.form, one.dialect) for one in SHOWN]
    assert len(keys) == len(set(keys))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
