"""The event log: what is read, what is refused and why, and that writing loses nothing."""

import contextlib
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from matching.domain.features.names import FEATURE_NAMES, LOG_NAMES
from matching.domain.log import reader
from matching.domain.log.careful import RefusedLine, read_carefully
from matching.domain.log.format import (
    ID_FIELDS,
    MAX_IGNORED_NAMES,
    MAX_LINE_BYTES,
    REASONS,
    VIEW,
    EventColumns,
    LoggedEvent,
    LoggedFeatures,
)
from matching.domain.log.reader import LogChunk, event_key, read_lines, read_log, read_plain
from matching.domain.log.writer import write_log
from matching.domain.words import MatchType, Outcome, Preset
from project.origin import ROW_ORIGINS
from tests.factories import write_poor_log

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS = (946_684_800_000, 1_800_000_000_000)
GOOD: dict[str, Any] = {
    "matchType": "user_user",
    "features": {"distanceScore": 0.85, "ageScore": 0.5, "interestScore": 0},
    "outcome": "accept",
    "label": 1,
    "preset": "strict",
    "timestamp": 1_700_000_000_000,
    "source": "real",
    "userId": "a",
    "targetId": "b",
}


def read(text: bytes | str, **options: Any) -> LogChunk:
    raw = text if isinstance(text, bytes) else text.encode()
    (chunk,) = read_log(io.BytesIO(raw), now=NOW, **options)
    return chunk


def line(**changes: Any) -> str:
    return json.dumps({k: v for k, v in {**GOOD, **changes}.items() if v is not ...})


def with_features(**features: Any) -> str:
    return line(features=features)


def test_an_event_becomes_columns_with_nan_for_what_is_missing() -> None:
    chunk = read(line())
    assert not chunk.rejected
    events = chunk.events
    assert (events.match_type[0], events.outcome[0], events.preset[0], events.source[0]) == (
        (1, 1, 2, 1)
    )
    assert events.occurred_ms[0] == 1_700_000_000_000
    assert events.label.tolist() == [True]
    assert events.ids["userId"] == ["a"]
    assert events.ids["eventId"] == [None]
    row = dict(zip(LOG_NAMES, events.features[0].tolist(), strict=True))
    assert row["distanceScore"] == pytest.approx(0.85)
    assert row["ageScore"] == 0.5
    assert row["interestScore"] == 0.0
    assert np.isnan(row["budgetScore"])


