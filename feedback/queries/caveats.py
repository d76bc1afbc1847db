"""What has to be said beside any figure over the rows of these sources."""

from collections.abc import Sequence
from typing import Final

from feedback.models import CollectionRun, FeedbackSource, Table
from project import words

SHOWN_FILES: Final = 20
ROWS_OF: Final[dict[str, str]] = {
    Table.QUALITY_FEEDBACK: "ratings",
    Table.EXPLANATIONS: "explanations",
    Table.AB_TESTING: "test results",
}


def caveats_of(sources: Sequence[FeedbackSource]) -> list[str]:
    """Return sentences about rows that are not in what was collected, or not once."""
    return [
        *(
            f"{source.name}, {Table(table).label}: not all rows are here. {hidden_by}"
            for source in sources
            for table, hidden_by in sorted(source.hidden_by.items())
        ),
        *(said for source in sources for said in _shared(source, sources)),
        *partial_of(sources),
    ]


def partial_of(sources: Sequence[FeedbackSource]) -> list[str]:
    """Say of files that landed in part, as was asked, how much of them is not here."""
    runs = CollectionRun.objects.filter(
        source__in=sources, is_partial=True, state=CollectionRun.State.COMPLETE
    ).order_by("pk")
    return [
        f"{run.rejected:,} of {run.found:,} {ROWS_OF[run.table]} of "
        f"{run.file_name or run.source.name} are not in this: a column of them could not be used, "
        "and the rest was taken as asked."
        for run in runs.select_related("source")[:SHOWN_FILES]
    ]


def shared_of(source: FeedbackSource) -> list[str]:
    """Say of one source which rows it and other sources hold both."""
    sources = list(FeedbackSource.objects.all())
    own = str(source.pk)
    return [
        said
        for one in sources
        for said in _shared(one, sources)
        if one == source or any(own in shared for shared in one.shared.values())
    ]


def _shared(source: FeedbackSource, others: Sequence[FeedbackSource]) -> list[str]:
    names = {str(other.pk): other.name for other in others}
    return [
        f"{source.name}, {Table(table).label}: {words.tally(count, 'row')} "
        f"{words.bend(count, 'is', 'are')} those of {names[other]} too, by "
        "id and time; each is counted once."
        for table, shared in sorted(source.shared.items())
        for other, count in sorted(shared.items())
        if other in names
    ]
