"""`manage.py feedback_report`: what the collected feedback says.

What computes loads pandas and SciPy; the help does without.
"""

from __future__ import annotations

from argparse import SUPPRESS
from typing import TYPE_CHECKING, Any, TypedDict

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from feedback.domain.words import (
    FACTORS,
    LONGEST_DAYS,
    PLANNED_SESSIONS,
    QUALITY_EDGES,
    REPORT_KINDS,
)
from feedback.queries.sources import ScopeFields, choose_scope
from project import words
from project.command import SeedbedCommand, positive_int, whole_number
from project.origin import Origin
from project.terminal import Table

if TYPE_CHECKING:
    from feedback.queries.reports import (
        BaselinesReport,
        CalibrationReport,
        CsatReport,
        ExperimentsReport,
        Report,
    )
    from feedback.queries.reports.csat import BestRow, MeanRow


class Reports(TypedDict):
    """Which rows the reports are about, and the reports by kind."""

    scope: ScopeFields
    reports: dict[str, Report]


class Command(SeedbedCommand):
    help = (
        "What the feedback says, with 95 % intervals: CSAT, shrunken baselines, calibration of "
        "predictions, A/B experiments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--report", choices=[*REPORT_KINDS, "all"], default="all")
        # What --report was called before; --kind is a kind of model.
        parser.add_argument("--kind", dest="report", choices=[*REPORT_KINDS, "all"], help=SUPPRESS)
        parser.add_argument(
            "--origin",
            choices=[origin.value for origin in Origin],
            default="",
            help="whose rows; default: real where a real source is set up, else synthetic",
        )
        parser.add_argument("--source", default="", metavar="NAME", help="only rows of this source")
        parser.add_argument(
            "--days", type=whole_number(1, LONGEST_DAYS), help="only rows of the last N days"
        )
        parser.add_argument(
            "--edges",
            help="of the quality ranges, default "
            + ",".join(f"{edge:g}" for edge in QUALITY_EDGES),
        )
        for factor in FACTORS:
            parser.add_argument(
                f"--{factor.replace('_', '-')}", help="expect this combination from the baselines"
            )

        parser.add_argument(
            "--planned-sessions",
            type=positive_int,
            metavar="N",
            help="sessions of the smaller arm that an experiment was planned with, chosen before "
            f"it began: there its verdict comes most easily; default {PLANNED_SESSIONS}",
        )

    def run(self, **options: Any) -> Reports:
        from feedback.queries.reports import build_report, read_edges, read_planned

        levels = {name: options[name] for name in FACTORS if options[name]}
        if levels and options["report"] not in ("baselines", "all"):
            raise CommandError(
                "--provider, --model and --action-type belong to --report baselines."
            )
        planned = options["planned_sessions"]
        if planned is not None and options["report"] not in ("experiments", "all"):
            raise CommandError("--planned-sessions belongs to --report experiments.")
        planned = read_planned(PLANNED_SESSIONS if planned is None else planned)
        edges = read_edges(options["edges"]) if options["edges"] is not None else QUALITY_EDGES
        scope = choose_scope(
            source=options["source"], origin=options["origin"], days=options["days"]
        )
        kinds = REPORT_KINDS if options["report"] == "all" else [options["report"]]
        return {
            "scope": scope.as_dict(),
            "reports": {
                kind: build_report(
                    kind, scope, edges=edges, levels=levels, planned_sessions=planned
                )
                for kind in kinds
            },
        }

    def render(self, result: Reports, console: Console) -> None:
        scope = result["scope"]
        period = f" of the last {scope['days']} days" if scope["days"] else ""
        console.print(scope["label"], style="bold")
        console.print(f"Sources{period}: {', '.join(scope['sources']) or 'none'}.")
        for caveat in scope["caveats"]:
            console.print(f"Warning: {caveat}", style="yellow")
        for kind, report in result["reports"].items():
            getattr(self, f"_render_{kind}")(report, console)

    def _render_csat(self, report: CsatReport, console: Console) -> None:
        overall = report["overall"]
        console.print(
            f"\nCSAT: {words.measured(overall['mean'], overall['low'], overall['high'])} from "
            f"{words.tally(report['rows'], 'rating')}",
            style="bold",
        )
        if not report["rows"]:
            console.print("No ratings. Run `manage.py collect_feedback`, or widen --days.")
            return
        change = report["trend"]
        slope = f", {words.signed(change['slope'])} a day" if change["slope"] is not None else ""
        console.print(f"Trend: {change['verdict']}{slope}. {change['reason']}")
        ranges = report["ranges"]
        _means("Quality", ranges["rows"], console)
        console.print(
            f"{words.tally(ranges['matched'], 'rating')} found the quality of their response, "
            f"{ranges['unmatched']:,} did not."
        )
        console.print(f"Optimal quality range: {_verdict(ranges['best'])}")
        for groups, title in ((report["provider"], "Provider"), (report["model"], "Model")):
            _means(title, groups["rows"], console)
            console.print(f"Best {title.lower()}: {_verdict(groups['best'])}")
        _means("Action type", report["action_type"]["rows"], console)
        title = "Variant" if report["variant"]["measure"] == "csat" else "Variant (its own ratings)"
        _means(title, report["variant"]["rows"], console)
        _means("Day", report["days"][-14:], console)

    def _render_baselines(self, report: BaselinesReport, console: Console) -> None:
        for entry, title in ((report["quality"], "Quality"), (report["csat"], "CSAT")):
            console.print(
                f"\n{title} baseline from {words.tally(entry['rows'], 'row')}", style="bold"
            )
            if not entry["factors"]:
                console.print("Nothing to learn: fewer than two rows, or all the same.")
                continue
            for factor, found in entry["factors"].items():
                table = Table(factor.replace("_", " ").capitalize())
                for column in ("Rows", "Mean", "Shrunken", "95 %", "Confidence"):
                    table.add_column(column, justify="right")
                for row in found["rows"]:
                    table.add_row(
                        row["label"],
                        f"{row['count']:,}",
                        words.number(row["raw_mean"]),
                        words.number(row["mean"]),
                        words.interval(row["low"], row["high"]),
                        words.number(row["confidence"]),
                    )
                console.print(table)
            expected = entry["prediction"]
            if expected:
                of = ", ".join(f"{key} {value}" for key, value in report["levels"].items())
                unseen = ", ".join(expected["unseen"])
                console.print(
                    f"Expected of {of}: "
                    f"{words.measured(expected['value'], expected['low'], expected['high'])}, "
                    f"confidence {words.number(expected['confidence'])}"
                    + (f"; not known: {unseen}." if unseen else ".")
                )

    def _render_calibration(self, report: CalibrationReport, console: Console) -> None:
        for entry, title in (
            (report["given"], "Given predictions against user ratings"),
            (report["quality"], "Quality baseline on the newest fifth"),
            (report["csat"], "CSAT baseline on the newest fifth"),
        ):
            console.print(f"\n{title}: {entry['verdict']}", style="bold")
            console.print(
                f"{words.tally(entry['rows'], 'pair')}, {entry['left_out']:,} without one side; "
                "mean distance "
                f"{words.number(entry['error'])}, bias {words.number(entry['bias'])}."
            )
            if not entry["buckets"]:
                continue
            table = Table("Bucket")
            for column in ("Rows", "Predicted", "Actual", "95 %", ""):
                table.add_column(column, justify="right")
            for row in entry["buckets"]:
                table.add_row(
                    words.interval(row["from"], row["to"]),
                    f"{row['count']:,}",
                    words.number(row["predicted"]),
                    words.number(row["mean"]),
                    words.interval(row["low"], row["high"]),
                    "off" if row["is_off"] else "",
                )
            console.print(table)

    def _render_experiments(self, report: ExperimentsReport, console: Console) -> None:
        console.print(f"\nExperiments: {len(report['experiments'])}", style="bold")
        if not report["experiments"]:
            console.print("No A/B results that name an experiment and a variant.")
            return
        console.print(
            "Verdicts, intervals and p hold at every look; they are sharpest at "
            f"{words.tally(report['planned_sessions'], 'session')} of the smaller arm, as planned."
        )
        for one in report["experiments"]:
            console.print(
                f"\n{one['experiment']}: {one['verdict']} ({words.tally(one['rows'], 'row')})"
            )
            table = Table("Variant")
            against = f"Against {one['control']}"
            for column in ("Sessions", "Rating", against, "95 %, at every look", "p"):
                table.add_column(column, justify="right")
            effects = {effect["variant"]: effect for effect in one["effects"]}
            for row in one["variants"]:
                effect = effects.get(row["label"])
                told = ("", "", "")
                if effect is not None:
                    told = (
                        words.signed(effect["difference"]),
                        words.interval(effect["low"], effect["high"]),
                        words.number(effect["p_adjusted"]),
                    )
                mean = words.number(row["mean"])
                table.add_row(row["label"], f"{row['clusters']:,}", mean, *told)
            console.print(table)
            for effect in one["effects"]:
                decide, once = effect["sessions_to_decide"], effect["one_look"]
                more = (
                    f" About {words.tally(decide, 'session')} each would decide a difference of "
                    "this size."
                    if effect["verdict"] == "not enough evidence" and decide
                    else ""
                )
                if once:
                    more += f" {once['holds'].capitalize()}: "
                    more += f"{words.interval(once['low'], once['high'])}."
                console.print(f"{effect['variant']}: {effect['verdict']}. {effect['reason']}{more}")
        if report["sessionless"]:
            console.print(
                f"\n{words.tally(report['sessionless'], 'result')} "
                f"{words.bend(report['sessionless'], 'leads', 'lead')} to no session: those of "
                "one response "
                "count together, others for themselves."
            )


def _verdict(best: BestRow) -> str:
    if best["verdict"] == "best":
        return f"{best['label']}. {best['reason']}"
    leading = f" Leading: {', '.join(best['leading'])}." if best["leading"] else ""
    return f"not enough evidence. {best['reason']}{leading}"


def _means(title: str, rows: list[MeanRow], console: Console) -> None:
    table = Table(title)
    for column in ("Rows", "CSAT", "95 %"):
        table.add_column(column, justify="right")
    for row in rows:
        mean = words.number(row["mean"])
        table.add_row(
            row["label"], f"{row['count']:,}", mean, words.interval(row["low"], row["high"])
        )
    console.print(table)
