"""Feedback: how good an answer is likely to be."""

import math
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from serving.api.access import Key
from serving.api.feedback_schemas import PredictAnswer, PredictRequest
from serving.api.sending import REFUSALS, answer, unusable
from serving.models import Scope
from training.kinds import get_kind
from training.queries.predictions import UnusableRow, predict_rows

router = Router(tags=["Feedback"])


@router.post(
    "/predict",
    auth=Key(Scope.SCORE),
    response={200: PredictAnswer, **REFUSALS},
    summary="Predict 1 to 1,000 ratings",
    operation_id="predict_feedback",
)
def predict(request: HttpRequest, asked: PredictRequest) -> HttpResponse:
    """Predict quality, CSAT or what a model's answers are worth, with an interval.

    The live model of the kind answers. Where there is none that can, the means of the feedback that
    is here do, of the narrowest group of the row (provider, model, kind of action), and `warning`
    says why; without any feedback nothing does, and `prediction` is null.
    """
    try:
        found = predict_rows(get_kind(asked.kind), asked.rows)
    except UnusableRow as error:
        return unusable({f"rows.{error.place}": str(error)})
    return answer(
        {
            "kind": found.kind.name,
            "target": found.kind.target,
            "warning": found.warning,
            "served_by": found.served_by,
            "model_version": found.model_version,
            "trained_on": found.trained_on,
            "interval_level": found.level,
            "predictions": [
                {
                    "prediction": _known(value),
                    "low": _known(low),
                    "high": _known(high),
                    "missing": missing,
                    "unseen": unseen,
                }
                for value, low, high, missing, unseen in zip(
                    found.value, found.low, found.high, found.missing, found.unseen, strict=True
                )
            ],
        }
    )


def _known(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)
