"""`manage.py feedback_status`: what is there, how fresh, and what it is enough for."""

from typing import Any

from rich.console import Console
from rich.table import Table

from feedback.queries.status import FeedbackStatus, feedback_status
from project.command import SeedbedCommand


class Command(SeedbedCommand):
    help = (
        "Rows by table and source, latest row, lag, last run, missing shares, samples against the "
        "minimum of each model kind, and the next scheduled collection."
    )

    def run(self, **options: Any) -> FeedbackStatus:
        return feedback_status()

    def render(self, result: FeedbackStatus, console: Console) -> None:
        if not result["real_sources"]:
            console.print(
                "No real source is set up: generated feedback stands in. Add a source in the "
                "admin, Feedback sources.",
                style="bold",
            )
        table = Table("Source", "Table")
        for column in ("Rows", "Latest row", "Lag"):
            table.add_column(column, justify="right")
        for row in result["tables"]:
            is_named_so = row["source"] == row["origin"] or row["origin"] == "real"
            table.add_row(
                row["source"] if is_named_so else f"{row['source']} ({row['origin']})",
                row["table"],
                f"{row['rows']:,}",
                _minutes(row["latest"]),
                describe_lag(row["lag_seconds"]),
            )
        if result["tables"]:
            console.print(table)
        for row in result["tables"]:
            run = row["last_run"]
            text = "never collected"
            if run:
                text = f"last run {run['state']}, {_minutes(run['started_at'])}, {run['new']:,} new"
            gaps = [f"{name} {share:.1%}" for name, share in row["missing"].items() if share > 0]
            text += f"; {row['rejected']:,} refused"
            text += f"; without {', '.join(gaps)}." if gaps else "."
            console.print(f"{row['source']} {row['table']}: {text}", markup=False)
            if run and run["error"]:
                console.print(f"  {run['error']}", markup=False)
        samples = Table("Model kind")
        for column in ("Needed", "Real", "Synthetic", ""):
            samples.add_column(column, justify="right")
        for one in result["samples"]:
            samples.add_row(
                one["kind"],
                f"{one['minimum']:,}",
                f"{one['real']:,}",
                f"{one['synthetic']:,}",
                "enough" if one["enough"] else "too few",
            )
        console.print(samples)
        schedule = result["schedule"]
        if schedule["enabled"]:
            console.print(f"Next scheduled collection: {schedule['next_run_at']}.")
        else:
            console.print("Nothing is collected by itself: `manage.py auto_collect on`.")


def _minutes(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else "-"


def describe_lag(seconds: float | None) -> str:
    """Say how long ago the latest row is, in its largest unit."""
    if seconds is None:
        return "-"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
