"""Explain the score of one pair."""

import json
from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console

from project import words
from project.command import SeedbedCommand
from project.terminal import Table
from training.management.tables import whose


class Command(SeedbedCommand):
    """`explain_match A B`: inputs, features, what was missing, what moved the score."""

    help = (
        "Explain a score: what each feature was computed from, what was missing, and how far the "
        "score moves when that one feature is set to its mean over the training rows. Of a model "
        "that starts from the rules: what the rules say, and what your users changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("left", metavar="A", help="external id of the user who decides")
        parser.add_argument("right", metavar="B", help="external id of a user or group")

    def run(self, **options: Any) -> dict[str, Any]:
        from training.queries.pairs import explain_match

        explanation = explain_match(options["left"], options["right"])
        return {"left": options["left"], "right": options["right"], **explanation.as_dict()}

    def render(self, result: dict[str, Any], console: Console) -> None:
        if result["warning"]:
            console.print(result["warning"], style="bold yellow")
        version = result["model_version"]
        by = (
            f"model {version} ({result['trained_on']})"
            if version
            else f"the rule score {result['rule']}"
        )
        console.print(
            f"{result['left']} and {result['right']}: {words.number(result['score'])} by {by} "
            f"({result['rule']}: {words.number(result['rule_score'])})"
        )
        if result["by_rules"] is not None:
            console.print(
                f"{words.number(result['by_rules'])} by the rules, "
                f"{words.signed(result['by_users'])} by what {whose(result['trained_on'])} did."
            )
        if not result["is_candidate"]:
            from matching.domain.trips import HardGate

            console.print(f"They are no candidates now: {HardGate(result['why_not']).words}.")
        table = Table("Feature", "Value", "Mean", "Moves the score by", "Computed from")
        for feature in result["features"]:
            effect = feature["effect"]
            table.add_row(
                feature["name"],
                "missing" if feature["missing"] else words.number(feature["value"]),
                words.number(feature["reference"]),
                words.signed(effect),
                json.dumps(feature["inputs"], ensure_ascii=False, default=str).replace("[", "\\["),
            )
        console.print(table)
        console.print(
            "Each effect is the score minus the score with that feature at its training mean."
        )
