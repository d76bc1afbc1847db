"""Looks at what applications were answered in the last hour, and which alarms are open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandParser
from rich.console import Console

from project import clock, words
from project.command import EXIT_REFUSED, SeedbedCommand, whole_number
from project.jobs.models import LONGEST_SECONDS
from project.jobs.services import owner_for_operator
from project.terminal import Table
from serving.queries.schedule import current_schedule
from serving.services.schedule import DEFAULT_SECONDS, switch_off, switch_on

if TYPE_CHECKING:
    from serving.queries.live import LiveFields
    from serving.queries.monitoring import Looked, Monitored

SHORTEST_SECONDS = 10
MOST_VERSIONS = 3  # whose live figures are shown


class Command(SeedbedCommand):
    """`monitor_scores [--every SECONDS | --off]`."""

    help = (
        "Read on in the score log, open and close alarms, and show the last hour beside training: "
        "how scores spread, the most common one, missing inputs, how often the rules answered. "
        "Ends with 2 while an alarm is open."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        by_itself = parser.add_mutually_exclusive_group()
        by_itself.add_argument(
            "--every",
            type=whole_number(SHORTEST_SECONDS, LONGEST_SECONDS),
            nargs="?",
            const=DEFAULT_SECONDS,
            metavar="SECONDS",
            help="look again by itself after so many seconds (without a number "
            f"{DEFAULT_SECONDS}); `manage.py serve` or `scheduler` must run",
        )
        by_itself.add_argument("--off", action="store_true", help="look no more by itself")
        parser.add_argument(
            "--owner",
            default="",
            metavar="USERNAME",
            help="the account with whose rights --every looks (default: SEEDBED_SCHEDULE_OWNER, "
            "else the only active superuser)",
        )

    def run(self, **options: Any) -> Looked:
        from serving.queries.live import live_figures, live_versions
        from serving.queries.monitoring import monitor_hour, open_alarms
        from serving.services.outcomes import match_events
        from serving.services.watching import watch

        if options["every"]:
            owner = owner_for_operator(options["owner"])
            switch_on(owner=owner, seconds=options["every"])
        elif options["off"]:
            switch_off()
        opened, closed = list[str](), list[str]()
        is_behind = True
        while is_behind:
            told = watch(at=clock.now())
            opened, closed, is_behind = opened + told.opened, closed + told.closed, told.is_behind
        match_events()
        schedule = current_schedule()
        return {
            **monitor_hour(clock.now()),
            "live": [live_figures(version) for version in live_versions()[:MOST_VERSIONS]],
            "opened": opened,
            "closed": closed,
            "alarms": open_alarms(),
            "every_seconds": schedule.interval_seconds
            if schedule is not None and schedule.is_enabled
            else None,
        }

    def exit_code(self, result: Looked) -> int:
        return EXIT_REFUSED if result["alarms"] else 0

    def render(self, result: Looked, console: Console) -> None:
        if result["rows"]:
            _render_hour(result, console)
        else:
            console.print("No application was answered in the last hour.")
        for live in result["live"]:
            _render_live(live, console)
        for title in result["closed"]:
            console.print(f"Closed: {title}.", style="bold green")
        for alarm in result["alarms"]:
            console.print(f"{alarm['title']}, since {words.moment(alarm['opened_at'])}.",
                          style="bold red")  # fmt: skip
            console.print(f"  {alarm['text']}")
            console.print(f"  {alarm['remedy']}")
        if not result["alarms"]:
            console.print("No alarm is open.", style="bold green")
        if result["every_seconds"]:
            console.print(f"It looks again every {words.duration(result['every_seconds'])}.")
        else:
            console.print("It looks only when it is told to; `--every 60` lets it look by itself.")


def _render_hour(result: Monitored, console: Console) -> None:
    console.print(
        f"{words.counted(result['pairs'], 'pair')} in {words.counted(result['visits'], 'visit')} "
        f"in the last hour: scores from {words.number(result['lowest'])} to "
        f"{words.number(result['highest'])}, standard deviation "
        f"{words.number(result['standard_deviation'])}. The most common one, "
        f"{words.number(result['most_common'])}, is that of "
        f"{words.share(result['most_common_share'])}. The rules answered "
        f"{words.share(result['fallback_share'])} of the visits instead of a model."
    )
    for why, count in result["why"].items():
        console.print(f"  {words.counted(count, 'visit')}: {why}")
    table = Table("Input", "Missing now", "In training", "Alarm above")
    for one in result["inputs"]:
        table.add_row(
            one["title"],
            words.share(one["missing_share"]),
            words.share(one["training_share"]),
            words.share(one["expected_share"]),
        )
    if table.row_count:
        console.print(table)


def _render_live(live: LiveFields, console: Console) -> None:
    console.print(f"Model {live['model_version']}, as it turned out:", style="bold")
    lift = live["lift"]
    if live["too_little"] or lift is None:
        console.print(f"  {live['too_little']}")
        return
    shown = ("roc_auc", "brier", "ece", "ece_by_chance")
    auc, brier, ece, by_chance = (live["metrics"][name] for name in shown)
    console.print(
        f"  {words.counted(live['rows'], 'pair')} of {words.counted(live['people'], 'user')}: "
        f"ROC-AUC {words.measured(auc['value'], auc['low'], auc['high'])}, "
        f"{words.signed(lift['difference'])} against the rules "
        f"({words.signed(lift['low'])} to {words.signed(lift['high'])}); Brier score "
        f"{words.measured(brier['value'], brier['low'], brier['high'])}; calibration error "
        f"{words.measured(ece['value'], ece['low'], ece['high'])}, by chance "
        f"{words.number(by_chance['value'])}."
    )
    console.print(f"  {live['caveat']}")
