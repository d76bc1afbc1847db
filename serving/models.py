"""Keys with which applications ask; of the key itself nothing but a digest is kept."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from serving.domain.limits import DEFAULT_REQUESTS_PER_MINUTE, MAX_REQUESTS_PER_MINUTE
from serving.domain.tokens import SHOWN_LENGTH

NAME_LENGTH = 60  # characters of a key's name
IDEMPOTENCY_LENGTH = 200  # characters of an Idempotency-Key


class Scope(models.TextChoices):
    """What a key opens; a later part of the API brings its own."""

    SCORE = "score", "Scores of pairs"
    RANK = "rank", "Whom to show next"
    READ = "read", "Which models there are"
    INGEST = "ingest", "Sending people, trips, events and feedback"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Questions about keys."""

    def open(self) -> "ApiKeyQuerySet":
        """Keys that open something now."""
        beyond = models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now())
        return self.filter(beyond, revoked_at=None)


class ApiKey(models.Model):
    """One application's key. It is made once, shown once, and revoked, never removed."""

    name = models.CharField(
        max_length=NAME_LENGTH, unique=True, help_text="The application that uses it, and where."
    )
    start = models.CharField("begins with", max_length=SHOWN_LENGTH, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes: Any = ArrayField(
        models.CharField(max_length=20), help_text="What it opens; no more than it needs."
    )
    requests_per_minute = models.PositiveIntegerField(
        default=DEFAULT_REQUESTS_PER_MINUTE,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_REQUESTS_PER_MINUTE)],
        help_text="More are answered with 429 and when to come again.",
    )
    expires_at = models.DateTimeField(
        "expires", null=True, blank=True, help_text="Empty: it stays until it is revoked."
    )
    made_at = models.DateTimeField("made", default=timezone.now, editable=False)
    made_by = models.CharField("by", max_length=200, editable=False)
    revoked_at = models.DateTimeField("revoked", null=True, editable=False)
    revoked_by = models.CharField(max_length=200, blank=True, editable=False)
    last_used_at = models.DateTimeField("last used", null=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        default_permissions = ("add", "change", "view")
        verbose_name = "API key"

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a new key that would be over when it is made."""
        if self._state.adding and self.expires_at is not None and self.expires_at <= timezone.now():
            raise ValidationError({"expires_at": "Expected a moment to come."})

    @property
    def state(self) -> str:
        """Return open, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        is_over = self.expires_at is not None and self.expires_at <= timezone.now()
        return "expired" if is_over else "open"


class GivenAnswer(models.Model):
    """What was answered to a request that names itself by an Idempotency-Key: the same again."""

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="answers")
    name = models.CharField(max_length=IDEMPOTENCY_LENGTH)
    digest = models.CharField(max_length=64, help_text="SHA-256 of method, address and body.")
    status = models.PositiveSmallIntegerField()
    body = models.BinaryField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["key", "name"], name="givenanswer_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.key}"
