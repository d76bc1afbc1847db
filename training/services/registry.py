"""The registry: which model is live, how it got there, and the way back."""

import os
import shutil
import tempfile
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction

from project.audit.models import Act
from project.audit.services import record
from project.refusal import Refusal
from project.storage.artifacts import read_verified
from project.storage.failures import ArtifactCorrupt, ArtifactUnwritable, StoreAway, StoreRefused
from training.domain.checks import CheckFields
from training.domain.kind import ModelKind
from training.models import ModelVersion, Promotion, Verdict
from training.queries.comparisons import check_against
from training.queries.files import naming
from training.queries.models import champion_of, promote_command, suspects_of
from training.queries.promotions import UNSEEN, Shown, line_of_champions, who_decided
from training.queries.serviceable import verify_model
from training.services.overrides import claim_confirmation, claim_override
from training.services.versions import actor_name, lock_kind


@transaction.atomic
def promote(
    model: ModelVersion,
    *,
    by: User | None = None,
    reason: str = "",
    override_reason: str = "",
    confirm_inputs: str = "",
    shown: Shown = UNSEEN,
) -> Promotion:
    """Make a model live if its gates passed and it is not significantly worse than the champion.

    A model that replaces another one needs a reason. An override sets either refusal aside; it
    needs its permission and a reason of its own. Where an input is suspicious, somebody who may
    promote has to confirm it with a reason, override or not. Files that are not those written are
    never promoted. What was `shown` as live to who decides has to be live still: of two who decide
    at once the second is told of the first.
    """
    lock_kind("champion", model.kind)
    model = ModelVersion.objects.select_for_update().get(pk=model.pk)
    if model.stage == ModelVersion.Stage.CHAMPION:
        raise Refusal(
            f"{model} is the champion already. {who_decided(model.kind)}",
            remedy="There is nothing to do; see `models list`.",
        )
    champion = champion_of(model.kind)
    _require_as_shown(model.kind, champion, shown)
    _require_intact(model)
    override = claim_override(override_reason, by)
    confirmation = claim_confirmation(confirm_inputs, by)
    suspects = suspects_of(model)
    checks = list(model.gates)
    if champion is not None:
        checks.append(check_against(model, champion).as_dict())
    refused = [check for check in checks if check["verdict"] == Verdict.REFUSE]
    if refused and override is None:
        said = "; ".join(f"{check['name']}: {check['remedy']}" for check in refused)
        raise Refusal(
            f"{model} is not promoted, {len(refused)} of {len(checks)} gates refuse it: {said}",
            remedy="Train a better one, or promote with an override and a reason.",
            details={"model": model.version, "checks": refused},
        )
    if suspects and confirmation is None:
        raise _unconfirmed(model, suspects, champion)
    _require_reason(reason, champion)
    _switch(model, champion)
    record(Act.PROMOTION, by=by, about=model, detail=reason)
    if refused and override is not None:
        record(Act.OVERRIDE, by=by, about=model, detail=f"promoted: {override.reason}")
    if suspects and confirmation is not None:
        confirmed = f"confirmed {', '.join(suspects)}: {confirmation.reason}"
        record(Act.OVERRIDE, by=by, about=model, detail=confirmed)
    return Promotion.objects.create(
        kind=model.kind,
        action=Promotion.Action.PROMOTE,
        model=model,
        version=model.version,
        previous=champion,
        previous_version=None if champion is None else champion.version,
        reason=reason,
        override_reason=override.reason if refused and override is not None else "",
        confirmation_reason=confirmation.reason if suspects and confirmation is not None else "",
        gates=checks,
        by=by,
        actor=actor_name(by),
    )


def _unconfirmed(
    model: ModelVersion, suspects: dict[str, CheckFields], champion: ModelVersion | None
) -> Refusal:
    said = "; ".join(check["remedy"] for check in suspects.values())
    command = promote_command(
        model.kind, model.version, is_replacing=champion is not None, is_suspicious=True
    )
    return Refusal(
        f"{model} is not promoted, nobody has confirmed {', '.join(suspects)}: {said}",
        remedy=f"Build with --without {' '.join(suspects)} and train again, or where it is known "
        "before the answer let somebody who may promote confirm that, on the model's page or with "
        f"`manage.py {command}`.",
        details={"model": model.version, "checks": list(suspects.values())},
    )


