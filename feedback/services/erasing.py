"""Takes one person out of feedback: opinions stay as figures of nobody."""

from typing import Any, Final

from django.db import transaction

from feedback.models import FeedbackChange, QualityFeedback, Table
from feedback.queries.erasing import rows_of
from project.removal.erasing import Erasing

# Of an answer: what only its user wrote. The digest of the row stays, so that the same row is known
# when its source gives it again, and nothing of it comes back.
EMPTY: Final[dict[str, Any]] = {"feedback_text": "", "extra": None}


@transaction.atomic
def rewrite_feedback(erasing: Erasing) -> int:
    """Take name, text and conversation out of a person's answers; returns of how many."""
    rows = rows_of(erasing)
    uids = list(rows.values_list("uid", flat=True))
    changes = FeedbackChange.objects.filter(table=Table.QUALITY_FEEDBACK, uid__in=uids)
    for change in changes.iterator():
        sides = {
            side: {
                name: EMPTY.get(name, erasing.mentions.without(value, key=name))
                for name, value in getattr(change, side).items()
            }
            for side in ("before", "after")
        }
        FeedbackChange.objects.filter(pk=change.pk).update(**sides)
    said = erasing.replaced
    sessions = (
        rows.exclude(session_id="").order_by().values_list("session_id", flat=True).distinct()
    )
    for session in [one for one in sessions if one in said]:
        QualityFeedback.objects.filter(session_id=session).update(session_id=said[session])
    return int(rows.update(user_id=erasing.label, **EMPTY))
