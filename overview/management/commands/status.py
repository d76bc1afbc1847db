"""Everything at a glance."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from overview.queries.status import ChampionState, Status, describe_everything
from project import words
from project.command import SeedbedCommand
from project.terminal import Table
from training.management.tables import measured, verdict

SERVES = {"model": "", "rules": "the rules do", "nothing": "nothing does"}


class Command(SeedbedCommand):
    """`status [--json]`: servers, people, batches, datasets, champions, jobs, the next step."""

    help = "Show what there is, what is live, what runs and what to do next."

    def run(self, **options: Any) -> Status:
        return describe_everything()

    def render(self, result: Status, console: Console) -> None:
        servers, people = result["servers"], result["people"]
        where = "embedded" if servers["postgres"]["is_embedded"] else "external"
        console.print(
            f"PostgreSQL {servers['postgres']['version']} ({where}), "
            f"{words.size(servers['postgres']['data_bytes'])}; workers "
            f"{result['processes'].get('worker', 0)}, schedulers "
            f"{result['processes'].get('scheduler', 0)}"
        )
        for told in [*result["ailments"], *result["clocks"]]:
            console.print(told, style="bold yellow")
        store = result["store"]
        if store["problem"]:
            console.print(f"{store['problem']} {store['remedy']}", style="bold yellow")
        console.print(
            f"{words.tally(people['users'], 'seed user')} ({people['complete']:,} complete), "
            f"{words.tally(people['groups'], 'group')}, {people['live_sessions']:,} of "
            f"{people['sessions']:,} sessions live"
        )
        batches = Table("Batch", "Origin", "State", "Events", "Feature set")
        for batch in result["batches"]["newest"]:
            batches.add_row(
                str(batch["id"]),
                batch["origin"],
                batch["state"],
                f"{batch['events']:,}",
                batch["feature_set"],
            )
        if batches.row_count:
            console.print(batches)
        kinds = Table("Kind", "Newest dataset", "Newest model", "Champion", "Its figure")
        for kind in result["kinds"]:
            dataset, model, champion = kind["dataset"], kind["model"], kind["champion"]
            kinds.add_row(
                kind["kind"],
                _judged(dataset) if dataset else "-",
                _judged(model) if model else "-",
                str(champion["version"]) if champion else "none",
                _figure(champion),
            )
        console.print(kinds)
        for kind in result["kinds"]:
            champion, dataset = kind["champion"], kind["dataset"]
            if champion and champion["problem"]:
                console.print(
                    f"The champion of {kind['kind']} cannot serve, {SERVES[champion['serves']]}: "
                    f"{champion['problem']}",
                    style="bold yellow",
                )
            if dataset and dataset["problem"]:
                console.print(dataset["problem"], style="bold yellow")
            if dataset and dataset["stale"]:
                console.print(f"{dataset['stale']}.", style="bold yellow")
        for alarm in result["alarms"]:
            since = words.moment(alarm["opened_at"])
            console.print(f"{alarm['title']}, since {since}. {alarm['text']}", style="bold red")
            console.print(alarm["remedy"])
        for job in result["jobs"]["active"]:
            console.print(f"Job {job['id']} {job['kind']}: {job['state']}")
        for unknown, count in result["jobs"]["unknown"].items():
            console.print(
                f"{words.counted(count, 'job waits', 'jobs wait')} for a newer worker: this "
                f"version does not know the kind {unknown}.",
                style="bold yellow",
            )
        if result["jobs"]["failed"]:
            console.print(
                f"{words.tally(result['jobs']['failed'], 'job')} failed; see `manage.py jobs list`."
            )
        for schedule in result["schedules"]:
            due = schedule["next_run_at"]
            when = f"next {words.moment(due)}" if due else "disabled"
            console.print(f"Schedule {schedule['name']}: {when}")
        step = result["next_step"]
        console.print(f"Next: {step['text']} (manage.py {step['command']})", style="bold")


def _judged(version: Mapping[str, Any]) -> Text:
    return Text.assemble(
        f"{version['version']} ", verdict(version["verdict"]), f" {version['origin_words']}"
    )


def _figure(champion: ChampionState | None) -> Text:
    if champion is None:
        return Text("-")
    if champion["problem"]:
        return Text("cannot serve", style="bold yellow")
    said = f"{champion['metric_title']} {measured(champion)}, {champion['origin_words']} rows"
    return Text(said)
