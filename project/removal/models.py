"""What is left of what was removed: a receipt."""

from django.conf import settings
from django.db import models

from project import clock
from project.acting import ACTOR_LENGTH

TITLE_LENGTH = 200
REASON_LENGTH = 200


class Receipt(models.Model):
    """One removal that is done: what it was, how much went, who asked for it and why.

    It holds numbers and digests, and nothing of what the removed records said.
    """

    thing = models.CharField(
        max_length=40, db_index=True, help_text="The word of what was removed."
    )
    number = models.BigIntegerField(help_text="Its number, which no other record is given.")
    title = models.CharField("what", max_length=TITLE_LENGTH)
    kind = models.CharField(max_length=60, blank=True, help_text="Of a dataset or model: its kind.")
    version = models.PositiveIntegerField(
        null=True, help_text="Of a dataset or model: its version, which is not given again."
    )
    counts = models.JSONField(default=dict, help_text="What went, by what it is called.")
    digests = models.JSONField(default=dict, help_text="SHA-256 of what went, by what it was.")
    touches = models.JSONField(
        default=list, help_text="Records that stay and lost rows: {model, id} of each."
    )
    stale = models.JSONField(default=list, help_text="What stood on it, in sentences.")
    stays = models.JSONField(default=list, help_text="What was left, and why, in sentences.")
    why = models.CharField(max_length=REASON_LENGTH, help_text="As whoever asked for it said.")
    actor = models.CharField("by", max_length=ACTOR_LENGTH)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    job = models.UUIDField(null=True, help_text="The job that removed it.")
    asked_at = models.DateTimeField("asked for")
    at = models.DateTimeField("removed", default=clock.now)

    class Meta:
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [("apply_retention", "Can remove what is older than it is kept")]
        indexes = [models.Index(fields=["kind", "version"], name="receipt_of_version")]

    def __str__(self) -> str:
        return f"{self.pk} ({self.title})"
