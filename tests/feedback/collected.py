"""Rows of feedback for the tests of reports: generated, and landed as a source's own."""

from datetime import timedelta
from itertools import count

import numpy as np
from django.utils import timezone

from feedback.jobs.synthetic import fill_synthetic
from feedback.models import (
    ABTestResult,
    CollectionRun,
    Explanation,
    FeedbackSource,
    QualityFeedback,
    Table,
)

DAY = timedelta(days=1)
_numbers = count(1)


def synthetic(responses: int = 400) -> FeedbackSource:
    """Land generated feedback."""
    return fill_synthetic(count=responses, seed=3)[0].source


def real_source(name: str = "people") -> FeedbackSource:
    """Make a source of rows that people left."""
    return FeedbackSource.objects.create(name=name, kind=FeedbackSource.Kind.FILE, schema="")


def rate(source: FeedbackSource, ratings, *, days_ago=0.0, **fields) -> None:
    """Land one quality feedback for each rating."""
    _land(QualityFeedback, source, ratings, "quality_rating", days_ago, fields)


def judge(source: FeedbackSource, scores, *, days_ago=0.0, **fields) -> None:
    """Land one explanation for each score."""
    _land(Explanation, source, scores, "quality_score", days_ago, fields)


def answer(source: FeedbackSource, ratings, *, days_ago=0.0, **fields) -> None:
    """Land one A/B test result for each rating."""
    _land(ABTestResult, source, ratings, "user_rating", days_ago, fields)


def _land(model, source, values, target, days_ago, fields) -> None:
    table = {QualityFeedback: "quality_feedback", Explanation: "explanations"}.get(
        model, "ab_testing"
    )
    run = CollectionRun.objects.create(
        source=source, table=Table(table), state="complete", found=len(values), new=len(values)
    )
    ages = np.broadcast_to(days_ago, len(values)).tolist()
    columns = {name: np.broadcast_to(value, len(values)).tolist() for name, value in fields.items()}
    model.objects.bulk_create(
        model(
            uid=f"{next(_numbers):032x}",
            row_digest="0" * 32,
            source=source,
            run=run,
            created_at=timezone.now() - ages[row] * DAY,
            **{target: float(value)},
            **{name: column[row] for name, column in columns.items()},
        )
        for row, value in enumerate(values)
    )
