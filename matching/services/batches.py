"""What people do to batches of events."""

from django.db import transaction

from matching.models import EventBatch, MatchEvent


def delete_batch(batch: EventBatch) -> int:
    """Delete a batch with its events and rejected lines; returns how many events there were."""
    with transaction.atomic():
        deleted, _ = MatchEvent.objects.of_batch(batch).delete()
        batch.delete()
    return deleted
