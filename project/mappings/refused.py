"""What records of refused rows have in common, whichever door refused them."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import connection, models, transaction
from django.db.models import F, Func, JSONField, Value

from project.tabular.doors import Door
from project.tabular.mapping import ColumnMap, TableMapping
from project.tabular.mend import EXCERPT_LENGTH, Came, as_text, columns_of, mended, row_of

SCANNED_ROWS = 500  # at once: each may have KEPT_BYTES


class RefusedRowQuerySet(models.QuerySet[Any]):
    """Questions about refused rows."""

    def open(self) -> Any:
        """Rows that are still refused."""
        return self.filter(resolved_at__isnull=True)

    def reasons(self) -> list[str]:
        """Return the reasons there are, by steps through their index: not by reading all rows."""
        table = connection.ops.quote_name(self.model._meta.db_table)
        least = f"SELECT min(reason) AS reason FROM {table}"  # noqa: S608 - our own name
        steps = (
            f"WITH RECURSIVE step AS ({least} UNION ALL "  # noqa: S608 - the same
            f"SELECT ({least} WHERE reason > step.reason) FROM step WHERE reason IS NOT NULL) "
            "SELECT reason FROM step WHERE reason IS NOT NULL"
        )
        with connection.cursor() as cursor:
            cursor.execute(steps)
            return [reason for (reason,) in cursor]

    @transaction.atomic
    def correct(self, column: str, value: str, *, where: str | None = None) -> int:
        """Add one column to the corrections of all of these rows; returns of how many.

        With `where`, only of those in which the column, as it is corrected so far, says that.
        """
        joined = Func(
            F("correction"),
            Value({column: value}, JSONField()),
            template="%(expressions)s",
            arg_joiner=" || ",
            output_field=JSONField(),
        )
        if where is None:
            changed: int = self.order_by().update(correction=joined)
            return changed
        kept = self.model._default_manager
        found: int = 0
        keys: list[int] = []
        for row in self.order_by().iterator(chunk_size=SCANNED_ROWS):
            if row.says(column) == where:
                keys.append(row.pk)
            if len(keys) == SCANNED_ROWS:
                found += kept.filter(pk__in=keys).update(correction=joined)
                keys.clear()
        return found + int(kept.filter(pk__in=keys).update(correction=joined))


class RefusedRow(models.Model):
    """A row that was refused, why, and how it came; with its correction it is tried again.

    What came never changes: a correction stands beside it until the row has landed. What is
    abstract a door says of its rows; the type checker refuses one that leaves it out.
    """

    reason = models.CharField(max_length=40, db_index=True)
    field = models.CharField(
        max_length=200, blank=True, help_text="What is at fault; empty where all of the row is."
    )
    correction = models.JSONField(
        default=dict,
        blank=True,
        help_text="Values that replace those of the row when it is tried again.",
    )
    resolved_at = models.DateTimeField(
        null=True, blank=True, db_index=True, help_text="When the row landed."
    )

    class Meta:
        abstract = True

    @property
    @abstractmethod
    def came(self) -> Came:
        """The row by columns, or its text where it has none."""

    @property
    @abstractmethod
    def column(self) -> str:
        """What the row calls the field at fault; empty where all of it is at fault."""

    @property
    def columns(self) -> list[str]:
        """The columns of rows that came with this one, where it has none itself; else none."""
        return []

    @classmethod
    def look_up(cls, rows: Sequence[Any]) -> None:
        """Read together what many rows would else read one by one."""

    @property
    @abstractmethod
    def said(self) -> str:
        """Why it was refused: what was expected and what came."""

    @property
    @abstractmethod
    def is_complete(self) -> bool:
        """Whether all of the row was kept as it came."""

    @property
    def mended(self) -> Came | None:
        """What is tried again, None where it takes a correction first."""
        return mended(self.came, self.correction, is_whole=self.is_complete)

    def says(self, column: str) -> str | None:
        """What a column says, with its correction, as text; None where it says nothing."""
        if column in self.correction:
            return as_text(self.correction[column])
        came = self.came
        value = columns_of(came).get(column) if isinstance(came, dict) else None
        return None if value is None else as_text(value)


class RefusedTableRow(RefusedRow):
    """A refused row that is kept as text, as it stands in its file; one of a table as JSON."""

    message = models.TextField()
    text = models.TextField(
        help_text="The line as it came; the row of a table as JSON. Whole up to 64 KiB."
    )
    is_whole = models.BooleanField(
        default=False, help_text="Whether that is all of it, to the letter."
    )

    class Meta:
        abstract = True

    @property
    @abstractmethod
    def reading(self) -> TableMapping | None:
        """How its table was read; None of a log that is written as ours."""

    @property
    def excerpt(self) -> str:
        """The beginning of the row."""
        return self.text[:EXCERPT_LENGTH]

    @property
    def came(self) -> Came:
        """The row by columns, or its text where it has none."""
        return row_of(self.text)

    @property
    def columns(self) -> list[str]:
        """The columns of the table that it is of; none of a log that is written as ours."""
        reading = self.reading
        return [] if reading is None else [one.column for one in reading.columns]

    @property
    def column(self) -> str:
        """What its table calls the field at fault."""
        reading = self.reading
        how = None if reading is None else reading.of(self.field)
        return self.field if how is None else how.column

    @property
    def said(self) -> str:
        """Why it was refused."""
        return self.message

    @property
    def is_complete(self) -> bool:
        """Whether all of the row was kept as it came."""
        return self.is_whole


def reading_with(
    mapping: TableMapping, door: Door, corrections: Iterable[Mapping[str, Any]]
) -> TableMapping:
    """Return a mapping that reads what corrections say of fields that have no column in the table
    too."""
    fields = {field.name for field in door.fields}
    read = {one.field for one in mapping.columns} | {one.column for one in mapping.columns}
    more = sorted({name for one in corrections for name in one} & fields - read)
    return replace(mapping, columns=(*mapping.columns, *(ColumnMap(name, name) for name in more)))


def set_correction(row: RefusedRow, correction: Mapping[str, Any]) -> None:
    """Replace the correction of one row."""
    row.correction = dict(correction)
    row.save(update_fields=["correction"])
