"""Files that people and commands hand over for a job: the record, and where the bytes are."""

import uuid
from pathlib import Path

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from project import clock
from project.acting import ACTOR_LENGTH

NAME_LENGTH = 255


def store_folder() -> Path:
    """Return where the bytes of uploads are kept, each under its digest and id."""
    return Path(settings.MEDIA_ROOT) / "store"


class Upload(models.Model):
    """One file, unpacked, until a job has used it or it expires.

    A job names it by its id; a path never leaves this module. Its file carries digest and id, so
    nothing else needs it, also where two databases write to one folder.
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
    def path(self) -> Path:
        """Where the bytes are."""
        return store_folder() / f"{self.sha256}-{self.pk}"
