"""What there is in the score log of one person."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Q

from project.removal.erasing import Erasing
from serving.models import ScoredPair


def known_ids() -> Iterator[str]:
    """Yield every id that was scored."""
    for side in ("left_id", "right_id"):
        pairs = ScoredPair.objects.exclude(**{side: ""})
        yield from pairs.values_list(side, flat=True).distinct().order_by().iterator()


def pairs_of(erasing: Erasing) -> Any:
    """Return the pairs that were scored with a person on either side."""
    return ScoredPair.objects.filter(Q(left_id__in=erasing.names) | Q(right_id__in=erasing.names))


def count_pairs(erasing: Erasing) -> dict[str, int]:
    """Count the rows of the score log that lose a name."""
    return {"score-log line": pairs_of(erasing).count()}
