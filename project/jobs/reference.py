"""The page of docs/ that lists every kind of job and what it is asked."""

from collections.abc import Iterator

from project.jobs.contract import JobKind, all_kinds
from project.jobs.questions import Question, Shape

BEGINNING = """# Jobs

Made from the declarations of the kinds by `manage.py jobs reference`; a test holds it to them.
Each kind is named `app.verb_noun`, and takes the arguments of its table and no other. The same
table makes the options of the command, the form of the start page, that of a schedule and of "Run
again with changes"; it is checked when a job is asked for, retried, scheduled, at every tick of
its schedule, and once more before it runs.
"""


def reference() -> str:
    """Return the page as Markdown, with one section for each kind of ours."""
    ours = (kind for kind in all_kinds() if not kind.name.startswith("tests."))
    return "\n".join([BEGINNING, *("\n".join(_section(kind)) for kind in ours)])


def _section(kind: JobKind) -> Iterator[str]:
    yield f"## {kind.name}\n"
    yield f"{kind.title}. {kind.summary}\n"
    schedule = "A schedule can start it." if kind.can_be_scheduled else "No schedule can start it."
    yield f"Needs `{kind.permission}`. {schedule}\n"
    if not kind.questions:
        yield "It is asked nothing.\n"
        return
    yield "| Argument | Expected | Default | |"
    yield "|---|---|---|---|"
    for question in kind.questions:
        cells = (_expected(question), _default(question), _told(question))
        yield f"| `{question.name}` | {' | '.join(cells)} |"
    yield ""


def _expected(question: Question) -> str:
    if question.ask.choices is not None and question.shape is Shape.CHOICE:
        return "one of those there are"  # which is for the installation to say
    return question.expected


def _default(question: Question) -> str:
    if question.is_required:
        return "required"
    return "" if question.default in (None, "", [], {}) else f"`{question.default}`"


def _told(question: Question) -> str:
    needs = f" Needs `{question.ask.permission}`." if question.ask.permission else ""
    return f"{question.help}{needs}"