DEEP = '{"x":' * 32 + "1" + "}" * 32
BAD_LINES = [
    ("line_too_long", line(x="x" * MAX_LINE_BYTES), "at most 1,048,576 bytes"),
    ("bad_utf8", line().encode().replace(b'"a"', b'"\xff"'), "0xff"),
    ("nul", line().replace('"a"', '"\0"'), "NUL"),
    ("nul", line(userId="a\0b"), "\\u0000"),
    ("nul", line(x=[{"y\0": 1}]), "\\u0000"),
    ("bad_json", "{", "Expected JSON"),
    ("bad_json", line() + ",", "unexpected content"),
    ("bad_json", "no json", "neither a value nor an object begins here (character 1)"),
    ("bad_json", line().replace('"a"', '"\\ud800"'), "surrogate"),
    ("bad_json", "[OTHER] " + line(), "Expected JSON"),
    ("not_finite", with_features(ageScore=float("nan")), "got NaN"),
    ("not_finite", with_features(ageScore=float("-inf")), "got -Infinity"),
    ("too_deep", line()[:-1] + f',"x":{DEEP}}}', "at most 32 levels; got 33"),
    ("too_deep", "[" * 5000, "at most 32 levels"),
    ("not_an_object", "[1]", "got an array"),
    ("not_an_object", "null", "got null"),
    ("duplicate_key", line()[:-1] + ',"label":1}', "'label' came again"),
    ("duplicate_key", line().replace('"ageScore"', '"distanceScore"'), "'distanceScore'"),
    ("duplicate_key", line()[:-1] + ',"userId":"c:\\u003a","userId" :"a"}', "'userId'"),
    ("missing_field", line(matchType=...), "matchType"),
    ("missing_field", line(outcome=...), "outcome"),
    ("missing_field", line(timestamp=...), "timestamp"),
    ("wrong_type", line(matchType=1), "got the number 1"),
    ("wrong_type", line(outcome=["accept"]), "got an array"),
    ("wrong_type", line(features=[]), "an object"),
    ("wrong_type", line(label=True), "0 or 1; got true"),
    ("wrong_type", line(label="1"), 'got the text "1"'),
    ("wrong_type", line(label=1.0), "got the number 1.0"),
    ("wrong_type", line(timestamp=1.7e12), "whole milliseconds"),
    ("wrong_type", line(timestamp="2024-01-01"), "whole milliseconds"),
    ("wrong_type", line(timestamp=True), "got true"),
    ("wrong_type", line(userId=7), "userId"),
    ("wrong_type", line(source=1), "source"),
    ("wrong_type", with_features(ageScore="0.5"), 'got the text "0.5"'),
    ("wrong_type", with_features(ageScore=True), "got true"),
    ("wrong_type", with_features(ageScore={}), "got an object"),
    ("unknown_value", line(matchType="group"), "user_user, user_group; got 'group'"),
    ("unknown_value", line(outcome="like"), "accept, chat, ignore, unmatch"),
    ("unknown_value", line(preset=""), "balanced, strict, loose"),
    ("out_of_range", with_features(ageScore=1.0000001), "got 1.0000001"),
    ("out_of_range", with_features(ageScore=-0.1), "from 0 to 1"),
    ("out_of_range", with_features(ageScore=2), "got 2"),
    ("out_of_range", with_features(ageScore=10**30), "from 0 to 1"),
    ("impossible_timestamp", line(timestamp=946_684_799_999), "2000-01-01"),
    ("impossible_timestamp", line(timestamp=1_700_000_000), "milliseconds"),
    ("impossible_timestamp", line(timestamp=1_767_312_000_001), "a day from now"),
    ("impossible_timestamp", line(timestamp=10**30), "wrong"),
    ("label_contradicts_outcome", line(label=0), "label 1 for outcome accept; got 0"),
    ("label_contradicts_outcome", line(outcome="unmatch"), "label 0 for outcome unmatch"),
    ("label_contradicts_outcome", line(label=2), "got 2"),
    ("label_contradicts_outcome", line(outcome="view", label=0), "no label"),
    ("unknown_features", with_features(age=1, age_score=0.5), "none of age, age_score is known"),
    ("bad_id", line(eventId=""), "1 to 200 characters; got 0"),
    ("bad_id", line(targetId="x" * 201), "got 201"),
]


@pytest.mark.parametrize(("reason", "bad", "words"), BAD_LINES)
def test_a_bad_line_is_refused_with_its_number_and_reason_and_the_others_land(
    reason: str, bad: str | bytes, words: str
) -> None:
    raw = bad if isinstance(bad, bytes) else bad.encode()
    if words == "wrong":  # orjson reads an integer beyond 64 bits as a float
        reason, words = "wrong_type", "whole milliseconds"
    chunk = read(b"\n".join([line(label=1).encode(), raw, line(outcome="chat").encode()]))
    assert chunk.lines.tolist() == [1, 3]
    (rejected,) = chunk.rejected
    assert (rejected.line, rejected.reason) == (2, reason)
    assert reason in REASONS
    assert words in rejected.message
    assert "\0" not in rejected.excerpt
    assert 0 < len(rejected.excerpt) <= 200


