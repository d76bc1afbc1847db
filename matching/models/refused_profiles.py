"""Rows of files of people, groups and trips that were refused, kept to be mended."""

from django.db import models
from django.db.models import Q
from django.utils.functional import cached_property

from project import clock
from project.mappings.refused import RefusedRowQuerySet, RefusedTableRow
from project.origin import Origin
from project.tabular.mapping import TableMapping


class ProfileImport(models.Model):
    """One file of people, groups or trips: how it was read, by which its refused rows are tried
    again, and the upload that what it made names."""

    class Holds(models.TextChoices):
        """What the rows of a file are."""

        PEOPLE = "people", "people"
        GROUPS = "groups", "groups"
        TRIPS = "trips", "trips"

    holds = models.CharField(max_length=6, choices=Holds, default=Holds.PEOPLE, editable=False)
    upload = models.UUIDField(
        unique=True, editable=False, help_text="The upload that the file was."
    )
    file_name = models.CharField(max_length=255, help_text="Only for display.")
    is_csv = models.BooleanField(help_text="Whether its rows were cells, not objects.")
    mapping = models.JSONField(help_text="Which column is which field.")
    origin = models.CharField(
        max_length=9,
        blank=True,
        choices=[(one.value, one.value) for one in (Origin.REAL, Origin.SYNTHETIC)],
        help_text="What its rows are; empty where each says it.",
    )
    imported_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-id"]
        verbose_name = "imported file"

    def __str__(self) -> str:
        return self.file_name


class RefusedProfile(RefusedTableRow):
    """A row of a file of people, groups or trips that was refused."""

    source = models.ForeignKey(ProfileImport, on_delete=models.PROTECT, related_name="refused")
    line = models.PositiveBigIntegerField(help_text="Line number in the file, from 1.")
    external_id = models.CharField("id", max_length=100, blank=True)

    objects = RefusedRowQuerySet.as_manager()

    class Meta:
        ordering = ["-source", "line", "id"]
        indexes = [
            models.Index(
                fields=["external_id"],
                condition=Q(resolved_at__isnull=True),
                name="refusedprofile_open",
            )
        ]
        permissions = [("retry_refusedprofile", "Can retry refused profiles")]

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"

    @cached_property
    def reading(self) -> TableMapping:
        """How its file was read."""
        return TableMapping.from_dict(self.source.mapping)
