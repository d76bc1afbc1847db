"""From profiles to a champion whose scores vary, in one command."""

from typing import Any, cast

from rich.console import Console

from project import words
from project.jobs.command import JobCommand
from project.terminal import Table
from training.management.tables import print_model
from training.queries.models import ModelSummary


class Command(JobCommand):
    """Enqueue the job that checks, generates, builds, trains, gates, promotes and verifies."""

    help = (
        "Check profiles and sessions, generate events, build and analyse a dataset, train, gate, "
        "promote and verify. Stops at the first refusal and says what to do (exit 2)."
    )
    kind = "overview.rebuild_model"

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        profiles, events, dataset = result["profiles"], result["events"], result["dataset"]
        console.print(
            f"Profiles: {profiles['complete']:,} complete, {profiles['incomplete']:,} left out. "
            f"Sessions: {result['sessions']['live']:,} live. Batch {events['batch']}: "
            f"{events['made']:,} synthetic events. Dataset {dataset['version']}: "
            f"{dataset['verdict']}, {dataset['train_rows']:,} training and "
            f"{dataset['validation_rows']:,} validation rows."
        )
        print_model(console, cast(ModelSummary, result["model"]))
        table = Table("Left", "Right", "Score", "Rule score")
        for row in result["scores"]:
            table.add_row(
                row["left"],
                row["right"],
                words.number(row["score"]),
                words.number(row["rule_score"]),
            )
        console.print(table)
        different = len({round(row["score"], 4) for row in result["scores"]})
        console.print(
            f"Champion: version {result['promotion']['version']} of {result['model']['kind']}. "
            f"{words.tally(len(result['scores']), 'pair')}, {different} different scores."
        )
