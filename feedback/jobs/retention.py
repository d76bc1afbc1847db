"""How long feedback keeps what people wrote, and rows that were refused."""

from datetime import datetime

from project.removal.retention import keeps


@keeps("answer text", setting="KEEP_TEXT_DAYS")
def empty_old_texts(until: datetime) -> int:
    """Take the text out of answers that are older; their figures stay."""
    from feedback.services import retention

    return retention.empty_old_texts(until)


@keeps("rejected feedback row", setting="KEEP_REJECTED_DAYS")
def remove_old_rejected(until: datetime) -> int:
    """Remove rows that were refused and did not come again since."""
    from feedback.services import retention

    return retention.remove_old_rejected(until)
