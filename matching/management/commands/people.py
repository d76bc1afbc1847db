"""Who is who: give a person another name, or make one person of two records."""

from argparse import SUPPRESS
from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console

from matching.models import PersonAlias, SeedUser
from matching.queries.identity import find_person
from project import words
from project.jobs.command import JobCommand
from project.refusal import Refusal
from project.terminal import Table

NOBODY = "Give a name as the list of people has it, present or former."


class Command(JobCommand):
    """`people rename OLD NEW | people merge KEEP GONE [--plan]`."""

    help = (
        "Rename a person, or merge two records of one person. Former names stay, and find the "
        "person in imports, the API and searches."
    )
    kind = "matching.merge_people"

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        rename = actions.add_parser(
            "rename",
            help="give a person another name",
            description="Give a person another name. The trip and its live copy follow, and the "
            "name of before stays as a former one.",
        )
        rename.add_argument("old", metavar="OLD", help="a name of the person, present or former")
        rename.add_argument("new", metavar="NEW", help="the name from now on")
        merge = actions.add_parser(
            "merge",
            help="make one person of two records",
            description="Make one person of two records, as a job. Values of KEEP stay and what "
            "is missing is filled in from GONE, whose record goes. It cannot be undone.",
        )
        merge.add_argument("keep", metavar="KEEP", help="a name of who stays")
        merge.add_argument("gone", metavar="GONE", help="a name of whose record goes")
        merge.add_argument(
            "--plan", action="store_true", help="say what would come of it, and do nothing"
        )
        how = merge.add_mutually_exclusive_group()
        for option, text in (
            ("--detach", "return at once; `jobs show ID` tells the rest"),
            ("--now", "work in this process instead of a worker"),
        ):
            how.add_argument(option, action="store_true", default=SUPPRESS, help=text)
        for action in (rename, merge):
            action.add_argument(
                "--json", action="store_true", default=SUPPRESS, help="print the result as JSON"
            )

    def run(self, **options: Any) -> dict[str, Any]:
        if options["action"] == "rename":
            return self._rename(options["old"], options["new"])
        if not options["plan"]:
            return super().run(**options)
        from matching.queries.merging import plan_merge

        return {"plan": plan_merge(_person(options["keep"]), _person(options["gone"]))}

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        from matching.queries.merging import require_mergeable

        keep, gone = _person(options["keep"]), _person(options["gone"])
        # What was begun is taken up again: its record is gone, and its number is known.
        begun = PersonAlias.objects.filter(external_id=options["gone"], person=keep).first()
        if begun is not None and begun.number is not None:
            return {"keep": keep.pk, "gone": begun.number}
        require_mergeable(keep, gone)
        return {"keep": keep.pk, "gone": gone.pk}

    def _rename(self, old: str, new: str) -> dict[str, Any]:
        from matching.services.identity import rename_person

        told: list[str] = []
        before = _person(old)
        renamed = rename_person(before, new, on_failure=told.append)
        return {
            "person": renamed.pk,
            "before": before.external_id,
            "external_id": renamed.external_id,
            "former_names": list(renamed.aliases.values_list("external_id", flat=True)),
            "warning": " ".join(told),
        }

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        if "plan" in result:
            _render_plan(result["plan"], console)
        elif "person" in result:
            console.print(
                f"{result['before']} is {result['external_id']} now; former names that find the "
                f"person: {', '.join(result['former_names'])}."
            )
            if result["warning"]:
                console.print(f"The live copy waits: {result['warning']}")
        else:
            _render_merge(result, console)


def _person(name: str) -> SeedUser:
    person = find_person(name)
    if person is None:
        raise Refusal(f"Nobody is or was called {name[:100]!r}.", remedy=NOBODY)
    return person


def _render_plan(plan: dict[str, Any], console: Console) -> None:
    keep, gone = plan["keep"], plan["gone"]
    console.print(
        f"{gone['external_id']} ({gone['title']}) would become part of {keep['external_id']} "
        f"({keep['title']}); nothing is done yet."
    )
    if plan["fields"]:
        table = Table("field", keep["external_id"], gone["external_id"], "stays")
        for one in plan["fields"]:
            table.add_row(
                one["name"], _shown(one["keep"]), _shown(one["gone"]),
                _shown(one["gone"] if one["taken"] else one["keep"]),
            )  # fmt: skip
        console.print(table)
    console.print(f"Trip: {TRIPS[plan['trip']]}{' That of who goes ends.' * plan['trip_ends']}")
    for title, names in (
        ("Groups joined", plan["groups_joined"]),
        ("Groups of both", plan["groups_shared"]),
        ("Former names from then on", plan["former_names"]),
    ):
        if names:
            console.print(f"{title}: {', '.join(names)}")
    looked = (
        "all" if plan["events_are_all"] else f"the newest {words.number(plan['events_looked_at'])}"
    )
    console.print(
        f"Events: {words.number(plan['events'])} of {looked} name {gone['external_id']}; "
        f"of the two together, in no dataset any more: {words.number(plan['events_of_both'])}."
    )
    console.print(f"Do it: manage.py people merge {keep['external_id']} {gone['external_id']}")


TRIPS = {
    "kept": "that of who stays is kept.",
    "moved": "that of who goes is taken over.",
    "none": "neither has one.",
}


def _render_merge(result: dict[str, Any], console: Console) -> None:
    if result["was_merged"]:
        console.print(f"Person {result['gone']} was part of person {result['keep']} already.")
    else:
        console.print(f"Person {result['gone']} is part of person {result['keep']} now.")
        filled = ", ".join(result["fields_taken"]) or "none"
        console.print(f"Fields filled in: {filled}. Trip: {TRIPS[result['trip']]}")
        console.print(f"{words.counted(result['groups'], 'group')} followed.")
    console.print(
        f"{words.counted(result['events'], 'event')} in "
        f"{words.counted(result['batches'], 'batch', 'batches')} name the one person; "
        f"{words.number(result['events_of_one_person'])} are of one person alone, in no dataset."
    )


def _shown(value: Any) -> str:
    if value in (None, "", []):
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
