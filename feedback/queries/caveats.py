"""What has to be said beside any figure over the rows of these sources."""

from collections.abc import Iterable

from feedback.models import FeedbackSource, Table


def caveats_of(sources: Iterable[FeedbackSource]) -> list[str]:
    """Return sentences about rows that are not in what was collected, or not once."""
    return [
        f"{source.name}, {Table(table).label}: not all rows are here. {hidden_by}"
        for source in sources
        for table, hidden_by in sorted(source.hidden_by.items())
    ]
