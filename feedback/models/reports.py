"""Reports as they were counted, and what tells that the rows they were counted from moved."""

from django.db import models

from feedback.models.sources import Table


class RowsState(models.Model):
    """How often the rows of one table of one source were changed, and how many there are.

    Kept by triggers of the tables, in the transaction that adds, changes or removes rows, whoever
    does it. The row of a source is locked until that transaction ends, as the cursor is under which
    rows land.
    """

    # No link: rows of a source may go before it does, and after its last row it may.
    source_id = models.BigIntegerField()
    table = models.CharField(max_length=16, choices=Table)
    revision = models.BigIntegerField(help_text="Raised by each statement that changes rows.")
    rows = models.BigIntegerField(help_text="All that are stored, gone and shared ones too.")

    class Meta:
        default_permissions = ()  # it has no page
        constraints = [
            models.UniqueConstraint(fields=["source_id", "table"], name="rowsstate_once")
        ]

    def __str__(self) -> str:
        return f"{self.table} of source {self.source_id}, revision {self.revision}"


class KeptReport(models.Model):
    """A report as it was counted, with the state of the rows that it was counted from."""

    key = models.CharField(max_length=64, unique=True, help_text="Digest of what was asked.")
    kind = models.CharField(max_length=16)
    state = models.TextField(help_text="Of the rows, read before they were.")
    as_of = models.DateTimeField(help_text="When counting began.")
    content = models.BinaryField(help_text="JSON in UTF-8; the order of groups is part of it.")

    class Meta:
        ordering = ["-as_of"]
        default_permissions = ()  # it has no page of its own

    def __str__(self) -> str:
        return f"{self.kind} as of {self.as_of:%Y-%m-%d %H:%M}"
