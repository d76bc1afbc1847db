"""How long matching keeps rows that were refused."""

from datetime import datetime

from project.removal.retention import keeps


@keeps("rejected line", setting="KEEP_REJECTED_DAYS")
def remove_old_lines(until: datetime) -> int:
    """Remove lines of logs that were imported before."""
    from matching.services import removals

    return removals.remove_old_rejected(until)


@keeps("rejected profile row", setting="KEEP_REJECTED_DAYS")
def remove_old_profiles(until: datetime) -> int:
    """Remove rows of files that were imported before."""
    from matching.services import removals

    return removals.remove_old_profiles(until)
