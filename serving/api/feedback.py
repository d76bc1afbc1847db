"""Feedback: what users say, and how good an answer is likely to be."""

import math
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.text import slugify
from ninja import Router
from pydantic import ValidationError

from feedback.jobs.arguments import ImportFeedback
from feedback.jobs.sent_rows import SentRows, land_sent, open_sent
from project.mappings.door import OpenTable
from serving.api.access import Key
from serving.api.feedback_schemas import (
    FeedbackSent,
    FeedbackTaken,
    PredictAnswer,
    PredictRequest,
)
from serving.api.schemas import Problem
from serving.api.sending import (
    REFUSALS,
    IdempotencyKey,
    Unread,
    answer,
    once,
    said_of,
    unusable,
)
from serving.models import Scope
from training.kinds import get_kind
from training.models import Dataset
from training.queries.predictions import UnusableRow, predict_rows

UNUSED: Final = UUID(int=0)  # of a file, which there is none of

router = Router(tags=["Feedback"])


@router.post(
    "",
    auth=Key(Scope.INGEST),
    response={200: FeedbackTaken, **REFUSALS, 409: Problem, 422: Unread},
    summary="Send 1 to 1,000 rows of feedback",
    operation_id="send_feedback",
)
def send(
    request: HttpRequest, asked: FeedbackSent, idempotency_key: IdempotencyKey = None
) -> HttpResponse:
    """Take ratings, explanations or A/B results, each row once.

    They are read as a file of them would be: fields are found by their names, what would change
    values waits for a person (422, with the proposal), and a row that cannot be used is refused
    with the reason and kept, to be corrected in the admin. A row is known by its id, else by its
    response id, else by its content.
    """
    try:
        reading = ImportFeedback(
            file=UNUSED,
            table=asked.table,
            source=asked.source or _own_source(request),
            columns=asked.columns,
            mapping=asked.mapping,
            time_zone=asked.time_zone,
            accept_partial=asked.accept_partial,
            on_change=asked.on_change,
        )
    except ValidationError as error:
        return unusable(said_of(error))

    def work(opened: OpenTable) -> dict[str, Any]:
        read_last = Dataset.objects.order_by("-created_at").values_list("created_at", flat=True)
        return _taken(land_sent(opened, reading, since=read_last.first()))

    return once(request, idempotency_key, lambda: open_sent(asked.rows, reading), work)


def _own_source(request: HttpRequest) -> str:
    """The source of a key: rows of two applications with one id are not one row."""
    key = request.auth  # type: ignore[attr-defined]
    return slugify(key.name)[:60] or f"key-{key.pk}"


def _taken(sent: SentRows) -> dict[str, Any]:
    return {
        "run": sent.run.pk,
        "source": sent.run.source.name,
        "found": sent.found,
        "new": sent.new,
        "known": sent.known,
        "changed": sent.changed,
        "refused": [
            {"row": one.number, "reason": one.reason, "detail": one.detail} for one in sent.refused
        ],
        "mapping": sent.mapping,
        "notes": sent.notes,
    }


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
