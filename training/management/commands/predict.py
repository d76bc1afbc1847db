"""Score pairs, or predict from inputs, with the champion of a kind.

What scores loads scikit-learn; the help does without.
"""

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from matching.domain.words import MatchType
from project import words
from project.command import SeedbedCommand, positive_int
from project.terminal import Table
from training.kinds import DEFAULT_KIND, ModelKind
from training.management.kind_option import add_kind_option, seed

if TYPE_CHECKING:
    from training.queries.scoring import Scores


# What the score of a model that starts from the rules is made of.
STARTS_FROM_RULES = ("By the rules", "By users")


class Command(SeedbedCommand):
    """`predict --pair A B | --features JSON | --sample 20 | --kind KIND --features JSON`."""

    help = (
        "Score a pair of travellers, a vector of features, or a sample of candidate pairs. Says "
        "which model answered, the rule score beside it, and which inputs were missing. Of any "
        "other kind: predict from --features, with an interval."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_kind_option(parser)
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--pair", nargs=2, metavar=("A", "B"), help="a user, and a user or group")
        what.add_argument("--features", metavar="JSON", help="such as '{\"ageScore\": 0.9}'")
        what.add_argument("--sample", type=positive_int, metavar="N", help="so many pairs by lot")
        parser.add_argument(
            "--match-type",
            choices=[match_type.value for match_type in MatchType],
            default=MatchType.USER_USER.value,
            help="of --features (default user_user)",
        )
        parser.add_argument("--seed", type=seed, default=0, help="of --sample (default 0)")

    def run(self, **options: Any) -> dict[str, Any]:
        kind: ModelKind = options["kind"]
        if kind.name != DEFAULT_KIND:
            if options["features"] is None:
                raise CommandError(f"{kind.title} is predicted from --features.")
            return self._predicted(kind, _json_object(options["features"]))
        from training.queries.pairs import sample_scores, score_pairs
        from training.queries.scoring import UnusableFeatures, score_features

        if options["pair"]:
            left, right = options["pair"]
            scores = score_pairs([(left, right)])
            return _result(scores, [{"left": left, "right": right}])
        if options["sample"]:
            scores, pairs = sample_scores(options["sample"], seed=options["seed"])
            return _result(scores, [{"left": left, "right": right} for left, right in pairs])
        features = _json_object(options["features"])
        try:
            return _result(score_features(features, options["match_type"]), [{}])
        except UnusableFeatures as error:
            raise CommandError(str(error)) from error

    def _predicted(self, kind: ModelKind, features: dict[str, Any]) -> dict[str, Any]:
        from training.queries.predictions import predict_features
        from training.queries.scoring import UnusableFeatures

        try:
            return {**predict_features(kind, features).as_dict()}
        except UnusableFeatures as error:
            raise CommandError(str(error)) from error

    def render(self, result: dict[str, Any], console: Console) -> None:
        if "prediction" in result:
            _render_prediction(result, console)
            return
        if result["warning"]:
            console.print(result["warning"], style="bold yellow")
        table = Table("Left", "Right", "Score", "Rule score", "Served by", "Missing inputs")
        for title in STARTS_FROM_RULES if any(_has_parts(row) for row in result["scores"]) else ():
            table.add_column(title)
        for row in result["scores"]:
            version = row["model_version"]
            table.add_row(
                row.get("left", ""),
                row.get("right", ""),
                words.number(row["score"]),
                words.number(row["rule_score"]),
                f"model {version}" if version else f"{row['rule']} (fallback)",
                ", ".join(row["missing"]) or "none",
                *(
                    (words.number(row["by_rules"]), words.signed(row["by_users"]))
                    if _has_parts(row)
                    else ()
                ),
            )
        console.print(table)
        for version, trained_on in {
            (row["model_version"], row["trained_on"]) for row in result["scores"]
        }:
            if version:
                console.print(f"Model {version} was trained on {trained_on} rows.")


def _has_parts(row: dict[str, Any]) -> bool:
    return row["by_rules"] is not None


def _json_object(text: str) -> dict[str, Any]:
    try:
        features = json.loads(text)
    except (ValueError, RecursionError) as error:  # broken, 5,000 digits, or nested without end
        raise CommandError(f"--features is no JSON that can be read: {error}.") from error
    if not isinstance(features, dict):
        raise CommandError("--features should be a JSON object of names and values.")
    return features


def _render_prediction(result: dict[str, Any], console: Console) -> None:
    said = f"{result['target']} {words.number(result['prediction'])}"
    if result["low"] is not None:
        said += (
            f", {100 * result['interval_level']:g} % interval "
            f"{words.interval(result['low'], result['high'])}"
        )
    console.print(
        f"{said} (model {result['model_version']} of {result['kind']}, {result['trained_on']})"
    )
    console.print(f"Missing inputs: {', '.join(result['missing']) or 'none'}")
    if result["unseen"]:
        console.print(f"Never seen in training, so taken as unknown: {', '.join(result['unseen'])}")


def _result(scores: "Scores", pairs: list[dict[str, str]]) -> dict[str, Any]:
    rows = [{**pair, **row} for pair, row in zip(pairs, scores.as_rows(), strict=True)]
    return {
        "served_by": scores.serving.served_by,
        "model_version": scores.serving.model_version,
        "warning": scores.serving.warning,
        "scores": rows,
    }