# Nearly every line of a log is plain: floating-point features, known names, nothing escaped. Lines
# that are not are read another way, and the same has to become of both.
PLAIN: dict[str, Any] = {
    **GOOD,
    "features": {"distanceScore": 0.85, "ageScore": 0.5, "interestScore": 0.25},
    "eventId": "e1",
    "groupId": "g",
    "modelVersion": "3",
}
WRITINGS: dict[str, Callable[[dict[str, Any]], str]] = {
    "plain": json.dumps,
    "dense": lambda event: json.dumps(event, separators=(",", ":")),
    "behind the prefix": lambda event: f"[ML_MATCH_EVENT] {json.dumps(event)}",
    "with odd spaces": lambda event: json.dumps(event, separators=(" , ", " : ")),
    "with a whole number": lambda event: json.dumps(
        {**event, "features": {"budgetScore": 1, **event["features"]}}
    ),
    "with an unknown name": lambda event: json.dumps({**event, "build": "7"}),
    "with a name escaped": lambda event: json.dumps(event).replace('"label"', '"la\\u0062el"'),
}
LATEST_MS = 1_767_312_000_000  # a day after NOW
EARLIEST_MS = 946_684_800_000  # the beginning of 2000
ID_NAMES = ["eventId", "userId", "targetId", "groupId", "modelVersion"]
TAKEN: dict[str, dict[str, Any]] = {
    "as it is": {},
    "as late as may be": {"timestamp": LATEST_MS},
    "as early as may be": {"timestamp": EARLIEST_MS},
    "at the ends of the range": {"features": {"ageScore": 0.0, "distanceScore": 1.0}},
    "without features": {"features": {}},
    "of label 0": {"outcome": "ignore", "label": 0},
    "with ids as long as may be": dict.fromkeys(ID_NAMES, "x" * 200),
}
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("impossible_timestamp", {"timestamp": LATEST_MS + 1}),
    ("impossible_timestamp", {"timestamp": LATEST_MS * 1000}),
    ("impossible_timestamp", {"timestamp": EARLIEST_MS - 1}),
    ("impossible_timestamp", {"timestamp": 1_700_000_000}),
    ("impossible_timestamp", {"timestamp": -1}),
    ("wrong_type", {"timestamp": 1.7e12}),
    ("wrong_type", {"timestamp": True}),
    ("wrong_type", {"timestamp": "1700000000000"}),
    ("label_contradicts_outcome", {"outcome": "accept", "label": 0}),
    ("label_contradicts_outcome", {"outcome": "chat", "label": 0}),
    ("label_contradicts_outcome", {"outcome": "ignore", "label": 1}),
    ("label_contradicts_outcome", {"outcome": "unmatch", "label": 1}),
    ("label_contradicts_outcome", {"label": 2}),
    ("wrong_type", {"label": True}),
    ("wrong_type", {"label": 1.0}),
    ("out_of_range", {"features": {"ageScore": 1.0000001}}),
    ("out_of_range", {"features": {"ageScore": -1e-9}}),
    ("wrong_type", {"features": {"ageScore": "0.5"}}),
    ("unknown_value", {"matchType": "user"}),
    ("unknown_value", {"outcome": "like"}),
    ("unknown_value", {"preset": "odd"}),
    *(("bad_id", {name: value}) for name in ID_NAMES for value in ("", "x" * 201)),
    *(("wrong_type", {name: 7}) for name in ID_NAMES),
]


@pytest.mark.parametrize("write", WRITINGS.values(), ids=WRITINGS.keys())
@pytest.mark.parametrize("changes", TAKEN.values(), ids=TAKEN.keys())
def test_a_good_event_is_taken_however_it_is_written(
    write: Callable[[dict[str, Any]], str], changes: dict[str, Any]
) -> None:
    chunk = read(write({**PLAIN, **changes}))
    assert chunk.rejected == []
    assert len(chunk.events) == 1


@pytest.mark.parametrize("write", WRITINGS.values(), ids=WRITINGS.keys())
@pytest.mark.parametrize(("reason", "changes"), REFUSED)
def test_a_bad_event_is_refused_for_one_reason_however_it_is_written(
    reason: str, changes: dict[str, Any], write: Callable[[dict[str, Any]], str]
) -> None:
    chunk = read(write({**PLAIN, **changes}))
    assert [rejected.reason for rejected in chunk.rejected] == [reason]
    assert len(chunk.events) == 0


