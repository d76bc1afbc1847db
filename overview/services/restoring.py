"""What a restored installation has to set right beyond its rows and files."""

from dataclasses import dataclass

from matching.models.live import ValkeyUnavailable
from matching.services.session_repairs import mend_copies, mend_records
from overview.queries.backups import TOLERANCE, score_now
from overview.services.erasing import erase_again
from project.backup.making import Tell, say_nothing
from project.backup.manifest import Manifest
from project.backup.restoring import Here, Restored, restore_backup
from project.jobs.services import give_back_running
from project.storage.place import Place


@dataclass(frozen=True)
class RestoredAll:
    """What was restored, and whether it answers as before.

    Attributes
    ----------
    restored : rows and files.
    sessions : live copies that were mended; None where Valkey did not answer.
    erased : people who were erased after the backup was made, and again now.
    jobs : those that ran when the backup was made, and wait anew.
    scores : pairs that were scored again; differing : of these, beyond 1e-9, or all
        where somebody else answered; largest : difference.
    served_by : who answered now.
    """

    restored: Restored
    sessions: int | None
    jobs: int
    erased: int
    scores: int
    differing: int
    largest: float
    served_by: str


def restore_installation(
    place: Place,
    manifest: Manifest,
    here: Here,
    *,
    is_checked: bool = False,
    tell: Tell = say_nothing,
) -> RestoredAll:
    """Restore a backup, give back what its running jobs had, mend live sessions, score again."""
    given: dict[str, int | None] = {}
    erased: set[str] = set()

    def finish() -> None:
        given["jobs"] = give_back_running(
            ended=manifest.job, why="It made the backup that this installation was restored from."
        )
        names = erase_again(since=manifest.made_at, tell=tell)
        erased.update(names)
        given["erased"] = len(names)
        tell("Repairing live sessions", 0, None)
        given["sessions"] = _mend_sessions()

    restored = restore_backup(
        place, manifest, here, finish=finish, is_checked=is_checked, tell=tell
    )
    tell("Scoring pairs again", 0, None)
    # Who was erased again is nobody to score.
    compared = [one for one in manifest.scores if not {one.left, one.right} & erased]
    served_by, scores = score_now([(one.left, one.right) for one in compared])
    gaps = [abs(before.score - now.score) for before, now in zip(compared, scores, strict=True)]
    return RestoredAll(
        restored=restored,
        sessions=given["sessions"],
        jobs=given["jobs"] or 0,
        erased=given["erased"] or 0,
        scores=len(gaps),
        differing=sum(not gap <= TOLERANCE for gap in gaps)
        if served_by == manifest.served_by
        else len(gaps),
        largest=max(gaps, default=0.0),
        served_by=served_by,
    )


def _mend_sessions() -> int | None:
    try:
        counts = mend_copies(mend_records(by=None))
    except ValkeyUnavailable:
        return None
    return (
        counts["restored"] + counts["rewritten"] + counts["updated_from_copy"] + counts["adopted"]
    )
