"""Feedback as it was collected, its training form beside it, and the rows that were refused."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, GeneratedField, Value
from django.db.models.functions import Cast
from django.utils import timezone

from feedback.models.sources import CollectionRun, FeedbackSource, Table


class FeedbackRecordQuerySet(models.QuerySet[Any]):
    """Questions that the records of all three tables answer."""

    def real(self) -> "FeedbackRecordQuerySet":
        """Records that people left."""
        return self.filter(source__in=FeedbackSource.objects.real())

    def synthetic(self) -> "FeedbackRecordQuerySet":
        """Records that were generated."""
        return self.filter(source__in=FeedbackSource.objects.synthetic())

    def gone(self) -> "FeedbackRecordQuerySet":
        """Records that are not at their source any more."""
        return self.filter(gone_at__isnull=False)


class FeedbackRecord(models.Model):
    """What all three tables have in common. Written with COPY, never one by one.

    The primary key is a digest of source, table and identity (id, else response_id, else the row),
    so that a row cannot be there twice.
    """

    uid = models.UUIDField(primary_key=True, editable=False)
    # Without constraint and index: they would cost a third of the speed of collection, and sources
    # are few. Sources with records are protected from deletion by Django.
    source = models.ForeignKey(
        FeedbackSource,
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    run = models.ForeignKey(
        CollectionRun,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="The run that wrote the row as it stands.",
    )
    row_digest = models.UUIDField(editable=False, help_text="Of the row as it came.")
    external_id = models.CharField("id at the source", max_length=200, blank=True)
    provider = models.CharField(max_length=200, blank=True)
    model = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_index=True)
    gone_at = models.DateTimeField(
        "gone at the source",
        null=True,
        blank=True,
        editable=False,
        help_text="Reports and datasets leave the row out from then on.",
    )
    also_in = ArrayField(
        models.BigIntegerField(),
        null=True,
        blank=True,
        editable=False,
        help_text="Sources added before this one that hold the same row, which is counted there.",
    )
    extra = models.JSONField(null=True, blank=True, help_text="Columns without a place here.")

    objects = FeedbackRecordQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ["-created_at", "uid"]

    def __str__(self) -> str:
        return self.external_id or str(self.uid)


class QualityFeedback(FeedbackRecord):
    """What a user thought of one response."""

    response_id = models.CharField(max_length=200, blank=True)
    quality_rating = models.FloatField(help_text="0 to 1, as it came.")
    feedback_text = models.TextField(blank=True)
    action_type = models.CharField(max_length=200, blank=True)
    session_id = models.CharField(max_length=200, blank=True)
    user_id = models.CharField(max_length=200, blank=True)
    csat = GeneratedField(
        expression=Cast("quality_rating", models.FloatField()),
        output_field=models.FloatField(),
        db_persist=True,
        help_text="0 to 1.",
    )

    class Meta(FeedbackRecord.Meta):
        verbose_name_plural = "quality feedback"


class Explanation(FeedbackRecord):
    """How good one response was judged to be, with the metrics that are known of it."""

    response_id = models.CharField(max_length=200, blank=True)
    quality_score = models.FloatField(help_text="0 to 1, as it came.")
    action_type = models.CharField(max_length=200, blank=True)
    scenario_id = models.CharField(max_length=200, blank=True)
    metadata = models.JSONField(null=True, blank=True, help_text="As it came.")
    code_quality = models.FloatField(null=True, help_text="0 to 100.")
    test_coverage = models.FloatField(null=True, help_text="0 to 100.")
    security = models.FloatField(null=True, help_text="0 to 100.")
    performance = models.FloatField(null=True, help_text="0 to 100.")
    maintainability = models.FloatField(null=True, help_text="0 to 100.")
    complexity = models.FloatField(null=True, help_text="0 to 100; lower is better.")
    response_time_ms = models.FloatField(null=True, help_text="Milliseconds.")
    quality = GeneratedField(
        expression=F("quality_score") * Value(100.0),
        output_field=models.FloatField(),
        db_persist=True,
        help_text="0 to 100.",
    )


class ABTestResult(FeedbackRecord):
    """What a user thought of a response of one variant, and what had been predicted."""

    response_id = models.CharField(max_length=200, blank=True)
    experiment_name = models.CharField(max_length=200, blank=True)
    variant = models.CharField(max_length=200, blank=True)
    action_type = models.CharField(max_length=200, blank=True)
    user_rating = models.FloatField(help_text="0 to 1, as it came.")
    predicted_quality = models.FloatField(null=True, help_text="0 to 1, as it came.")
    actual = GeneratedField(
        expression=Cast("user_rating", models.FloatField()),
        output_field=models.FloatField(),
        db_persist=True,
        help_text="0 to 1.",
    )
    prediction = GeneratedField(
        expression=Cast("predicted_quality", models.FloatField()),
        output_field=models.FloatField(),
        db_persist=True,
        help_text="0 to 1.",
    )

    class Meta(FeedbackRecord.Meta):
        verbose_name = "A/B test result"


class RejectedRecordQuerySet(models.QuerySet["RejectedRecord"]):
    """Questions about refused rows."""

    def open(self) -> "RejectedRecordQuerySet":
        """Rows that are still refused."""
        return self.filter(resolved_at__isnull=True)


class RejectedRecord(models.Model):
    """A row that was refused, why, and how it came."""

    row_uid = models.UUIDField(unique=True, editable=False)
    source = models.ForeignKey(FeedbackSource, on_delete=models.PROTECT, related_name="+")
    run = models.ForeignKey(
        CollectionRun, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    table = models.CharField(max_length=16, choices=Table)
    reason = models.CharField(max_length=40, db_index=True)
    detail = models.CharField(max_length=500, help_text="What was expected and what came.")
    external_id = models.CharField("id at the source", max_length=200, blank=True)
    line_number = models.PositiveBigIntegerField(null=True, blank=True)
    payload = models.JSONField(help_text="The row as it came.")
    correction = models.JSONField(
        default=dict,
        blank=True,
        help_text="Values that replace those of the row at the next retry: "
        '{"quality_rating": 0.4}.',
    )
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True, blank=True, help_text="When the row landed.")

    objects = RejectedRecordQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [("retry_rejectedrecord", "Can retry rejected records")]

    def __str__(self) -> str:
        return f"{self.table} {self.external_id or self.pk}: {self.reason}"


MODELS: dict[str, type[FeedbackRecord]] = {
    Table.QUALITY_FEEDBACK: QualityFeedback,
    Table.EXPLANATIONS: Explanation,
    Table.AB_TESTING: ABTestResult,
}


def model_of(table: str) -> type[FeedbackRecord]:
    """Return the model that keeps the rows of a table."""
    return MODELS[table]
