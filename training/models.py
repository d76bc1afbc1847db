"""Datasets, the models trained on them, and the history of what was live."""

from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.db import models
from django.db.models import Q

from matching.models import EventBatch
from project import clock
from project.origin import Origin
from project.storage.records import keeps_files

if TYPE_CHECKING:
    from training.domain.checks import CheckFields


class Verdict(models.TextChoices):
    """What a quality report or the gates of a model came to."""

    PASS = "pass", "Pass"
    WARN = "warn", "Warn"
    REFUSE = "refuse", "Refuse"


class DatasetQuerySet(models.QuerySet["Dataset"]):
    """Questions about datasets."""

    def of_kind(self, kind: str) -> "DatasetQuerySet":
        """Datasets of one model kind, newest first."""
        return self.filter(kind=kind).order_by("-version")


@keeps_files
class Dataset(models.Model):
    """Rows that were split, measured and written; it never changes afterwards.

    The row is inserted in the transaction that writes its folder, so a dataset is complete as soon
    as it can be seen. A database trigger refuses updates.
    """

    kind = models.CharField(max_length=60)
    version = models.PositiveIntegerField()
    origin = models.CharField(
        max_length=9, choices=[(one.value, one.value.capitalize()) for one in Origin]
    )
    real_rows = models.PositiveBigIntegerField(
        null=True, help_text="Rows that people made; empty of combined ones of before."
    )
    synthetic_rows = models.PositiveBigIntegerField(null=True, help_text="Rows that were drawn.")
    feature_set = models.CharField(max_length=20, blank=True)
    feature_revision = models.PositiveSmallIntegerField(
        default=1, help_text="Revision of the feature set that computed the features."
    )
    vocabulary = models.JSONField(
        default=dict,
        help_text="What words meant and how rare interests were; empty without such features, or "
        "for our own words alone.",
    )
    split = models.CharField(max_length=10)
    seed = models.BigIntegerField(default=0)
    recipe = models.JSONField(default=dict, help_text="What was asked and what it came to.")
    lineage = models.JSONField(default=list, help_text="The records the rows came from.")
    batches = models.ManyToManyField(EventBatch, blank=True, related_name="datasets")
    rows = models.PositiveBigIntegerField(default=0, help_text="Rows read, before any was dropped.")
    train_rows = models.PositiveBigIntegerField(default=0)
    validation_rows = models.PositiveBigIntegerField(default=0)
    dropped = models.JSONField(default=dict, help_text="Rows in neither part, by reason.")
    verdict = models.CharField(max_length=6, choices=Verdict)
    report = models.JSONField(default=dict, help_text="The quality report.")
    histograms = models.JSONField(
        default=dict, help_text="Column to {low, high, counts}, for the charts."
    )
    files = models.JSONField(default=dict, help_text="File name to {sha256, hmac_sha256, size}.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(default=clock.now)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "version"], name="dataset_version_once"),
        ]
        permissions = [
            ("build_dataset", "Can build datasets"),
            ("download_dataset", "Can download datasets"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} dataset {self.version}"

    @property
    def origin_words(self) -> str:
        """Where its rows come from, as everywhere."""
        return Origin(self.origin).said(self.real_rows, self.synthetic_rows)

    @property
    def folder(self) -> str:
        """Place of its files below the artefact root."""
        return f"datasets/{self.kind}/{self.version}"

    @property
    def checks(self) -> "list[CheckFields]":
        """The checks of the quality report."""
        return cast("list[CheckFields]", self.report.get("checks", []))


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    """Questions about models."""

    def of_kind(self, kind: str) -> "ModelVersionQuerySet":
        """Models of one kind, newest first."""
        return self.filter(kind=kind).order_by("-version")

    def champions(self) -> "ModelVersionQuerySet":
        """The live model of each kind."""
        return self.filter(stage=ModelVersion.Stage.CHAMPION)


@keeps_files
class ModelVersion(models.Model):
    """One trained model with everything that was measured on it.

    Only its stage changes after it was written; a database trigger refuses anything else.
    """

    class Stage(models.TextChoices):
        CANDIDATE = "candidate", "Candidate"
        CHAMPION = "champion", "Champion"
        ARCHIVED = "archived", "Archived"

    kind = models.CharField(max_length=60)
    version = models.PositiveIntegerField()
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="model_versions")
    stage = models.CharField(max_length=9, choices=Stage, default=Stage.CANDIDATE)
    feature_revision = models.PositiveSmallIntegerField(
        default=1, help_text="Revision of the feature set it was trained on."
    )
    vocabulary = models.JSONField(
        default=dict,
        help_text="What words meant and how rare interests were; empty without such features, or "
        "for our own words alone.",
    )
    inputs = models.JSONField(
        default=list,
        help_text="Names of its inputs, in order; empty before this was kept in the record.",
    )
    origin = models.CharField(
        max_length=9,
        blank=True,
        choices=[(one.value, one.value.capitalize()) for one in Origin],
        help_text="Of the rows it learnt from; empty before this was kept: that of its dataset.",
    )
    real_rows = models.PositiveBigIntegerField(null=True, help_text="Real rows it learnt from.")
    synthetic_rows = models.PositiveBigIntegerField(null=True, help_text="Drawn rows among them.")
    origins = models.JSONField(
        default=dict,
        help_text="Of a mixture: real rows alone, synthetic ones alone and both, on real rows.",
    )
    algorithm = models.CharField(max_length=40)
    parameters = models.JSONField(default=dict)
    seed = models.BigIntegerField(default=0)
    metrics = models.JSONField(default=dict)
    baselines = models.JSONField(default=dict)
    ceilings = models.JSONField(default=dict)
    importance = models.JSONField(default=dict)
    curves = models.JSONField(
        default=dict,
        help_text="What the charts of its validation rows are drawn from; empty before this was "
        "kept.",
    )
    gates = models.JSONField(default=list, help_text="The checks made after training.")
    comparisons = models.JSONField(default=dict, help_text="Paired differences behind the gates.")
    verdict = models.CharField(max_length=6, choices=Verdict)
    files = models.JSONField(default=dict, help_text="File name to {sha256, hmac_sha256, size}.")
    override_reason = models.TextField(
        blank=True, help_text="Why it was trained on a dataset that was refused."
    )
    override_by = models.CharField(max_length=150, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(default=clock.now)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "version"], name="model_version_once"),
            models.UniqueConstraint(
                fields=["kind"], condition=Q(stage="champion"), name="model_one_champion_of_a_kind"
            ),
        ]
        permissions = [
            ("train_model", "Can train models"),
            ("promote_model", "Can promote models and roll back"),
            ("export_model", "Can export and download models"),
            ("override_refusal", "Can override a refusal, with a reason"),
            ("rebuild_model", "Can run the whole rebuild"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} model {self.version}"

    @property
    def trained_on(self) -> Origin:
        """Origin of the rows that it learnt from; of models of before that of their dataset."""
        return Origin(self.origin or self.dataset.origin)

    @property
    def origin_words(self) -> str:
        """Where the rows that it learnt from come from, as everywhere."""
        return self.trained_on.said(self.real_rows, self.synthetic_rows)

    @property
    def folder(self) -> str:
        """Place of its files below the artefact root."""
        return f"models/{self.kind}/{self.version}"


class Promotion(models.Model):
    """What became live, when, by whom and why. Rows are only ever added."""

    class Action(models.TextChoices):
        PROMOTE = "promote", "Promoted"
        ROLLBACK = "rollback", "Rolled back"

    kind = models.CharField(max_length=60, db_index=True)
    action = models.CharField(max_length=8, choices=Action)
    # Without constraints: the history outlives the models that were removed.
    model = models.ForeignKey(
        ModelVersion,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="promotions",
        help_text="Live from now; it may have been removed since.",
    )
    version = models.PositiveIntegerField(default=0, db_default=0, help_text="Of the model.")
    previous = models.ForeignKey(
        ModelVersion,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        help_text="Live until now; it may have been removed since.",
    )
    previous_version = models.PositiveIntegerField(
        null=True, blank=True, help_text="Of the model that was live until now."
    )
    reason = models.TextField(blank=True)
    override_reason = models.TextField(blank=True, help_text="Why a refusal was set aside.")
    confirmation_reason = models.TextField(
        blank=True, help_text="How suspicious inputs are known before the answer."
    )
    gates = models.JSONField(default=list, help_text="The checks as they stood at this moment.")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    actor = models.CharField(
        max_length=150, help_text="Name of the person, kept when the account goes."
    )
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.kind} model {self.version}"


class ErasedFrom(models.Model):
    """A dataset that had seen people who were erased since: how many, and when the last was.

    It stands beside the dataset, which never changes but for texts that named them.
    """

    dataset = models.OneToOneField(Dataset, on_delete=models.CASCADE, related_name="erased")
    people = models.PositiveIntegerField(default=1)
    at = models.DateTimeField("last erased at", default=clock.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.people} erased from dataset {self.dataset_id}"
