"""How a kind of foreign table is read: the record that is proposed, confirmed and taken again."""

from django.conf import settings
from django.db import models
from simple_history.models import HistoricalRecords

from project import clock
from project.acting import ACTOR_LENGTH, ActedHistory, current_user
from project.tabular.mapping import TableMapping
from project.uploads.models import NAME_LENGTH

PREVIEW_ROWS = 10


class ImportMappingQuerySet(models.QuerySet["ImportMapping"]):
    """Mappings by what they are for."""

    def confirmed(self) -> "ImportMappingQuerySet":
        return self.filter(confirmed_at__isnull=False)

    def for_table(self, door: str, signature: str) -> "ImportMappingQuerySet":
        """Confirmed ones of tables with these columns, the newest first."""
        return self.confirmed().filter(door=door, signature=signature).order_by("-version")


class ImportMapping(models.Model):
    """Which column is which field, and what its values mean.

    It is proposed by a job from a table, and used once a person confirms it; then again for every
    table of that door that has the same columns. A changed one is a new version.
    """

    name = models.CharField(
        max_length=80, unique=True, help_text="By which commands take it: --mapping NAME."
    )
    door = models.CharField(max_length=60, help_text="What the rows are.")
    signature = models.CharField(
        max_length=64, db_index=True, help_text="Digest of the names of the columns."
    )
    version = models.PositiveIntegerField(default=1)
    header = models.JSONField(default=list, help_text="The columns of the table.")
    mapping = models.JSONField(help_text="Column by field, with scale, words and dates.")
    proposed = models.JSONField(
        default=dict,
        blank=True,
        help_text="The same as proposed, before a person changed it.",
    )
    applied = models.JSONField(default=list, help_text="What only names.")
    changes = models.JSONField(default=list, help_text="What changes values.")
    ignored = models.JSONField(default=list, help_text="Columns that are no field.")
    preview = models.JSONField(default=list, help_text="Rows before and after.")
    file_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    kind = models.CharField(max_length=100, blank=True, help_text="The job that proposed it.")
    arguments = models.JSONField(default=dict, help_text="What that job was asked.")
    proposed_by = models.CharField(max_length=ACTOR_LENGTH)
    proposed_at = models.DateTimeField(default=clock.now)
    confirmed_by = models.CharField(max_length=ACTOR_LENGTH, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )

    history = HistoricalRecords(bases=[ActedHistory], get_user=current_user)
    objects = ImportMappingQuerySet.as_manager()

    class Meta:
        ordering = ["-proposed_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["door", "signature", "version"], name="one_mapping_of_a_version"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_confirmed(self) -> bool:
        """Whether a person has said yes to it."""
        return self.confirmed_at is not None

    @property
    def as_proposed(self) -> TableMapping | None:
        """The mapping before a person changed it; None of one that nothing proposed."""
        return TableMapping.from_dict(self.proposed) if self.proposed else None

    @property
    def table(self) -> TableMapping:
        """The mapping itself."""
        return TableMapping.from_dict(self.mapping)
