"""What collections and imports found, as their jobs report it."""

from typing import Literal, TypedDict, final

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
    gone: int
    source_count: int | None
    remaining: int
    reconciled: bool | None
    estimate: int | None
    hidden_by: str
    reasons: dict[str, int]
    missing: dict[str, int]
    notes: list[str]
    error: str
    seconds: float | None


class CollectedSource(TypedDict):
    """What a collection found at one source, table by table."""

    source: str
    tables: list[RunFields]


class HandedOut(TypedDict):
    """A source that another job collects from, and that job's id."""

    source: str
    job: str


class Collected(TypedDict):
    """What a collection found.

    `jobs` are those that it handed its sources out to; `synthetic` says that generated feedback
    stood in; `incomplete` are sources that keep rows from their user; `waiting` are those that were
    left out after failures, or because they were not due; `busy` those whose earlier job goes on.
    """

    sources: list[CollectedSource]
    jobs: list[HandedOut]
    synthetic: bool
    failed: list[str]
    incomplete: list[str]
    waiting: list[str]
    busy: list[str]
    new: int


def add_collected(collected: Collected, found: CollectedSource) -> None:
    """Add what was found at a source to what a collection found."""
    collected["sources"].append(found)
    tables = found["tables"]
    if any(table["state"] == CollectionRun.State.FAILED for table in tables):
        collected["failed"].append(found["source"])
    # A step that was done by an earlier version says nothing of it.
    if any(table.get("hidden_by") for table in tables):
        collected["incomplete"].append(found["source"])
    collected["new"] += sum(table["new"] for table in tables)


class RefusedLine(TypedDict):
    """A row of a file that does not land, and why."""

    line: int | None
    reason: str
    detail: str


@final
class ImportedFile(TypedDict):
    """What became of the rows of a file, and the first of them that were refused."""

    run: int
    found: int
    new: int
    known: int
    changed: int
    rejected: int
    reasons: dict[str, int]
    missing: dict[str, int]
    mapping: str
    notes: list[str]
    partial: bool
    errors: list[RefusedLine]


@final
class CountedReports(TypedDict):
    """Kinds of reports that were counted, of how many that were asked for, and of how many rows."""

    counted: list[str]
    reports: int
    rows: int


@final
class CheckedFile(TypedDict):
    """What would become of the rows of a file."""

    dry_run: Literal[True]
    found: int
    accepted: int
    rejected: int
    reasons: dict[str, int]
    mapping: str
    notes: list[str]
    errors: list[RefusedLine]


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
        "gone": run.gone,
        "source_count": run.source_count,
        "remaining": run.remaining,
        "reconciled": run.is_reconciled,
        "estimate": run.estimate,
        "hidden_by": run.hidden_by,
        "reasons": run.reasons,
        "missing": run.missing,
        "notes": run.notes,
        "error": run.error,
        "seconds": run.duration_seconds,
    }
