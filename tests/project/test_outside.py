"""What came from outside is shown, and does nothing: no markup, no control characters, one line."""

import ast
import io
import json
import logging

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from project.outside import LineFormatter, csv_cell, one_line, visible, visible_json
from project.terminal import Console, Table
from tests.rooms import ROOMS

HOSTILE = "[/groq] [bold]b[/bold] :smile: \x1b[31mred\x9b2J\r\x07 \u202egnp \udc80"


def printed(*objects: object) -> str:
    file = io.StringIO()
    Console(file=file, width=400, force_terminal=False).print(*objects)
    return file.getvalue()


def table_of(cell: str) -> str:
    table = Table(cell, title=None)
    table.add_column(cell)
    table.add_row(cell, cell)
    return printed(table)


@pytest.mark.parametrize("show", [printed, table_of])
def test_a_string_is_printed_as_it_is_with_its_controls_written_out(show) -> None:
    said = show(HOSTILE)
    assert r"[/groq] [bold]b[/bold] :smile: \x1b[31mred\x9b2J\r\x07 \u202egnp \udc80" in said
    said.encode()
    assert not set(said) & set("\x1b\x9b\r\x07\u202e")


def test_a_colour_is_a_text_and_not_a_string() -> None:
    assert printed("verdict:", Text("pass", style="green"), "[green]") == "verdict: pass [green]\n"


@given(st.text(st.characters(codec=None)))
def test_what_is_visible_is_utf8_and_holds_no_control(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert not any(ord(each) < 32 and each not in "\n\t" for each in shown)
    assert visible(shown) == shown
    assert "\n" not in one_line(text)


@given(st.recursive(st.text(st.characters(codec=None)), lambda inner: st.lists(inner)))
def test_json_that_is_visible_means_the_same(value: object) -> None:
    shown = visible_json(json.dumps(value, ensure_ascii=False))
    shown.encode()
    assert json.loads(shown) == value


def test_a_log_record_is_one_line_whatever_its_message_holds() -> None:
    stream = io.StringIO()
    logger = logging.Logger("seedbed.test")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.warning("source %s", "a\nERROR forged\x1b[2J")
    assert stream.getvalue() == "WARNING source a\\nERROR forged\\x1b[2J\n"
    try:
        raise ValueError("x\nERROR forged")
    except ValueError:
        logger.exception("failed")
    assert not [line for line in stream.getvalue().splitlines()[2:] if line.startswith("ERROR f")]


def test_the_log_of_the_application_is_written_so() -> None:
    (formatter,) = settings.LOGGING["formatters"].values()
    assert formatter["class"] == f"{LineFormatter.__module__}.{LineFormatter.__name__}"


@pytest.mark.parametrize("start", list("=+-@\t\r"))
def test_no_cell_of_csv_is_a_formula(start: str) -> None:
    assert csv_cell(f"{start}cmd") == f"'{start}cmd"


# --- The next one ---------------------------------------------------------------------------------

ONLY_HERE = {
    "rich.console.Console": "project/terminal.py",
    "rich.table.Table": "project/terminal.py",
    "rich.markup": "nowhere",
    "csv.writer": "project/tabular/out.py",
    "csv.DictWriter": "nowhere",
}


def called(code: str) -> set[str]:
    """Return the dotted names that are called in some code, as they are imported."""
    tree = ast.parse(code)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            names |= {a.asname or a.name: a.name for a in node.names}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            head, *rest = ast.unparse(node.func).split(".")
            found.add(".".join([names.get(head, head), *rest]))
            found |= {f"markup={k.value.value}" for k in node.keywords
                      if k.arg == "markup" and isinstance(k.value, ast.Constant)}  # fmt: skip
    return found


def test_nothing_else_prints_or_writes_csv() -> None:
    """Whoever needs a console, a table or CSV takes ours, which escapes."""
    wrong = []
    for app in ROOMS:
        for file in (settings.BASE_DIR / app).rglob("*.py"):
            where = str(file.relative_to(settings.BASE_DIR))
            for name in called(file.read_text()):
                allowed = next((ONLY_HERE[p] for p in ONLY_HERE if name.startswith(p)), where)
                if where != allowed or name == "markup=True":
                    wrong.append((where, name))
    assert wrong == []


def test_a_call_is_found_under_whatever_name_it_is_imported() -> None:
    assert called("from rich.console import Console as C\nC()") == {"rich.console.Console"}
    assert called("import csv\ncsv.writer(f)") == {"csv.writer"}
    assert "markup=True" in called("print(x, markup=True)")
