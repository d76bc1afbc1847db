"""What people do to batches of events."""

from django.db import transaction

from matching.models import EventBatch, EventChange, MatchEvent
from matching.queries.batches import users_of
from project.refusal import Refusal


@transaction.atomic
def delete_batch(batch: EventBatch) -> int:
    """Delete a batch with its events and rejected lines; returns how many events there were.

    Refuses while something was made from it or a job writes it.
    """
    needed = users_of(batch)
    if needed:
        raise Refusal(
            f"Batch {batch.pk} is needed by {', '.join(needed)}.",
            remedy="Delete that first, or keep the batch.",
        )
    deleted, _ = MatchEvent.objects.of_batch(batch).delete()
    EventChange.objects.to_batch(batch).delete()
    batch.delete()
    return deleted


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
