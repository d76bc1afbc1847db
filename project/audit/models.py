"""One line for each act; added to, never changed: the database itself refuses that."""

from typing import Any

from django.contrib.auth.models import User
from django.db import models

from project import clock

NAME_LENGTH = 200  # characters of who, and of what


class Act(models.TextChoices):
    """What is traced."""

    SIGN_IN = "sign_in", "Signed in"
    SIGN_IN_FAILED = "sign_in_failed", "Failed to sign in"
    LOCKED_OUT = "locked_out", "Locked out"
    SIGN_OUT = "sign_out", "Signed out"
    ACCOUNT = "account", "Account or group changed"
    PROMOTION = "promotion", "Promoted a model"
    ROLLBACK = "rollback", "Rolled back a model"
    OVERRIDE = "override", "Set a refusal aside"
    SOURCE = "source", "Feedback source changed"
    KEY = "key", "Keys changed"
    EXPORT = "export", "Exported"
    REMOVAL = "removal", "Removed"
    PERSON = "person", "Person renamed or merged"
    QUEUE = "queue", "Queue rung or emptied"
    FOLDER = "folder", "Folder of artefacts adopted"


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    """Questions about acts; no answers that change them."""

    def of(self, *acts: str) -> "AuditEntryQuerySet":
        """Entries of these acts."""
        return self.filter(act__in=acts)

    def about(self, record: models.Model) -> "AuditEntryQuerySet":
        """Entries about a record."""
        return self.filter(model=record._meta.label_lower, object_id=str(record.pk))


class AuditEntry(models.Model):
    """One act. Never a secret in it: whoever may read the list may not know those."""

    at = models.DateTimeField(default=clock.now, db_index=True)
    act = models.CharField(max_length=20, choices=Act)
    actor = models.CharField(
        "who", max_length=NAME_LENGTH, help_text="The name of that day; the account may be gone."
    )
    # Without a constraint: the line outlives the account, and is not written again when that goes.
    user = models.ForeignKey[Any, Any](
        User, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    address = models.GenericIPAddressField(
        "from", null=True, help_text="Where the request came from; empty: this machine."
    )
    model = models.CharField(max_length=100, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    title = models.CharField("what", max_length=NAME_LENGTH, blank=True)
    detail = models.TextField(blank=True)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        default_permissions = ("view",)
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["act", "-id"], name="auditentry_by_act")]

    def __str__(self) -> str:
        return f"{self.actor}: {self.get_act_display()} {self.title}".rstrip()
