"""Feedback as it was collected, its training form beside it, and the rows that were refused."""

from collections.abc import Sequence
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, GeneratedField, Q, Value
from django.db.models.functions import Cast
from django.utils.functional import cached_property

from feedback.models.sources import CollectionRun, FeedbackSource, Table
from project import clock
from project.mappings.refused import RefusedRow, RefusedRowQuerySet
from project.tabular.mapping import TableMapping
from project.tabular.mend import Came


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
        # The last two hold few rows, so that they cost a collection nothing.
        indexes = [
            models.Index("response_id", name="%(class)s_response"),
            models.Index("gone_at", condition=Q(gone_at__isnull=False), name="%(class)s_gone"),
            models.Index("created_at", condition=Q(also_in__isnull=False), name="%(class)s_shared"),
        ]

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
        permissions = [("export_feedback", "Can export feedback")]


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


# What is kept of such a row is not all of it: only its database or a correction can give the rest.
LOSSY_REASONS = ("nul_character", "oversized_row", "unreadable")
# Under it stands the beginning of a row, as text, where a run had kept too many whole ones.
BEGINNING = "__seedbed_beginning"


class RejectedRecord(RefusedRow):
    """A row of feedback that was refused."""

    row_uid = models.UUIDField(unique=True, editable=False)
    source = models.ForeignKey(FeedbackSource, on_delete=models.PROTECT, related_name="+")
    run = models.ForeignKey(
        CollectionRun, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    table = models.CharField(max_length=16, choices=Table)
    detail = models.CharField(max_length=500, help_text="What was expected and what came.")
    external_id = models.CharField("id at the source", max_length=200, blank=True)
    line_number = models.PositiveBigIntegerField(null=True, blank=True)
    payload = models.JSONField(help_text="The row as it came.")
    first_seen_at = models.DateTimeField(default=clock.now)
    last_seen_at = models.DateTimeField(default=clock.now)

    objects = RefusedRowQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index("table", name="rejectedrecord_table"),
            models.Index("external_id", name="rejectedrecord_external"),
        ]
        permissions = [("retry_rejectedrecord", "Can retry rejected records")]

    def __str__(self) -> str:
        return f"{self.table} {self.external_id or self.pk}: {self.reason}"

    @property
    def came(self) -> Came:
        """The row by columns, or its text where it has none."""
        if not isinstance(self.payload, dict):
            return str(self.payload)
        return str(self.payload[BEGINNING]) if BEGINNING in self.payload else self.payload

    @property
    def columns(self) -> list[str]:
        """The columns of the rows that were read with it."""
        return sorted(set(self._known.values()))

    @property
    def column(self) -> str:
        """What the row calls the column at fault."""
        return self._known.get(self.field, self.field)

    @property
    def said(self) -> str:
        """Why it was refused."""
        return self.detail

    @property
    def is_complete(self) -> bool:
        """Whether all of the row was kept as it came."""
        is_cut = isinstance(self.payload, dict) and BEGINNING in self.payload
        return self.reason not in LOSSY_REASONS and not is_cut

    @classmethod
    def look_up(cls, rows: Sequence["RejectedRecord"]) -> None:
        """Ask once what the tables of all of these rows call our columns."""
        runs = CollectionRun.objects.only("columns", "mapping")
        found = runs.in_bulk({row.run_id for row in rows})
        known = {pk: _columns_of(run) for pk, run in found.items()}
        for row in rows:
            row._known = known.get(row.run_id, {})

    @cached_property
    def _known(self) -> dict[str, str]:
        """What its table calls our columns."""
        run = CollectionRun.objects.filter(pk=self.run_id).only("columns", "mapping").first()
        return {} if run is None else _columns_of(run)


def _columns_of(run: CollectionRun) -> dict[str, str]:
    if run.mapping:
        mapping = TableMapping.from_dict(run.mapping["mapping"])
        return {one.field: one.column for one in mapping.columns}
    return {str(name): str(theirs) for name, theirs in run.columns.items()}


MODELS: dict[str, type[FeedbackRecord]] = {
    Table.QUALITY_FEEDBACK: QualityFeedback,
    Table.EXPLANATIONS: Explanation,
    Table.AB_TESTING: ABTestResult,
}


def table_of(model: type[models.Model]) -> str:
    """Return the table whose rows a model keeps."""
    return next(table for table, kept in MODELS.items() if kept is model)


def model_of(table: str) -> type[FeedbackRecord]:
    """Return the model that keeps the rows of a table."""
    return MODELS[table]
