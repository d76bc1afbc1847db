"""The page of a model in tabs: what each of them shows, asked for only when it is opened."""

from collections.abc import Callable
from typing import Any, Final, TypedDict

import orjson
from django.db.models.fields.json import KT
from django.http import HttpRequest
from django.urls import reverse

from project import words
from project.measure.intervals import MetricFields
from project.pages.figures import BarRow, IntervalRow, KeyFigure, figure
from project.pages.links import record_url
from project.pages.tabs import tabs_of
from training.domain.kind import ModelKind
from training.domain.learning.told import curve_line, tell_forecast
from training.domain.tasks.figures import Figures
from training.kinds import get_kind
from training.models import ModelVersion, Promotion
from training.queries.files import retrain_command
from training.queries.models import suspects_of
from training.queries.serviceable import why_not_serving

COMPARABLE = 20  # newest versions in the chart, and offered for a comparison
MOST_FIGURES = 6  # beside the headline; the rest is in the table of all metrics
COMPARED = 5  # versions side by side at most: as many lines as can be told apart


class Distance(MetricFields):
    """How far a model is from one of its ceilings."""

    name: str


class Slice(TypedDict):
    """The main figure of a part of the validation rows: those of one value of a column."""

    column: str
    value: str
    rows: int
    figure: str


def tab_context(request: HttpRequest, model: ModelVersion) -> dict[str, Any]:
    """Return what the tab that is asked for shows; an unknown one is the first."""
    asked = request.GET.get("tab", "")
    tab = asked if asked in TABS else "overview"
    at = record_url(model)
    title, show = TABS[tab]
    may_train = request.user.has_perm("training.train_model")
    has_rows = retrain_command(model).startswith("train_model")
    return {
        "model": model,
        "kind": get_kind(model.kind),
        "tab": tab,
        "tab_title": title,
        "tabs": tabs_of(
            {name: title for name, (title, _) in TABS.items()},
            tab,
            url=lambda name: at if name == "overview" else f"{at}?tab={name}",
        ),
        "may_retrain": may_train and has_rows,
        "may_rebuild_rows": not has_rows and request.user.has_perm("training.build_dataset"),
        "problem": why_not_serving(model),
        **show(model, get_kind(model.kind)),
    }


def _overview(model: ModelVersion, kind: ModelKind) -> dict[str, Any]:
    shown = kind.figures
    return {
        "headline": _headline(model, shown),
        "against": [
            _told(name, found, shown)
            for name, found in model.comparisons.items()
            if not name.endswith("ceiling")  # a distance, which is no verdict
        ],
        "chart": _chart(model, kind),
        "distances": _distances(model),
        "figures": _figures(model, shown),
        "columns": ["Train", "Validation", *(n.replace("_", " ") for n in model.baselines)],
        "rows": _metric_rows(model, shown),
        "suspects": suspects_of(model),
        "verdicts": _count_gates(model),
        "expectation": kind.expectation_of(model.dataset.origin),
    }


def _curves(model: ModelVersion, kind: ModelKind) -> dict[str, Any]:
    return {
        "charts": kind.figures.charts(model.metrics["validation"], model.curves),
        "curve": _learning_curve(model, kind.figures),
        "validation_rows": model.metrics["validation"]["rows"],
    }


def _inputs(model: ModelVersion, kind: ModelKind) -> dict[str, Any]:
    titles, primary = kind.figures.metric_titles, kind.figures.primary_metric
    metric = str(model.importance.get("metric", primary))
    return {
        "importance": _importance(model),
        "importance_caption": f"{titles.get(metric, metric.replace('_', ' '))} lost on the "
        "validation rows when one input is shuffled, with 95 % intervals, the largest first",
        "metric_title": titles[primary],
        "inputs": model.inputs or kind.features,
        "suspects": suspects_of(model),
        "slices": _slices(model, kind),
    }


