"""Takes exports out that were written before somebody was erased."""

from project.exports.models import Export
from project.jobs.contract import Run
from project.removal.contract import Counts
from project.removal.erasing import Erasing, counts_rows, erases


@erases("Exports", order=61)
def erase_exports(run: Run, erasing: Erasing) -> Counts:
    """Remove every export that is kept, whole or begun: it is a copy of rows as they were, and
    another is written by one click."""
    removed = run.once("exports", lambda: {"files": _remove()})
    return {"export": int(removed["files"])}


@counts_rows
def count_exports(erasing: Erasing) -> Counts:
    """Count the exports that would go."""
    return {"export": Export.objects.count()}


def _remove() -> int:
    count = Export.objects.count()
    Export.objects.all().delete()
    return count
