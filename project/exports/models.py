"""Files that jobs have written for people to take away."""

import uuid
from datetime import timedelta
from typing import Any, Final, Literal

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from project import clock
from project.acting import ACTOR_LENGTH
from project.storage.blobs import Blob
from project.storage.records import names_blob

Format = Literal["csv", "jsonl", "parquet"]
ENDINGS: Final = {"csv": ".csv", "jsonl": ".jsonl", "parquet": ".parquet"}
KEPT: Final = timedelta(days=7)  # from when it was asked for

_SHA256 = RegexValidator(r"^([0-9a-f]{64})?\Z")


def _expiry() -> Any:
    return clock.now() + KEPT


class ExportQuerySet(models.QuerySet["Export"]):
    """Questions about exports."""

    def complete(self) -> "ExportQuerySet":
        """Those whose file is there."""
        return self.exclude(sha256="")

    def offered(self) -> "ExportQuerySet":
        """Those that can be downloaded now."""
        return self.complete().filter(expires_at__gt=clock.now())

    def expired(self) -> "ExportQuerySet":
        """Those whose time is over, whether they were completed or not."""
        return self.filter(expires_at__lte=clock.now())


@names_blob("sha256")
class Export(models.Model):
    """One file of rows, from when its job began until it expires.

    Whoever downloads it needs the right that its job needed.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    what = models.CharField(max_length=40, help_text="What its rows are.")
    format = models.CharField(max_length=10, help_text="csv, jsonl or parquet.")
    name = models.CharField(max_length=200, help_text="Of the file, made here.")
    permission = models.CharField(
        max_length=150, help_text="Right to what is inside: who has it may download the file."
    )
    sha256 = models.CharField(
        "SHA-256",
        max_length=64,
        blank=True,
        db_index=True,
        validators=[_SHA256],
        help_text="Of the file; empty while it is written.",
    )
    size = models.BigIntegerField(default=0, help_text="Bytes.")
    rows = models.BigIntegerField(default=0)
    job_id = models.UUIDField(null=True, help_text="The job that began it.")
    actor = models.CharField("by", max_length=ACTOR_LENGTH)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField(db_index=True, default=_expiry)

    objects = ExportQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name

    @property
    def blob(self) -> Blob:
        """Its bytes."""
        return Blob(self.sha256, title=self.name, size=self.size)


@names_blob("sha256")
class ExportPart(models.Model):
    """Some rows of an export that is being written: any worker goes on behind the last one."""

    export = models.ForeignKey(Export, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField(help_text="In the file, from 0.")
    sha256 = models.CharField(max_length=64, db_index=True, validators=[_SHA256])
    size = models.BigIntegerField(help_text="Bytes.")

    class Meta:
        ordering = ["export", "number"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["export", "number"], name="exportpart_once")]

    def __str__(self) -> str:
        return f"part {self.number} of {self.export_id}"

    @property
    def blob(self) -> Blob:
        """Its bytes."""
        return Blob(self.sha256, title=f"Part {self.number} of an export", size=self.size)
