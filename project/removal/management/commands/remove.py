"""Take a record out, after a plan of what goes with it."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from project import words
from project.command import EXIT_REFUSED
from project.jobs.command import JobCommand
from project.jobs.contract import UnusableArguments, get_kind, read_arguments
from project.jobs.options import add_options, answers
from project.jobs.questions import Question
from project.refusal import Refusal
from project.removal.contract import PLANNED, Removal, said_of
from project.removal.registry import all_removals, removal_of
from project.removal.work import plan_of, where_numbers_are
from project.terminal import Console

UNASKED = {"number"}
NUMBER, NAME = "number", "name"  # what NUMBER is taken for


class Command(JobCommand):
    """`remove THING NUMBER --plan` says what would go; with `--why TEXT` it goes."""

    help = (
        "Take a record out with what belongs to it, in a job that leaves a receipt; with --plan "
        "say what would go, what stands on it and what stays. Exits with 2 where it cannot go now."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        things = [one.thing for one in all_removals()]
        parser.add_argument(
            "thing", metavar="THING", choices=things, help=f"one of {', '.join(things)}"
        )
        parser.add_argument(
            "number",
            metavar="NUMBER",
            help="its number, as lists and addresses show it; of a "
            "person or a source the id or name too; of a dataset or model KIND/VERSION too",
        )
        parser.add_argument(
            "--by",
            choices=(NUMBER, NAME),
            help="take NUMBER for the number of a record, or for an id or name, and for nothing "
            "else; asked where digits are the one of one record and the other of another "
            "(either, by default)",
        )
        parser.add_argument(
            "--plan", action="store_true", help="change nothing; say what would go and what stays"
        )
        parser.add_argument(
            "--why",
            metavar="TEXT",
            help="why it is removed, without names of people: it stands on the receipt (a text of "
            "at most 200 characters; required without --plan)",
        )
        more = {
            question.name: question
            for one in all_removals()
            for question in get_kind(one.kind).questions
            if question.name not in UNASKED | {"why"}
        }
        add_options(parser, more.values())

    def run(self, **options: Any) -> dict[str, Any]:
        how = self._removal(options)
        self.kind = how.kind
        if not options["plan"]:
            if not options["why"]:
                raise CommandError(
                    "Expected --why TEXT, which stands on the receipt, or --plan to look first."
                )
            self._require_plain(how, options)
            return super().run(**options)
        given = self._given(how, options)
        try:
            asked: Any = read_arguments(get_kind(how.kind), {"why": PLANNED, **given})
        except UnusableArguments as error:
            raise CommandError(str(error)) from error
        _, plan = plan_of(how, asked)
        return {"plan": {**plan.as_dict(), "thing": how.thing, "number": asked.number}}

    def _require_plain(self, how: Removal[Any], options: dict[str, Any]) -> None:
        """Refuse a reason before a job has it among its arguments."""
        record = how.find(_number_of(how, options))
        objection = "" if record is None else how.objection(record, options["why"])
        if objection:
            raise Refusal(objection, remedy=how.better_reason)

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        return self._given(self._removal(options), options)

    def exit_code(self, result: Any) -> int:
        return EXIT_REFUSED if result.get("plan", {}).get("blocked") else 0

    def render_result(self, result: Any, console: Console) -> None:
        if "plan" in result:
            _render_plan(result["plan"], console)
            return
        how = removal_of(result["thing"])
        gone = said_of(how.beside(result["counts"]) if how is not None else result["counts"])
        told = f": {words.listed(gone)}" if gone else ""
        console.print(f"{result['title']} is removed{told}.")
        for one in result["stale"]:
            console.print(f"  {one}")
        console.print(f"Receipt {result['receipt']}.")

    def _removal(self, options: dict[str, Any]) -> Removal[Any]:
        how = removal_of(options["thing"])
        if how is None:
            raise CommandError(f"Nothing is called {options['thing']}.")
        return how

    def _given(self, how: Removal[Any], options: dict[str, Any]) -> dict[str, Any]:
        asked: list[Question] = [
            question for question in get_kind(how.kind).questions if question.name not in UNASKED
        ]
        return {**answers(asked, options), "number": _number_of(how, options)}


def _number_of(how: Removal[Any], options: dict[str, Any]) -> int:
    """Return the number of the record that is meant.

    Raises
    ------
    Refusal : nothing is called so, or one record by its number and another by its id or name.
    """
    given, by = options["number"], options["by"]
    called = None if by == NUMBER else how.named(given)
    is_number = given.isascii() and given.isdecimal() and 0 < len(given) < 19 and int(given) > 0
    counted = how.find(int(given)) if is_number and by != NAME else None
    if called is not None and counted is not None and called.pk != counted.pk:
        raise Refusal(
            f"{given} is the number of one {how.word} and the {how.called} of another, whose "
            f"number is {called.pk}.",
            remedy=f"Say which: `--by number` is the one of that number, `--by name` the one of "
            f"that {how.called}.",
        )
    if called is not None:
        return int(called.pk)
    if not is_number or by == NAME:
        expected = how.called if by == NAME else f"number{f' or {how.called}' * bool(how.called)}"
        raise Refusal(
            f"There is no {how.word} {given!r:.120}; expected its {expected or 'number'}.",
            remedy=where_numbers_are(how),
        )
    return int(given)


def _render_plan(plan: dict[str, Any], console: Console) -> None:
    how = removal_of(plan["thing"])
    gone = said_of(how.beside(plan["goes"]) if how is not None else plan["goes"])
    console.print(f"{plan['title']}, and with it {words.listed(gone)}." if gone else plan["title"])
    for title, sentences in (
        ("What goes too, and is counted once it was found:", plan["also"]),
        ("What stands on it, and stays:", plan["stale"]),
        ("What does not go:", plan["stays"]),
        ("It cannot go now:", plan["blocked"]),
    ):
        if sentences:
            console.print(title)
            for one in sentences:
                console.print(f"  {one}")
    if plan["blocked"] and plan["remedy"]:
        console.print(f"What to do: {plan['remedy']}")
    elif not plan["blocked"]:
        console.print("Nothing was changed; with --why TEXT it goes.")
