"""No test depends on how fast the machine is: it may be busy with other things."""

import ast
from collections.abc import Iterator

import hypothesis
import pytest
from django.conf import settings

HANG_SECONDS = 600  # a limit below this says that something is slow, not that it hangs
STOPWATCHES = frozenset(
    f"{name}{unit}"
    for name in ("monotonic", "perf_counter", "process_time", "thread_time", "time")
    for unit in ("", "_ns")
)
CLOCKS = frozenset({"now", "utcnow"})
# What takes a limit as its first, or second, argument without a name.
LIMITED = {"wait": 0, "join": 0, "timeout": 0, "WebDriverWait": 1, "create_connection": 1}
# Where sleeping is the point: looking again, and striking at any moment.
MAY_SLEEP = ("waiting.py", "chaos/")


def called(node: ast.AST) -> str:
    """Return the last part of the name of what is called; empty for anything but a call."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def is_elapsed(node: ast.expr, names: set[str]) -> bool:
    """Whether a value holds the reading of a stopwatch, or how long ago something was."""
    for part in ast.walk(node):
        if called(part) in STOPWATCHES or (isinstance(part, ast.Name) and part.id in names):
            return True
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub):
            if called(part.right) in CLOCKS:
                return True
            # `now() - timedelta(days=1)` is a moment of its own; `now() - start` is a time taken.
            taken = part.right
            if called(part.left) in CLOCKS and isinstance(taken, ast.Name | ast.Attribute):
                return not getattr(taken, "id", getattr(taken, "attr", "")).isupper()
    return False


def gives_up(body: list[ast.stmt]) -> bool:
    """Whether a block fails the test."""
    return any(
        isinstance(part, ast.Raise) or called(part) == "fail"
        for statement in body
        for part in ast.walk(statement)
    )


def elapsed_names(tree: ast.Module) -> set[str]:
    """Return the names that hold times taken, or were computed from such."""
    names: set[str] = set()
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.NamedExpr)]
    while True:
        targets = {
            target.id
            for node in assigned
            if is_elapsed(node.value, names)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        if targets <= names:
            return names
        names |= targets


def limits(call: ast.Call) -> Iterator[float]:
    """Return the seconds after which a call gives up, as far as they are written out."""
    place = LIMITED.get(called(call))
    given = [keyword.value for keyword in call.keywords if keyword.arg == "timeout"]
    if place is not None:
        given += call.args[place : place + 1]
    for value in given:
        if isinstance(value, ast.Constant) and isinstance(value.value, int | float):
            yield value.value


def findings(code: str, place: str = "test_planted.py") -> list[str]:
    """Name each line on which a test depends on time."""
    tree = ast.parse(code)
    names, found = elapsed_names(tree), []
    for node in ast.walk(tree):
        line = f"{place}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Assert) and is_elapsed(node.test, names):
            found.append(f"{line} asserts on elapsed time")
        if isinstance(node, ast.If) and gives_up(node.body) and is_elapsed(node.test, names):
            found.append(f"{line} fails on elapsed time")
        if not isinstance(node, ast.Call):
            continue
        if any(seconds < HANG_SECONDS for seconds in limits(node)):
            found.append(f"{line} gives up early: leave the limit to pytest-timeout")
        if called(node) == "sleep" and not place.startswith(MAY_SLEEP):
            found.append(f"{line} sleeps: wait with tests.waiting.until for what shall be")
        for keyword in node.keywords:
            if keyword.arg == "deadline" and getattr(keyword.value, "value", 0) is not None:
                found.append(f"{line} gives an example of hypothesis a deadline")
    return found


def test_no_test_depends_on_time() -> None:
    tests = settings.BASE_DIR / "tests"
    files = {str(file.relative_to(tests)): file.read_text() for file in sorted(tests.rglob("*.py"))}
    assert [found for place, code in files.items() for found in findings(code, place)] == []
    assert len(files) > 50


@pytest.mark.parametrize(
    "code",
    [
        "assert time.perf_counter() - start < 2",
        "start = perf_counter()\nwork()\ntook = perf_counter() - start\nassert took < limit",
        (
            "deadline = time.monotonic() + 5\nwhile not done():\n    assert time.monotonic() < "
            "deadline"
        ),
        "began = time.time_ns()\nif time.time_ns() - began > 9: pytest.fail('slow')",
        "started = timezone.now()\nassert timezone.now() - started < timedelta(seconds=3)",
        "assert (record.expires_at - timezone.now()).total_seconds() < 60",
        "if (took := time.monotonic() - begun) > 3:\n    raise AssertionError(took)",
        "process.wait(20)",
        "subprocess.run(command, timeout=60)",
        "WebDriverWait(browser, 20).until(shown)",
        "@pytest.mark.timeout(240)\ndef test_it(): ...",
        "time.sleep(1)",
        "@settings(deadline=500)\ndef test_it(): ...",
        "@settings(deadline=timedelta(seconds=1))\ndef test_it(): ...",
    ],
)
def test_planted_dependence_is_found(code: str) -> None:
    assert len(findings(code)) == 1


@pytest.mark.parametrize(
    "code",
    [
        "before = timezone.now()\nwork()\nassert before <= record.made_at <= timezone.now()",
        "assert late.expires_at < timezone.now() - timedelta(days=1)",
        "process.wait()",
        "assert ', '.join(names) == 'a, b'",
        "subprocess.run(command, timeout=3600)",
        "past = time.time() - 3600\nos.utime(path, (past, past))",
        "@settings(deadline=None, max_examples=9)\ndef test_it(): ...",
    ],
)
def test_moments_and_hang_guards_are_left_alone(code: str) -> None:
    assert findings(code) == []


def test_hypothesis_has_no_deadline(pytestconfig: pytest.Config) -> None:
    profile = hypothesis.settings.default
    assert profile is not None
    assert profile.deadline is None
    assert hypothesis.HealthCheck.too_slow in profile.suppress_health_check
    assert pytestconfig.getoption("timeout") >= HANG_SECONDS
