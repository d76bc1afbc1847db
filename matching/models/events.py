"""Batches of match events, made from people or imported, and their events."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.functional import cached_property

from matching.domain.limits import LOG_PREFIX
from matching.domain.words import ALREADY_KNOWN, FeatureSet, MatchType, Outcome, Preset
from project import clock, words
from project.mappings.refused import RefusedRowQuerySet, RefusedTableRow
from project.origin import ROW_ORIGIN_CHOICES
from project.storage.blobs import Blob
from project.storage.records import names_blob
from project.tabular.mapping import TableMapping
from project.tabular.mend import Came, row_of


class RealField(models.FloatField):  # type: ignore[type-arg]  # no [] at run time
    """A four-byte float: features and probabilities need no more, and events are many."""

    def db_type(self, connection: Any) -> str:
        """Return PostgreSQL's name of the type."""
        return "real"

    def deconstruct(self) -> Any:
        """Keep the name under which the first migration knows the field."""
        name, _, args, kwargs = super().deconstruct()
        return name, "matching.models.RealField", args, kwargs


class EventBatchQuerySet(models.QuerySet["EventBatch"]):
    """Questions about batches."""

    def complete(self) -> "EventBatchQuerySet":
        """Batches whose events may be read."""
        return self.filter(state=EventBatch.State.COMPLETE)


@names_blob("population_file")
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
        REMOVING = "removing", "Being removed"

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
        help_text="Parquet of the travellers as they were, of batches before the store had it.",
    )
    population_file = models.CharField(
        max_length=64,
        blank=True,
        editable=False,
        db_default="",
        default="",
        help_text="SHA-256 of the parquet file of the travellers as they were, so that every chunk "
        "sees the same.",
    )
    population_sha256 = models.CharField(
        max_length=64, blank=True, help_text="Of who the travellers are, database ids left out."
    )
    erased_people = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="People of its population who were erased since: their events cannot be computed "
        "again.",
    )
    corrections = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Times that a later import replaced an event of it."
    )
    corrected_at = models.DateTimeField(null=True, blank=True, editable=False)
    merged_events = models.PositiveBigIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Its events that name somebody who was merged into somebody else since.",
    )
    merged_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(default=clock.now)
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
        return f"Batch {self.pk} ({self.get_origin_display()}, {words.tally(self.made, 'event')})"

    @property
    def blob(self) -> Blob:
        """The file of its population."""
        return Blob(self.population_file, title=f"The population of batch {self.pk}")

    @property
    def is_sent(self) -> bool:
        """Whether applications sent it, line by line: it has no file."""
        return "sent" in self.parameters

    @property
    def refused(self) -> int:
        """Lines of an import that could not be used; those that were known before are no fault."""
        if self.method != self.Method.IMPORTED:
            return 0
        parts = self.skipped.items()
        return sum(entry["count"] for reason, entry in parts if reason != ALREADY_KNOWN)

    @property
    def why_not_computed(self) -> str:
        """Why not all of its events can be computed again; empty where they can."""
        if not self.erased_people:
            return ""
        people = "1 person" if self.erased_people == 1 else f"{self.erased_people:,} people"
        verb = "was" if self.erased_people == 1 else "were"
        return (
            f"Cannot be recomputed: {people} of its population {verb} erased since. Events keep "
            "the features they have; with other formulas those of who was erased are left out."
        )

    @property
    def verdict(self) -> str:
        """Its state in a word, and of a complete one whether all that was asked for is there."""
        is_generated = self.method == self.Method.GENERATED
        lacks = self.made < self.asked if is_generated else self.refused > 0
        if self.state != self.State.COMPLETE or (self.made and not lacks):
            return self.get_state_display().lower()
        if self.made:
            return "in part"
        return "without effect" if lacks else "nothing new"

    @property
    def label_share(self) -> float | None:
        """Share of events with label 1, None while nothing is known."""
        outcomes = self.summary.get("outcomes") or {}
        total = sum(outcomes.values())
        taken_up = sum(outcomes[word] for word in Outcome if word.label) if total else 0
        return taken_up / total if total else None

    @cached_property
    def reading(self) -> TableMapping | None:
        """How the rows of its table were read; None for a log that is written as ours."""
        kept = self.parameters.get("reading")
        return None if kept is None else TableMapping.from_dict(kept["mapping"])

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


class RejectedEvent(RefusedTableRow):
    """A row of an event log or table that was not taken, and why.

    Written with COPY, never one by one. What would land with its correction keeps its line, and so
    its id among the events of the batch.
    """

    batch = models.ForeignKey(EventBatch, on_delete=models.CASCADE, related_name="rejected")
    line = models.PositiveBigIntegerField(help_text="Line number in the file, from 1.")

    objects = RefusedRowQuerySet.as_manager()

    class Meta:
        ordering = ["batch", "line"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "line"], name="rejectedevent_line_once")
        ]
        permissions = [("retry_rejectedevent", "Can retry rejected events")]

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"

    @property
    def came(self) -> Came:
        """The row by columns, or its text where it has none."""
        return row_of(self.text.strip().removeprefix(LOG_PREFIX))

    @property
    def reading(self) -> TableMapping | None:
        """How its table was read; None of a log that is written as ours."""
        return self.batch.reading


class EventChangeQuerySet(models.QuerySet["EventChange"]):
    """Questions about changes."""

    def to_batch(self, batch: EventBatch) -> "EventChangeQuerySet":
        """Changes of the events of one batch, whichever import brought them."""
        return self.filter(event_id__range=(batch.first_event_id, batch.last_event_id))


class EventChange(models.Model):
    """A line whose eventId was known and whose content was another: what stood there, what came.

    Both sides hold only the columns that differ. While its import goes on a change waits, and holds
    all that the line says; the events change when the import is complete, all of them together.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        REPLACED = "replaced", "Replaced"
        KEPT = "kept", "Kept as it was"

    event_id = models.BigIntegerField(db_index=True, help_text="The event: batch * 2**32 + row.")
    batch = models.ForeignKey(
        EventBatch,
        null=True,
        on_delete=models.SET_NULL,
        related_name="changes",
        help_text="The import that brought it; empty when that was deleted since.",
    )
    line = models.PositiveBigIntegerField(help_text="Line number in that file, from 1.")
    state = models.CharField(max_length=8, choices=State)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    by = models.CharField(max_length=200, help_text="Who imported it.")
    at = models.DateTimeField(default=clock.now)

    objects = EventChangeQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "line"], name="eventchange_line_once")
        ]
        indexes = [models.Index("state", name="eventchange_state")]

    def __str__(self) -> str:
        return f"Change of event {self.changed_batch_id}.{self.event_id & 0xFFFFFFFF}"

    @property
    def changed_batch_id(self) -> int:
        """Id of the batch whose event it is."""
        return int(self.event_id) >> EventBatch.ROW_BITS
