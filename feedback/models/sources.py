"""Where feedback comes from, how far each table has been read, and every run that read one."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from simple_history.models import HistoricalRecords

from feedback.domain.certificates import (
    CERTIFICATE_CHARACTERS,
    CertificateUnreadable,
    read_certificates,
)
from feedback.domain.endpoints import PASSWORD_VARIABLE, PASSWORD_VARIABLE_PREFIX
from feedback.domain.tables import MappingError, check_mapping
from project import clock
from project.acting import ActedHistory, current_user
from project.jobs.models import Job
from project.origin import Origin


class Table(models.TextChoices):
    """The three tables; their names without the prefix that they have at the source."""

    QUALITY_FEEDBACK = "quality_feedback", "Quality feedback"
    EXPLANATIONS = "explanations", "Explanations"
    AB_TESTING = "ab_testing", "A/B testing"


class FeedbackSourceQuerySet(models.QuerySet["FeedbackSource"]):
    """Questions about sources."""

    def real(self) -> "FeedbackSourceQuerySet":
        """Sources of feedback that people left."""
        return self.exclude(kind=FeedbackSource.Kind.SYNTHETIC)

    def set_up(self) -> "FeedbackSourceQuerySet":
        """Real sources, but for those made by an import of which no row ever landed.

        Generated feedback does not stand in for them.
        """
        runs = CollectionRun.objects.filter(source=OuterRef("pk"))
        return self.real().filter(
            Q(kind=FeedbackSource.Kind.POSTGRES)
            | ~Exists(runs)
            | Exists(runs.filter(Q(new__gt=0) | Q(state=CollectionRun.State.RUNNING)))
        )

    def synthetic(self) -> "FeedbackSourceQuerySet":
        """Sources whose feedback is generated."""
        return self.filter(kind=FeedbackSource.Kind.SYNTHETIC)

    def collectable(self) -> "FeedbackSourceQuerySet":
        """Sources that can be read again and again: databases that are switched on."""
        return self.filter(kind=FeedbackSource.Kind.POSTGRES, is_enabled=True)

    def due(self) -> "FeedbackSourceQuerySet":
        """Collectable sources that do not wait after failures."""
        return self.collectable().filter(
            Q(retry_after__isnull=True) | Q(retry_after__lte=clock.now())
        )


class FeedbackSource(models.Model):
    """A database with the three tables, uploaded files, or the synthetic generator."""

    class Kind(models.TextChoices):
        POSTGRES = "postgres", "PostgreSQL"
        FILE = "file", "Files"
        SYNTHETIC = "synthetic", "Synthetic"

    class SslMode(models.TextChoices):
        DISABLE = "disable", "disable: no encryption"
        PREFER = "prefer", "prefer: encryption where the server offers it"
        REQUIRE = "require", "require: encryption"
        VERIFY_CA = "verify-ca", "verify-ca: encryption, certificate checked"
        VERIFY_FULL = "verify-full", "verify-full: encryption, certificate and host name checked"

    class TimeUnit(models.TextChoices):
        SECONDS = "s", "seconds since 1970"
        MILLISECONDS = "ms", "milliseconds since 1970"
        MICROSECONDS = "us", "microseconds since 1970"
        NANOSECONDS = "ns", "nanoseconds since 1970"

    name = models.SlugField(max_length=60, unique=True)
    kind = models.CharField(max_length=9, choices=Kind, default=Kind.POSTGRES)
    is_enabled = models.BooleanField(
        "enabled", default=True, help_text="Whether collections without a name read it."
    )
    host = models.CharField(
        max_length=255, blank=True, help_text="Name, address, or folder of a unix socket."
    )
    port = models.PositiveIntegerField(
        default=5432, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    database = models.CharField(max_length=63, blank=True)
    user = models.CharField(max_length=100, blank=True)
    password_encrypted = models.TextField(blank=True, editable=False)
    password_variable = models.CharField(
        max_length=100,
        blank=True,
        validators=[
            RegexValidator(
                rf"^{PASSWORD_VARIABLE}\Z",
                f"Expected a name such as {PASSWORD_VARIABLE_PREFIX}MAIN.",
            )
        ],
        help_text=f"Environment variable {PASSWORD_VARIABLE_PREFIX}... that holds the password, "
        "instead of a password kept here. SEEDBED_FEEDBACK_VARIABLES says for which host it may be "
        "used.",
    )
    sslmode = models.CharField(max_length=11, choices=SslMode, default=SslMode.REQUIRE)
    ca_certificate = models.TextField(
        "CA certificate",
        blank=True,
        max_length=CERTIFICATE_CHARACTERS,
        help_text="PEM of the authority that signed the server's certificate, for verify-ca and "
        "verify-full. Empty: those of this machine.",
    )
    schema = models.CharField(max_length=63, default="public", blank=True)
    mapping = models.JSONField(
        default=dict,
        blank=True,
        help_text='Only what differs: {"quality_feedback": {"table": "ratings", "columns": '
        '{"quality_rating": "stars"}}, "ab_testing": {"table": ""}}. An empty table is not read.',
    )
    naive_timezone = models.CharField(
        "zone of times without one",
        max_length=60,
        blank=True,
        help_text="Such as Europe/Berlin. Empty: a time without a zone is refused.",
    )
    time_unit = models.CharField(
        "unit of times",
        max_length=2,
        choices=TimeUnit,
        blank=True,
        help_text="Of times that are numbers, or texts of numbers. Empty: times are of a type for "
        "times, or texts such as 2026-05-01T12:00:00Z.",
    )
    changed_column = models.CharField(
        "column of changes",
        max_length=63,
        default="updated_at",
        blank=True,
        help_text="Time of the last change of a row, where a table has such a column: rows that "
        "are older than the overlap are read again when it moves.",
    )
    overlap_hours = models.FloatField(
        default=24.0,
        validators=[MinValueValidator(0.0), MaxValueValidator(24.0 * 366)],
        help_text="Hours before the newest known row that are read again for rows that came late.",
    )
    failures = models.PositiveIntegerField(
        default=0, editable=False, help_text="Failed collections in a row."
    )
    retry_after = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Scheduled collections wait until then."
    )
    last_error = models.TextField(blank=True, editable=False)
    hidden_by = models.JSONField(
        default=dict,
        editable=False,
        help_text="Table to what kept rows of it from the user at the last collection.",
    )
    shared = models.JSONField(
        default=dict,
        editable=False,
        help_text="Table to rows that a source added before holds too, by its number.",
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = FeedbackSourceQuerySet.as_manager()
    history = HistoricalRecords(
        excluded_fields=[
            "password_encrypted",
            "failures",
            "retry_after",
            "last_error",
            "hidden_by",
            "shared",
        ],
        bases=[ActedHistory],
        get_user=current_user,
    )

    class Meta:
        ordering = ["name"]
        permissions = [
            ("collect_feedback", "Can collect feedback"),
            ("import_feedback", "Can import feedback"),
            ("report_feedback", "Can see the feedback reports"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def origin(self) -> Origin:
        """Whether people left its feedback or it was generated."""
        return Origin.SYNTHETIC if self.kind == self.Kind.SYNTHETIC else Origin.REAL

    @property
    def overlap(self) -> timedelta:
        return timedelta(hours=self.overlap_hours)

    def clean(self) -> None:
        """A database needs its address; the mapping and the zone must be readable."""
        errors: dict[str, Any] = {}
        if self.kind == self.Kind.POSTGRES:
            for field in ("host", "database", "user", "schema"):
                if not getattr(self, field):
                    errors[field] = "A PostgreSQL source needs this."
        try:
            check_mapping(self.mapping)
        except MappingError as error:
            errors["mapping"] = str(error)
        if self.ca_certificate:
            try:
                self.ca_certificate = read_certificates(self.ca_certificate)
            except CertificateUnreadable as error:
                errors["ca_certificate"] = str(error)
            if not self.sslmode.startswith("verify"):
                errors["sslmode"] = "A CA certificate is looked at by verify-ca and verify-full."
        if self.naive_timezone:
            try:
                ZoneInfo(self.naive_timezone)
            except (LookupError, ValueError, OSError):
                errors["naive_timezone"] = "No such time zone; expected one such as Europe/Berlin."
        if errors:
            raise ValidationError(errors)


class CollectionCursor(models.Model):
    """How far one table of one source has been read; moved in the transaction of its rows."""

    source = models.ForeignKey(FeedbackSource, on_delete=models.CASCADE, related_name="cursors")
    table = models.CharField(max_length=16, choices=Table)
    position_at = models.DateTimeField(
        null=True, help_text="created_at of the last row read, never later than the source's now."
    )
    position_id = models.TextField(blank=True, help_text="id of that row, as text.")
    changed_at = models.DateTimeField(
        null=True, help_text="Rows changed until then have been read, where the source says when."
    )
    starts_at = models.DateTimeField(
        null=True, help_text="Earlier rows were never asked for; empty: from the beginning."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "table"], name="collectioncursor_once")
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.table} at {self.position_at or 'the beginning'}"


class CollectionRunQuerySet(models.QuerySet["CollectionRun"]):
    """Questions about runs."""

    def complete(self) -> "CollectionRunQuerySet":
        """Runs that read all they were asked for."""
        return self.filter(state=CollectionRun.State.COMPLETE)


class CollectionRun(models.Model):
    """One reading of one table: what was found, and what became of every row."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        COMPLETE = "complete", "Complete"
        INCOMPLETE = "incomplete", "Incomplete: the source keeps rows from its user"
        REFUSED = "refused", "Refused: values wait for a mapping"
        FAILED = "failed", "Failed"
        INTERRUPTED = "interrupted", "Interrupted"
        REMOVING = "removing", "Being removed"

    source = models.ForeignKey(FeedbackSource, on_delete=models.CASCADE, related_name="runs")
    table = models.CharField(
        max_length=16, choices=Table, blank=True, help_text="Empty: the source did not answer."
    )
    job = models.ForeignKey(
        Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="feedback_runs"
    )
    state = models.CharField(max_length=11, choices=State, default=State.RUNNING)
    file_name = models.CharField(max_length=255, blank=True)
    columns = models.JSONField(
        default=dict, help_text="Known column to the one it was read from in this run."
    )
    mapping = models.JSONField(
        default=dict, blank=True, help_text="How the file was read: columns, scales, words, dates."
    )
    is_partial = models.BooleanField(
        default=False,
        help_text="Whether more of a column than 1 % could not be used, and that was accepted.",
    )
    window_start = models.DateTimeField(null=True, help_text="Rows from then on were read.")
    window_end = models.DateTimeField(null=True, help_text="Rows up to then were read.")
    row_limit = models.PositiveBigIntegerField(null=True, help_text="Most rows to go forward.")
    found = models.PositiveBigIntegerField(default=0)
    new = models.PositiveBigIntegerField(default=0)
    known = models.PositiveBigIntegerField("already known", default=0)
    changed = models.PositiveBigIntegerField(default=0)
    rejected = models.PositiveBigIntegerField(default=0)
    gone = models.PositiveBigIntegerField(
        "gone at the source", default=0, help_text="Known rows of the window that did not come."
    )
    source_count = models.PositiveBigIntegerField(
        null=True, help_text="The source's own count over the window, in the same snapshot."
    )
    remaining = models.PositiveBigIntegerField(
        default=0, help_text="Rows of the window that the limit left for the next run."
    )
    estimate = models.PositiveBigIntegerField(
        null=True, help_text="Rows of the whole table, as its server last estimated them."
    )
    hidden_by = models.TextField(
        blank=True, help_text="What keeps rows from the user of the source."
    )
    missing = models.JSONField(default=dict, help_text="Column to number of rows without it.")
    reasons = models.JSONField(default=dict, help_text="Reason to number of rejected rows.")
    notes = models.JSONField(default=list)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True)

    objects = CollectionRunQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(found=F("new") + F("known") + F("changed") + F("rejected")),
                name="collectionrun_every_row_accounted",
            )
        ]

    def __str__(self) -> str:
        return f"Run {self.pk} of {self.source} {self.table}".rstrip()

    @property
    def verdict(self) -> str:
        """Its state in a word, and of a complete one what its rows came to."""
        if self.state != self.State.COMPLETE:
            return str(self.state)
        if self.rejected:
            return "in part" if self.new or self.known or self.changed else "without effect"
        return str(self.state) if self.new or self.changed or self.gone else "nothing new"

    @property
    def is_reconciled(self) -> bool | None:
        """Whether all rows there are were accounted for; None where the source cannot count.

        Where the source keeps rows from its user, its count leaves out the same rows.
        """
        if self.source_count is None:
            return None
        return self.counts_agree and not self.hidden_by

    @property
    def counts_agree(self) -> bool:
        """Whether the rows found are those that the source counts for its user."""
        return self.found + self.remaining == self.source_count

    @property
    def duration_seconds(self) -> float | None:
        finished: datetime | None = self.finished_at
        return None if finished is None else (finished - self.started_at).total_seconds()
