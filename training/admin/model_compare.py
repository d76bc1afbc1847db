"""Versions of a kind side by side: which were asked for, and what their page says first."""

from collections.abc import Sequence
from typing import Any

from project import words
from project.pages.links import record_url
from project.refusal import Refusal
from training.admin.model_page import COMPARED
from training.domain.tasks.figures import Chart, Figures
from training.kinds import get_kind
from training.models import ModelVersion
from training.queries.comparisons import Comparison
from training.queries.version_differences import tell_differences

NEWEST_NAMED = 20


def chosen_versions(model: ModelVersion, asked: Sequence[str]) -> list[ModelVersion]:
    """Return the versions of a model's kind that an address names, in its order.

    Raises
    ------
    Refusal
        Where none is named, one is not there, or there are too many.
    """
    wanted = dict.fromkeys(number for one in asked if (number := _version(one)) != model.version)
    of_kind = ModelVersion.objects.of_kind(model.kind)
    if not wanted:
        raise Refusal(
            "Choose another version to compare with.",
            remedy=f"Version {model.version} is the one that others are held against.",
        )
    if len(wanted) >= COMPARED:
        raise Refusal(
            f"{words.tally(len(wanted) + 1, 'version')} "
            f"{words.bend(len(wanted) + 1, 'is', 'are')} too many to read side by side.",
            remedy=f"Choose another version to compare with, up to {COMPARED - 1}.",
        )
    known = [number for number in wanted if number is not None]
    found = {
        one.version: one for one in of_kind.filter(version__in=known).select_related("dataset")
    }
    if len(found) < len(wanted):
        newest = of_kind.exclude(pk=model.pk).values_list("version", flat=True)[:NEWEST_NAMED]
        there = ", ".join(str(number) for number in newest)
        raise Refusal(
            "Choose another version to compare with: not every one that was asked for is there.",
            remedy=f"There are: {there}." if there else "This is the only one of its kind.",
        )
    return [found[number] for number in known]


def _version(text: str) -> int | None:
    """A version as an address has it; None for what can be none."""
    is_number = text.isascii() and text.isdigit() and len(text) < len(str(2**31))
    return int(text) if is_number else None


def comparison_context(
    model: ModelVersion, compared: Sequence[tuple[ModelVersion, Comparison | None]]
) -> dict[str, Any]:
    """Return what the page of a comparison shows: who is better, then what differs."""
    kind = get_kind(model.kind)
    models = [model, *(other for other, _ in compared)]
    drawn = {_called(one): one.curves for one in models if one.curves}
    charts = kind.figures.compared_charts(drawn)
    return {
        "model": model,
        "models": [{"model": one, "url": record_url(one)} for one in models],
        "pairs": [_tell(model, other, found, kind.figures) for other, found in compared],
        "sections": tell_differences(kind, models),
        "charts": charts,
        "rows_note": _rows_of_curves(models, charts),
        "without_curves": words.listed([str(one.version) for one in models if not one.curves])
        if len(drawn) < len(models)
        else "",
    }


def _called(model: ModelVersion) -> str:
    return f"version {model.version}"


def _rows_of_curves(models: Sequence[ModelVersion], charts: Sequence[Chart]) -> str:
    """Whose rows the lines are of: only lines of the same rows can be read against each other."""
    if not charts:
        return ""
    datasets = {model.dataset_id for model in models if model.curves}
    if len(datasets) == 1:
        rows = next(model.curves["rows"] for model in models if model.curves)
        return f"All on the same {words.counted(rows, 'validation row')}."
    return (
        "Each on its own validation rows, which differ: which is better is said above, on the same "
        "rows."
    )


def _tell(
    model: ModelVersion, other: ModelVersion, found: Comparison | None, shown: Figures
) -> dict[str, Any]:
    """Say in a sentence which of two is better on the same rows, or why that cannot be said."""
    difference = None if found is None else found.difference
    told: dict[str, Any] = {"other": other, "difference": None, "note": ""}
    if found is None or difference is None:
        note = "" if found is None else found.note
        return {**told, "note": note or "The files of one of them cannot be read, see above."}
    metric = shown.metric_titles.get(difference.metric, difference.metric.replace("_", " "))
    sentences = {
        "better": f"Version {model.version} is better.",
        "worse": f"Version {model.version} is worse.",
        "undecided": "Which is better cannot be told.",
    }
    text = (
        f"On {words.counted(found.rows, 'validation row')} of version {model.version} that version "
        f"{other.version} was not trained on, {metric} is {words.number(difference.value_a)} for "
        f"version {model.version} and {words.number(difference.value_b)} for version "
        f"{other.version}."
    )
    more = difference.rows_to_decide if difference.verdict == "undecided" else None
    if more:
        text += f" About {words.tally(more, 'row')} would decide a difference of this size."
    ends = words.interval(difference.low, difference.high)
    return {
        **told,
        "metric": metric,
        "difference": words.signed(difference.difference),
        "interval": "" if ends == words.NONE else ends,
        "verdict": "not enough evidence"
        if difference.verdict == "undecided"
        else difference.verdict,
        "claim": sentences[difference.verdict],
        "text": text,
        "share": None if not more else min(1.0, found.rows / more),
    }
