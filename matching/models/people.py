"""Users and groups, real or drawn."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Case, FloatField, GeneratedField, Q, Value, When
from django.db.models.functions import Cast
from simple_history.models import HistoricalRecords

from project import clock
from project.acting import ACTOR_LENGTH, ActedHistory, current_user
from project.origin import ROW_ORIGIN_CHOICES, Origin

validate_external_id = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}\Z",
    "Expected 1 to 100 letters, digits, '_', '.', ':' or '-', such as seed_budget_traveler_001.",
)


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

    def synthetic(self) -> "SeedUserQuerySet":
        """Drawn people: the only ones of whom anything may be invented."""
        return self.filter(origin=Origin.SYNTHETIC.code)

    def real(self) -> "SeedUserQuerySet":
        """People of whom only is there what they or somebody else said."""
        return self.filter(origin=Origin.REAL.code)


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
    personality = models.CharField(max_length=40, blank=True)
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
    smoking = models.CharField(max_length=40, blank=True)
    drinking = models.CharField(max_length=40, blank=True)
    religion = models.CharField(max_length=40, blank=True)
    nationality = models.CharField(max_length=60, blank=True)
    profession = models.CharField(max_length=60, blank=True)
    completeness = GeneratedField(
        expression=Cast(_set_count(), FloatField()) / Value(float(len(PROFILE_FIELDS))),
        output_field=FloatField(),
        db_persist=True,
        help_text="Share of the profile fields that are set, 0 to 1.",
    )
    imported_in = models.UUIDField(
        null=True,
        editable=False,
        db_index=True,
        help_text="The upload of the file that made it; empty where none did.",
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = SeedUserQuerySet.as_manager()
    history = HistoricalRecords(
        excluded_fields=["completeness", "imported_in"], bases=[ActedHistory], get_user=current_user
    )

    class Meta:
        ordering = ["external_id"]
        permissions = [("export_people", "Can export people, groups and trips")]
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
    def title(self) -> str:
        """What people call it: the name, or the kind of traveller it was drawn as, or the id."""
        return self.name or self.archetype.replace("_", " ").capitalize() or self.external_id

    @property
    def missing_fields(self) -> list[str]:
        """Names of the profile fields that are not set, in the order of the form."""
        return [field for field in PROFILE_FIELDS if getattr(self, field) in (None, "", [])]


class PersonAlias(models.Model):
    """A name that a person had: it finds them as their present one does.

    A name is that of one person or a former one of one, never both: triggers see to it.
    """

    class Why(models.TextChoices):
        RENAMED = "renamed", "Renamed"
        MERGED = "merged", "Merged"

    external_id = models.CharField(max_length=100, unique=True, validators=[validate_external_id])
    person = models.ForeignKey(SeedUser, on_delete=models.CASCADE, related_name="aliases")
    why = models.CharField(max_length=7, choices=Why)
    number = models.BigIntegerField(
        null=True,
        blank=True,
        unique=True,
        help_text="Of the record that was merged: events of then may hold it.",
    )
    since = models.DateTimeField(default=clock.now)
    actor = models.CharField(max_length=ACTOR_LENGTH, help_text="Who renamed or merged.")

    class Meta:
        ordering = ["external_id"]
        default_permissions = ()
        verbose_name = "former name"

    def __str__(self) -> str:
        return self.external_id


class TravelGroup(models.Model):
    """People who travel together and look for more."""

    external_id = models.CharField(max_length=100, unique=True, validators=[validate_external_id])
    name = models.CharField(max_length=100, blank=True)
    origin = models.PositiveSmallIntegerField(choices=ROW_ORIGIN_CHOICES, default=Origin.REAL.code)
    members = models.ManyToManyField(SeedUser, related_name="travel_groups", blank=True)
    imported_in = models.UUIDField(
        null=True,
        editable=False,
        db_index=True,
        help_text="The upload of the file that made it; empty where none did.",
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    history = HistoricalRecords(
        m2m_fields=[members],
        excluded_fields=["imported_in"],
        bases=[ActedHistory],
        get_user=current_user,
    )

    class Meta:
        ordering = ["external_id"]

    def __str__(self) -> str:
        return self.external_id

    @property
    def title(self) -> str:
        """What people call it: the name, or the id."""
        return self.name or self.external_id
