"""The base of commands that read a table: the exact command that a refusal asks for."""

import shlex
from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console

from project.jobs.command import JobCommand
from project.jobs.questions import Shape
from project.mappings.arguments import ASKS_ORIGIN, PROPOSED
from project.origin import Origin
from project.terminal import Table

ENDS = (
    "An import ends with 0 where rows landed or were known, also beside others that were refused, "
    "which are counted, named and kept to be mended; with 2 where none could be taken; with 1 on "
    "an error."
)
NEVER_REPEATED = frozenset({"json", "now", "detach"})


class TableCommand(JobCommand):
    """A command whose job reads a table. `named` are the options that name the files.

    All of them end alike: 2 where nothing of a file could be taken, 0 where the good rows landed
    and the others are kept to be mended.
    """

    named: tuple[str, ...] = ("file",)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Say in --help how an import ends."""
        return super().create_parser(prog_name, subcommand, epilog=ENDS, **kwargs)

    def run(self, **options: Any) -> dict[str, Any]:
        self._options = options
        return super().run(**options)

    def refusal_of(self, refused: dict[str, Any]) -> dict[str, Any]:
        """Add the exact command that takes what is proposed, or says what was asked."""
        if "proposal" in refused:
            return {**refused, "command": self._command("--mapping", PROPOSED)}
        if refused.get("asks") == ASKS_ORIGIN["asks"]:
            return {**refused, "command": self._command("--origin", Origin.REAL.value)}
        return refused

    def finish_refused(self, refusal: dict[str, Any]) -> Any:
        if not self.as_json and "proposal" in refusal:
            self._render_proposal(refusal["proposal"])
        if not self.as_json and "command" in refusal:
            refusal = {
                **refusal,
                "remedy": f"{refusal['remedy']} The command: {refusal['command']}",
            }
        super().finish_refused(refusal)

    def _render_proposal(self, proposal: dict[str, Any]) -> None:
        console: Console = self.error_console
        table = Table("field", "column", "how", title="Proposed")
        words = {one["field"]: one["words"] for one in proposal["changes"]}
        for column in proposal["columns"]:
            how = words.get(column["field"], "as it is")
            table.add_row(column["field"], column["column"], how)
        console.print(table)
        rows = proposal["preview"][:3]
        shown = list(dict.fromkeys(one["field"] for one in proposal["changes"] if one["column"]))
        if rows and shown:
            preview = Table(*shown, title="Its first rows, after")
            for row in rows:
                preview.add_row(*(str(_at(row["after"], name)) for name in shown))
            console.print(preview)

    def _command(self, *more: str) -> str:
        """Write the command that was given, with an option that it lacked."""
        name = type(self).__module__.rpartition(".")[2]
        words = ["manage.py", name]
        for each in self.named:
            given = self._options[each]
            if each != "file" or name == "seed_users":
                words.append(f"--{each}")
            words += [str(one) for one in given] if isinstance(given, list) else [str(given)]
        for question in self._questions():
            given = self._options.get(question.name)
            if (
                question.option == more[0]
                or question.name in NEVER_REPEATED
                or given in (None, [], {}, question.default)
            ):
                continue
            if question.shape is Shape.FLAG:
                words.append(question.option)
            elif question.shape is Shape.PAIRS:
                for pair in given:
                    words += [question.option, "=".join(pair)]
            elif isinstance(given, list):
                words += [question.option, *map(str, given)]
            else:
                words += [question.option, str(given)]
        return shlex.join([*words, *more])


def _at(row: dict[str, Any], name: str) -> Any:
    value: Any = row.get(name, row.get(name.partition(".")[0]))
    return "" if value is None else value
