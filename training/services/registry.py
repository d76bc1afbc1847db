"""The registry: which model is live, how it got there, and the way back."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from django.contrib.auth.models import User
from django.db import transaction

from project.measure.hashing import hash_rows
from project.measure.paired import PairedDifference, PairedMetric, paired_bootstrap
from project.refusal import Refusal
from project.storage.artifacts import ArtifactCorrupt, read_verified
from training.domain.checks import Check
from training.kinds import ModelKind, get_kind
from training.models import ModelVersion, Promotion, Verdict
from training.queries.loading import LoadedModel, load_model, verify_model
from training.services.datasets import read_part
from training.services.overrides import claim_override
from training.services.training import predict, resampling_groups
from training.services.versions import actor_name, lock_kind

# Fewer rows that the champion was not trained on decide nothing.
MINIMUM_COMPARED_ROWS = 30
COMPARISON_SEED = 20_260_101  # the same two models on the same rows always compare alike


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows; `difference` is None where they cannot be compared."""

    rows: int
    difference: PairedDifference | None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        difference = None if self.difference is None else self.difference.as_dict()
        return {"rows": self.rows, "difference": difference, "note": self.note}


def find_model(kind: ModelKind, version: int) -> ModelVersion:
    """Return a model by version; a Refusal names those there are."""
    models = ModelVersion.objects.of_kind(kind.name).select_related("dataset")
    model = models.filter(version=version).first()
    if model is None:
        versions = [str(number) for number in models.values_list("version", flat=True)[:20]]
        raise Refusal(
            f"There is no model {version} of {kind.name}.",
            remedy=f"There are: {', '.join(versions)}."
            if versions
            else f"Train one with `manage.py train_model --kind {kind.name}`.",
        )
    return model


def champion_of(kind: str) -> ModelVersion | None:
    """Return the live model of a kind."""
    return ModelVersion.objects.champions().filter(kind=kind).select_related("dataset").first()


@transaction.atomic
def promote(
    model: ModelVersion,
    *,
    by: User | None = None,
    reason: str = "",
    override_reason: str = "",
) -> Promotion:
    """Make a model live if its gates passed and it is not significantly worse than the champion.

    An override sets either refusal aside; it needs its permission and a reason. Files that are
    not those written are never promoted, override or not.
    """
    lock_kind("champion", model.kind)
    model = ModelVersion.objects.select_for_update().get(pk=model.pk)
    if model.stage == ModelVersion.Stage.CHAMPION:
        raise Refusal(
            f"{model} is the champion already.", remedy="There is nothing to do; see `models list`."
        )
    _require_intact(model)
    champion = champion_of(model.kind)
    override = claim_override(override_reason, by)
    checks = list(model.gates)
    if champion is not None:
        checks.append(_champion_check(model, champion).as_dict())
    refused = [check for check in checks if check["verdict"] == Verdict.REFUSE]
    if refused and override is None:
        said = "; ".join(f"{check['name']}: {check['remedy']}" for check in refused)
        raise Refusal(
            f"{model} is not promoted, {len(refused)} of {len(checks)} gates refuse it: {said}",
            remedy="Train a better one, or promote with an override and a reason.",
            details={"model": model.version, "checks": refused},
        )
    _switch(model, champion)
    return Promotion.objects.create(
        kind=model.kind,
        action=Promotion.Action.PROMOTE,
        model=model,
        previous=champion,
        reason=reason,
        override_reason=override.reason if refused and override is not None else "",
        gates=checks,
        by=by,
        actor=actor_name(by),
    )


@transaction.atomic
def rollback(kind: ModelKind, *, by: User | None = None, reason: str = "") -> Promotion:
    """Make the champion before the present one live again; its files are verified first."""
    lock_kind("champion", kind.name)
    line = _line_of_champions(kind.name)
    if len(line) < 2:
        raise Refusal(
            f"There is no earlier champion of {kind.name} to return to.",
            remedy="Promote another version with `manage.py models promote VERSION`.",
        )
    previous = ModelVersion.objects.select_for_update().get(pk=line[-2])
    _require_intact(previous)
    champion = champion_of(kind.name)
    _switch(previous, champion)
    return Promotion.objects.create(
        kind=kind.name,
        action=Promotion.Action.ROLLBACK,
        model=previous,
        previous=champion,
        reason=reason,
        gates=previous.gates,
        by=by,
        actor=actor_name(by),
    )


