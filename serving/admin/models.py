"""What the page of a model says of its answers: how they turned out."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from project import words
from project.pages.figures import KeyFigure
from project.pages.registry import record_panel
from serving.queries.live import LiveFields, live_figures
from training.kinds import DEFAULT_KIND
from training.models import ModelVersion


@record_panel(
    "training.modelversion",
    template="serving/live_panel.html",
    permission="serving.view_alarm",
    order=40,
)
def live_panel(request: HttpRequest, model: ModelVersion) -> Mapping[str, Any]:
    """Return the live figures of a model of which anything is known."""
    if model.kind != DEFAULT_KIND:
        return {}
    live = live_figures(model.version)
    return {"live": live, "figures": _figures(live)} if live["rows"] else {}


def _figures(live: LiveFields) -> list[KeyFigure]:
    counted: KeyFigure = {
        "label": "Known outcomes",
        "value": words.number(live["rows"]),
        "note": f"{words.number(live['positives'])} taken up, of "
        f"{words.counted(live['people'], 'user')}",
    }
    lift = live["lift"]
    if live["too_little"] or lift is None:
        return [counted]
    shown = ("roc_auc", "brier", "ece", "ece_by_chance")
    auc, brier, ece, by_chance = (live["metrics"][name] for name in shown)
    chance = words.number(by_chance["value"])
    return [
        {
            "label": "ROC-AUC, live",
            "value": words.number(auc["value"]),
            "note": words.interval(auc["low"], auc["high"]),
        },
        {
            "label": "Against the rules",
            "value": words.signed(lift["difference"]),
            "note": f"{words.signed(lift['low'])} to {words.signed(lift['high'])}",
        },
        {
            "label": "Brier score, live",
            "value": words.number(brier["value"]),
            "note": words.interval(brier["low"], brier["high"]),
        },
        {
            "label": "Calibration error, live",
            "value": words.number(ece["value"]),
            "note": f"{words.interval(ece['low'], ece['high'])}; {chance} by chance",
        },
        counted,
    ]