def test_every_reason_of_the_parser_is_tried_by_a_line() -> None:
    tried = {reason for reason, _, _ in BAD_LINES}
    # One is about an import, and one about the rows of tables, which are no lines.
    assert tried == set(REASONS) - {"source_contradicts_import", "unreadable_row"}


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + line(),
        "[ML_MATCH_EVENT] " + line(),
        "\ufeff[ML_MATCH_EVENT]" + line(),
        line() + "\r\n\r\n  \n",
        "\n" + line(),
        line(preset=None, source=None, label=None),
        with_features(ageScore=None, distanceScore=1),
        line(features={}),
        line(features=None),
        line(features=...),
        with_features(ageScore=None),
        line(source="application-7"),
        json.dumps(GOOD, separators=(" ,", " : ")),
        line(userId='quo"te: {[\\'),
        line()[:-1] + f',"x":{DEEP.removeprefix(chr(123) + chr(34) + "x" + chr(34) + ":")[:-1]}}}',
    ],
)
def test_harmless_variations_are_read(text: str) -> None:
    chunk = read(text)
    assert chunk.rejected == []
    assert len(chunk.events) == 1


def test_unknown_names_are_ignored_and_counted() -> None:
    features = {"ageScores": 7, "ageScore": 0.5}
    chunk = read("\n".join([line(features=features, extra={"a": [1]})] * 2 + [line(source="app")]))
    assert chunk.rejected == []
    assert chunk.ignored == {"features.ageScores": 2, "extra": 2, "source app": 1}


def test_counting_unknown_names_stays_bounded() -> None:
    names = {f"name{k}": 1 for k in range(3 * MAX_IGNORED_NAMES)}
    ignored = read(line(**names)).ignored
    assert len(ignored) == MAX_IGNORED_NAMES + 1
    assert sum(ignored.values()) == len(names)


def test_the_same_event_has_one_key_however_it_is_written() -> None:
    backwards = json.dumps(dict(reversed(GOOD.items())), indent=None, separators=(", ", " : "))
    whole = backwards.replace('"interestScore" : 0', '"interestScore" : 0.0')
    keys = read("\n".join([line(), "[ML_MATCH_EVENT] " + backwards, whole + "\r"])).keys
    assert len({bytes(key) for key in keys}) == 1
    others = [line(timestamp=1_700_000_000_001), line(userId="c"), line(outcome="chat"), line()]
    assert len({bytes(key) for key in read("\n".join(others)).keys}) == 4


def test_an_event_id_alone_names_the_event() -> None:
    texts = [line(eventId="e1"), line(eventId="e1", userId="z"), line(eventId="e2")]
    keys = [bytes(key) for key in read("\n".join(texts)).keys]
    assert keys[0] == keys[1] == event_key("e1")
    assert keys[2] != keys[0]


def test_lines_of_elsewhere_keep_their_numbers_and_what_they_were_written_from() -> None:
    lines = [line(), "", line(outcome="like"), line(userId="c"), "x" * (MAX_LINE_BYTES + 1)]
    chunk = read_lines(
        [text.encode() for text in lines],
        now=NOW,
        numbers=[2, 3, 5, 9, 10],
        originals=[b"a,b,accept", b",,", b"a,b,like", b"c,b,accept", b"c,b,long"],
        next_offset=77,
    )
    assert chunk.lines.tolist() == [2, 9]
    assert [(one.line, one.reason, one.excerpt) for one in chunk.rejected] == [
        (5, "unknown_value", "a,b,like"),
        (10, "line_too_long", "c,b,long"),
    ]
    assert (chunk.next_line, chunk.next_offset) == (11, 77)
    assert read_lines([], now=NOW).next_line == 1


