"""Whether records that a dataset was built from were changed or removed at their source since."""

import orjson
from django.db.models import IntegerField, QuerySet
from django.db.models.expressions import RawSQL

from feedback.domain.requirements import COLUMNS_UNREAD, TABLES_READ
from training.models import Dataset

# A change counts where the record was there when the dataset was read, and the change was found
# later, in a table and a column that the frame of the dataset is read from.
_CHANGED = """(
SELECT count(DISTINCT c.uid) FROM jsonb_array_elements(training_dataset.lineage) AS read(entry)
JOIN feedback_feedbackchange c ON c.source_id = (entry->>'id')::bigint
    AND %s::jsonb -> (entry->>'table') @> to_jsonb(c."table")
    AND c.found_at > coalesce((entry->>'read_at')::timestamptz, training_dataset.created_at)
JOIN feedback_collectionrun r ON r.id = c.first_run_id
    AND r.started_at <= coalesce((entry->>'read_at')::timestamptz, training_dataset.created_at)
WHERE entry->>'model' = 'feedback.feedbacksource'
    AND (c.action IN ('gone', 'returned')
        OR c.action = 'replaced' AND c.before - %s::text[] <> '{}')
)"""


def with_changed_records(datasets: QuerySet[Dataset]) -> QuerySet[Dataset]:
    """Give each dataset `changed_records`: how many of its sources' records were changed since."""
    tables = orjson.dumps({table: list(read) for table, read in TABLES_READ.items()}).decode()
    return datasets.annotate(
        changed_records=RawSQL(  # noqa: S611 - no part of it comes from outside
            _CHANGED, [tables, list(COLUMNS_UNREAD)], output_field=IntegerField()
        )
    )


def why_stale(dataset: Dataset) -> str:
    """Say why a dataset is stale, empty when it is not; nothing in it ever changes."""
    found = with_changed_records(Dataset.objects.filter(pk=dataset.pk)).get()
    return describe_staleness(found.changed_records)  # type: ignore[attr-defined]  # annotated


def describe_staleness(changed: int) -> str:
    """Say that records were changed since a dataset was built from them."""
    if not changed:
        return ""
    records = "1 record" if changed == 1 else f"{changed:,} records"
    return (
        f"Stale: {records} of its sources were changed or removed there since it was built. "
        "Nothing in it changed; build it anew to learn from what they say now."
    )
