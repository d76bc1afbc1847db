"""Nothing outside the packages of the tasks asks whether a model is of a label or a number."""

import ast
import re
from pathlib import Path

import pytest

from tests.rooms import ROOMS
from training.domain.tasks import UnknownTask, get_figures, get_task
from training.kinds import all_kinds

ROOT = Path(__file__).resolve().parents[2]
TASKS = ROOT / "training/domain/tasks"
NAMES = sorted(path.parent.name for path in TASKS.glob("*/task.py"))
# What tells the tasks apart: their names, their metrics, their reports.
METRICS = {name for task in NAMES for name in get_figures(task).metric_titles}
TELLING = {*NAMES, *METRICS, *(get_task(name).paired_metric for name in NAMES)}


def modules():
    """Every module that may not ask, with its path."""
    for app in ROOMS[ROOMS.index("training") :]:
        for path in sorted((ROOT / app).rglob("*.py")):
            if TASKS not in path.parents and "migrations" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def asks(node):
    """Whether a piece of code tells one task from another."""
    match node:
        case ast.Compare():
            parts = [node.left, *node.comparators]
            says = {part.value for part in parts if isinstance(part, ast.Constant)}
            return bool(says & TELLING) or any(
                isinstance(part, ast.Attribute) and part.attr == "task" for part in parts
            )
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass")):
            said = ast.unparse(node.args[1])
            return bool(re.search("Report|Classif|Regress", said))
        case ast.Match(subject=ast.Attribute(attr="task")):
            return True
        case ast.Subscript(slice=ast.Constant(value=value)):
            return value in METRICS
    return False


def test_no_module_asks_which_task_it_is():
    found = [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if asks(node)
    ]
    assert found == []


def test_only_fits_and_tasks_import_what_is_of_one_task():
    found = {
        path
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and any((node.module or "").startswith(f"training.domain.tasks.{name}") for name in NAMES)
    }
    assert found == set()


def test_no_page_asks_which_task_it_is():
    for path in sorted((ROOT / "templates").rglob("*.html")):
        said = re.findall(r"{[{%](.*?)[}%]}", path.read_text())
        telling = [word for code in said for word in re.findall(r"\w+", code) if word in TELLING]
        assert telling == [], path


@pytest.mark.parametrize(
    "code",
    [
        "kind.task == x",
        "a if spec.task in b else c",
        "s['roc_auc']",
        "isinstance(report, RegressionReport)",
        "'r2' in validation",
    ],
)
def test_a_question_is_noticed(code):
    assert any(asks(node) for node in ast.walk(ast.parse(code)))


def test_a_task_is_found_by_its_name():
    assert NAMES == ["classification", "regression"]
    assert {kind.task for kind in all_kinds()} == set(NAMES)
    with pytest.raises(UnknownTask, match="ranking"):
        get_task("ranking")
