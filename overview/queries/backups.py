"""What is known of backups: those that jobs have made, the schedule, and what to compare by."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypedDict

from django.conf import settings

from project.backup.manifest import Scored
from project.jobs.models import Job, Schedule
from project.refusal import Refusal

BACKUP_KIND: Final = "overview.make_backup"
SCHEDULE_NAME: Final = "backup"
PAIRS: Final = 50  # whose scores a restored installation has to repeat
TOLERANCE: Final = 1e-9  # a score in [0, 1] may differ by so much


class LastBackup(TypedDict):
    """The last backup that a job has made: where, when, bytes, seconds."""

    job: str
    name: str
    place: str
    made_at: datetime
    bytes: int
    files: int
    seconds: float


class BackupState(TypedDict):
    """What a page and `backup` without a place show; `every_days` is None while none is planned."""

    place: str
    last: LastBackup | None
    every_days: float | None
    cron: str
    keep: int | None
    next_at: datetime | None
    failed: str


def describe_backups() -> BackupState:
    """Say when the last backup was made by a job, and when the next one is due."""
    jobs = Job.objects.filter(kind=BACKUP_KIND)
    last = jobs.filter(state=Job.State.SUCCEEDED).order_by("-finished_at").first()
    newest = jobs.finished().order_by("-finished_at").first()
    schedule = current_schedule()
    is_on = schedule is not None and schedule.is_enabled
    has_failed = newest is not None and newest != last
    return {
        "place": settings.BACKUP_TO.partition("?")[0],
        "last": None if last is None else _last(last),
        "every_days": schedule.interval_seconds / 86_400
        if schedule is not None and is_on and schedule.interval_seconds
        else None,
        "cron": schedule.cron if schedule is not None and is_on else "",
        "keep": schedule.arguments.get("keep") if schedule is not None and is_on else None,
        "next_at": schedule.next_run_at if schedule is not None and is_on else None,
        "failed": newest.error if newest is not None and has_failed else "",
    }


def current_schedule() -> Schedule | None:
    """Return the schedule of backups, None where nobody ever switched it on."""
    return Schedule.objects.filter(name=SCHEDULE_NAME).first()


def sample_champion() -> tuple[str, tuple[Scored, ...]]:
    """Score up to 50 pairs drawn by lot; who answered, and nothing where nobody can be matched."""
    from training.queries.pairs import sample_scores  # pandas and scikit-learn

    try:
        _, pairs = sample_scores(PAIRS)
    except Refusal:
        return "", ()
    return score_now(pairs)


def score_now(pairs: Sequence[tuple[str, str]]) -> tuple[str, tuple[Scored, ...]]:
    """Score pairs as this installation does now, and say who answered."""
    from training.queries.pairs import score_pairs  # pandas and scikit-learn

    if not pairs:
        return "", ()
    scores = score_pairs(pairs)
    version = scores.serving.model_version
    return f"model {version}" if version else "the rules", tuple(
        Scored(left, right, float(score))
        for (left, right), score in zip(pairs, scores.score, strict=True)
    )


def _last(job: Job) -> LastBackup:
    result = job.result or {}
    return {
        "job": str(job.pk),
        "name": result["name"],
        "place": result["place"],
        "made_at": datetime.fromisoformat(result["made_at"]),
        "bytes": result["bytes"],
        "files": result["files"],
        "seconds": result["seconds"],
    }
