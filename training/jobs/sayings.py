"""What the jobs of training say of their results."""

from collections.abc import Mapping
from typing import Any

from project import words
from project.jobs.said import Figure, Outcome, Said
from training.kinds import get_kind

Result = Mapping[str, Any]


def say_dataset(result: Result) -> Said:
    """A dataset: its rows, and whether anything may be trained on it."""
    figures = (
        Figure(
            "Rows",
            words.number(result["rows"]),
            f"{words.number(result['train_rows'])} to train, "
            f"{words.number(result['validation_rows'])} to validate",
        ),
        Figure("Copies", words.share(result["duplicate_share"])),
        Figure("Checks passed", *_passed(result["checks"])),
    )
    text = f"Dataset {result['version']} has {words.counted(result['rows'], 'row')}"
    if result["verdict"] == "refuse":
        faults = _count(result["checks"], "refuse")
        return Said(
            f"{text}, and nothing may be trained on it: {words.counted(faults, 'check')} "
            f"{'refuses' if faults == 1 else 'refuse'} it.",
            Outcome.TO_LOOK_AT,
            figures,
        )
    if result["verdict"] == "warn":
        warned = words.counted(_count(result["checks"], "warn"), "check")
        return Said(f"{text}; {warned} to look at.", Outcome.TO_LOOK_AT, figures)
    return Said(f"{text} and passed every check.", figures=figures)


def say_model(result: Result) -> Said:
    """A model that is trained and waits for somebody to promote it."""
    version, measured = result["version"], measured_in_words(result)
    faults = _count(result["gates"], "refuse")
    if result["verdict"] == "refuse":
        return Said(
            f"Version {version} is trained and may not go live, {words.counted(faults, 'gate')} "
            f"{'refuses' if faults == 1 else 'refuse'} it: {measured}.",
            Outcome.TO_LOOK_AT,
            figures_of(result),
        )
    is_warned = result["verdict"] == "warn"
    return Said(
        f"Version {version} is trained and waits for you: {measured}.",
        Outcome.TO_LOOK_AT if is_warned else Outcome.REACHED,
        figures_of(result),
    )


def measured_in_words(model: Result) -> str:
    """Return what a model is judged by, as `ROC-AUC 0.807, 0.738 to 0.863`."""
    metric = model["metric"]
    title = get_kind(model["kind"]).figures.metric_titles[metric]
    found = model["metrics"].get("validation", {}).get(metric) or {}
    ends = words.interval(found.get("low"), found.get("high"))
    text = f"{title} {words.number(found.get('value'))}"
    return text if ends == words.NONE else f"{text}, {ends}"


def figures_of(model: Result) -> tuple[Figure, ...]:
    """Return what stands below the headline of a model."""
    metric = model["metric"]
    title = get_kind(model["kind"]).figures.metric_titles[metric]
    found = model["metrics"].get("validation", {}).get(metric) or {}
    ends = words.interval(found.get("low"), found.get("high"))
    against = [
        Figure(
            f"Against the {name.replace('_', ' ')}",
            words.signed(paired["difference"]),
            f"{words.signed(paired['low'])} to {words.signed(paired['high'])}, {paired['verdict']}",
        )
        for name, paired in model["comparisons"].items()
        if paired.get("difference") is not None
    ]
    rows = (model["real_rows"] or 0) + (model["synthetic_rows"] or 0)
    return (
        Figure(title, words.number(found.get("value")), "" if ends == words.NONE else ends),
        *against[:3],
        Figure("Rows", words.number(rows), model["origin"]),
        Figure("Gates passed", *_passed(model["gates"])),
    )


def _count(checks: list[dict[str, Any]], verdict: str) -> int:
    return sum(check["verdict"] == verdict for check in checks)


def _passed(checks: list[dict[str, Any]]) -> tuple[str, str]:
    return words.number(_count(checks, "pass")), f"of {words.number(len(checks))}"
