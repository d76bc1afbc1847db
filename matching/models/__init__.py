"""Seed users, groups, sessions, and the batches of match events made from them or imported."""

from enum import StrEnum
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Case, F, FloatField, GeneratedField, Q, Value, When
from django.db.models.functions import Cast
from django.utils import timezone
from simple_history.models import HistoricalRecords

from matching.domain.personality import Personality
from matching.domain.words import FeatureSet, Habit, MatchType, Outcome, Preset
from project.origin import ROW_ORIGIN_CHOICES, Origin

validate_external_id = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}\Z",
    "Expected 1 to 100 letters, digits, '_', '.', ':' or '-', such as seed_budget_traveler_001.",
)


def _titles(words: type[StrEnum]) -> list[tuple[str, str]]:
    return [(word.value, word.value.capitalize()) for word in words]


class RealField(models.FloatField):  # type: ignore[type-arg]  # no [] at run time
    """A four-byte float: features and probabilities need no more, and events are many."""

    def db_type(self, connection: Any) -> str:
        """Return PostgreSQL's name of the type."""
        return "real"


# A profile is complete when every one of these is set; features and sessions need them all.
PROFILE_FIELDS = (
    "age",
    "gender",
    "personality",
    "extraversion",
    "interests",
    "languages",
    "home_lat",
    "home_lon",
    "smoking",
    "drinking",
    "religion",
    "nationality",
    "profession",
)


def missing_condition(field: str) -> Q:
    """Return the condition under which a profile field counts as missing."""
    if field in ("interests", "languages"):
        return Q(**{field: []})
    if field in ("age", "extraversion", "home_lat", "home_lon"):
        return Q(**{f"{field}__isnull": True})
    return Q(**{field: ""})


def _set_count() -> Any:
    total: Any = Value(0)
    for field in PROFILE_FIELDS:
        total = total + Case(When(missing_condition(field), then=Value(0)), default=Value(1))
    return total


class SeedUserQuerySet(models.QuerySet["SeedUser"]):
    """Questions about profiles."""

    def complete(self) -> "SeedUserQuerySet":
        """Profiles with every field set."""
        return self.filter(completeness=1.0)

    def incomplete(self) -> "SeedUserQuerySet":
        """Profiles with something missing."""
        return self.filter(completeness__lt=1.0)

    def missing(self, field: str) -> "SeedUserQuerySet":
        """Profiles without this field."""
        return self.filter(missing_condition(field))


