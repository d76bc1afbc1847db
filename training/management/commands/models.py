"""The model registry: list, show, promote, rollback, compare, export.

What decides and compares loads scikit-learn; a list does without.
"""

from argparse import SUPPRESS
from pathlib import Path
from typing import Any, cast

from django.core.management.base import CommandParser
from rich.console import Console

from project import words
from project.command import SeedbedCommand, positive_int, whole_number
from project.terminal import Table
from training.kinds import ModelKind
from training.management.kind_option import add_kind_option
from training.management.tables import measured, print_model, verdict
from training.queries.models import (
    ModelSummary,
    describe_model,
    describe_promotion,
    find_model,
    list_models,
    promotions_of,
)
from training.queries.promotions import Shown
from training.queries.serviceable import why_not_serving


class Command(SeedbedCommand):
    """Look at the models of a kind and decide which one is live."""

    help = "List, show, promote, roll back, compare and export models."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        described = {
            "list": "every version with its stage and figures",
            "show": "one version with everything that was measured",
            "promote": "make a version live",
            "rollback": "make the champion before the present one live again",
            "compare": "two versions on the same rows",
            "export": "write a version's files into a new folder",
        }
        for name, text in described.items():
            action = actions.add_parser(name, help=text, description=text)
            add_kind_option(action)
            action.add_argument(
                "--json", action="store_true", default=SUPPRESS, help="print the result as JSON"
            )
            if name in ("show", "promote", "export"):
                action.add_argument("version", type=positive_int)
            if name == "compare":
                action.add_argument("version", type=positive_int)
                action.add_argument("other", type=positive_int)
            if name in ("promote", "rollback"):
                action.add_argument(
                    "--reason",
                    default="",
                    help="why the live version is replaced; kept with the promotion. Only the "
                    "first version of a kind needs none",
                )
                action.add_argument(
                    "--if-live",
                    type=whole_number(0),
                    metavar="VERSION",
                    help="only while this version is live, 0 for none; else who decided is said",
                )
            if name == "rollback":
                action.add_argument(
                    "--to",
                    type=positive_int,
                    metavar="VERSION",
                    help="only where this version comes back",
                )
            if name == "promote":
                action.add_argument(
                    "--override-reason",
                    default="",
                    help="promote in spite of a refusal; the reason is kept for ever",
                )
                action.add_argument(
                    "--confirm-inputs",
                    default="",
                    metavar="REASON",
                    help="how suspicious inputs are known before the answer; kept for ever",
                )
            if name == "export":
                action.add_argument("--output", type=Path, required=True, metavar="DIR")

    def run(self, **options: Any) -> dict[str, Any]:
        kind: ModelKind = options["kind"]
        result: dict[str, Any] = getattr(self, f"_{options['action']}")(kind, options)
        return {"action": options["action"], "kind": kind.name, **result}

    def _list(self, kind: ModelKind, options: dict[str, Any]) -> dict[str, Any]:
        return {"models": list_models(kind)}

    def _show(self, kind: ModelKind, options: dict[str, Any]) -> dict[str, Any]:
        model = find_model(kind, options["version"])
        return {
            **describe_model(model),
            "created_at": model.created_at,
            "files": model.files,
            "problem": why_not_serving(model),
            "history": promotions_of(model),
        }

    def _promote(self, kind: ModelKind, options: dict[str, Any]) -> dict[str, Any]:
        from training.services import registry

        promotion = registry.promote(
            find_model(kind, options["version"]),
            reason=options["reason"],
            override_reason=options["override_reason"],
            confirm_inputs=options["confirm_inputs"],
            shown=Shown(options["if_live"]),
        )
        return {**describe_promotion(promotion)}

    def _rollback(self, kind: ModelKind, options: dict[str, Any]) -> dict[str, Any]:
        from training.services import registry

        shown = Shown(options["if_live"], options["to"])
        promotion = registry.rollback(kind, reason=options["reason"], shown=shown)
        return {**describe_promotion(promotion)}

    def _compare(self, kind: ModelKind, options: dict[str, Any]) -> dict[str, Any]:
        from training.queries.comparisons import compare

        a = find_model(kind, options["version"])
        b = find_model(kind, options["other"])
        return {"version": a.version, "other": b.version, **compare(a, b).as_dict()}

    def _export(self, kind: ModelKind, options: dict[str, Any]) -> dict[str, Any]:
        from training.services import registry

        model = find_model(kind, options["version"])
        files = registry.export_model(model, options["output"])
        return {"version": model.version, "files": [str(file) for file in files]}

    def render(self, result: dict[str, Any], console: Console) -> None:
        if result["action"] == "list":
            table = Table(
                *(
                    "Version",
                    "Stage",
                    "Verdict",
                    "Algorithm",
                    "Figure",
                    "Dataset",
                    "Rows",
                    "Files",
                    "Made",
                )
            )
            for row in result["models"]:
                table.add_row(
                    str(row["version"]),
                    row["stage"],
                    verdict(row["verdict"]),
                    row["algorithm"],
                    f"{row['metric']} {measured(row['value'])}",
                    str(row["dataset"]),
                    row["origin"],
                    "cannot serve" if row["problem"] else row["files"],
                    words.moment(row["created_at"]),
                )
            console.print(table if result["models"] else "No model yet: `manage.py train_model`.")
            for row in result["models"]:
                if row["problem"]:
                    console.print(row["problem"], style="bold yellow")
        elif result["action"] == "show":
            console.print(
                f"Model {result['version']} of {result['kind']}: {result['stage']}, "
                f"{result['algorithm']}, dataset {result['dataset']}"
            )
            if result["problem"]:
                console.print(result["problem"], style="bold yellow")
            print_model(console, cast(ModelSummary, result))
            for event in result["history"]:
                why = f", because: {event['reason']}" if event["reason"] else ""
                console.print(f"{words.moment(event['at'])}: {event['done']} by {event['by']}{why}")
                if event["confirmation_reason"]:
                    console.print(f"  inputs confirmed: {event['confirmation_reason']}")
        elif result["action"] == "compare":
            difference = result["difference"]
            if difference is None:
                console.print(f"Not compared: {result['note']}")
            else:
                console.print(
                    f"{difference['metric']} of {result['version']} minus {result['other']}: "
                    f"{measured({**difference, 'value': difference['difference']})} on "
                    f"{words.tally(result['rows'], 'row')}: {difference['verdict']}"
                )
        elif result["action"] == "export":
            for file in result["files"]:
                console.print(file)
        else:
            again = " again" if result["action"] == "rollback" else ""
            before = (
                f"; until now it was version {result['previous']}" if result["previous"] else ""
            )
            console.print(
                f"Version {result['version']} of {result['kind']} is live{again}{before}."
            )
