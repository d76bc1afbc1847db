"""How commands print checks, metrics and figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console
from rich.text import Text

from project import words
from project.origin import Origin
from project.terminal import Table
from training.domain.learning.told import tell_forecast
from training.kinds import get_kind

if TYPE_CHECKING:
    from training.domain.checks import CheckFields
    from training.domain.learning.told import LearningCurve
    from training.domain.mixing.measuring import MixtureFields
    from training.queries.models import ModelSummary

VERDICT_STYLES = {"pass": "green", "warn": "yellow", "refuse": "bold red"}


def measured(metric: Mapping[str, Any] | None) -> str:
    """Write a metric {value, low, high} with its 95 % interval; a dash where there is none."""
    if not metric:
        return words.NONE
    return words.measured(metric.get("value"), metric.get("low"), metric.get("high"))


def _cell(metric: Mapping[str, Any] | None) -> str:
    """Write the interval below its figure: four columns fit a terminal of 80."""
    return measured(metric).replace(" (", "\n(")


def verdict(word: str) -> Text:
    """Write a verdict in its colour."""
    return Text(word, style=VERDICT_STYLES.get(word, "default"))


def whose(trained_on: str) -> str:
    """Say who left the rows that a model was trained on: people, or the generator's."""
    users = {"real": "your users", "synthetic": "generated users"}
    return users.get(trained_on, "your users and generated ones")


def print_not_in_log(console: Console, names: Sequence[str]) -> None:
    """Print the inputs that no row carries; nothing where there are none."""
    if names:
        console.print(
            f"Not in this log, so neither judged nor read by a model: {', '.join(names)}."
        )


def print_likeness(console: Console, mixture: MixtureFields | None) -> None:
    """Print how many rows of each origin were compared, and what so few would not show."""
    if mixture is None:
        return
    likeness = mixture["likeness"]
    console.print(
        f"Synthetic rows against real ones: {likeness['real_rows']:,} of each were compared in "
        f"{words.tally(likeness['compared_columns'], 'column')}; a shift of one column below "
        f"{words.number(likeness['detectable'])} standard deviations would not be noticed."
    )


def print_checks(console: Console, checks: Iterable[CheckFields]) -> None:
    """Print metric, value, target, limit and verdict, then what to do where something is wrong."""
    table = Table()
    for title in ("Metric", "Value", "Target", "Limit", "Verdict"):
        table.add_column(title, no_wrap=title != "Target")
    remedies = []
    for check in checks:
        table.add_row(
            check["name"],
            words.number(check["value"]),
            check["target"],
            words.number(check["limit"]),
            verdict(check["verdict"]),
        )
        if check["remedy"]:
            remedies.append(check)
    console.print(table)
    for check in remedies:
        name = Text(check["name"], style="bold")
        console.print(verdict(check["verdict"]), " ", name, f": {check['remedy']}", sep="")


def print_model(console: Console, model: ModelSummary) -> None:
    """Print a model's metrics beside its baselines and ceilings, and its gates."""
    metrics, baselines = model["metrics"], model["baselines"]
    titles = get_kind(model["kind"]).figures.metric_titles
    names = [name for name in titles if name in metrics["validation"]]
    table = Table()
    table.add_column("Metric", no_wrap=True)
    for title in ("train", "validation", *baselines):
        table.add_column(title.replace("_", " ").capitalize())
    for name in names:
        table.add_row(
            titles[name],
            _cell(metrics["train"].get(name)),
            _cell(metrics["validation"][name]),
            *(_cell((baseline or {}).get(name)) for baseline in baselines.values()),
        )
    console.print(table)
    print_origins(console, model)
    print_ceilings(console, model)
    print_curve(console, model)
    if model["expectation"]:
        console.print(model["expectation"])
    print_checks(console, model["gates"])
    if model["suspicious_inputs"]:
        console.print(
            f"Before it goes live somebody has to confirm {', '.join(model['suspicious_inputs'])}, "
            "with a reason."
        )


def print_origins(console: Console, model: ModelSummary) -> None:
    """Print where the rows come from, and of a mixture what each part of it was worth."""
    said = Origin(model["origin"]).said(model["real_rows"], model["synthetic_rows"])
    console.print(f"Trained on {said} rows.")
    origins = model["origins"]
    if origins is None:
        return
    title = get_kind(model["kind"]).figures.metric_titles[origins["metric"]]
    alone = {name: measured(metric) for name, metric in origins["alone"].items() if metric}
    parts = ", ".join(f"{name} {figure}" for name, figure in alone.items())
    console.print(f"{title} on the real validation rows: {parts}.")
    console.print(origins["why"])


def print_curve(console: Console, model: ModelSummary) -> None:
    """Print how the main metric grew with the rows, and what more of them would buy."""
    curve = model["metrics"].get("learning_curve")
    if curve is None:
        return
    title = get_kind(model["kind"]).figures.metric_titles[curve["metric"]]
    steps = ", ".join(
        f"{words.number(point['value'])} at {words.number(point['rows'])}"
        for point in curve["points"]
    )
    console.print(f"Learning curve: {title} {steps} rows.")
    console.print(tell_forecast(cast("LearningCurve", curve), title))


def print_ceilings(console: Console, model: ModelSummary) -> None:
    """Print the best that is possible on these rows and how far the model is from it."""
    title = get_kind(model["kind"]).figures.metric_titles[model["metric"]]
    for ceiling, metric in model["ceilings"].items():
        if metric is None:
            console.print(f"Ceiling {ceiling}: not known, real rows have no true probability.")
        elif metric["value"] is not None:
            # Models of the first edition have no distance over the ceiling's own rows.
            distance = metric.get("distance")
            said = f"; the model's distance to it is {measured(distance)}" if distance else ""
            console.print(f"Ceiling {ceiling}: {title} {measured(metric)}{said}.")
