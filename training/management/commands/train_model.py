"""Train a model on a dataset version."""

from typing import Any, cast

from rich.console import Console

from project.command import EXIT_REFUSED
from project.jobs.command import JobCommand
from training.management.tables import print_model, verdict
from training.queries.models import ModelSummary, champion_of, promote_command


class Command(JobCommand):
    """Enqueue the job that trains, measures and gates a model."""

    help = "Train a model on a dataset (the newest); a refused dataset trains nothing (exit 2)."
    kind = "training.train_model"

    def exit_code(self, result: dict[str, Any]) -> int:
        """Say 2 for a model that a gate refused: it is kept as evidence, and cannot go live."""
        return EXIT_REFUSED if result.get("verdict") == "refuse" else 0

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        print_model(console, cast(ModelSummary, result))
        console.print(
            f"Model {result['version']} of {result['kind']} ({result['algorithm']}, dataset "
            f"{result['dataset']}): ",
            verdict(result["verdict"]),
            ".",
            sep="",
        )
        if result["verdict"] != "refuse":
            command = promote_command(
                result["kind"],
                result["version"],
                is_replacing=champion_of(result["kind"]) is not None,
                is_suspicious=bool(result["suspicious_inputs"]),
            )
            console.print(f"To make it live: manage.py {command}")
