"""Notices rows that two sources hold: each is counted once, for the source that was added first."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import connection, transaction

from feedback.models import CollectionCursor, CollectionRun, FeedbackSource, model_of

ROUNDING = timedelta(seconds=1)  # as in the statement below

# The same id and time are the same row; a time that was rounded, as in a file, asks for the same
# response too. A view may leave the id out: then the response and the time say which row it is.
_MARK = """
WITH counted AS (
    SELECT uid, source_id, external_id, response_id, created_at, gone_at, also_in FROM {table}
    WHERE source_id = ANY(%(sources)s) {since}
), pairs AS (
    SELECT b.uid, a.source_id FROM counted a JOIN counted b ON a.external_id = b.external_id
    WHERE a.external_id <> '' AND a.source_id < b.source_id AND a.gone_at IS NULL
        AND (a.created_at = b.created_at OR (a.response_id <> '' AND a.response_id = b.response_id
            AND a.created_at - b.created_at BETWEEN '-1 second' AND '1 second'))
UNION
    SELECT b.uid, a.source_id FROM counted a
    JOIN counted b ON a.response_id = b.response_id AND a.created_at = b.created_at
    WHERE a.response_id <> '' AND a.source_id < b.source_id AND a.gone_at IS NULL
        AND (a.external_id = '' OR b.external_id = '')
), found AS (
    SELECT uid, array_agg(source_id ORDER BY source_id) AS also FROM pairs GROUP BY uid
)
UPDATE {table} t SET also_in = c.also FROM (
    SELECT counted.uid, found.also FROM counted LEFT JOIN found USING (uid)
    WHERE counted.also_in IS DISTINCT FROM found.also
) c WHERE t.uid = c.uid
"""


@transaction.atomic
def mark_shared_rows(run: CollectionRun, *, since: datetime | None = None) -> None:
    """Mark rows that another source holds too, after a run that added or lost some.

    `since` is a time before which the run touched no row. Real sources alone are compared: what
    was generated is nobody's row.
    """
    sources = list(FeedbackSource.objects.real().values_list("pk", flat=True))
    marked = model_of(run.table).objects.filter(also_in__isnull=False)
    if len(sources) < 2 and not marked.exists():  # they were, while the other source was there
        return
    # The lock under which rows land, of every source: neither side waits for a row of the other.
    list(CollectionCursor.objects.select_for_update().filter(table=run.table).order_by("pk"))
    table = model_of(run.table)._meta.db_table
    is_news = _mark(table, sources, since)
    if is_news and since is not None:
        # The first rows that are found to be shared say that the earlier ones may be so too.
        _mark(table, sources, None)
    if is_news:
        _remember(run.table, table)


def _mark(table: str, sources: list[int], since: datetime | None) -> bool:
    """Mark rows made since a time; tells whether anything is otherwise than it was marked."""
    query = _MARK.format(table=table, since="AND created_at >= %(since)s" if since else "")
    asked = {"sources": sources, "since": since - ROUNDING if since else None}
    with connection.cursor() as cursor:
        cursor.execute(query, asked)
        return bool(cursor.rowcount)


def _remember(table: str, name: str) -> None:
    """Write on each source with whom it shares how many rows."""
    counts: dict[int, dict[str, int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT source_id, other, count(*) FROM {name}, unnest(also_in) AS other "  # noqa: S608 - a name of our own
            "WHERE gone_at IS NULL GROUP BY 1, 2"
        )
        for source, other, count in cursor.fetchall():
            counts.setdefault(source, {})[str(other)] = count
    for source in FeedbackSource.objects.select_for_update().order_by("pk"):
        shared: Mapping[str, dict[str, int]] = {**source.shared, table: counts.get(source.pk, {})}
        kept = {one: others for one, others in shared.items() if others}
        if kept != source.shared:
            # By update: what was found is no edit that the history of the source should show.
            FeedbackSource.objects.filter(pk=source.pk).update(shared=kept)
