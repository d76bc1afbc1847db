"""Files that people and commands hand over for a job."""

import uuid
from pathlib import Path

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from project import clock
from project.acting import ACTOR_LENGTH
from project.storage.blobs import Blob
from project.storage.records import names_blob

NAME_LENGTH = 255


@names_blob("sha256")
class Upload(models.Model):
    """One file, unpacked, until a job has used it or it expires.

    A job names it by its id, on whichever host it runs; the bytes are in the store.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sha256 = models.CharField(
        max_length=64,
        db_index=True,
        validators=[RegexValidator(r"^[0-9a-f]{64}\Z")],
        help_text="Of the bytes as they are kept: unpacked.",
    )
    name = models.CharField(
        max_length=NAME_LENGTH, help_text="What the person called it; never part of a path."
    )
    size = models.BigIntegerField(help_text="Bytes, unpacked.")
    actor = models.CharField("by", max_length=ACTOR_LENGTH)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    @property
    def blob(self) -> Blob:
        """Its bytes; editions before the store kept them under their digest and id."""
        earlier = Path(settings.MEDIA_ROOT, "store", f"{self.sha256}-{self.pk}")
        return Blob(self.sha256, title=self.name, earlier=earlier)
