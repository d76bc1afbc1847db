"""Removes what people wrote, and rows that were refused, once they are old."""

from datetime import datetime
from typing import Final

from django.db import transaction

from feedback.models import FeedbackChange, QualityFeedback, RejectedRecord

CHUNK: Final = 20_000  # rows of one transaction


@transaction.atomic
def empty_old_texts(until: datetime) -> int:
    """Leave of the next old answers the figures: what was written goes, from changes too."""
    old = QualityFeedback.objects.filter(created_at__lt=until).exclude(feedback_text="")
    uids = list(old.order_by("pk").values_list("pk", flat=True)[:CHUNK])
    if not uids:
        return 0
    for change in FeedbackChange.objects.filter(uid__in=uids).iterator():
        for side in (change.before, change.after):
            if "feedback_text" in side:
                side["feedback_text"] = ""
        rows = FeedbackChange.objects.filter(pk=change.pk)
        rows.update(before=change.before, after=change.after)
    return int(QualityFeedback.objects.filter(pk__in=uids).update(feedback_text=""))


@transaction.atomic
def remove_old_rejected(until: datetime) -> int:
    """Remove the next rows that were refused and did not come again since a moment."""
    old = RejectedRecord.objects.filter(last_seen_at__lt=until).order_by("pk")
    keys = list(old.values_list("pk", flat=True)[:CHUNK])
    rows = RejectedRecord.objects.filter(pk__in=keys)
    return int(rows._raw_delete(rows.db)) if keys else 0
