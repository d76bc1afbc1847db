"""Where texts speak of one person, and where they speak of somebody whose id is like it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.removal.mentions import Mentions

ONE = Mentions({"user_1": "erased-9", "Maria Moreau": "erased-9"})


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("user_1", "erased-9"),
        ("Key (external_id)=(user_1) is there.", "Key (external_id)=(erased-9) is there."),
        ("session:user_1", "session:erased-9"),
        ("user_1.csv", "erased-9.csv"),
        ("user_1.", "erased-9."),
        ("user_1: unknown", "erased-9: unknown"),
        ("/people/user_1/trip", "/people/erased-9/trip"),
        (json.dumps({"said": "first\nuser_1"}), json.dumps({"said": "first\nerased-9"})),
        ("?q=Maria+Moreau", "?q=erased-9"),
        ("?q=Maria%20Moreau", "?q=erased-9"),
    ],
)
def test_a_mention_is_replaced(said: str, left: str) -> None:
    assert ONE.without(said) == left


@pytest.mark.parametrize(
    "said", ["user_10", "auser_1", "user_1-b", "a.user_1", "user_1.b", "Maria Moreaux", "user_1:b"]
)
def test_part_of_another_id_is_no_mention(said: str) -> None:
    assert ONE.without(said) == said


def test_numbers_and_other_keys_stay() -> None:
    came = {"rows": 12, "names": ["user_1", "user_12"], "user_1": {"x": None}, "ok": True}
    assert ONE.without(came) == {
        "rows": 12, "names": ["erased-9", "user_12"], "erased-9": {"x": None}, "ok": True,
    }  # fmt: skip


def test_a_bare_number_is_looked_for_where_ids_stand_alone() -> None:
    number = Mentions({"42": "erased-9"})
    assert number.untold == ("42",)
    said = {"count": "42", "text": "42 rows of batch 42", "userId": "42", "rows": 42}
    assert number.without(said) == {**said, "userId": "erased-9"}
    assert number.name_a_row({"user_id": 42})
    assert not number.name_a_row({"rows": 42})
    assert not number.name_a_row({"user_id": 421})


@pytest.mark.parametrize("text", ["a “b” \\ c", "é & <b>", "50% of _all_"])
def test_every_way_of_writing_a_text_is_found(text: str) -> None:
    mentions = Mentions({f"Ann {text}": "X"})
    for written in (
        json.dumps(f"Ann {text}"),
        json.dumps({"a": f"Ann {text}"}, ensure_ascii=False),
    ):
        assert "Ann" not in mentions.without(written)
        assert any(
            pattern.strip("%").replace("\\\\", "\\").replace("\\_", "_").replace("\\%", "%")
            in written
            for pattern in mentions.patterns
        )


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,12}", fullmatch=True))
def test_no_other_id_is_taken_for_this_one(other: str) -> None:
    mentions = Mentions({"a1.b": "erased-9"})
    if other != "a1.b":
        assert mentions.without(other, key="user_id") == other
        assert mentions.without({"id": other}) == {"id": other}
