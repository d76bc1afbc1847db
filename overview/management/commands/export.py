"""Writes rows into a file, as CSV, JSON Lines or parquet, which an import takes back."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from project import words
from project.exports.models import KEPT, Export
from project.exports.services import copy_export
from project.jobs.command import JobCommand
from project.jobs.contract import get_kind
from project.jobs.options import add_options, answers
from project.jobs.questions import Question
from project.output import require_output

TABLES: Final = ("quality_feedback", "explanations", "ab_testing")

# What is written: the kind of job that does, and what it is asked for it.
WHAT: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    **{
        what: ("matching.export_people", {"what": what})
        for what in ("people", "groups", "sessions")
    },
    "refused-people": ("matching.export_people", {"what": "refused"}),
    "events": ("matching.export_events", {"what": "events"}),
    "refused-events": ("matching.export_events", {"what": "refused"}),
    **{
        f"{before}{table.replace('_', '-')}": (
            "feedback.export_feedback",
            {"table": table, "what": what},
        )
        for before, what in (("", "records"), ("refused-", "refused"))
        for table in TABLES
    },
    "dataset": ("training.export_dataset", {}),
    "scores": ("serving.export_scores", {}),
}
FIXED: Final = frozenset({"what", "table"})


class Command(JobCommand):
    """`export WHAT [--format csv|jsonl|parquet] [--output PATH]`."""

    kind = "matching.export_people"  # of most words; `run` takes that of WHAT

    help = (
        "Write people, groups, sessions (trips), events, feedback, refused rows, a dataset or the "
        f"score log into a file. It is kept for {KEPT.days} days, to be downloaded in the admin "
        "under Exports; with --output it is copied too. An import takes it back to the same "
        "rows; events of real and of synthetic batches are two files."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=list(WHAT), metavar="WHAT", help=", ".join(WHAT))
        parser.add_argument(
            "--output",
            type=Path,
            metavar="PATH",
            help="plain file to copy it to, for its owner alone, written over where it is there; "
            "links, pipes and devices are refused; without it the file stays in the store",
        )
        add_options(parser, [_format()])
        for kind, whats in _by_kind().items():
            questions = [replace(one, is_required=False) for one in _selectors(kind)]
            if questions:
                group = parser.add_argument_group(f"of {', '.join(whats)}")
                add_options(group, questions)

    def run(self, **options: Any) -> dict[str, Any]:
        self.kind = WHAT[options["what"]][0]
        output: Path | None = options["output"]
        if output is not None and options["detach"]:
            raise CommandError("--output waits for the file, --detach does not; give one of them.")
        if output is not None:
            require_output(output)
        result = super().run(**options)
        if output is None or "export" not in result:
            return result
        copy_export(Export.objects.get(pk=result["export"]), output)
        return {**result, "output": str(output)}

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        what = options["what"]
        kind, fixed = WHAT[what]
        own = _selectors(kind)
        for other in _by_kind():
            for question in _selectors(other):
                given = options[question.name]
                if question.name not in {one.name for one in own} and given not in (
                    None, [], question.default
                ):  # fmt: skip
                    raise CommandError(f"{question.option} does not belong to {what}.")
        for question in own:
            if question.is_required and not options[question.name]:
                raise CommandError(f"{what} needs {question.option} {question.expected}.")
        return {**fixed, "format": options["format"], **answers(own, options)}

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        console.print(
            f"{words.counted(result['rows'], 'row')} of {result['what'].replace('-', ' ')}, "
            f"{words.size(result['bytes'])}."
        )
        if "output" in result:
            console.print(f"Written to {result['output']}.")
        else:
            console.print(
                f"{result['file']} is kept for {KEPT.days} days: download it in the admin under "
                "Exports, or say --output PATH."
            )


def _by_kind() -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for what, (kind, _) in WHAT.items():
        kinds.setdefault(kind, []).append(what)
    return kinds


def _selectors(kind: str) -> list[Question]:
    """What a kind asks that neither WHAT nor --format says."""
    return [one for one in _questions(kind) if one.name not in (*FIXED, "format")]


def _questions(kind: str) -> Iterable[Question]:
    return get_kind(kind).questions


def _format() -> Question:
    return next(one for one in _questions("matching.export_people") if one.name == "format")