def test_lines_without_numbers_are_read_like_a_stream_of_them() -> None:
    lines = [line().encode(), b"{", b"\xef\xbb\xbf", b"", line(userId="c").encode()]
    streamed = read(b"\n".join(lines))
    given = read_lines(lines, now=NOW)
    assert given.lines.tolist() == streamed.lines.tolist() == [1, 5]
    assert given.keys.tolist() == streamed.keys.tolist()
    assert given.rejected == streamed.rejected
    assert given.next_line == streamed.next_line == 6


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"timestamp": 1_767_312_000_001}, "impossible_timestamp"),
        ({"timestamp": 1_700_000_000}, "impossible_timestamp"),
        ({"label": 0}, "label_contradicts_outcome"),
        ({"source": "synthetic"}, "source_contradicts_import"),
    ],
)
def test_a_good_block_with_one_impossible_line_refuses_that_line(
    changes: dict[str, Any], reason: str
) -> None:
    lines = [line(userId=f"u{number}") for number in range(5)]
    lines[3] = line(**changes)
    chunk = read("\n".join(lines), origin="real")
    assert [(one.line, one.reason) for one in chunk.rejected] == [(4, reason)]
    assert chunk.lines.tolist() == [1, 2, 3, 5]
    assert len(chunk.originals) == len(chunk.keys) == 4


@pytest.mark.parametrize("inside", ["\n", "\r", "\t"])
def test_a_line_that_was_separated_elsewhere_and_holds_a_line_end_is_no_other_line(
    inside: str,
) -> None:
    given = [line().encode(), line(userId="c").replace(", ", f",{inside}", 1).encode(), b"{}"]
    chunk = read_lines(given, now=NOW)
    assert chunk.lines.tolist() == [1, 2]
    assert [one.line for one in chunk.rejected] == [3]


def test_views_among_other_lines_are_counted_and_no_events() -> None:
    chunk = read("\n".join([line(), line(outcome="view", label=...), line(userId="c")]))
    assert (chunk.exposures, chunk.lines.tolist(), chunk.rejected) == (1, [1, 3], [])


def test_an_empty_log_gives_one_empty_chunk() -> None:
    chunk = read(b"")
    assert (len(chunk.events), chunk.rejected, chunk.next_offset) == (0, [], 0)
    assert chunk.events.features.shape == (0, 13)
    assert chunk.keys.shape == (0, 16)


def test_a_long_line_across_many_blocks_is_counted_and_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "READ_BYTES", 7)
    monkeypatch.setattr(reader, "MAX_LINE_BYTES", 1000)
    text = "\n".join([line(), "x" * 5000, line(), "y" * 3000])
    chunk = read(text)
    assert [(r.line, r.reason) for r in chunk.rejected] == [
        (2, "line_too_long"),
        (4, "line_too_long"),
    ]
    assert "5,000" in chunk.rejected[0].message
    assert chunk.lines.tolist() == [1, 3]
    assert chunk.next_offset == len(text)


@given(st.integers(1, 40), st.integers(1, 9), st.booleans())
def test_reading_goes_on_from_the_end_of_any_chunk(
    block: int, chunk_lines: int, ends_with_newline: bool
) -> None:
    texts = [line(userId=f"u{k}") if k % 3 else "broken" for k in range(13)]
    raw = ("\r\n".join(texts) + ("\n" if ends_with_newline else "")).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "READ_BYTES", block)
        whole = list(read_log(io.BytesIO(raw), now=NOW, chunk_lines=chunk_lines))
        users = [user for chunk in whole for user in chunk.events.ids["userId"]]
        assert users == [f"u{k}" for k in range(13) if k % 3]
        for number, chunk in enumerate(whole[:-1]):
            stream = io.BytesIO(raw)
            stream.seek(chunk.next_offset)
            rest = list(
                read_log(
                    stream,
                    now=NOW,
                    line=chunk.next_line,
                    offset=chunk.next_offset,
                    chunk_lines=chunk_lines,
                )
            )
            assert [c.lines.tolist() for c in rest] == [
                c.lines.tolist() for c in whole[number + 1 :]
            ]
            assert [c.rejected for c in rest] == [c.rejected for c in whole[number + 1 :]]
            assert rest[-1].next_offset == len(raw)


