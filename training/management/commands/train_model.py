"""Train a model on a dataset version."""

from typing import Any, cast

from django.core.management.base import CommandParser
from rich.console import Console

from project.command import EXIT_REFUSED, positive_int
from project.jobs.command import JobCommand
from training.kinds import DEFAULT_KIND
from training.management.kind_option import add_kind_option, seed
from training.management.tables import print_model, verdict
from training.queries.models import ModelSummary


class Command(JobCommand):
    """Enqueue the job that trains, measures and gates a model."""

    help = "Train a model on a dataset (the newest); a refused dataset trains nothing (exit 2)."
    kind = "training.train_model"

    def add_arguments(self, parser: CommandParser) -> None:
        add_kind_option(parser)
        parser.add_argument(
            "--dataset",
            type=positive_int,
            metavar="VERSION",
            help="dataset to train on (default: the kind's newest)",
        )
        parser.add_argument("--seed", type=seed, default=0, help="of what is drawn (default 0)")
        parser.add_argument(
            "--override-reason",
            default="",
            help="train in spite of a refused dataset; the reason is kept with the model for ever",
        )

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        return {
            "model_kind": options["kind"].name,
            "dataset": options["dataset"],
            "seed": options["seed"],
            "override_reason": options["override_reason"],
        }

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
            of = "" if result["kind"] == DEFAULT_KIND else f" --kind {result['kind']}"
            console.print(f"To make it live: manage.py models promote {result['version']}{of}")
