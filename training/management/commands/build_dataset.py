"""Build a dataset version from event batches or feedback."""

from typing import Any

from rich.console import Console

from project.command import EXIT_REFUSED
from project.jobs.command import JobCommand
from project.origin import Origin
from training.management.tables import print_checks, print_likeness, print_not_in_log, verdict


class Command(JobCommand):
    """Enqueue the job that builds a dataset."""

    help = (
        "Build a versioned dataset and measure its quality. Without --batch the newest complete "
        "batch of the origin is taken; combining is naming several batches."
    )
    kind = "training.build_dataset"

    def exit_code(self, result: dict[str, Any]) -> int:
        """Say 2 for a dataset that is refused: it is kept as evidence, and trains nothing."""
        return EXIT_REFUSED if result.get("verdict") == "refuse" else 0

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        print_checks(console, result["checks"])
        print_not_in_log(console, result["not_in_log"])
        print_likeness(console, result["mixture"])
        for said in result["partial"]:
            console.print(said, style="yellow")
        if result["expectation"]:
            console.print(result["expectation"])
        console.print(
            f"Dataset {result['version']} of {result['kind']}: ",
            verdict(result["verdict"]),
            f", {result['train_rows']:,} training and {result['validation_rows']:,} validation "
            f"rows ({_origin(result)}, {result['feature_set'] or 'no feature set'}, split by "
            f"{result['split']}).",
            sep="",
        )


def _origin(result: dict[str, Any]) -> str:
    return Origin(result["origin"]).said(result["real_rows"], result["synthetic_rows"])