@transaction.atomic
def rollback(
    kind: ModelKind, *, by: User | None = None, reason: str = "", shown: Shown = UNSEEN
) -> Promotion:
    """Make the champion before the present one live again; its files are verified first.

    What was `shown` as live, and as what comes back, has to be so still. It needs a reason.
    """
    lock_kind("champion", kind.name)
    champion = champion_of(kind.name)
    _require_as_shown(kind.name, champion, shown)
    line = line_of_champions(kind.name)
    if len(line) < 2:
        raise Refusal(
            f"There is no earlier champion of {kind.name} to return to.",
            remedy="Promote another version with `manage.py models promote VERSION --reason "
            "REASON`.",
        )
    previous = ModelVersion.objects.select_for_update().get(pk=line[-2])
    if shown.returns not in (None, previous.version):
        raise Refusal(
            f"Version {previous.version} would come back, not version {shown.returns}. "
            f"{who_decided(kind.name)}",
            remedy="Look at both, and decide again.",
        )
    _require_intact(previous)
    _require_reason(reason, champion)
    _switch(previous, champion)
    record(Act.ROLLBACK, by=by, about=previous, detail=reason)
    return Promotion.objects.create(
        kind=kind.name,
        action=Promotion.Action.ROLLBACK,
        model=previous,
        version=previous.version,
        previous=champion,
        previous_version=None if champion is None else champion.version,
        reason=reason,
        gates=previous.gates,
        by=by,
        actor=actor_name(by),
    )


def _require_reason(reason: str, champion: ModelVersion | None) -> None:
    """Refuse to replace what is live without a word why; the first model replaces nothing."""
    if champion is not None and not reason.strip():
        raise Refusal(
            f"Version {champion.version} of {champion.kind} is live, and no reason is given to "
            "replace it.",
            remedy="Say why, with --reason or on the page; it is kept with the promotion.",
        )


def _require_as_shown(kind: str, champion: ModelVersion | None, shown: Shown) -> None:
    """Refuse what was decided on while another version was live. The caller holds the lock."""
    live = 0 if champion is None else champion.version
    if shown.live in (None, live):
        return
    then = f"version {shown.live}" if shown.live else "none"
    raise Refusal(
        f"Nothing was changed: somebody else decided first. {who_decided(kind)} When you were "
        f"asked, {then} was live.",
        remedy=f"Look at version {live}, and decide again.",
        details={"live": live, "shown": shown.live},
    )


def export_model(model: ModelVersion, output: Path) -> list[Path]:
    """Write the verified files of a model into a new folder; nothing is ever overwritten."""
    output = output.expanduser()
    if os.path.lexists(output):  # a link to nothing is something too
        raise Refusal(
            f"{output} exists already; an export never overwrites.",
            remedy="Name a folder that is not there yet.",
        )
    if not output.parent.is_dir():
        raise Refusal(f"{output.parent} is no folder.", remedy="Make it, or choose another place.")
    if str(output) == "-":
        raise Refusal("A folder is expected, and - is stdout.", remedy="Name a folder.")
    try:
        _write_export(model, output)
    except OSError as error:
        raise ArtifactUnwritable(output, error) from error
    record(Act.EXPORT, about=model, detail=f"to {output}")
    return [output / name for name in model.files]


def _write_export(model: ModelVersion, output: Path) -> None:
    staging = Path(tempfile.mkdtemp(prefix=".export-", dir=output.parent))
    try:
        for name, digest in model.files.items():
            with naming(model):
                content = read_verified(model.folder, name, digest)
            (staging / name).write_bytes(content)
        staging.chmod(0o755)
        staging.rename(output)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _require_intact(model: ModelVersion) -> None:
    try:
        verify_model(model)
    except (StoreAway, StoreRefused):
        raise
    except ArtifactCorrupt as error:
        raise Refusal(f"{model} cannot go live: {error.message}", remedy=error.remedy) from error


def _switch(model: ModelVersion, champion: ModelVersion | None) -> None:
    """Change the stages; the constraint allows one champion, so the old one goes first."""
    if champion is not None:
        ModelVersion.objects.filter(pk=champion.pk).update(stage=ModelVersion.Stage.ARCHIVED)
    ModelVersion.objects.filter(pk=model.pk).update(stage=ModelVersion.Stage.CHAMPION)
    model.stage = ModelVersion.Stage.CHAMPION
