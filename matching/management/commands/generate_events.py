"""Generates a batch of synthetic match events."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from matching.domain.limits import DEFAULT_EVENTS, DEFAULT_SEED
from matching.domain.words import MATCH_TYPES_ASKED, FeatureSet, MatchType, Preset, asked_word
from matching.models import EventBatch
from project import words
from project.command import positive_int
from project.jobs.command import JobCommand


class Command(JobCommand):
    """Make events from the live sessions of complete users."""

    help = (
        "Generate synthetic match events from the live sessions of complete users. The same seed "
        "and population give the same events. Refuses (exit 2) when the population cannot give "
        "the count without repeats."
    )
    kind = "matching.generate_events"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--count",
            type=positive_int,
            default=DEFAULT_EVENTS,
            help=f"events to make (default {DEFAULT_EVENTS:,})",
        )
        parser.add_argument(
            "--match-type",
            type=asked_word,
            choices=list(MATCH_TYPES_ASKED),
            default=MatchType.USER_USER.value,
            help="users with users, users with groups, or half of each (default user_user)",
        )
        parser.add_argument(
            "--preset",
            choices=[preset.value for preset in Preset],
            default=Preset.BALANCED.value,
            help="how picky people are (default balanced)",
        )
        parser.add_argument(
            "--seed",
            type=int,
            default=DEFAULT_SEED,
            help=f"of what is drawn (default {DEFAULT_SEED})",
        )
        parser.add_argument(
            "--feature-set",
            choices=[one.value for one in FeatureSet],
            default=FeatureSet.SMOOTH.value,
            help="formulas of the stored features (default smooth-1)",
        )
        parser.add_argument(
            "--allow-repeats",
            action="store_true",
            help="let ordered pairs come again when all have come",
        )
        parser.add_argument(
            "--output",
            type=Path,
            metavar="F.jsonl[.gz]",
            help="write the events to this file as well; the same seed and population give the "
            "same bytes",
        )

    def run(self, **options: Any) -> dict[str, Any]:
        output = options["output"]
        if output is not None and options["detach"]:
            raise CommandError("--output waits for the events and --detach does not: give one.")
        if output is not None and not output.parent.is_dir():
            raise CommandError(f"{output}: the folder {output.parent} does not exist.")
        result = super().run(**options)
        if output is not None:
            from matching.queries.exports import write_log_file

            try:
                write_log_file(output, [EventBatch.objects.get(pk=result["batch"])])
            except OSError as error:
                raise CommandError(f"{output}: {error}") from error
            result["output"] = str(output)
        return result

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        arguments = {
            name: options[name]
            for name in ("count", "match_type", "preset", "seed", "feature_set", "allow_repeats")
        }
        if not options["json"] and not options["detach"]:
            from matching.queries.generations import preview

            forecast = preview(**arguments)
            pairs = ", ".join(f"{n:,} {name}" for name, n in forecast["distinct_pairs"].items())
            self.error_console.print(
                f"Distinct pairs: {pairs}. Expected copies among {options['count']:,} feature "
                f"vectors: {words.share(forecast['expected_duplicate_share'])}."
            )
        return arguments

    def render_result(self, result: dict[str, Any], console: Console) -> None:
        console.print(
            f"Batch {result['batch']} (synthetic): {result['asked']:,} asked, {result['made']:,} "
            f"made, {words.share(result['label_share'])} with label 1."
        )
        if "output" in result:
            console.print(f"Written to {result['output']}.")
        for reason, skipped in result["skipped"].items():
            named = "; ".join(
                one["external_id"]
                + (f" without {', '.join(one['missing'])}" if one.get("missing") else "")
                for one in skipped["examples"][:10]
            )
            more = "" if skipped["count"] <= 10 else f"; and {skipped['count'] - 10:,} more"
            console.print(f"Left out, {reason}: {skipped['count']:,} ({named}{more})")
        if result["remedy"]:
            console.print(result["remedy"])
