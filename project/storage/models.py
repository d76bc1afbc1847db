"""The installation that a database belongs to."""

import uuid

from django.db import models
from django.db.models import Q

from project import clock


class Installation(models.Model):
    """The one row that names this installation; its folder of artefacts carries the same id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    is_only = models.BooleanField(default=True, unique=True)
    has_folder = models.BooleanField(
        default=False, help_text="Whether a folder carries this id: one without it is another."
    )
    adopted_at = models.DateTimeField(
        null=True,
        help_text="When it took the store of another database: what was written there before is "
        "never swept.",
    )
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        default_permissions = ()
        permissions = [("make_backup", "Can make backups")]
        constraints = [models.CheckConstraint(condition=Q(is_only=True), name="installation_once")]

    def __str__(self) -> str:
        return str(self.id)