class SeedUser(models.Model):
    """A person, real or drawn, whose profile match events are computed from."""

    external_id = models.CharField(max_length=100, unique=True, validators=[validate_external_id])
    name = models.CharField(max_length=100, blank=True)
    origin = models.PositiveSmallIntegerField(choices=ROW_ORIGIN_CHOICES, default=Origin.REAL.code)
    archetype = models.CharField(
        max_length=40, blank=True, help_text="The archetype a synthetic profile was drawn from."
    )
    age = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[
            MinValueValidator(18, "Expected an age of 18 to 100 years."),
            MaxValueValidator(100, "Expected an age of 18 to 100 years."),
        ],
        help_text="Years, 18 to 100.",
    )
    gender = models.CharField(max_length=20, blank=True)
    personality = models.CharField(max_length=10, choices=_titles(Personality), blank=True)
    extraversion = models.FloatField(
        null=True,
        blank=True,
        validators=[
            MinValueValidator(0.0, "Expected 0 (introvert) to 1 (extrovert)."),
            MaxValueValidator(1.0, "Expected 0 (introvert) to 1 (extrovert)."),
        ],
        help_text="0 introvert, 0.5 ambivert, 1 extrovert; the label follows from it.",
    )
    interests = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    languages = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    home_city = models.CharField(max_length=100, blank=True)
    home_lat = models.FloatField(
        "latitude of home",
        null=True,
        blank=True,
        validators=[
            MinValueValidator(-90.0, "Expected -90 to 90 degrees north."),
            MaxValueValidator(90.0, "Expected -90 to 90 degrees north."),
        ],
        help_text="Degrees north, -90 to 90.",
    )
    home_lon = models.FloatField(
        "longitude of home",
        null=True,
        blank=True,
        validators=[
            MinValueValidator(-180.0, "Expected -180 to 180 degrees east."),
            MaxValueValidator(180.0, "Expected -180 to 180 degrees east."),
        ],
        help_text="Degrees east, -180 to 180.",
    )
    smoking = models.CharField(max_length=12, choices=_titles(Habit), blank=True)
    drinking = models.CharField(max_length=12, choices=_titles(Habit), blank=True)
    religion = models.CharField(max_length=40, blank=True)
    nationality = models.CharField(max_length=60, blank=True)
    profession = models.CharField(max_length=60, blank=True)
    completeness = GeneratedField(
        expression=Cast(_set_count(), FloatField()) / Value(float(len(PROFILE_FIELDS))),
        output_field=FloatField(),
        db_persist=True,
        help_text="Share of the profile fields that are set, 0 to 1.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = SeedUserQuerySet.as_manager()
    history = HistoricalRecords(excluded_fields=["completeness"])

    class Meta:
        ordering = ["external_id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(age__isnull=True) | Q(age__range=(18, 100)), name="seeduser_age"
            ),
            models.CheckConstraint(
                condition=Q(extraversion__isnull=True) | Q(extraversion__range=(0.0, 1.0)),
                name="seeduser_extraversion",
            ),
            models.CheckConstraint(
                condition=(Q(home_lat__isnull=True) | Q(home_lat__range=(-90.0, 90.0)))
                & (Q(home_lon__isnull=True) | Q(home_lon__range=(-180.0, 180.0))),
                name="seeduser_home",
            ),
            models.CheckConstraint(
                condition=Q(home_lat__isnull=True, home_lon__isnull=True)
                | Q(home_lat__isnull=False, home_lon__isnull=False),
                name="seeduser_home_both_or_none",
            ),
        ]

    def __str__(self) -> str:
        return self.external_id

    @property
    def missing_fields(self) -> list[str]:
        """Names of the profile fields that are not set, in the order of the form."""
        return [field for field in PROFILE_FIELDS if getattr(self, field) in (None, "", [])]


class TravelGroup(models.Model):
    """People who travel together and look for more."""

    external_id = models.CharField(max_length=100, unique=True, validators=[validate_external_id])
    name = models.CharField(max_length=100, blank=True)
    origin = models.PositiveSmallIntegerField(choices=ROW_ORIGIN_CHOICES, default=Origin.REAL.code)
    members = models.ManyToManyField(SeedUser, related_name="travel_groups", blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    history = HistoricalRecords(m2m_fields=[members])

    class Meta:
        ordering = ["external_id"]

    def __str__(self) -> str:
        return self.external_id


class TravelSessionQuerySet(models.QuerySet["TravelSession"]):
    """Questions about sessions."""

    def live(self) -> "TravelSessionQuerySet":
        """Sessions whose time has not run out."""
        return self.filter(expires_at__gt=timezone.now())


class TravelSession(models.Model):
    """The trip that a user or a group plans now; its live copy is in Valkey.

    The live copy's key is `session:{external_id}` with the external id of the user or group.
    """

    class Mode(models.TextChoices):
        SOLO = "solo", "Solo"
        GROUP = "group", "Group"

    external_id = models.CharField(
        max_length=100,
        unique=True,
        editable=False,
        help_text="External id of the user or group; a traveller plans one trip at a time.",
    )
    user = models.OneToOneField(
        SeedUser, null=True, blank=True, on_delete=models.CASCADE, related_name="session"
    )
    group = models.OneToOneField(
        TravelGroup, null=True, blank=True, on_delete=models.CASCADE, related_name="session"
    )
    origin = models.PositiveSmallIntegerField(choices=ROW_ORIGIN_CHOICES, default=Origin.REAL.code)
    is_adopted = models.BooleanField(
        default=False, help_text="Found in Valkey, written by another application."
    )
    destination_name = models.CharField("destination", max_length=100)
    destination_lat = models.FloatField(
        "latitude of destination",
        validators=[
            MinValueValidator(-90.0, "Expected -90 to 90 degrees north."),
            MaxValueValidator(90.0, "Expected -90 to 90 degrees north."),
        ],
        help_text="Degrees north, -90 to 90.",
    )
    destination_lon = models.FloatField(
        "longitude of destination",
        validators=[
            MinValueValidator(-180.0, "Expected -180 to 180 degrees east."),
            MaxValueValidator(180.0, "Expected -180 to 180 degrees east."),
        ],
        help_text="Degrees east, -180 to 180.",
    )
    budget = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0), MaxValueValidator(10_000_000.0)],
        help_text="Whole trip, in the currency of the application.",
    )
    start_date = models.DateField()
    end_date = models.DateField()
    mode = models.CharField(max_length=5, choices=Mode, default=Mode.SOLO)
    interests = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = TravelSessionQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        ordering = ["external_id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(end_date__gte=F("start_date")), name="travelsession_dates"
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=False, group__isnull=True)
                | Q(user__isnull=True, group__isnull=False),
                name="travelsession_one_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.external_id} to {self.destination_name}"

    @property
    def key(self) -> str:
        """Key of the live copy in Valkey."""
        return f"session:{self.external_id}"


