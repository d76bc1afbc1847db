"""What rows said before they were changed at their source."""

from django.db import models
from django.db.models import Q

from feedback.models.sources import CollectionRun, FeedbackSource, Table
from project import clock


class FeedbackChange(models.Model):
    """A row that came again with other content, or not any more: what differed, before and after.

    Written with the rows, never changed. Of each row the first change and the newest are kept.
    """

    class Action(models.TextChoices):
        REPLACED = "replaced", "Replaced what was stored"
        KEPT = "kept", "Left what was stored"
        GONE = "gone", "Gone at the source"
        RETURNED = "returned", "There again"

    uid = models.UUIDField(db_index=True, editable=False, help_text="The record's.")
    source = models.ForeignKey(
        FeedbackSource, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    table = models.CharField(max_length=16, choices=Table)
    external_id = models.CharField("id at the source", max_length=200, blank=True)
    action = models.CharField(max_length=8, choices=Action)
    before = models.JSONField(help_text="Column to what was stored, of those that differ.")
    after = models.JSONField(help_text="Column to what came, of those that differ.")
    row_digest = models.UUIDField(editable=False, help_text="Of the row as it came.")
    run = models.ForeignKey(
        CollectionRun, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    first_run = models.ForeignKey(
        CollectionRun,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="The run whose row was the first to be changed.",
    )
    actor = models.CharField("by", max_length=200, blank=True)
    found_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-id"]
        verbose_name = "changed record"
        indexes = [
            models.Index("source", "table", "found_at", name="feedbackchange_since"),
            models.Index("external_id", name="feedbackchange_external"),
            models.Index("action", name="feedbackchange_action"),
        ]
        constraints = [
            # The same row comes again with each reading of the overlap.
            models.UniqueConstraint(
                fields=["uid", "row_digest"],
                condition=Q(action="kept"),
                name="feedbackchange_kept_once",
            )
        ]

    def __str__(self) -> str:
        what = ", ".join(sorted(self.before)) or self.action
        return f"{self.table} {self.external_id or self.uid}: {what}"
