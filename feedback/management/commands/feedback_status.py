"""`manage.py feedback_status`: what is there, how fresh, and what it is enough for."""

from datetime import datetime
from typing import Any

from rich.console import Console

from feedback.queries.status import FeedbackStatus, feedback_status
from project import words
from project.command import SeedbedCommand
from project.terminal import Table


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
                words.moment(_read(row["latest"])),
                words.ago(row["lag_seconds"]),
            )
        if result["tables"]:
            console.print(table)
        for row in result["tables"]:
            run = row["last_run"]
            text = "never collected"
            if run:
                at = words.moment(_read(run["started_at"]))
                text = f"last run {run['state']}, {at}, {run['new']:,} new"
            gaps = [
                f"{name} {words.share(share)}"
                for name, share in row["missing"].items()
                if share > 0
            ]
            text += f"; {row['rejected']:,} refused"
            text += f"; {row['gone']:,} gone at the source" if row["gone"] else ""
            text += f"; {row['shared']:,} counted at another source" if row["shared"] else ""
            text += f"; without {', '.join(gaps)}." if gaps else "."
            console.print(f"{row['source']} {row['table']}: {text}")
            if run and run["error"]:
                console.print(f"  {run['error']}")
        for caveat in result["caveats"]:
            console.print(f"Warning: {caveat}", style="yellow")
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
            due = words.moment(_read(schedule["next_run_at"]))
            console.print(f"Next scheduled collection: {due}.")
        else:
            console.print("Nothing is collected by itself: `manage.py auto_collect on`.")


def _read(moment: str | None) -> datetime | None:
    return None if moment is None else datetime.fromisoformat(moment)