class EventBatchQuerySet(models.QuerySet["EventBatch"]):
    """Questions about batches."""

    def complete(self) -> "EventBatchQuerySet":
        """Batches whose events may be read."""
        return self.filter(state=EventBatch.State.COMPLETE)


class EventBatch(models.Model):
    """One generation or one import of match events.

    Readers see its events once it is complete. The events of batch `b` have the ids
    `b * 2**32 + row`, so a batch is a range of the primary key.
    """

    ROW_BITS = 32

    class Method(models.TextChoices):
        """How its events came about."""

        GENERATED = "generated", "Generated"
        IMPORTED = "imported", "Imported"

    class State(models.TextChoices):
        BUILDING = "building", "Building"
        COMPLETE = "complete", "Complete"
        ABANDONED = "abandoned", "Abandoned"

    uid = models.UUIDField(
        db_index=True,
        editable=False,
        help_text="Name of the content: batches of one recipe and population share it.",
    )
    method = models.CharField(max_length=9, choices=Method)
    origin = models.PositiveSmallIntegerField(choices=ROW_ORIGIN_CHOICES)
    state = models.CharField(max_length=9, choices=State, default=State.BUILDING)
    feature_set = models.CharField(
        max_length=10, choices=[(one.value, one.value) for one in FeatureSet]
    )
    feature_revision = models.PositiveSmallIntegerField(
        default=1, help_text="Revision of the feature set that computed the features."
    )
    parameters = models.JSONField(default=dict, help_text="What was asked, as given.")
    seed = models.BigIntegerField(null=True, blank=True)
    asked = models.PositiveBigIntegerField(default=0)
    made = models.PositiveBigIntegerField(default=0)
    skipped = models.JSONField(
        default=dict, help_text="Reason to {count, examples}: rows or users left out."
    )
    summary = models.JSONField(
        default=dict, editable=False, help_text="Outcomes and feature histograms; see summaries.py."
    )
    file_name = models.CharField(max_length=255, blank=True, help_text="Only for display.")
    file_sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    population = models.BinaryField(
        null=True,
        editable=False,
        help_text="Parquet of the travellers as they were, so that every chunk sees the same.",
    )
    population_sha256 = models.CharField(
        max_length=64, blank=True, help_text="Of who the travellers are, database ids left out."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = EventBatchQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "event batches"
        permissions = [
            ("generate_events", "Can generate events"),
            ("import_events", "Can import event logs"),
            ("export_events", "Can export event logs"),
        ]

    def __str__(self) -> str:
        return f"Batch {self.pk} ({self.get_origin_display()}, {self.made:,} events)"

    @property
    def label_share(self) -> float | None:
        """Share of events with label 1, None while nothing is known."""
        outcomes = self.summary.get("outcomes") or {}
        total = sum(outcomes.values())
        taken_up = sum(outcomes[word] for word in Outcome if word.label) if total else 0
        return taken_up / total if total else None

    @property
    def first_event_id(self) -> int:
        """Lowest id an event of this batch can have."""
        return int(self.pk) << self.ROW_BITS

    @property
    def last_event_id(self) -> int:
        """Highest id an event of this batch can have."""
        return ((int(self.pk) + 1) << self.ROW_BITS) - 1


STRANGER = "{}; below zero, a number for somebody known only from the log."


class MatchEventQuerySet(models.QuerySet["MatchEvent"]):
    """Questions about events."""

    def of_batch(self, batch: EventBatch) -> "MatchEventQuerySet":
        """Events of one batch: a range of the primary key."""
        return self.filter(id__range=(batch.first_event_id, batch.last_event_id))


class MatchEvent(models.Model):
    """One proposed match: its features, what came of it, and for synthetic rows the truth.

    Written with COPY, never one by one. A NULL feature means that its input was missing or that
    it does not apply to the match type.
    """

    id = models.BigIntegerField(primary_key=True, help_text="Batch * 2**32 + row.")
    match_type = models.PositiveSmallIntegerField(choices=MatchType.choices())
    origin = models.PositiveSmallIntegerField(choices=ROW_ORIGIN_CHOICES)
    preset = models.PositiveSmallIntegerField(choices=Preset.choices(), null=True)
    outcome = models.PositiveSmallIntegerField(choices=Outcome.choices())
    label = models.BooleanField()
    occurred_at = models.DateTimeField()
    # Ids without constraints or indexes: an event outlives the profile it was computed from, and
    # each index would slow the load of a million rows by more than a second.
    user_id = models.BigIntegerField(null=True, help_text=STRANGER.format("SeedUser"))
    target_id = models.BigIntegerField(null=True, help_text=STRANGER.format("SeedUser"))
    group_id = models.BigIntegerField(null=True, help_text=STRANGER.format("TravelGroup"))
    distance_score = RealField(null=True)
    date_overlap_score = RealField(null=True)
    budget_score = RealField(null=True)
    interest_score = RealField(null=True)
    age_score = RealField(null=True)
    personality_score = RealField(null=True)
    language_score = RealField(null=True)
    lifestyle_score = RealField(null=True)
    background_score = RealField(null=True)
    group_size_score = RealField(null=True)
    group_diversity_score = RealField(null=True)
    destination_interest = RealField(null=True)
    date_budget = RealField(null=True)
    true_probability = RealField(null=True, help_text="Of label 1, for synthetic events.")
    feature_probability = RealField(
        null=True, help_text="The same with personal effects averaged out."
    )
    event_key = models.UUIDField(
        null=True, help_text="Digest of an imported event: the same event never lands twice."
    )
    external = models.JSONField(
        null=True, help_text="What the log said of ids and model version, for imported events."
    )

    objects = MatchEventQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["event_key"],
                condition=Q(event_key__isnull=False),
                name="matchevent_key_once",
            )
        ]

    def __str__(self) -> str:
        return f"Event {self.pk >> EventBatch.ROW_BITS}.{self.pk & 0xFFFFFFFF}"

    @property
    def batch_id(self) -> int:
        """Id of the batch, from the event's own id."""
        return int(self.pk) >> EventBatch.ROW_BITS


class RejectedEvent(models.Model):
    """A row of an event log that was not taken, and why."""

    batch = models.ForeignKey(EventBatch, on_delete=models.CASCADE, related_name="rejected")
    line = models.PositiveBigIntegerField(help_text="Line number in the file, from 1.")
    reason = models.CharField(max_length=40, db_index=True)
    message = models.TextField()
    excerpt = models.TextField(help_text="The beginning of the line.")

    class Meta:
        ordering = ["batch", "line"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "line"], name="rejectedevent_line_once")
        ]

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"
