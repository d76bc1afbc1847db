"""Whether records that a dataset was built from were changed or removed at their source since."""

from typing import Any

import orjson
from django.contrib.postgres.fields import ArrayField
from django.db.models import IntegerField, QuerySet, TextField
from django.db.models.expressions import RawSQL

from feedback.domain.requirements import COLUMNS_UNREAD, TABLES_READ
from project import words
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

# A removal counts that was done since the record, which stayed, was read.
_REMOVED = """(
SELECT array_agg(DISTINCT g.title) FROM removal_receipt g
CROSS JOIN jsonb_array_elements(g.touches) AS touched(entry)
JOIN jsonb_array_elements(training_dataset.lineage) AS read(entry)
    ON read.entry->>'model' = touched.entry->>'model'
    AND read.entry->>'id' = touched.entry->>'id'
WHERE g.at > coalesce((read.entry->>'read_at')::timestamptz, training_dataset.created_at)
)"""


def with_changed_records(datasets: QuerySet[Dataset]) -> QuerySet[Dataset]:
    """Give each dataset `changed_records`: how many of its sources' records were changed since;
    and `removed_parts`: the titles of what was removed of its sources since, or None."""
    tables = orjson.dumps({table: list(read) for table, read in TABLES_READ.items()}).decode()
    return datasets.annotate(
        changed_records=RawSQL(  # noqa: S611 - no part of it comes from outside
            _CHANGED, [tables, list(COLUMNS_UNREAD)], output_field=IntegerField()
        ),
        removed_parts=RawSQL(_REMOVED, [], output_field=ArrayField(TextField())),  # noqa: S611
    )


def why_stale(dataset: Dataset) -> str:
    """Say why a dataset is stale, empty when it is not; nothing in it ever changes."""
    told = [*changed_feedback(dataset), *_changed_events(dataset), *erased_people(dataset)]
    if not told:
        return ""
    return (
        f"Stale: {'; '.join(told)}. Nothing in it changed; build it anew to learn from what they "
        "say now."
    )


def erased_people(dataset: Dataset) -> list[str]:
    """Say how many people were erased whom a dataset had seen."""
    mark = getattr(dataset, "erased", None)  # there is none of most
    if mark is None:
        return []
    return [f"{words.counted(mark.people, 'person was', 'people were')} erased since"]


def changed_feedback(dataset: Dataset) -> list[str]:
    """Say how many records of its sources were changed since a dataset was built from them."""
    if not any(entry.get("model") == "feedback.feedbacksource" for entry in dataset.lineage):
        return []
    counted: Any = dataset
    if not hasattr(dataset, "changed_records"):
        counted = with_changed_records(Dataset.objects.filter(pk=dataset.pk)).get()
    told = []
    if changed := counted.changed_records:
        records = "1 record" if changed == 1 else f"{changed:,} records"
        told.append(f"{records} of its sources were changed or removed there since it was built")
    if parts := counted.removed_parts:
        titles = words.listed([f"{part[:1].lower()}{part[1:]}" for part in parts])
        told.append(f"{titles} {'was' if len(parts) == 1 else 'were'} removed here since")
    return told


def _changed_events(dataset: Dataset) -> list[str]:
    """Say which events changed at their batch since a dataset was built of them."""
    return [told for batch in changes_by_batch(dataset).values() for told in batch]


def removed_batches(dataset: Dataset) -> list[int]:
    """Return the batches that a dataset was built of and that were removed since."""
    read = {one["id"] for one in dataset.lineage if one.get("model") == "matching.eventbatch"}
    return sorted(read - {batch.pk for batch in dataset.batches.all()})


def changes_by_batch(dataset: Dataset) -> dict[int, list[str]]:
    """Return by batch what happened to its events since a dataset was built of them.

    What was known of a batch when it was read stands in the lineage; datasets of before have
    batches that nothing had corrected.
    """
    entries = {
        entry["id"]: entry
        for entry in dataset.lineage
        if entry.get("model") == "matching.eventbatch"
    }
    batches = list(dataset.batches.all())
    found = {pk: [f"batch {pk} was removed since"] for pk in removed_batches(dataset)}
    for batch in batches:
        entry = entries.get(batch.pk, {})
        landed = batch.made - entry.get("events", batch.made)
        changed = batch.corrections - entry.get("corrections", 0)
        told = []
        if landed > 0:
            told.append(
                f"{words.tally(landed, 'line')} of batch {batch.pk} that "
                f"{words.bend(landed, 'was', 'were')} refused "
                f"{words.bend(landed, 'was', 'were')} mended and landed "
                "since"
            )
        if changed > 0:
            told.append(
                f"{words.tally(changed, 'change')} of events of batch {batch.pk} came with "
                "later imports, the "
                f"last on {words.moment(batch.corrected_at)}"
            )
        merged = batch.merged_events - entry.get("merged_events", 0)
        if merged > 0:
            told.append(
                f"{words.tally(merged, 'event')} of batch {batch.pk} "
                f"{words.bend(merged, 'names', 'name')} somebody who was merged into another "
                f"person since, the last on {words.moment(batch.merged_at)}"
            )
        if told:
            found[batch.pk] = told
    return found
