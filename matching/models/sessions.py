"""Sessions: the trip that a user or a group plans now."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from matching.models.people import SeedUser, TravelGroup
from project import clock
from project.acting import ActedHistory, current_user
from project.origin import ROW_ORIGIN_CHOICES, Origin


class TravelSessionQuerySet(models.QuerySet["TravelSession"]):
    """Questions about sessions."""

    def live(self) -> "TravelSessionQuerySet":
        """Sessions whose time has not run out."""
        return self.filter(expires_at__gt=clock.now())


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
    imported_in = models.UUIDField(
        null=True,
        editable=False,
        db_index=True,
        help_text="The upload of the file that made it; empty where none did.",
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = TravelSessionQuerySet.as_manager()
    history = HistoricalRecords(
        excluded_fields=["imported_in"], bases=[ActedHistory], get_user=current_user
    )

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
        return f"{self.external_id} to {self.place}"

    @property
    def place(self) -> str:
        """Where it goes, in words: its name, or where that is for one whose name nobody said."""
        where = f"a place at {self.destination_lat:.2f}, {self.destination_lon:.2f}"
        return self.destination_name or where

    @property
    def key(self) -> str:
        """Key of the live copy in Valkey."""
        return f"session:{self.external_id}"
