"""Colours of the theme: which stand on which, read from the style sheets, and how they contrast.

Ratios are those of WCAG 2.2, success criteria 1.4.3 (text) and 1.4.11 (what else has to be seen).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

TEXT, MARK = 4.5, 3.0  # the least ratio
THEMES = ("light", "dark")
# What a page, a card and a row stand on: what has no ground of its own may stand on any of them.
GROUNDS = ("bg", "surface", "sunken", "hover", "raised")
# Seen, but nothing is told by them alone: lines between things, the track of a bar, what dims.
DECORATIVE = frozenset({"line", "track", "scrim", "shadow", "chart-soft"})
PAINTS = frozenset(
    {
        *("color", "background", "background-color", "fill", "stroke", "outline", "outline-color"),
        *("border", "border-top", "border-right", "border-bottom", "border-left", "border-color"),
        *("border-top-color", "border-right-color", "border-bottom-color", "border-left-color"),
        *("border-block", "border-inline", "accent-color", "caret-color", "text-decoration-color"),
        *("box-shadow", "column-rule", "scrollbar-color"),
    }
)
TOKEN = re.compile(
    r"--sb-([\w-]+):\s*light-dark\((#[0-9a-f]{6}),\s*(#[0-9a-f]{6})\)", re.IGNORECASE
)
USED = re.compile(r"var\(--sb-([\w-]+)\)")
LITERAL = re.compile(
    r"#[0-9a-f]{3,8}\b|\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch|color)\(", re.IGNORECASE
)
NAMED = re.compile(
    r"(?<![\w-])(?:white|black|gr[ae]y|silver|red|green|blue|yellow|orange|purple|pink|brown|cyan|"
    r"magenta|navy|teal|maroon|olive|lime|aqua|fuchsia)(?![\w-])",
    re.IGNORECASE,
)

Colours = dict[str, tuple[str, str]]  # name of a token to its colour by day and by night


def colours_of(tokens: str) -> Colours:
    """Return the colours of a style sheet of tokens."""
    return {name: (light, dark) for name, light, dark in TOKEN.findall(tokens)}


def luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour such as #14191e, 0 black to 1 white."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 for the same to 21 for black and white."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@dataclass
class Rule:
    """A rule of a style sheet with its own declarations, and the rules that it is nested in."""

    selector: str
    declared: dict[str, str] = field(default_factory=dict)
    inside: "Rule | None" = None

    @property
    def path(self) -> str:
        """All selectors from the outermost on."""
        return f"{self.inside.path} {self.selector}".strip() if self.inside else self.selector

    def token(self, *names: str) -> str | None:
        """Return the token that one of these properties is set to here, the last one first."""
        for name, value in reversed(self.declared.items()):
            if name in names:
                used = USED.findall(value)
                return used[0] if used else None
        return None

    def nearest(self, *names: str) -> str | None:
        """Return the token of these properties here, or of the nearest rule around."""
        found = self.token(*names)
        return found if found or self.inside is None else self.inside.nearest(*names)


def rules_of(sheet: str) -> list[Rule]:
    """Return the rules of a style sheet, nested ones too; of frames of an animation as well."""
    sheet = re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)
    rules: list[Rule] = []
    around: list[Rule] = []
    text = ""
    quote = ""
    depth = 0
    for each in sheet:
        if quote:
            quote = "" if each == quote else quote
            text += each
        elif each in "\"'":
            quote = each
            text += each
        elif each in "([":
            depth += 1
            text += each
        elif each in ")]":
            depth -= 1
            text += each
        elif each == "{":
            rule = Rule(" ".join(text.split()), inside=around[-1] if around else None)
            around.append(rule)
            rules.append(rule)
            text = ""
        elif each == ";" or (each == "}" and not depth):
            name, colon, value = text.partition(":")
            if colon and around:
                # The last one holds, as in a browser.
                around[-1].declared.pop(name.strip().lower(), None)
                around[-1].declared[name.strip().lower()] = " ".join(value.split())
            text = ""
            if each == "}":
                around.pop()
        else:
            text += each
    return rules


@dataclass(frozen=True)
class Pair:
    """A colour on a ground, and why they meet."""

    colour: str
    ground: str
    least: float
    rule: str


def pairs_of(rules: list[Rule]) -> Iterator[Pair]:
    """Yield every token with what it stands on: its rule's ground, one around, or any ground."""
    for rule in rules:
        ground = rule.token("background", "background-color")
        text = rule.token("color")
        around = rule.nearest("background", "background-color")
        if text and not _is_disabled(rule):
            for each in [around] if around else GROUNDS:
                yield Pair(text, each, TEXT, rule.path)
        elif ground and _carries_text(ground):
            # The text is that of the page, or of the rule around.
            yield Pair(rule.nearest("color") or "ink", ground, TEXT, rule.path)
        elif ground and ground not in DECORATIVE:
            yield from _seen(ground, rule)
        for name in ("fill", "stroke", "outline", "outline-color"):
            drawn = rule.token(name)
            if drawn and drawn not in DECORATIVE:
                is_text = "text" in re.split(r"[\s>+~,]+", rule.path) and name == "fill"
                for each in ("bg", "surface"):
                    yield Pair(drawn, each, TEXT if is_text else MARK, rule.path)
        for name, value in rule.declared.items():
            if name.startswith("border"):
                for drawn in set(USED.findall(value)) - DECORATIVE:
                    if drawn not in SIZES and not _is_filled_with(rule, drawn):
                        yield from _seen(drawn, rule)


SIZES = frozenset(
    {
        *("1", "2", "3", "4", "5", "6", "radius", "radius-lg", "control-h", "header-h", "nav-w"),
        *("font", "mono"),
    }
)


def _seen(token: str, rule: Rule) -> Iterator[Pair]:
    """Yield what has to be told from what a page and a card stand on."""
    if token not in GROUNDS and not token.endswith(("-bg", "-soft")):
        yield from (Pair(token, each, MARK, rule.path) for each in ("bg", "surface"))


def _carries_text(ground: str) -> bool:
    return ground in GROUNDS or (ground.endswith(("-bg", "-soft")) and ground not in DECORATIVE)


def _is_filled_with(rule: Rule, token: str) -> bool:
    return rule.nearest("background", "background-color") == token


def _is_disabled(rule: Rule) -> bool:
    return ":disabled" in rule.selector or "[disabled]" in rule.selector


def literals_of(rules: list[Rule]) -> list[str]:
    """Return the declarations that name a colour themselves instead of a token."""
    found = []
    for rule in rules:
        for name, value in rule.declared.items():
            if name in PAINTS or name.startswith("--"):
                bare = USED.sub("", value)
                if LITERAL.search(bare) or NAMED.search(bare):
                    found.append(f"{rule.path} {{ {name}: {value} }}")
    return found
