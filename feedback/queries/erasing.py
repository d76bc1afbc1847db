"""What there is in feedback of one person."""

from collections.abc import Iterator
from typing import Any, Final

from feedback.models import QualityFeedback
from project.removal.erasing import Erasing

LEAST_TEXT: Final = 12  # characters of what somebody wrote that is looked for elsewhere
MOST_TEXTS: Final = 500  # of the newest; the rows themselves lose every one


def known_ids() -> Iterator[str]:
    """Yield every id by which somebody answered."""
    given = QualityFeedback.objects.exclude(user_id="")
    yield from given.values_list("user_id", flat=True).distinct().order_by().iterator()


def rows_of(erasing: Erasing) -> Any:
    """Return the quality feedback that a person gave."""
    return QualityFeedback.objects.filter(user_id__in=erasing.names)


def texts_of(erasing: Erasing) -> list[str]:
    """Return what a person wrote, where it is long enough to tell and nobody else wrote it too."""
    own = rows_of(erasing).exclude(feedback_text="").order_by("-created_at")
    written = own.values_list("feedback_text", flat=True)[:MOST_TEXTS]
    texts = {text for text in written if len(text) >= LEAST_TEXT}
    others = QualityFeedback.objects.filter(feedback_text__in=texts)
    others = others.exclude(user_id__in=erasing.names)
    return sorted(texts - set(others.values_list("feedback_text", flat=True)))


def sessions_of(erasing: Erasing) -> dict[str, str]:
    """Return what stands for each conversation of a person that nobody else was in."""
    own = rows_of(erasing).exclude(session_id="")
    found = set(own.order_by().values_list("session_id", flat=True).distinct())
    others = QualityFeedback.objects.filter(session_id__in=found)
    shared = others.exclude(user_id__in=[*erasing.names, ""])
    found -= set(shared.order_by().values_list("session_id", flat=True).distinct())
    return {name: f"{erasing.label}-s{place + 1}" for place, name in enumerate(sorted(found))}


def count_feedback(erasing: Erasing) -> dict[str, int]:
    """Count the answers that lose their name and text."""
    return {"emptied answer": rows_of(erasing).count()}
