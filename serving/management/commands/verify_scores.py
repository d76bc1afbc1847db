"""Scores a sample of pairs, here or over the API, and says whether the scores vary."""

import os
from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console

from project import words
from project.command import EXIT_REFUSED, SeedbedCommand, whole_number
from project.refusal import Refusal
from project.terminal import Table
from serving.domain.limits import MAX_PAIRS
from training.management.kind_option import seed

SAME = 1e-6  # two scores of one pair differ by less
KEY = "SEEDBED_KEY"


class Command(SeedbedCommand):
    """`verify_scores [--api http://127.0.0.1:8000]`."""

    help = (
        "Score a sample of pairs that can be matched now and say whether the scores tell them "
        "apart. With --api they are asked for as an application does, and held to those that are "
        "computed here. Ends with 2 where they do not (10 different ones are wanted, or half of "
        "more than 20), or where the API says something else."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--sample",
            type=whole_number(1, MAX_PAIRS),
            default=20,
            metavar="N",
            help=f"pairs drawn by lot, at most {MAX_PAIRS:,} (default 20)",
        )
        parser.add_argument("--seed", type=seed, default=0, help="of the sample (default 0)")
        parser.add_argument("--api", metavar="URL", help="such as http://127.0.0.1:8000")
        parser.add_argument(
            "--key-variable",
            default=KEY,
            metavar="NAME",
            help=f"environment variable that holds the key for --api (default {KEY})",
        )

    def run(self, **options: Any) -> dict[str, Any]:
        from serving.domain.spread import spread_of
        from training.queries.pairs import sample_scores

        scores, pairs = sample_scores(options["sample"], seed=options["seed"])
        here = [row["score"] for row in scores.as_rows()]
        rows: list[Any] = [*scores.as_rows()]
        warning = scores.serving.warning
        if options["api"]:
            rows, warning = _asked(options["api"], options["key_variable"], pairs)
        given = [row.get("score") for row in rows]
        told = [score if isinstance(score, int | float) else None for score in given]
        spread = spread_of(told)
        others = [place for place in range(len(pairs)) if not _is_same(here[place], told[place])]
        return {
            "asked": options["api"] or "here",
            "pairs": len(pairs),
            "served_by": rows[0].get("served_by"),
            "model_version": rows[0].get("model_version"),
            "warning": warning,
            "different": spread.different,
            "wanted": spread.wanted,
            "lowest": spread.lowest,
            "highest": spread.highest,
            "most_common": spread.most_common,
            "most_common_share": spread.most_common_share,
            "unlike": [
                {"left": pairs[at][0], "right": pairs[at][1], "here": here[at], "there": told[at]}
                for at in others
            ],
            "varies": spread.is_enough,
            "verdict": "pass" if spread.is_enough and not others else "refuse",
        }

    def exit_code(self, result: dict[str, Any]) -> int:
        return 0 if result["verdict"] == "pass" else EXIT_REFUSED

    def render(self, result: dict[str, Any], console: Console) -> None:
        if result["warning"]:
            console.print(result["warning"], style="bold yellow")
        console.print(
            f"{words.counted(result['pairs'], 'pair')}, {result['different']} different scores "
            f"from {words.number(result['lowest'])} to {words.number(result['highest'])}; at least "
            f"{result['wanted']} are wanted. The most common one, "
            f"{words.number(result['most_common'])}, is that of "
            f"{words.share(result['most_common_share'])}."
        )
        if result["unlike"]:
            console.print(f"{words.counted(len(result['unlike']), 'pair')} score otherwise there:")
            table = Table("Left", "Right", "Here", "There")
            for row in result["unlike"][:10]:
                here, there = words.number(row["here"]), words.number(row["there"])
                table.add_row(row["left"], row["right"], here, there)
            console.print(table)
        if result["verdict"] == "pass":
            console.print("The scores vary.", style="bold green")
        elif result["varies"]:
            console.print(
                "They vary, and are not those of this installation: see that both have the same "
                "database and the same champion (`GET /api/v1/models/match_compatibility/champion` "
                "there, `manage.py models list` here).",
                style="bold red",
            )
        else:
            console.print(
                "These scores are not to be served: look at `manage.py explain_match A B` for two "
                "of the pairs, and return with `manage.py models rollback --reason REASON`.",
                style="bold red",
            )


def _asked(api: str, variable: str, pairs: list[tuple[str, str]]) -> tuple[list[Any], str]:
    from serving.queries.asking import ask_scores

    token = os.environ.get(variable, "")
    if not token:
        raise Refusal(
            f"The environment variable {variable} holds no key.",
            remedy="Make one with `manage.py api_keys make NAME --scope score`, and set it.",
        )
    answer = ask_scores(api, token, pairs)
    rows = answer.get("scores")
    known = rows if isinstance(rows, list) else []
    if len(known) != len(pairs) or not all(isinstance(row, dict) for row in known):
        raise Refusal(
            f"{api} did not answer for each of {len(pairs)} pairs.",
            remedy="See whether a Seedbed of this release listens there.",
        )
    return known, str(answer.get("warning", ""))


def _is_same(here: float | None, there: float | None) -> bool:
    if here is None or there is None:
        return here is there
    return abs(here - there) < SAME