names = st.none() | st.text('aZ9:-"\\{}[],\n\t\x7f\u00e9\u2028\U0001f600', min_size=1, max_size=20)


@st.composite
def event_columns(draw: st.DrawFn) -> EventColumns:
    n = draw(st.integers(0, 8))

    def codes(low: int, high: int) -> Any:
        return draw(hnp.arrays(np.int16, n, elements=st.integers(low, high)))

    unit = st.floats(0, 1, width=32) | st.just(float("nan"))
    return EventColumns(
        match_type=codes(1, 2),
        outcome=codes(1, 4),
        preset=codes(0, 3),
        source=codes(0, 2),
        occurred_ms=draw(
            hnp.arrays(np.int64, n, elements=st.integers(946_684_800_000, 1_767_225_600_000))
        ),
        features=draw(hnp.arrays(np.float32, (n, 13), elements=unit)),
        ids={name: draw(st.lists(names, min_size=n, max_size=n)) for name in ID_FIELDS},
    )


@given(event_columns())
def test_reading_what_was_written_gives_the_same_events(events: EventColumns) -> None:
    chunk = read(write_log(events))
    assert chunk.rejected == []
    assert chunk.ignored == {}
    for name in ("match_type", "outcome", "preset", "source", "occurred_ms", "features"):
        np.testing.assert_array_equal(getattr(chunk.events, name), getattr(events, name))
    assert chunk.events.ids == events.ids
    assert write_log(chunk.events) == write_log(events)


scalars = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-0.5, 1.5) | st.text(max_size=4)
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "matchType": st.sampled_from(["user_user", "user_group", "", None, 1]),
            "features": st.dictionaries(st.sampled_from([*LOG_NAMES, "x"]), scalars) | scalars,
            "outcome": st.sampled_from(["accept", "chat", "ignore", "view", "like", None]),
            "label": scalars,
            "preset": st.sampled_from(["balanced", "odd", None]),
            "timestamp": st.sampled_from([1_700_000_000_000, 5, 1.5, None, True]),
            "source": scalars,
            "eventId": scalars,
            "userId": scalars,
            "other": st.recursive(scalars, st.lists, max_leaves=4),
        },
    )
)
def test_the_quick_reading_never_takes_what_the_careful_one_refuses_or_reads_otherwise(
    event: dict[str, Any],
) -> None:
    text = json.dumps(event, allow_nan=False).encode()
    quick = read_plain(text, LIMITS, None)
    if quick is not None:
        careful, canonical, ignored = read_carefully(text, LIMITS, None)
        assert repr((careful, canonical)) == repr(quick)
        assert not ignored


@given(
    st.text('{}[]":,ab0-1. e\\\n', max_size=30),
    st.sampled_from(['"userId":"a"', '"label":1', '"ageScore":0.5', '"features":{', '"a"']),
)
def test_no_stretch_of_json_is_taken_quickly_that_is_refused_carefully(
    stretch: str, before: str
) -> None:
    text = line(userId="a").replace(before, before + stretch).encode()
    quick = read_plain(text, LIMITS, None)
    if quick is not None:
        careful, canonical, ignored = read_carefully(text, LIMITS, None)
        assert repr((careful, canonical)) == repr(quick)
        assert not ignored


def test_whatever_the_validator_refuses_is_explained() -> None:
    fields = ["matchType", "features", "outcome", "label", "preset", "timestamp", *ID_FIELDS]
    for name in fields:
        for value in ("odd", "", 1.5, True, [], {}, {"ageScore": "x"}, 10**30, "x" * 201):
            with contextlib.suppress(RefusedLine):
                read_carefully(line(**{name: value}).encode(), LIMITS, None)


def test_the_struct_of_the_format_has_the_features_in_the_order_of_the_columns() -> None:
    assert LoggedFeatures.__struct_encode_fields__ == LOG_NAMES
    assert LoggedFeatures.__struct_fields__ == FEATURE_NAMES