def compare(candidate: ModelVersion, other: ModelVersion) -> Comparison:
    """Compare two models on the candidate's validation rows, by paired bootstrap.

    Rows whose inputs stand in the training part of the other model are left out: it has seen
    their answers.
    """
    if candidate.kind != other.kind:
        raise Refusal(
            f"{candidate} and {other} are of different kinds.",
            remedy="Compare two versions of one kind.",
        )
    kind = get_kind(candidate.kind)
    mine, theirs = candidate.dataset, other.dataset
    if mine.feature_set != theirs.feature_set:
        return Comparison(
            0, None, f"{candidate} reads {mine.feature_set}, {other} reads {theirs.feature_set}."
        )
    rows = read_part(mine, "val")
    if mine.pk != theirs.pk:
        seen = read_part(theirs, "train", columns=_present(kind, other))
        rows = rows[~_stands_in(kind, rows, seen)]
    if len(rows) < MINIMUM_COMPARED_ROWS:
        return Comparison(
            len(rows),
            None,
            f"Only {len(rows)} validation rows of {candidate} are new to {other}; "
            f"{MINIMUM_COMPARED_ROWS} are needed.",
        )
    difference = _paired(kind, mine.split, rows, load_model(candidate), load_model(other))
    return Comparison(len(rows), difference)


def export_model(model: ModelVersion, output: Path) -> list[Path]:
    """Write the verified files of a model into a new folder; nothing is ever overwritten."""
    output = output.expanduser()
    if output.exists():
        raise Refusal(
            f"{output} exists already; an export never overwrites.",
            remedy="Name a folder that is not there yet.",
        )
    if not output.parent.is_dir():
        raise Refusal(f"{output.parent} is no folder.", remedy="Make it, or choose another place.")
    staging = Path(tempfile.mkdtemp(prefix=".export-", dir=output.parent))
    try:
        for name, digest in model.files.items():
            (staging / name).write_bytes(read_verified(model.folder, name, digest))
        staging.chmod(0o755)
        staging.rename(output)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return [output / name for name in model.files]


def _require_intact(model: ModelVersion) -> None:
    try:
        verify_model(model)
    except ArtifactCorrupt as error:
        raise Refusal(
            f"{model} cannot go live: {error}", remedy="Choose another version, or train again."
        ) from error


def _champion_check(model: ModelVersion, champion: ModelVersion) -> Check:
    """Hold a candidate against the champion; what cannot be compared warns and says why."""
    name, target = "against_champion", "not significantly worse than the champion"
    try:
        comparison = compare(model, champion)
    except ArtifactCorrupt as error:
        comparison = Comparison(0, None, f"A file is not what was written: {error}")
    difference = comparison.difference
    if difference is None:
        return Check(name, None, 0.0, target, "warn", f"Not compared: {comparison.note}")
    worse = difference.verdict == "worse"
    remedy = (
        f"{difference.metric} differs from that of version {champion.version} by "
        f"{difference.difference:+.4f} (95 % interval {difference.low:+.4f} to "
        f"{difference.high:+.4f}) on {comparison.rows} rows: keep the champion."
    )
    return Check(
        name,
        difference.difference,
        0.0,
        target,
        "refuse" if worse else "pass",
        remedy if worse else "",
    )


def _paired(
    kind: ModelKind, split: str, rows: pd.DataFrame, a: LoadedModel, b: LoadedModel
) -> PairedDifference:
    metric: PairedMetric = "roc_auc" if kind.task == "classification" else "squared_error"
    return paired_bootstrap(
        predict(kind, a.estimator, rows),
        predict(kind, b.estimator, rows),
        rows[kind.target].to_numpy(dtype=np.float64),
        metric,
        np.random.default_rng(COMPARISON_SEED),
        groups=resampling_groups(kind.held_out_by(split), rows),
    )


def _present(kind: ModelKind, model: ModelVersion) -> list[str]:
    known = model.dataset.report.get("features", {})
    return [name for name in kind.features if name in known]


def _stands_in(kind: ModelKind, rows: pd.DataFrame, seen: pd.DataFrame) -> "np.ndarray[Any, Any]":
    shared = [name for name in kind.features if name in rows and name in seen]
    if not shared or not len(seen):
        return np.zeros(len(rows), dtype=np.bool_)
    # Text is fingerprinted by codes that hold within one column, so both frames are one here.
    both = pd.concat([seen[shared], rows[shared]], ignore_index=True)
    hashes = hash_rows([both[name] for name in shared])
    return np.isin(hashes[len(seen) :], hashes[: len(seen)])


def _switch(model: ModelVersion, champion: ModelVersion | None) -> None:
    """Change the stages; the constraint allows one champion, so the old one goes first."""
    if champion is not None:
        ModelVersion.objects.filter(pk=champion.pk).update(stage=ModelVersion.Stage.ARCHIVED)
    ModelVersion.objects.filter(pk=model.pk).update(stage=ModelVersion.Stage.CHAMPION)
    model.stage = ModelVersion.Stage.CHAMPION


def _line_of_champions(kind: str) -> list[int]:
    """Ids of the champions in the order they went live, without those that were rolled back."""
    line: list[int] = []
    for action, model in (
        Promotion.objects.filter(kind=kind).order_by("id").values_list("action", "model_id")
    ):
        if action == Promotion.Action.PROMOTE:
            line.append(model)
        else:
            line.pop()
    return line
