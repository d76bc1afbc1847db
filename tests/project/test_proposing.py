"""What is proposed for a table by the names and values of its columns: what is applied, what waits,
and what is refused."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.domain.door import DOORS
from matching.domain.doors import EVENTS, PEOPLE
from project.tabular.doors import Door, FieldSpec
from project.tabular.mapping import Mapper, TableMapping
from project.tabular.proposing import Asked, Proposal, Unusable, judge, propose
from project.tabular.survey import Survey

RATINGS, EXPLANATIONS = DOORS["quality_feedback"], DOORS["explanations"]
ROWS = 100


def surveyed(door: Door, *rows: dict[str, Any]) -> Survey:
    survey = Survey(door)
    survey.add(rows)
    return survey


def proposed(door: Door, *rows: dict[str, Any], **asked: Any) -> Proposal:
    return propose(door, surveyed(door, *rows), Asked(**asked))


def ratings(values: Sequence[Any], count: int = ROWS, **more: Any) -> list[dict[str, Any]]:
    return [
        {"id": str(n), "quality_rating": value, "created_at": "2025-03-04T10:00:00Z", **more}
        for n, value in enumerate(islice(cycle(values), count))
    ]


def rated(rows: list[dict[str, Any]]) -> tuple[Proposal, dict[Any, Any]]:
    """The proposal for ratings, and what each value of the column becomes."""
    proposal = proposed(RATINGS, *rows)
    mapped = Mapper(RATINGS, proposal.mapping).apply(rows)
    return proposal, {
        str(came["quality_rating"]): row["quality_rating"]
        for came, row in zip(rows, mapped, strict=True)
    }


# --- Ratings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "meant"),
    [
        ([1, -1], {"1": 1.0, "-1": 0.0}),
        (["1", "-1", "1"], {"1": 1.0, "-1": 0.0}),
        ([-1, 0, 1], {"-1": 0.0, "0": 0.5, "1": 1.0}),
        ([1, 2, 3, 4, 5], {"1": 0.0, "2": 0.25, "3": 0.5, "4": 0.75, "5": 1.0}),
        (["5", "4"], {"5": 1.0, "4": 0.75}),
        ([0.5, 1, 2.5, 4.5, 5, 0], {"0.5": 0.1, "1": 0.2, "2.5": 0.5, "5": 1.0, "0": 0.0}),
        ([*range(11)], {"0": 0.0, "7": 0.7, "10": 1.0}),
        ([*range(0, 101, 7)], {"0": 0.0, "49": 0.49, "98": 0.98}),
        (["85 %", "40 %", "100%"], {"85 %": 0.85, "40 %": 0.4, "100%": 1.0}),
        (["4/5", "1/5", "5/5"], {"4/5": 0.75, "1/5": 0.0, "5/5": 1.0}),
        (["★★★★☆", "★☆☆☆☆", "★★★★★"], {"★★★★☆": 0.75, "★☆☆☆☆": 0.0, "★★★★★": 1.0}),
        ([True, False], {"True": 1.0, "False": 0.0}),
        (["true", "false"], {"true": 1.0, "false": 0.0}),
        (["yes", "no"], {"yes": 1.0, "no": 0.0}),
        (["9/10", "3/10", "7 of 10"], {"9/10": 0.9, "3/10": 0.3, "7 of 10": 0.7}),
        (["⭐⭐⭐⭐⭐", "⭐", "⭐️⭐️⭐️"], {"⭐⭐⭐⭐⭐": 1.0, "⭐": 0.0, "⭐️⭐️⭐️": 0.5}),
        (["👍🏽", "👎🏻", "👍"], {"👍🏽": 1.0, "👎🏻": 0.0, "👍": 1.0}),
        (["Daumen hoch", "Daumen runter"], {"Daumen hoch": 1.0, "Daumen runter": 0.0}),
        (["oui", "non"], {"oui": 1.0, "non": 0.0}),
        (["sehr gut", "gut", "schlecht"], {"sehr gut": 1.0, "gut": 0.75, "schlecht": 0.25}),
        (["Y", "N"], {"Y": 1.0, "N": 0.0}),
        (["thumbs_up", "thumbs_down"], {"thumbs_up": 1.0, "thumbs_down": 0.0}),
        (["Thumbs Up", "Thumbs Down"], {"Thumbs Up": 1.0, "Thumbs Down": 0.0}),
        ([":thumbsup:", ":thumbsdown:"], {":thumbsup:": 1.0, ":thumbsdown:": 0.0}),
        (["up", "down"], {"up": 1.0, "down": 0.0}),
        (["good", "bad"], {"good": 1.0, "bad": 0.0}),
        (["👍", "👎"], {"👍": 1.0, "👎": 0.0}),
        (["positive", "neutral", "negative"], {"positive": 1.0, "neutral": 0.5, "negative": 0.0}),
        (["low", "medium", "high"], {"low": 0.0, "medium": 0.5, "high": 1.0}),
        (
            ["very bad", "bad", "ok", "good", "very good"],
            {"very bad": 0.0, "bad": 0.25, "ok": 0.5, "good": 0.75, "very good": 1.0},
        ),
        (
            ["Strongly disagree", "Disagree", "Neutral", "Agree", "Strongly agree"],
            {"Strongly disagree": 0.0, "Disagree": 0.25, "Neutral": 0.5, "Strongly agree": 1.0},
        ),
    ],
    ids=str,
)
def test_a_rating_on_another_scale_waits_with_what_it_means(
    values: list[Any], meant: dict[str, float]
) -> None:
    proposal, found = rated(ratings(values))
    (change,) = proposal.changes
    assert change.field == "quality_rating"
    assert change.confidence >= 0.7
    assert {value: found[value] for value in meant} == pytest.approx(meant)
    survey = surveyed(RATINGS, *ratings(values))
    assert judge(RATINGS, proposal.mapping, survey) == []
    as_it_is = TableMapping.from_dict(
        {
            **proposal.mapping.as_dict(),
            "columns": [
                {**one, "scale": None, "values": None}
                for one in proposal.mapping.as_dict()["columns"]
            ],
        }
    )
    outside = {one for one in map(str, values) if not _is_share(one)}
    assert any(one.refuses for one in judge(RATINGS, as_it_is, survey)) == bool(outside)


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


@pytest.mark.parametrize(
    "values",
    [[0, 1], ["0", "1"], [1], ["1"], [0.5, 0.25], ["0", "0.5", "1"], [0.1, 0.9, None]],
    ids=str,
)
def test_a_rating_from_0_to_1_stays_as_it_is(values: list[Any]) -> None:
    proposal, _ = rated(ratings(values))
    assert proposal.changes == ()
    assert proposal.applied == ()
    assert proposal.mapping.of("quality_rating").scale is None  # type: ignore[union-attr]


@pytest.mark.parametrize("outlier", [7, -0.1, 1.5, "high"])
def test_few_outliers_are_refused_rows_and_no_other_scale(outlier: Any) -> None:
    rows = [*ratings([0.1, 0.5, 0.9], 500), *ratings([outlier], 3)]
    proposal, _ = rated(rows)
    assert proposal.changes == ()
    (one,) = judge(RATINGS, proposal.mapping, surveyed(RATINGS, *rows))
    assert (one.count, one.refuses) == (3, False)


def test_more_than_one_in_a_hundred_refuse_the_column_with_what_was_seen() -> None:
    rows = [*ratings([0.1, 0.5, 0.9], 500), *ratings([7], 6)]
    proposal, _ = rated(rows)
    (one,) = judge(RATINGS, proposal.mapping, surveyed(RATINGS, *rows))
    assert (one.count, one.filled, one.refuses) == (6, 506, True)
    assert "numbers from 0.1 to 7" in one.words


def test_words_that_are_not_known_are_named() -> None:
    rows = ratings(["good", "bad", "good", "bad", "so-so-ish"])
    proposal, _ = rated(rows)
    (change,) = proposal.changes
    assert "not known: so-so-ish" in change.words
    assert change.confidence == 0.5
    (one,) = judge(RATINGS, proposal.mapping, surveyed(RATINGS, *rows))
    assert (one.count, one.refuses) == (20, True)


def test_words_that_say_nothing_of_a_rating_are_not_guessed() -> None:
    proposal, _ = rated(ratings(["alpha", "beta", "gamma"]))
    assert proposal.changes == ()
    (one,) = judge(RATINGS, proposal.mapping, surveyed(RATINGS, *ratings(["alpha", "beta"])))
    assert one.refuses
    assert "alpha 50 times" in one.words


@pytest.mark.parametrize("word", ["NULL", "N/A", "NaN", "None", "-", "\\N", "#N/A", ""])
def test_words_for_nothing_are_no_values(word: str) -> None:
    proposal, found = rated(ratings(["0.5", "0.25", word]))
    assert proposal.changes == ()
    assert found[word] is None
    assert judge(RATINGS, proposal.mapping, surveyed(RATINGS, *ratings(["0.5", word]))) == []


def test_decimal_commas_only_name_and_thousands_wait() -> None:
    proposal, found = rated(ratings(["0,5", "0,25", "1"]))
    assert proposal.changes == ()
    assert "quality_rating: decimal commas" in proposal.applied
    assert found == {"0,5": 0.5, "0,25": 0.25, "1": 1.0}
    survey = surveyed(PEOPLE, *({"external_id": str(n), "home_lat": "1,234"} for n in range(9)))
    (change,) = propose(PEOPLE, survey, Asked()).changes
    assert "--decimal comma" in change.words
    how = propose(PEOPLE, survey, Asked(decimal=",")).mapping.of("home_lat")
    assert how is not None
    assert how.decimal == ","


def test_metrics_from_0_to_1_are_asked_about_where_0_to_100_is_meant() -> None:
    rows = [
        {"id": n, "quality_score": 0.5, "created_at": "2025-03-04T10:00:00Z",
         "metadata": {"codeQuality": n / 20, "security": 50 + n, "testCoverage": 1}}
        for n in range(20)
    ]  # fmt: skip
    proposal = proposed(EXPLANATIONS, *rows)
    (change,) = proposal.changes
    assert change.field == "metadata.codeQuality"
    (first, *_) = Mapper(EXPLANATIONS, proposal.mapping).apply(rows[8:])
    assert first["metadata"] == {"codeQuality": 40.0, "security": 58.0, "testCoverage": 1.0}


def test_metrics_are_found_at_their_path_and_in_a_text_that_holds_them() -> None:
    inner = {"metrics": {"code_quality": 80, "Security": 60}}
    for metadata in (inner, orjson.dumps(inner).decode()):
        rows = [{"quality_score": 0.5, "created_at": "2025-03-04T10:00:00Z", "metadata": metadata}]
        proposal = proposed(EXPLANATIONS, *rows)
        found = {one.field: one.column for one in proposal.mapping.columns}
        assert found["metadata.codeQuality"] == "metadata.metrics.code_quality"
        (row,) = Mapper(EXPLANATIONS, proposal.mapping).apply(rows)
        assert (row["metadata"]["codeQuality"], row["metadata"]["security"]) == (80, 60)


# --- Times ---------------------------------------------------------------------------------------


def timed(*values: Any, **asked: Any) -> tuple[Proposal, list[Any]]:
    rows = [{"quality_rating": 0.5, "created_at": value} for value in values]
    proposal = proposed(RATINGS, *rows, **asked)
    found = [row["created_at"] for row in Mapper(RATINGS, proposal.mapping).apply(rows)]
    return proposal, found


def test_one_day_beyond_12_decides_the_order_of_the_whole_column() -> None:
    proposal, found = timed("31/12/2024 10:00 UTC", "01/02/2025 10:00 UTC")
    assert proposal.changes == ()
    assert "created_at: day/month/year, as no other order can be" in proposal.applied
    assert found == ["2024-12-31T10:00:00Z", "2025-02-01T10:00:00Z"]
    _, found = timed("12/31/2024 10:00Z", "01/02/2025 10:00Z")
    assert found[1] == "2025-01-02T10:00:00Z"


def test_days_that_can_be_months_wait() -> None:
    proposal, _ = timed("01/02/2025 10:00Z", "03/04/2025 10:00Z")
    (change,) = proposal.changes
    assert "it could be month/day/year too" in change.words
    proposal, found = timed("01/02/2025 10:00Z", dates="mdy")
    assert (proposal.changes, found) == ((), ["2025-01-02T10:00:00Z"])


def test_days_and_months_that_contradict_one_another_wait_and_are_counted() -> None:
    proposal, _ = timed("31/12/2024 10:00Z", "30/12/2024 10:00Z", "12/31/2024 10:00Z")
    (change,) = proposal.changes
    assert "although 1 of them cannot be" in change.words


def test_names_of_months_need_no_order() -> None:
    proposal, found = timed("4 Mar 2025 10:00 GMT", "March 5, 2025 10:00 GMT")
    assert proposal.changes == ()
    assert found == ["2025-03-04T10:00:00Z", "2025-03-05T10:00:00Z"]


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000])
@pytest.mark.parametrize("kind", [int, str])
def test_counts_since_1970_are_told_by_their_size(unit: int, kind: Callable[[int], Any]) -> None:
    proposal, found = timed(*(kind((1_741_082_400 + n) * unit) for n in range(3)))
    assert proposal.changes == ()
    assert found[0] == "2025-03-04T10:00:00.000000Z"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (("2025/1/20 14:05", "2025/01/21 14:05"), ""),
        (("20250120140500", "20250121140500"), "digits alone"),
        (("45677.586805", "45678"), "days since 1900"),
        (("Mon Jan 20 14:05:00 2025", "Tue Jan 21 14:05:00 2025"), "the name of their month"),
        (("20. Januar 2025 14:05", "3. März 2025"), "the name of their month"),
    ],
)
def test_other_ways_to_write_a_time_wait_for_their_zone_alone(
    written: tuple[str, ...], said: str
) -> None:
    proposal, found = timed(*written)
    (change,) = proposal.changes
    assert f"({len(written)} of {len(written)}) are those of UTC" in change.words
    assert said in " ".join(proposal.applied)
    assert found[0] == "2025-01-20T14:05:00.000000Z"


@pytest.mark.parametrize(
    "zoned",
    [
        "2025-01-20 14:05:00 UTC",
        "20250120T140500Z",
        "2025-01-20 14:05:00 +0000",
        "Mon Jan 20 14:05:00 GMT 2025",
    ],
)
def test_times_that_say_their_zone_wait_for_nothing(zoned: str) -> None:
    proposal, (found,) = timed(zoned)
    assert proposal.changes == ()
    assert datetime.fromisoformat(found) == datetime(2025, 1, 20, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize("odd", ["2025-01-20 14:05:00 CET", "20-01-2025 14h05", "late in May"])
def test_times_that_nobody_can_read_refuse_their_column(odd: str) -> None:
    rows = [{"quality_rating": 0.5, "created_at": odd}] * 10
    survey = surveyed(RATINGS, *rows)
    found = judge(RATINGS, propose(RATINGS, survey, Asked()).mapping, survey)
    assert [(one.field, one.count, one.refuses) for one in found] == [("created_at", 10, True)]


def test_times_without_a_zone_wait_unless_it_is_said() -> None:
    proposal, found = timed("2025-03-04 10:00", "2025-03-04T10:00:00Z", zone_here="Europe/Zurich")
    (change,) = proposal.changes
    assert "(1 of 2) are those of Europe/Zurich" in change.words
    assert found[0] == "2025-03-04T09:00:00.000000Z"
    proposal, _ = timed("2025-03-04 10:00", zone="UTC")
    assert proposal.changes == ()


# --- Events --------------------------------------------------------------------------------------


def happened(*outcomes: Any, **names: str) -> tuple[Proposal, list[Any]]:
    rows = [
        {"swiper_id": str(n), "swiped_id": "x", names.get("outcome", "action"): outcome,
         "ts": 1_741_082_400_000}
        for n, outcome in enumerate(outcomes)
    ]  # fmt: skip
    proposal = proposed(EVENTS, *rows)
    return proposal, [row["outcome"] for row in Mapper(EVENTS, proposal.mapping).apply(rows)]


def test_words_for_what_somebody_did_become_outcomes_once_a_person_agrees() -> None:
    proposal, found = happened("like", "PASS", "Swipe Right", "blocked", "messaged", "ignore")
    (change,) = proposal.changes
    assert "like is accept" in change.words
    assert found == ["accept", "ignore", "accept", "unmatch", "chat", "ignore"]
    named = {one.field: one.column for one in proposal.mapping.columns}
    assert named == {
        "userId": "swiper_id", "targetId": "swiped_id", "outcome": "action", "timestamp": "ts",
    }  # fmt: skip


@pytest.mark.parametrize(
    "ends", [(1, 3), (0, 4), (1, 6), (1, 7), (-2, 2), (-3, 3), (-5, 5), (-10, 10)]
)
def test_so_many_points_as_are_seen_are_a_scale(ends: tuple[int, int]) -> None:
    low, high = ends
    values = [low + number % (high - low + 1) for number in range(60)]
    proposal, meaning = rated(ratings(values))
    assert len(proposal.changes) == 1
    assert (meaning[str(low)], meaning[str(high)]) == (0.0, 1.0)


def test_a_view_is_an_exposure_and_what_nobody_knows_is_named() -> None:
    proposal, found = happened("like", "pass", "seen", "sneezed")
    assert "not known: sneezed" in proposal.changes[0].words
    assert found == ["accept", "ignore", "view", "sneezed"]


def test_outcomes_in_capitals_only_name() -> None:
    proposal, found = happened("ACCEPT", "Ignore", "chat", outcome="outcome")
    assert proposal.changes == ()
    assert found == ["accept", "ignore", "chat"]


@pytest.mark.parametrize("values", [(True, False), ("true", "false"), (1, 0), ("1", "0")])
def test_flags_become_outcomes(values: Sequence[Any]) -> None:
    proposal, found = happened(*values, outcome="liked")
    assert proposal.changes[0].field == "outcome"
    assert found == ["accept", "ignore"]


# --- Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("quality_rating", "quality_rating"),
        ("qualityRating", "quality_rating"),
        ("Quality Rating", "quality_rating"),
        ("QUALITY-RATING", "quality_rating"),
        ("stars", "quality_rating"),
        ("thumbs", "quality_rating"),
        ("Score", "quality_rating"),
    ],
)
def test_names_are_known_by_their_words(name: str, field: str) -> None:
    rows = [{name: 0.5, "Created At": "2025-03-04T10:00:00Z", "Comment": "fine", "odd": 1}]
    proposal = proposed(RATINGS, *rows)
    found = {one.field: one.column for one in proposal.mapping.columns}
    assert found == {field: name, "created_at": "Created At", "feedback_text": "Comment"}
    assert proposal.ignored == ("odd",)
    assert proposal.changes == ()
    assert (f"column {name} is {field}" in proposal.applied) == (name != field)


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        ("Kennung Alter Geschlecht Sprachen Wohnort Raucher Beruf Nationalität",
         "external_id age gender languages home_city smoking profession nationality"),
        ("identifiant âge sexe langues ville fumeur profession nationalité",
         "external_id age gender languages home_city smoking profession nationality"),
        ("identificador edad sexo idiomas ciudad fuma ocupación país",
         "external_id age gender languages home_city smoking profession nationality"),
    ],
)  # fmt: skip
def test_names_of_other_languages_are_known(header: str, fields: str) -> None:
    row = dict.fromkeys(header.split(), "x") | {header.split()[1]: "30"}
    proposal = proposed(PEOPLE, row)
    found = {one.column: one.field for one in proposal.mapping.columns}
    assert found == dict(zip(header.split(), fields.split(), strict=True))
    assert proposal.changes == ()


def test_what_is_looked_for_may_stand_within_objects() -> None:
    person = {"id": "a", "profile": {"age": 30}, "location": {"city": "Bern", "geo": {"lat": 47}}}
    found = {one.field: one.column for one in proposed(PEOPLE, person).mapping.columns}
    assert found == {
        "external_id": "id", "age": "profile.age", "home_city": "location.city",
        "home_lat": "location.geo.lat",
    }  # fmt: skip
    event = {"event": {"actor": {"id": "a"}, "target": {"id": "b"}, "type": "like"},
             "timestamp": {"$date": "2025-03-04T10:00:00Z"}}  # fmt: skip
    found = {one.field: one.column for one in proposed(EVENTS, event).mapping.columns}
    assert found == {
        "userId": "event.actor.id", "targetId": "event.target.id", "outcome": "event.type",
        "timestamp": "timestamp.$date",
    }  # fmt: skip


def test_texts_among_ages_refuse_the_column_and_minors_do_not() -> None:
    for odd, refuses in (("18-24", True), ("17", False)):
        rows = [{"id": str(n), "age": odd if n % 5 == 0 else "30"} for n in range(100)]
        survey = surveyed(PEOPLE, *rows)
        (found,) = judge(PEOPLE, propose(PEOPLE, survey, Asked()).mapping, survey)
        assert (found.field, found.count, found.refuses) == ("age", 20, refuses)


def test_a_column_of_its_own_name_is_taken_before_a_synonym() -> None:
    rows = [{"score": 5, "quality_rating": 0.5, "created_at": "2025-03-04T10:00:00Z"}]
    assert proposed(RATINGS, *rows).mapping.of("quality_rating").column == "quality_rating"  # type: ignore[union-attr]


def test_a_synonym_whose_values_cannot_be_the_field_is_not_taken() -> None:
    rows = ratings([0.5], feedback="a long text of its own")
    for n, row in enumerate(rows):
        row["rating"] = row.pop("quality_rating")
        row["feedback"] = f"text {n}"
    found = {one.field: one.column for one in proposed(RATINGS, *rows).mapping.columns}
    assert (found["quality_rating"], found["feedback_text"]) == ("rating", "feedback")


def test_a_slip_of_the_pen_waits() -> None:
    rows = [{"qualty_rating": 0.5, "created_at": "2025-03-04T10:00:00Z"}]
    (change,) = proposed(RATINGS, *rows).changes
    assert change.words == "column qualty_rating is quality_rating"
    assert 0.85 <= change.confidence < 1


def test_a_required_field_that_no_column_has_is_missing() -> None:
    proposal = proposed(RATINGS, {"x": "y", "created_at": "2025-03-04T10:00:00Z"})
    assert proposal.missing == ("quality_rating",)


def test_what_a_person_says_comes_first_and_a_column_that_is_not_there_is_named() -> None:
    rows = [{"a": 0.5, "rating": 0.1, "created_at": "2025-03-04T10:00:00Z"}]
    proposal = proposed(RATINGS, *rows, columns={"quality_rating": "a"})
    assert proposal.mapping.of("quality_rating").column == "a"  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="There is no column 'b' for quality_rating"):
        proposed(RATINGS, *rows, columns={"quality_rating": "b"})


@pytest.mark.parametrize(("second", "differs"), [("1", set()), ("2", {"a"})])
def test_two_columns_of_one_name_are_one_where_they_are_equal(
    second: str, differs: set[str]
) -> None:
    survey = surveyed(RATINGS, {"a": "1", "a \N{MULTIPLICATION SIGN}2": second})
    assert survey.differing == differs


# --- Anything ------------------------------------------------------------------------------------

ANYTHING_DOOR = Door(
    "tests.any",
    "anything",
    (
        FieldSpec("r", "number", low=0, high=1, is_rating=True, is_required=True, names=("rate",)),
        FieldSpec("m", "number", low=0, high=100, names=("metric",)),
        FieldSpec("t", "moment", names=("time",)),
        FieldSpec("c", "choice", choices={"accept": ("like", "yes"), "ignore": ("no",)}),
        FieldSpec("f", "number", low=0, high=1, is_flag=True),
        FieldSpec("o", "object"),
        FieldSpec("o.m", "number", low=0, high=100),
    ),
)
VALUES = (
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["4/5", "85 %", "yes", "0,5", "1,234", "31/12/2024", "01/02/2025 10:00Z",
                       "NULL", "👍", "2025-03-04", "\ud800", "a\0", '{"m": 1}', "-infinity"])
    | st.dictionaries(st.sampled_from(["m", "x.y", "a\0", "\udc00"]), st.integers(), max_size=2)
    | st.lists(st.integers(), max_size=2)
)  # fmt: skip
COLUMNS = st.sampled_from(["r", "rate", "M", "time", "t", "C", "f", "o", "a\0", "\ud800", "x.y"])


@given(st.lists(st.dictionaries(COLUMNS, VALUES, max_size=5), min_size=1, max_size=6))
def test_nothing_breaks_what_proposes_and_judges(rows: list[dict[str, Any]]) -> None:
    survey = surveyed(ANYTHING_DOOR, *rows)
    survey.narrow(survey.columns)
    survey.add(rows)
    proposal = propose(ANYTHING_DOOR, survey, Asked())
    unusable: list[Unusable] = judge(ANYTHING_DOOR, proposal.mapping, survey)
    assert all(0 < one.count <= one.filled for one in unusable)
    # Everything of it is kept, as JSON and in a database.
    kept = [proposal.mapping.as_dict(), proposal.applied, proposal.ignored]
    kept += [[one.words for one in (*proposal.changes, *unusable)]]
    assert b"\\u0000" not in orjson.dumps(kept)
    mapped = Mapper(ANYTHING_DOOR, proposal.mapping).apply(rows)
    assert len(mapped) == len(rows)
