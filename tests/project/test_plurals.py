"""Counts bend their nouns: no sentence says "1 rows". Read from the code and the templates.

A count is followed by the one helper of `project.words`, or by `pluralize` in a template. Not meant
are bounds ("at most 5 rows"), whole amounts ("2 of 5 rows") and constants, which are never 1.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("project", "matching", "feedback", "training", "serving", "overview")
# Words that end as plurals do and are none, or are verbs of one thing: "version 3 is live".
NO_PLURALS = {
    *("is", "was", "has", "does", "as", "its", "this", "less", "class", "plus", "us", "gas"),
    *("answers", "asks", "becomes", "belongs", "carries", "comes", "cannot", "decides", "ends"),
    *("differs", "exists", "fails", "goes", "holds", "keeps", "leaves", "lies", "looks", "means"),
    *("names", "needs", "learns", "says", "serves", "stays", "takes", "waits", "works", "alias"),
    *("always", "times", "stands", "yields", "runs", "reads", "makes", "gets", "adds", "allows"),
    *("wants", "counts", "expects", "refuses", "happens", "hours", "likes", "tells", "opens"),
    *("fits", "plans", "sees", "lacks", "begins", "contradicts", "reaches", "misses", "plus"),
}
PLURALS = {"people", "children"}
# What is no count, though it stands before a noun: "real rows".
WORDS = {
    "origin",
    "asked",
    "origin_words",
    "trained_on",
    "said",
    "table",
    "are",
    "steps",
}  # and texts: `rows`, `_known`
BENT = ("words.bend", "words.counted", "words.tally")
# What may stand before a count that is no count of what there is.
BOUND = re.compile(
    r"(?:at most|at least|up to|more than|fewer than|under|over|of|every|last|next|first|newest|"
    r"1 to|more than) ?$", re.IGNORECASE
)  # fmt: skip


def plural(text: str) -> str:
    """The plural noun with which a text goes on behind a count; else empty."""
    found = re.match(r" ([a-z]+)\b", text)
    word = found[1] if found else ""
    is_plural = word in PLURALS or (word.endswith("s") and not word.endswith("ss"))
    return word if len(word) > 1 and is_plural and word not in NO_PLURALS else ""


def is_count(value: ast.expr) -> bool:
    """Whether an expression may be 1: neither written in capitals, nor a word, nor bent already."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) in BENT:
        return False
    names = [one.id for one in ast.walk(value) if isinstance(one, ast.Name)]
    names += [one.attr for one in ast.walk(value) if isinstance(one, ast.Attribute)]
    keys = [one.value for one in ast.walk(value) if isinstance(one, ast.Constant)]
    return bool(names) and not any(name.isupper() for name in names) and not WORDS & {*names, *keys}


def unbent(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and words of each count that does not bend what it counts."""
    chosen = {
        id(inner)
        for one in ast.walk(tree)
        if isinstance(one, ast.IfExp)
        and any(isinstance(part, ast.Constant) and part.value == 1 for part in ast.walk(one.test))
        for branch in (one.body, one.orelse)
        for inner in ast.walk(branch)
    }
    for one in ast.walk(tree):
        if not isinstance(one, ast.JoinedStr) or id(one) in chosen:
            continue
        before = ""
        for part, after in zip(one.values, one.values[1:], strict=False):
            if isinstance(part, ast.Constant):
                before = str(part.value)
                continue
            assert isinstance(part, ast.FormattedValue)
            noun = plural(str(after.value)) if isinstance(after, ast.Constant) else ""
            if noun and is_count(part.value) and not BOUND.search(before):
                yield one.lineno, f"{{{ast.unparse(part.value)}}} {noun}"
            before = ""


@pytest.mark.parametrize("app", APPS)
def test_counts_in_the_code_bend(app: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {said}"
        for path in sorted((ROOT / app).rglob("*.py"))
        if "migrations" not in path.parts
        for line, said in unbent(ast.parse(path.read_text()))
    ]
    assert not found, "\n".join(found)


SHOWN = re.compile(r"\{\{ ([^}]*?\|(?:number|length)[^}]*|[^}]*count[^}]*) \}\}( [a-z]+)\b")
# "{% if n == 1 %}one field{% else %}{{ n }} fields{% endif %}"
CHOSEN = re.compile(r"\{% if [^%]*(?:== 1|> 1)[^%]*%\}[^%]*(?:\{% else %\}[^%]*)?$")


@pytest.mark.parametrize("folder", sorted(one.name for one in (ROOT / "templates").iterdir()))
def test_counts_on_pages_bend(folder: str) -> None:
    found = []
    for path in sorted((ROOT / "templates" / folder).rglob("*.html")):
        text = path.read_text()
        for said in SHOWN.finditer(text):
            before = text[max(0, said.start() - 80) : said.start()]
            is_chosen = CHOSEN.search(before)
            if plural(said[2]) and not is_chosen and not BOUND.search(before):
                line = text.count("\n", 0, said.start()) + 1
                found.append(f"{path.relative_to(ROOT)}:{line}: {said[0]}")
    assert not found, "\n".join(found)