def _versions(model: ModelVersion, kind: ModelKind) -> dict[str, Any]:
    metric = kind.figures.primary_metric
    fields = ("pk", "version", "stage", "created_at", "dataset__version")
    found = ModelVersion.objects.of_kind(model.kind).values(
        *fields, measured=KT(f"metrics__validation__{metric}")
    )
    # One more is asked for, to know whether there are older ones.
    newest = list(found[: COMPARABLE + 1])
    rows = newest[:COMPARABLE]
    if all(row["pk"] != model.pk for row in rows):
        rows += list(found.filter(pk=model.pk))
    for row in rows:
        row["url"] = reverse("admin:training_modelversion_change", args=[row["pk"]])
        row["metric"] = _parsed(row["measured"])
        row["figure"] = figure(row["metric"])
        row["is_this"] = row["pk"] == model.pk
    return {
        "versions": rows,
        "has_older": len(newest) > COMPARABLE,
        "metric_title": kind.figures.metric_titles[metric],
        "version_caption": "Each on its own validation rows, with 95 % intervals; where these "
        "differ, only a comparison on the same rows says which is better",
        "version_chart": [
            {
                "label": f"version {row['version']}{_stage_note(row)}",
                "is_other": not row["is_this"],
                **row["metric"],
            }
            for row in sorted(rows, key=lambda row: int(row["version"]))
            if row["metric"]
        ],
        "most": COMPARED - 1,
    }


def _data(model: ModelVersion, kind: ModelKind) -> dict[str, Any]:
    return {
        "dataset_url": record_url(model.dataset),
        "calibration": kind.figures.describe_calibration(model.parameters["calibration"]),
        "inputs": model.inputs or kind.features,
        "origins": _origins(model),
    }


def _history(model: ModelVersion, kind: ModelKind) -> dict[str, Any]:
    history = Promotion.objects.filter(kind=model.kind)
    return {"history": history.filter(model=model) | history.filter(previous=model)}


TABS: Final[dict[str, tuple[str, Callable[[ModelVersion, ModelKind], dict[str, Any]]]]] = {
    "overview": ("Overview", _overview),
    "curves": ("Curves", _curves),
    "inputs": ("Inputs", _inputs),
    "versions": ("Versions", _versions),
    "data": ("Data", _data),
    "history": ("History", _history),
}


# --- Overview -------------------------------------------------------------------------------------


def _headline(model: ModelVersion, shown: Figures) -> dict[str, str]:
    report = model.metrics["validation"]
    metric = report.get(shown.primary_metric) or {}
    ends = words.interval(metric.get("low"), metric.get("high"))
    return {
        "title": shown.metric_titles[shown.primary_metric],
        "rows": words.counted(report["rows"], "validation row"),
        "value": words.number(metric.get("value")),
        "interval": "no interval" if ends == words.NONE else ends,
    }


def _told(name: str, found: dict[str, Any], shown: Figures) -> dict[str, str]:
    """A paired difference to a baseline, on the same rows."""
    ends = words.interval(found["low"], found["high"])
    metric = found["metric"]
    return {
        "name": name.replace("_", " "),
        "metric": shown.metric_titles.get(metric, metric.replace("_", " ")),
        "difference": words.signed(found["difference"]),
        "interval": "" if ends == words.NONE else ends,
        "verdict": "not enough evidence" if found["verdict"] == "undecided" else found["verdict"],
    }


def _chart(model: ModelVersion, kind: ModelKind) -> list[IntervalRow]:
    """The primary metric of the model beside its baselines and ceilings."""
    metric = kind.figures.primary_metric
    rows = [("this model", model.metrics["validation"].get(metric))]
    rows += [(n.replace("_", " "), (m or {}).get(metric)) for n, m in model.baselines.items()]
    rows += [(f"{name} ceiling", value) for name, value in model.ceilings.items()]
    return [
        {
            "label": label,
            "is_other": number > 0,
            "value": value["value"],
            "low": value.get("low"),
            "high": value.get("high"),
        }
        for number, (label, value) in enumerate(rows)
        if value and value["value"] is not None
    ]


def _distances(model: ModelVersion) -> list[Distance]:
    known = {name: (found or {}).get("distance") for name, found in model.ceilings.items()}
    return [
        {
            "name": name,
            "value": distance["value"],
            "low": distance["low"],
            "high": distance["high"],
        }
        for name, distance in known.items()
        if distance and distance["low"] is not None
    ]


