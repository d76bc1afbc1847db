"""Job kinds that span the apps. Their work is imported when it is done: it loads pandas."""

from typing import Any

from matching.jobs import discard_generation
from overview.jobs.arguments import MakeBackup, RebuildModel
from overview.jobs.sayings import say_backed_up, say_rebuilt, say_tidied
from overview.queries.backups import BACKUP_KIND
from project.jobs.contract import Arguments, Run, job
from project.removal.retention import TIDY_KIND, remove_old


@job(
    "overview.rebuild_model",
    title="Rebuild the matching model",
    permission="training.rebuild_model",
    says=say_rebuilt,
    arguments=RebuildModel,
    cleanup=discard_generation,
)
def rebuild_matching_model(run: Run, asked: RebuildModel) -> dict[str, Any]:
    """Go every step from profiles to a model, and promote it where that is asked."""
    from overview.jobs.rebuild import rebuild

    return rebuild(run, asked)


@job(
    BACKUP_KIND,
    title="Make a backup",
    permission="storage.make_backup",
    says=say_backed_up,
    arguments=MakeBackup,
)
def make_backup(run: Run, asked: MakeBackup) -> dict[str, Any]:
    """Copy database and files to SEEDBED_BACKUP_TO, then remove the oldest backups there."""
    from overview.jobs.backups import back_up

    return back_up(run, asked)


@job(
    TIDY_KIND,
    title="Remove what is older than it is kept",
    permission="removal.apply_retention",
    says=say_tidied,
)
def tidy(run: Run, asked: Arguments) -> dict[str, Any]:
    """Remove texts, refused rows and lines of the score log that settings say are too old."""
    return remove_old(run)
