"""Show the quality report of a dataset, or of any CSV file."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from project import words
from project.command import EXIT_REFUSED, SeedbedCommand, positive_int
from project.terminal import Table
from training.management.kind_option import add_kind_option
from training.management.tables import print_checks, print_not_in_log, verdict


class Command(SeedbedCommand):
    """Print every check with its value, limit, verdict and remedy; exit code 2 on a refusal."""

    help = "Show the quality report of a dataset version (the newest), or of a CSV file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "version", nargs="?", type=positive_int, help="of the dataset (default: the newest)"
        )
        parser.add_argument(
            "--csv", type=Path, help="any table with a label and numbers: CSV, JSON, xlsx, parquet"
        )
        parser.add_argument(
            "--label",
            default="",
            metavar="COLUMN",
            help="of a --csv: the column to be predicted; every other column of numbers is then "
            "measured (default: the columns of the kind, else a column named like a label)",
        )
        add_kind_option(parser)

    def run(self, **options: Any) -> dict[str, Any]:
        from training.domain.any_table import NOTHING_IS_BUILT, asks_to_build
        from training.domain.foreign_csv import ForeignCsvError
        from training.queries.datasets import analyze_csv, find_dataset
        from training.queries.files import verify_files

        if options["label"] and options["csv"] is None:
            raise CommandError("--label names a column of a --csv.")
        if options["csv"] is None:
            dataset = find_dataset(options["kind"], options["version"])
            verify_files(dataset)
            expectation = options["kind"].expectation_of(dataset.origin)
            return {**dataset.report, "expectation": expectation}
        if options["version"] is not None:
            raise CommandError("Give either a version or --csv, not both.")
        try:
            report, took = analyze_csv(options["kind"], options["csv"], options["label"])
            note = NOTHING_IS_BUILT if asks_to_build(report.checks) else ""
            return {**report.as_dict(), "took": took.as_dict(), "note": note}
        except (ForeignCsvError, OSError) as error:
            raise CommandError(str(error)) from error

    def exit_code(self, result: dict[str, Any]) -> int:
        return EXIT_REFUSED if result["verdict"] == "refuse" else 0

    def render(self, result: dict[str, Any], console: Console) -> None:
        table = Table("Feature", "Distinct", "Defaulted", "Missing", "Min", "Max", "Mean", "Std")
        for name, feature in result["features"].items():
            keys = ("unique", "default_share", "missing_share", "min", "max", "mean", "std")
            table.add_row(name, *(words.number(feature[key]) for key in keys))
        console.print(table)
        shares = Table("Shared between train and validation", "Distinct", "Validation rows")
        for name, shared in result["leakage"].items():
            if isinstance(shared, dict) and "shared" in shared:
                shares.add_row(
                    name, words.number(shared["shared"]), words.number(shared["validation_rows"])
                )
        if shares.row_count:
            console.print(shares)
        print_checks(console, result["checks"])
        if took := result.get("took"):
            inputs = ", ".join(took["features"])
            console.print(f"Took {took['label_said']} as the label and {inputs}.")
            left = ", ".join(f"{name} ({why})" for name, why in took["left"].items())
            console.print(f"Left: {left or 'nothing'}.")
            if result["note"]:
                console.print(result["note"])
        print_not_in_log(console, result.get("not_in_log", []))
        if expectation := result.get("expectation"):
            console.print(expectation)
        console.print(f"{words.tally(result['rows'], 'row')}, verdict:", verdict(result["verdict"]))
