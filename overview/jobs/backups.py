"""A backup as a job: it may be stopped at any file, and begins again where its worker died."""

import time
from typing import Any, Final

from overview.jobs.arguments import MakeBackup
from overview.services.backups import make_named_backup, remove_old_backups
from project.jobs.contract import Run

STAGES: Final = ("Back up", "Remove old backups")
REPORT_SECONDS: Final = 1.0  # between two lines of progress


def back_up(run: Run, asked: MakeBackup) -> dict[str, Any]:
    """Make the backup, then remove those beyond the number that stay."""
    run.plan(*STAGES)
    said_at = 0.0

    def tell(what: str, done: int, total: int | None) -> None:
        nonlocal said_at
        if time.monotonic() < said_at + REPORT_SECONDS:
            return
        said_at = time.monotonic()
        run.check()
        run.report(done, total, what)

    with run.stage(STAGES[0]):
        name, place, manifest = make_named_backup(
            asked_at=run.asked_at, job=str(run.job_id), tell=tell
        )
    with run.stage(STAGES[1]):
        removed = remove_old_backups(asked.keep, newest=name)
        for old in removed:
            run.log(f"Removed backup {old}.")
    return {
        "name": name,
        "place": place.title,
        "backup": str(manifest.id),
        "made_at": manifest.made_at.isoformat(),
        "bytes": manifest.size,
        "files": len(manifest.files),
        "rows": sum(manifest.tables.values()),
        "seconds": manifest.seconds,
        "removed": removed,
    }
