"""What the jobs that span the apps are asked."""

from typing import Annotated

from pydantic import Field

from matching.domain.limits import DEFAULT_EVENTS, DEFAULT_SEED
from matching.domain.words import Preset
from matching.jobs.arguments import AskedMatchType, AskedPreset, EventCount
from overview.services.backups import DEFAULT_KEEP, MOST_KEPT
from project.jobs.contract import Arguments
from project.jobs.questions import Ask, Seed

PROMOTE_PERMISSION = "training.promote_model"


class RebuildModel(Arguments):
    """What the rebuild generates, and whether its model goes live."""

    count: EventCount = DEFAULT_EVENTS
    match_type: AskedMatchType = "user_user"
    preset: AskedPreset = Preset.BALANCED
    seed: Seed = DEFAULT_SEED
    promote: Annotated[
        bool,
        Field(description="Let a model that passes its gates go live."),
        Ask(permission=PROMOTE_PERMISSION),
    ] = True


class MakeBackup(Arguments):
    """How many backups stay; where they go stands in SEEDBED_BACKUP_TO alone."""

    keep: Annotated[
        int,
        Field(ge=1, le=MOST_KEPT, description="Backups that stay, this one among them."),
        Ask(unit="backups"),
    ] = DEFAULT_KEEP