def test_the_words_of_the_format_are_those_of_the_vocabulary() -> None:
    told = {field.name: field.type for field in msgspec.structs.fields(LoggedEvent)}
    for name, words in (
        ("match_type", MatchType),
        ("outcome", [*Outcome, VIEW]),
        ("preset", Preset),
        ("source", ROW_ORIGINS),
    ):
        literal = next(
            (part for part in get_args(told[name]) if get_origin(part) is Literal), told[name]
        )
        assert set(get_args(literal)) == set(words), name


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_or_refused_but_never_break_the_reader(raw: bytes) -> None:
    chunk = read(raw)
    filled = [part for part in raw.split(b"\n") if part.strip()]
    assert len(chunk.rejected) + len(chunk.events) in (len(filled), len(filled) - 1)


def test_the_poor_log_holds_distinct_events_of_which_half_are_copies_in_their_features(
    tmp_path: Path,
) -> None:
    chunk = read(write_poor_log(tmp_path / "poor.jsonl").read_bytes())
    assert (len(chunk.events), chunk.rejected, chunk.ignored) == (232, [], {})
    assert len(np.unique(chunk.keys, axis=0)) == 232
    vectors = np.unique(np.nan_to_num(chunk.events.features, nan=-1), axis=0)
    assert 1 - len(vectors) / 232 == pytest.approx(0.51, abs=0.005)
    assert (chunk.events.features == 0.5).mean() > 0.2


# --- Many lines at once ---------------------------------------------------------------------------

LOGGED = (
    b'{"matchType":"user_user","features":{"ageScore":0.5},"outcome":"accept",'
    b'"timestamp":1700000000000,"userId":"u%d"}'
)
# Lines that are wrong alone, and could be right together with those beside them.
SPLIT = [
    (b'{"matchType":"user_user","features":{}', b'"outcome":"ignore","timestamp":1700000000000}'),
    (
        b'{"matchType":"user_user","eventId":"a}',
        b'{b","outcome":"ignore","features":{},"timestamp":1}',
    ),
    (b'{"x":[{}', b"{}]}"),
    (LOGGED % 1 + b"," + LOGGED % 2, b""),
    (b'{"eventId":"a}', b'{b"}'),
    (LOGGED % 3 + b",{}", LOGGED % 4),
    (LOGGED[:-1] % 5 + b',"outcome":"accept"}', LOGGED % 6),
    (b"[" + LOGGED % 7 + b"]", b"{}"),
    (LOGGED % 8 + b"\r", b"  " + LOGGED % 9),
    (LOGGED.replace(b"user_user", b"user_us\\u0065r") % 10, LOGGED % 11),
    (LOGGED.replace(b"1700000000000", b"1") % 12, b"\xff{}"),
]


@given(st.lists(st.sampled_from([*(one for pair in SPLIT for one in pair), LOGGED % 20, b"{}"])))
def test_lines_read_together_are_those_read_one_by_one(lines: list[bytes]) -> None:
    check_together(lines)


@pytest.mark.parametrize("pair", SPLIT, ids=str)
def test_no_line_is_mended_by_the_one_beside_it(pair: tuple[bytes, bytes]) -> None:
    extra = LOGGED % 30 + b"," + LOGGED % 31  # makes up for a line that another one took in
    for lines in (list(pair), [LOGGED % 40, *pair, extra], [extra, *pair], [*pair, extra, *pair]):
        check_together(lines)


def check_together(lines: list[bytes]) -> None:
    log = b"\n".join(lines)
    together = list(read_log(io.BytesIO(log), now=NOW, chunk_lines=7))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "read_plain_lines", lambda texts: None)
        alone = list(read_log(io.BytesIO(log), now=NOW, chunk_lines=7))
    for one, other in zip(together, alone, strict=True):
        assert one.rejected == other.rejected
        assert one.ignored == other.ignored
        assert one.lines.tolist() == other.lines.tolist()
        assert one.keys.tobytes() == other.keys.tobytes()
        assert one.events.features.tobytes() == other.events.features.tobytes()
        assert one.events.ids == other.events.ids
