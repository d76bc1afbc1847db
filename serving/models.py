"""Keys with which applications ask, what they were answered, and what is wrong with it now.

Of a key itself nothing but a digest is kept.
"""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from matching.domain.features.told import TITLES
from matching.domain.words import MatchType, Outcome
from project import clock
from serving.domain.limits import DEFAULT_REQUESTS_PER_MINUTE, MAX_REQUESTS_PER_MINUTE
from serving.domain.responses import ANSWER_LENGTH, response_id
from serving.domain.tokens import SHOWN_LENGTH

NAME_LENGTH = 60  # characters of a key's name
IDEMPOTENCY_LENGTH = 200  # characters of an Idempotency-Key
ID_LENGTH = 100  # characters, as the external ids of people and groups are wide
WHY_LENGTH = 300  # characters of why the rules answered


class Scope(models.TextChoices):
    """What a key opens; a later part of the API brings its own."""

    SCORE = "score", "Scores of pairs"
    RANK = "rank", "Whom to show next"
    READ = "read", "Which models there are"
    INGEST = "ingest", "Sending people, trips, events, feedback and outcomes"
    ERASE = "erase", "Erasing people for good"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Questions about keys."""

    def open(self) -> "ApiKeyQuerySet":
        """Keys that open something now."""
        beyond = models.Q(expires_at=None) | models.Q(expires_at__gt=clock.now())
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
    made_at = models.DateTimeField("made", default=clock.now, editable=False)
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
        if self._state.adding and self.expires_at is not None and self.expires_at <= clock.now():
            raise ValidationError({"expires_at": "Expected a moment to come."})

    @property
    def state(self) -> str:
        """Return open, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        is_over = self.expires_at is not None and self.expires_at <= clock.now()
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


class ScoredPair(models.Model):
    """One pair that was scored for an application: what it was told, and what came of it.

    Written with COPY, batch by batch, never by a request. Ids are given under a lock, in the order
    of commits, so that whoever reads on from an id misses no row.
    """

    class ToldBy(models.IntegerChoices):
        API = 1, "by response id"
        EVENT = 2, "by an imported event"

    id = models.BigAutoField(primary_key=True)
    answer = models.CharField(
        max_length=ANSWER_LENGTH, help_text="Random; all pairs of one answer have it."
    )
    place = models.PositiveSmallIntegerField(help_text="In the answer, from 0.")
    at = models.DateTimeField("scored at", db_index=True)
    key_id = models.BigIntegerField(null=True, help_text="Of the key of the application.")
    # External ids without constraints: a row outlives the profile that it was scored from.
    left_id = models.CharField(
        max_length=ID_LENGTH, blank=True, help_text="Who decides; empty where nobody was named."
    )
    right_id = models.CharField(
        max_length=ID_LENGTH, blank=True, help_text="Who was offered; empty where nobody was named."
    )
    match_type = models.PositiveSmallIntegerField(choices=MatchType.choices())
    score = models.FloatField(null=True)
    rule_score = models.FloatField(null=True)
    model_version = models.PositiveIntegerField(
        null=True, help_text="Of the model that answered; empty where the rules did."
    )
    why_rules = models.CharField(
        max_length=WHY_LENGTH, blank=True, help_text="Why the rules answered; empty for a model."
    )
    feature_set = models.CharField(max_length=20)
    feature_revision = models.PositiveSmallIntegerField()
    missing = models.PositiveSmallIntegerField(
        help_text="Features without an input, as bits: the first feature in the lowest."
    )
    features = models.BinaryField(help_text="The 13 features: float32, NaN where missing.")
    share = models.FloatField(
        help_text="Of the pairs of that second that were written: each stands for 1 / share."
    )
    outcome = models.PositiveSmallIntegerField(choices=Outcome.choices(), null=True)
    outcome_at = models.DateTimeField(null=True, help_text="When it happened.")
    told_by = models.PositiveSmallIntegerField(choices=ToldBy, null=True)
    outcome_changes = models.PositiveSmallIntegerField(
        default=0, help_text="How often another outcome took its place."
    )

    class Meta:
        ordering = ["-id"]
        default_permissions = ()
        permissions = [
            ("monitor_scores", "Can watch what applications are answered"),
            ("export_scores", "Can export what applications are answered"),
        ]
        verbose_name = "scored pair"
        constraints = [
            models.UniqueConstraint(fields=["answer", "place"], name="scoredpair_once"),
        ]
        indexes = [
            # Whether somebody was scored before in this hour, and which rows an event is about.
            models.Index(fields=["left_id", "at"], name="scoredpair_of_left"),
            models.Index(
                fields=["model_version", "at"],
                condition=models.Q(outcome__isnull=False),
                name="scoredpair_with_outcome",
            ),
        ]

    def __str__(self) -> str:
        return response_id(self.answer, self.place)


class WatchState(models.Model):
    """How far the watch has read the score log; the one row moves in the transaction of the
    streams that read it."""

    last_pair = models.BigIntegerField(default=0, help_text="Id of the last row that was read.")
    last_person = models.CharField(max_length=32, blank=True, help_text="Digest of who it was.")
    last_score = models.FloatField(null=True, help_text="What this person's visit scored.")
    other_score = models.FloatField(null=True, help_text="That of the last other person.")
    batches = models.JSONField(
        default=dict,
        help_text="Imported batch to its rows, and those that landed, when it was last looked "
        "through.",
    )
    looked_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Read up to pair {self.last_pair}"


class AlarmQuerySet(models.QuerySet["Alarm"]):
    """Questions about alarms."""

    def open(self) -> "AlarmQuerySet":
        """Those whose condition goes on."""
        return self.filter(closed_at=None)


class Alarm(models.Model):
    """Something that is wrong with what applications are answered: opened once, closed when it
    ends."""

    class Kind(models.TextChoices):
        CHAMPION = "champion", "The live model cannot serve"
        FALLBACK = "fallback", "The rules answer instead of the model"
        MISSING = "missing", "An input is missing more often than in training"
        REPEATED = "repeated", "Different people get the same score"

    kind = models.CharField(max_length=10, choices=Kind)
    subject = models.CharField(max_length=60, blank=True, help_text="The input it is about.")
    text = models.TextField(help_text="What is wrong, with figures, as it was when it opened.")
    remedy = models.TextField(help_text="What to do next.")
    numbers = models.JSONField(default=dict, help_text="The figures when it opened and closed.")
    opened_at = models.DateTimeField(default=clock.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = AlarmQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=models.Q(closed_at=None),
                name="alarm_open_once",
            )
        ]

    def __str__(self) -> str:
        said = str(self.get_kind_display())
        return f"{said}: {TITLES.get(self.subject, self.subject)}" if self.subject else said

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.closed_at is None


class WatchedStream(models.Model):
    """The evidence against one thing that is watched, between two looks.

    What is watched: fallback, repeated, or missing:INPUT.
    """

    name = models.CharField(max_length=80, unique=True)
    expected_share = models.FloatField(
        help_text="Share that it stays below while nothing is wrong."
    )
    visits = models.BigIntegerField(default=0, help_text="Since the evidence was counted anew.")
    log_wealth: Any = ArrayField(
        models.FloatField(), default=list, help_text="Logarithm of the evidence, bet by bet."
    )
    model_version = models.PositiveIntegerField(
        null=True, help_text="Whose training it is held to."
    )
    began_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["name"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
