"""Ends batches of events that will not be whole."""

from matching.models import EventBatch, MatchEvent


def discard_batch(batch: EventBatch) -> None:
    """Remove a batch that this run has opened, with its events: of a log that is refused."""
    abandon_batch(batch)
    batch.delete()


def abandon_batch(batch: EventBatch) -> None:
    """Remove what a stopped job had made of a batch; the batch stays, and says so."""
    MatchEvent.objects.of_batch(batch).delete()
    batch.rejected.all().delete()
    batch.changes.all().delete()  # they waited: nothing was changed yet
    batch.state = EventBatch.State.ABANDONED
    batch.save(update_fields=["state"])
