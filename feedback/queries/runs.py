"""What a run of a collection or an import found."""

from typing import TypedDict

from feedback.models import CollectionRun


class RunFields(TypedDict):
    """A run as JSON; see `CollectionRun`."""

    run: int
    table: str
    state: str
    found: int
    new: int
    known: int
    changed: int
    rejected: int
    source_count: int | None
    remaining: int
    reconciled: bool | None
    reasons: dict[str, int]
    missing: dict[str, int]
    notes: list[str]
    error: str
    seconds: float | None


def describe_run(run: CollectionRun) -> RunFields:
    """Return what a run found, as JSON."""
    return {
        "run": run.pk,
        "table": run.table,
        "state": run.state,
        "found": run.found,
        "new": run.new,
        "known": run.known,
        "changed": run.changed,
        "rejected": run.rejected,
        "source_count": run.source_count,
        "remaining": run.remaining,
        "reconciled": run.is_reconciled,
        "reasons": run.reasons,
        "missing": run.missing,
        "notes": run.notes,
        "error": run.error,
        "seconds": run.duration_seconds,
    }
