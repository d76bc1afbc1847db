"""docs/gates.md has every check of the code, with the limits that the code has."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from feedback.domain.requirements import MINIMUM_SAMPLES
from tests.rooms import ROOMS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/gates.md").read_text()
APPS = ROOMS[1:]


@cache
def trees() -> tuple[ast.Module, ...]:
    return tuple(
        ast.parse(path.read_text()) for app in APPS for path in sorted((ROOT / app).rglob("*.py"))
    )


def gates_of_the_code() -> set[str]:
    """Return the names of all gates; those of a column or group end with a colon."""
    return {
        ast.literal_eval(node.args[0])
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Gate"
    }


def checks_of_the_page() -> set[str]:
    cells = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def constant(name: str) -> Any:
    """Return the one value that a constant of the apps has, wherever it stands."""
    values = [
        ast.literal_eval(node.value)
        for tree in trees()
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == name
    ]
    assert len(values) == 1, f"{name} stands {len(values)} times"
    return values[0]


def row_of(check: str) -> str:
    (row,) = [
        line
        for line in PAGE.splitlines()
        if line.startswith("| `") and f"`{check}" in line.split("|")[1]
    ]
    return row


def test_every_gate_of_the_code_stands_on_the_page() -> None:
    names = gates_of_the_code()
    assert len(names) > 20
    page = checks_of_the_page()
    for name in names:
        assert any(each == name or (name[-1] == ":" and each.startswith(name)) for each in page), (
            f"{name} is missing in docs/gates.md"
        )


def test_every_check_of_the_page_is_made_by_a_gate_of_the_code() -> None:
    names = gates_of_the_code()
    for each in checks_of_the_page():
        name, colon, _ = each.partition(":")
        assert {name, name + colon} & names, f"{each} of docs/gates.md is no check"


def test_checks_are_made_by_gates_alone() -> None:
    made = [
        path.relative_to(ROOT).as_posix()
        for app in APPS
        for path in sorted((ROOT / app).rglob("*.py"))
        if any(
            isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Check"
            for node in ast.walk(ast.parse(path.read_text()))
        )
    ]
    assert made == ["training/domain/checks.py"]


def percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


@pytest.mark.parametrize(
    ("check", "name", "spelt"),
    [
        ("rows", "MINIMUM_EVENTS", "fewer than {:d} match events"),
        ("labels", "MINORITY_WARN_SHARE", percent),
        ("target_distinct", "TARGET_DISTINCT_WARN", "fewer than {:d} values"),
        ("duplicate_share", "DUPLICATE_WARN_SHARE", percent),
        ("duplicate_share", "DUPLICATE_REFUSE_SHARE", percent),
        ("repeated_vectors", "DUPLICATE_WARN_SHARE", percent),
        ("generated_vectors", "DUPLICATE_WARN_SHARE", percent),
        ("generated_vectors", "DUPLICATE_REFUSE_SHARE", percent),
        ("repeated_answers", "DUPLICATE_WARN_SHARE", percent),
        ("repeated_answers", "DUPLICATE_REFUSE_SHARE", percent),
        ("distinct:", "DISTINCT_DEFAULT", "wanted: {:d}"),
        ("distinct:", "DISTINCT_REFUSE", "fewer than {:d}"),
        ("distinct_vectors", "DISTINCT_DEFAULT", "fewer than {:d}"),
        ("distinct_vectors", "DISTINCT_REFUSE", "fewer than {:d}"),
        ("missing:", "MISSING_WARN_SHARE", percent),
        ("missing:", "MISSING_REFUSE_SHARE", percent),
        ("giveaway", "GIVEAWAY_MINIMUM_ROWS", "fewer than {:d} rows"),
        ("giveaway", "GIVEAWAY_AUC", "above {:g}"),
        ("giveaway", "GIVEAWAY_CORRELATION", "above {:g}"),
        ("suspicious_input:", "REACHABLE_AUC", "above {:g}"),
        ("better_than_chance", "CHANCE_AUC", "above {:g}"),
        ("score_width", "MINIMUM_WIDTH", "less than {:g}"),
        ("repeated_score", "MAXIMUM_REPEATED_SHARE", percent),
        ("calibration", "MAXIMUM_ECE", "above {:g}"),
        ("target_roc_auc", "TARGET_AUC", "above {:.2f}"),
        ("target_accuracy", "TARGET_ACCURACY", "above {:.2f}"),
        ("predictions_vary", "CONSTANT_SHARE", percent),
    ],
)
def test_a_limit_of_the_page_is_the_limit_of_the_code(check: str, name: str, spelt: Any) -> None:
    value = constant(name)
    text = spelt.format(value) if isinstance(spelt, str) else spelt(value)
    assert text in row_of(check), f"{check}: expected {text!r} ({name})"


def test_the_rows_that_each_kind_needs_stand_on_the_page() -> None:
    for kind, rows in MINIMUM_SAMPLES.items():
        assert re.search(rf"{rows} (rows )?of `{kind}`", row_of("rows")), kind


def test_the_distinct_values_that_are_wanted_stand_on_the_page() -> None:
    wanted = constant("DISTINCT_PASS")
    row = row_of("distinct:")
    assert f"{wanted['interest_score']} for interests and ages" in row
    assert wanted["age_score"] == wanted["interest_score"]
    assert f"{wanted['personality_score']} for personality" in row


def test_the_numbers_in_the_text_are_those_of_the_code() -> None:
    assert f"{constant('REASON_MIN_LENGTH')} characters" in PAGE
    assert f"fewer than {constant('MINIMUM_LIVE')} live sessions" in PAGE
    assert f"scores {constant('SAMPLE')} pairs" in PAGE
    assert f"fewer than {constant('MINIMUM_DIFFERENT')} of the scores differ" in PAGE
