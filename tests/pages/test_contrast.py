"""Every colour of the theme is a token, and every pair of tokens that meet can be read."""

import re
from itertools import product
from pathlib import Path

import pytest
from django.conf import settings

from tests.pages.colours import (
    GROUNDS,
    MARK,
    TEXT,
    THEMES,
    USED,
    Pair,
    colours_of,
    contrast,
    literals_of,
    pairs_of,
    rules_of,
)

STATIC = Path(settings.BASE_DIR) / "project" / "static" / "seedbed"
TOKENS = (STATIC / "tokens.css").read_text()
COLOURS = colours_of(TOKENS)
# The page of the design shows each colour as a swatch on itself.
SHEETS = sorted(set(STATIC.glob("*.css")) - {STATIC / "tokens.css", STATIC / "design.css"})
RULES = [rule for sheet in SHEETS for rule in rules_of(sheet.read_text())]

# Promised whatever the rules of today say: text on every ground, verdicts on theirs.
PROMISED = [
    *(
        Pair(text, ground, TEXT, "text on any ground")
        for text in ("ink", "ink-2", "ink-3", "accent", "accent-hover", "bad", "danger")
        for ground in GROUNDS
    ),
    *(
        Pair(text, "accent-soft", TEXT, "text on what is chosen")
        for text in ("ink", "ink-2", "ink-3", "accent", "accent-ink")
    ),
    *(
        Pair(text, f"{verdict}-bg", TEXT, "a verdict")
        for verdict in ("good", "warn", "bad", "plain", "synthetic")
        for text in (verdict, "ink", "ink-2")
    ),
    *(
        Pair(mark, ground, MARK, "a mark, a border or the focus")
        for mark in ("control", "focus", "chart", "chart-2", "good-mark", "warn-mark")
        for ground in ("bg", "surface")
    ),
]
# What Django's own style sheets set together, by the names of its variables.
DJANGO = [
    *(("body-fg", ground) for ground in ("body-bg", "darkened-bg", "selected-bg", "selected-row")),
    *(("body-fg", f"message-{tone}-bg") for tone in ("success", "warning", "error")),
    *((text, "body-bg") for text in ("body-quiet-color", "body-medium-color", "body-loud-color")),
    *(
        (text, "body-bg")
        for text in ("link-fg", "link-hover-color", "link-selected-fg", "error-fg")
    ),
    *((text, "header-bg") for text in ("header-color", "header-link-color")),
    *(("button-fg", ground) for ground in ("button-bg", "button-hover-bg")),
    *(("object-tools-fg", ground) for ground in ("object-tools-bg", "object-tools-hover-bg")),
    ("primary-fg", "primary"),
]


def too_weak(pairs: list[Pair], colours: dict[str, tuple[str, str]]) -> list[str]:
    """Name the pairs that do not contrast enough, by theme."""
    found = {}
    for pair, (at, theme) in product(pairs, enumerate(THEMES)):
        ratio = contrast(colours[pair.colour][at], colours[pair.ground][at])
        if ratio < pair.least:
            key = f"{theme}: {pair.colour} on {pair.ground} is {ratio:.2f}, at least {pair.least}"
            found.setdefault(key, pair.rule)
    return [f"{said} ({rule[-120:]})" for said, rule in found.items()]


def test_ratios_are_those_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#ffffff") == 1
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)
    assert contrast("#ff0000", "#ffffff") == pytest.approx(3.998, abs=0.005)


def test_every_token_that_is_used_is_there() -> None:
    defined = set(re.findall(r"--sb-([\w-]+):", TOKENS))
    used = {name for sheet in STATIC.glob("*.css") for name in USED.findall(sheet.read_text())}
    assert used <= defined
    assert len(COLOURS) > 25


def test_what_is_promised_holds() -> None:
    assert too_weak(PROMISED, COLOURS) == []


def test_what_django_sets_together_can_be_read() -> None:
    aliases = dict(re.findall(r"--([\w-]+): var\(--sb-([\w-]+)\)", TOKENS))
    pairs = [Pair(aliases[text], aliases[ground], TEXT, text) for text, ground in DJANGO]
    assert too_weak(pairs, COLOURS) == []


def test_every_pair_of_the_style_sheets_can_be_told_apart() -> None:
    pairs = list(pairs_of(RULES))
    assert len(pairs) > 100
    assert too_weak(pairs, COLOURS) == []


def test_every_colour_of_a_style_sheet_is_a_token() -> None:
    assert literals_of(RULES) == []


# --- The measure itself ---------------------------------------------------------------------------

PLANTED = {
    **dict.fromkeys(GROUNDS, ("#ffffff", "#111111")),
    "ink": ("#111111", "#eeeeee"),
    "grey": ("#999999", "#777777"),
    "good-bg": ("#dff3e6", "#12301f"),
}


@pytest.mark.parametrize(
    "sheet",
    [
        ".a { color: var(--sb-grey); background: var(--sb-surface); }",
        ".a { color: var(--sb-grey) }",  # on any ground
        ".a { background: var(--sb-good-bg); .b, .c { &:hover { color: var(--sb-grey); } } }",
        "@media (max-width: 9px) { .a:not([x='{']) { color: var(--sb-grey); } }",
        ".a { background: var(--sb-good-bg); color: var(--sb-ink); } .b { fill: var(--sb-grey); }",
        ".sb-chart text { fill: var(--sb-grey); }",
        ".a { border: 1px solid var(--sb-grey); }",
        ":focus-visible { outline: 2px solid var(--sb-grey); }",
        ".a { background: var(--sb-grey); }",  # a mark that has to be seen
        ".a { color: var(--sb-grey); background: none; }",
    ],
)
def test_a_planted_pair_is_found(sheet: str) -> None:
    assert too_weak(list(pairs_of(rules_of(sheet))), PLANTED) != []


@pytest.mark.parametrize(
    "sheet",
    [
        ".a { color: var(--sb-ink); background: var(--sb-good-bg); }",
        "/* color: var(--sb-grey); */ .a { color: inherit; }",
        ".a:disabled { color: var(--sb-grey); }",
        ".a { border-bottom: 1px solid var(--sb-line); background: var(--sb-track); }",
        ".a { color: var(--sb-grey); color: var(--sb-ink); }",
    ],
)
def test_what_can_be_read_passes(sheet: str) -> None:
    assert too_weak(list(pairs_of(rules_of(sheet))), PLANTED) == []


@pytest.mark.parametrize(
    "value",
    [
        "#fff",
        "#14191e80",
        "rgb(0 0 0 / 0.5)",
        "1px solid white",
        "hsl(0 0% 0%)",
        "light-dark(red, blue)",
    ],
)
def test_a_planted_colour_is_found(value: str) -> None:
    for name in ("color", "border", "box-shadow", "--mine"):
        assert literals_of(rules_of(f".a {{ {name}: {value}; }}")) != []
