"""Build a dataset version from event batches or feedback."""

from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console

from project.command import EXIT_REFUSED, positive_int
from project.jobs.command import JobCommand
from project.origin import Origin
from training.management.kind_option import add_kind_option, seed, share
from training.management.tables import print_checks, verdict


class Command(JobCommand):
    """Enqueue the job that builds a dataset."""

    help = (
        "Build a versioned dataset and measure its quality. Without --batch the newest complete "
        "batch of the origin is taken; combining is naming several batches."
    )
    kind = "training.build_dataset"

    def add_arguments(self, parser: CommandParser) -> None:
        add_kind_option(parser)
        parser.add_argument(
            "--batch",
            type=positive_int,
            nargs="+",
            action="extend",
            default=[],
            metavar="ID",
            help="of a kind made of events: these batches (default: the newest complete one)",
        )
        parser.add_argument(
            "--origin",
            choices=[origin.value for origin in Origin],
            default="",
            help="whose rows to take; batches that are named tell it themselves",
        )
        parser.add_argument(
            "--feature-set",
            default="",
            help="smooth-1 or tiered-1; by default the one the rows have",
        )
        parser.add_argument(
            "--split",
            default="",
            help="time, user, pair, random ... as the kind allows (default: the kind's first)",
        )
        parser.add_argument(
            "--train-share",
            type=share,
            default=0.8,
            metavar="SHARE",
            help="of the rows for training, between 0 and 1 (default 0.8)",
        )
        parser.add_argument("--seed", type=seed, default=0, help="of what is drawn (default 0)")

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        return {
            "model_kind": options["kind"].name,
            "batches": options["batch"],
            "origin": options["origin"],
            "feature_set": options["feature_set"],
            "split": options["split"],
            "train_share": options["train_share"],
            "seed": options["seed"],
        }

    def exit_code(self, result: dict[str, Any]) -> int:
        """Say 2 for a dataset that is refused: it is kept as evidence, and trains nothing."""
        return EXIT_REFUSED if result.get("verdict") == "refuse" else 0

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        print_checks(console, result["checks"])
        console.print(
            f"Dataset {result['version']} of {result['kind']}: ",
            verdict(result["verdict"]),
            f", {result['train_rows']:,} training and {result['validation_rows']:,} validation "
            f"rows ({result['origin']}, {result['feature_set'] or 'no feature set'}, split by "
            f"{result['split']}).",
            sep="",
        )