def _figures(model: ModelVersion, shown: Figures) -> list[KeyFigure]:
    figures: list[KeyFigure] = []
    validation = model.metrics["validation"]
    for name, title in shown.metric_titles.items():
        metric = validation.get(name)
        is_headline = name == shown.primary_metric
        if is_headline or not metric or metric["value"] is None or len(figures) >= MOST_FIGURES:
            continue
        figures.append(
            {
                "label": title,
                "value": words.number(metric["value"]),
                "note": words.interval(metric["low"], metric["high"]),
            }
        )
    return figures


def _metric_rows(model: ModelVersion, shown: Figures) -> list[tuple[str, list[str]]]:
    measured = [model.metrics["train"], model.metrics["validation"], *model.baselines.values()]
    return [
        (title, [figure((part or {}).get(name)) for part in measured])
        for name, title in shown.metric_titles.items()
        if name in model.metrics["validation"]
    ]


def _count_gates(model: ModelVersion) -> str:
    verdicts = [check["verdict"] for check in model.gates]
    told = (("refuse", "refused"), ("warn", "to look at"), ("pass", "passed"))
    counts = [(verdicts.count(verdict), said) for verdict, said in told]
    return ", ".join(f"{count} {said}" for count, said in counts if count)


# --- The other tabs -------------------------------------------------------------------------------


def _learning_curve(model: ModelVersion, shown: Figures) -> dict[str, Any] | None:
    """The learning curve; None of a model that was trained before there was one."""
    curve = model.metrics.get("learning_curve")
    if curve is None:
        return None
    title = shown.metric_titles[curve["metric"]]
    return {
        "line": curve_line(curve),
        "references": curve["references"],
        "caption": f"{title} of models trained on parts of the rows, with 95 % intervals; each "
        "step doubles the rows",
        "forecast": tell_forecast(curve, title),
    }


def _importance(model: ModelVersion) -> list[BarRow]:
    """What each input is worth, the largest first; below zero is what chance did."""
    features = model.importance.get("features", {})
    ordered = sorted(features.items(), key=lambda item: -(item[1]["value"] or 0.0))
    largest = max((abs(metric["value"] or 0) for _, metric in ordered), default=0) or 1
    return [
        {
            "label": name,
            "value": words.signed(metric["value"] or 0.0),
            "share": max(metric["value"] or 0, 0) / largest,
            "note": f"{words.signed(metric['low'])} to {words.signed(metric['high'])}"
            if metric["low"] is not None
            else "",
        }
        for name, metric in ordered
    ]


def _slices(model: ModelVersion, kind: ModelKind) -> list[Slice]:
    metric = kind.figures.primary_metric
    return [
        {
            "column": column.replace("_", " "),
            "value": value,
            "rows": measured["rows"],
            "figure": figure(measured.get(metric)),
        }
        for column in (*kind.slices, "origin")
        for value, measured in model.metrics.get(f"by_{column}", {}).items()
    ]


def _stage_note(row: dict[str, Any]) -> str:
    if row["stage"] == ModelVersion.Stage.CHAMPION:
        return ", live"
    return ", this one" if row["is_this"] else ""


def _parsed(measured: str | None) -> dict[str, Any] | None:
    """A metric as it comes out of a path in JSON; None without a figure."""
    found: dict[str, Any] = orjson.loads(measured) if measured else {}
    return found if found.get("value") is not None else None


def _origins(model: ModelVersion) -> list[IntervalRow]:
    """A mixture's three fits on the real validation rows, for the chart."""
    alone = model.origins.get("alone", {})
    titles = {
        "real": "real rows alone",
        "synthetic": "synthetic rows alone",
        "combined": "both",
    }
    return [
        {
            "label": titles[name],
            "value": metric["value"],
            "low": metric.get("low"),
            "high": metric.get("high"),
        }
        for name, metric in alone.items()
        if metric is not None and metric["value"] is not None
    ]
