"""One spelling of numbers, intervals, durations and moments."""

import ast
import io
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from django.contrib.admin.utils import display_for_value
from rich.console import Console

from project import words
from project.terminal import Table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (float("nan"), "-"),
        (float("inf"), "-"),
        (0, "0"),
        (0.8066, "0.807"),
        (12_345, "12,345"),
        (1234.5, "1,234"),
        (12.34, "12.3"),
        (-0.5, "-0.500"),
        (0.00042, "0.00042"),
        (0.000012, "1.2e-05"),
    ],
)
def test_a_number_has_the_digits_that_say_something(value: float | None, text: str) -> None:
    assert words.number(value) == text


def test_the_same_figure_is_spelt_alike_alone_and_with_its_interval() -> None:
    assert words.measured(0.8071, 0.7441, 0.8649) == "0.807 (0.744 to 0.865)"
    assert words.measured(0.8071) == words.number(0.8071) == "0.807"
    assert words.measured(0.8071, None, 0.9) == "0.807"
    assert words.interval(0.7441, 0.8649) == "0.744 to 0.865"
    assert words.interval(None, 0.9) == "-"


def test_a_difference_keeps_its_sign() -> None:
    assert words.signed(0.0123) == "+0.012"
    assert words.signed(-0.0123) == "-0.012"
    assert words.signed(0.0) == "0"
    assert words.signed(None) == "-"


def test_a_share_is_a_percentage() -> None:
    assert words.share(0.1234) == "12.3 %"
    assert words.share(None) == "-"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.25, "0.2 s"),
        (12, "12 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (3_600, "1 h"),
        (5_400, "1 h 30 min"),
        (187_200, "2 d 4 h"),
        (-90, "-1 min 30 s"),
        (59.96, "60.0 s"),
    ],
)
def test_a_duration_names_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.4, "0 s ago"), (185.2, "3 min 5 s ago"), (-7_200, "in 2 h")],
)
def test_an_age_is_told_to_the_second(seconds: float | None, text: str) -> None:
    assert words.ago(seconds) == text


def test_a_moment_says_its_zone() -> None:
    noon = datetime(2026, 11, 26, 12, 5, 9, tzinfo=UTC)
    assert words.moment(noon) == "2026-11-26 12:05 UTC"
    assert words.moment(noon, seconds=True) == "2026-11-26 12:05:09 UTC"
    assert words.moment(noon.astimezone(timezone(timedelta(hours=5)))) == "2026-11-26 12:05 UTC"
    assert words.moment(None) == "-"


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        words.moment(datetime(2026, 11, 26))  # noqa: DTZ001 - that is the case


@pytest.mark.parametrize(
    ("count", "text"), [(None, "-"), (12, "12 B"), (12_000, "12.0 kB"), (3.4e9, "3.4 GB")]
)
def test_bytes_are_counted_in_the_unit_that_fits(count: float | None, text: str) -> None:
    assert words.size(count) == text


# --- One spelling at every door ------------------------------------------------------------------

ROOT = Path(words.__file__).parents[1]
DOORS = ("management", "admin", "pages", "templatetags")  # rooms whose text people read
BY_HAND = re.compile(r"\.\d+[efg%]|[f%]$|%[YmdHMSbBp]")  # digits or a moment, spelt on the spot
FOREIGN = {"strftime", "timesince", "timeuntil", "naturaltime", "filesizeformat", "floatformat"}
FILTERS = re.compile(
    r"\|\s*(intcomma|floatformat|date|time|timesince|timeuntil|naturaltime|stringformat"
    r"|filesizeformat)\b"
)
# Where it is no figure of Seedbed's: a place in the code, what is spelt there, and why.
EXCEPTIONS = {
    ("project/management/commands/serve.py", ".0f"): "a limit in whole seconds, not a measurement",
    ("project/pages/charts.py", ".2f"): "places in a drawing",
    ("components/progress_bar.html", "stringformat"): "a width of SVG, not to be localised",
}


def spelt_by_hand(source: str) -> set[str]:
    """Return the format specifications and foreign spellings in a module."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FormattedValue(format_spec=ast.JoinedStr(values=[ast.Constant(value=spec)])):
                if BY_HAND.search(spec):
                    found.add(spec)
            case ast.Attribute(attr=name) | ast.alias(name=name) if name in FOREIGN:
                found.add(name)
    return found


def test_no_door_spells_figures_or_moments_by_hand() -> None:
    modules = [
        path
        for path in ROOT.glob("*/**/*.py")
        if path.relative_to(ROOT).parts[0] not in ("tests", "benchmarks", "var", ".venv")
        and set(path.relative_to(ROOT).parts) & set(DOORS)
    ]
    assert len(modules) > 30
    found = {
        (str(path.relative_to(ROOT)), spec)
        for path in modules
        for spec in spelt_by_hand(path.read_text())
    }
    templates = ROOT / "templates"
    found |= {
        (str(path.relative_to(templates)), name)
        for path in templates.rglob("*.html")
        for name in FILTERS.findall(path.read_text())
    }
    assert found == set(EXCEPTIONS), "Use project.words, or its filters in a template."


def test_digits_by_hand_are_found() -> None:
    assert spelt_by_hand('f"{auc:.4f} {x:,} {y:g} {share:.0%} {at:%H:%M}"') == {
        ".4f",
        ".0%",
        "%H:%M",
    }
    assert spelt_by_hand("at.strftime('%Y')") == {"strftime"}


def test_a_page_of_the_admin_spells_a_moment_like_a_command() -> None:
    noon = datetime(2026, 11, 26, 12, 5, 9, tzinfo=UTC)
    assert display_for_value(noon, "-") == words.moment(noon)


def test_no_cell_of_a_table_of_the_terminal_is_cut() -> None:
    name = "seed_solo_introvert_s7_000001"
    table = Table("User")
    table.add_row(name)
    printed = io.StringIO()
    Console(width=16, file=printed).print(table)
    assert "\u2026" not in printed.getvalue()
    assert name in re.sub(r"[^a-z0-9_]", "", printed.getvalue())


def test_every_command_takes_its_tables_from_there() -> None:
    root = Path(__file__).resolve().parents[2]
    cutting = [
        str(path.relative_to(root))
        for app in ("project", "matching", "feedback", "training", "overview")
        for path in (root / app).rglob("*.py")
        if "from rich.table" in path.read_text()
    ]
    assert cutting == []
