"""What there is in the score log of one person."""

from collections.abc import Iterator
from typing import Any, Final

from django.db.models import Q

from project.removal.erasing import Erasing
from serving.models import GivenAnswer, ScoredPair

READ: Final = 500  # answers that are kept, looked through together


def known_ids() -> Iterator[str]:
    """Yield every id that was scored."""
    for side in ("left_id", "right_id"):
        pairs = ScoredPair.objects.exclude(**{side: ""})
        yield from pairs.values_list(side, flat=True).distinct().order_by().iterator()


def pairs_of(erasing: Erasing) -> Any:
    """Return the pairs that were scored with a person on either side."""
    return ScoredPair.objects.filter(Q(left_id__in=erasing.names) | Q(right_id__in=erasing.names))


def answers_of(erasing: Erasing) -> list[Any]:
    """Return the keys of kept answers that mention a person."""
    kept = GivenAnswer.objects.values_list("pk", "name", "body").iterator(READ)
    return [
        pk
        for pk, name, body in kept
        if erasing.mentions.are_in(name)
        or erasing.mentions.are_in(bytes(body).decode(errors="replace"))
    ]


def count_answered(erasing: Erasing) -> dict[str, int]:
    """Count the rows of the score log that lose a name, and the kept answers that go."""
    return {
        "score-log line": pairs_of(erasing).count(),
        "kept response": len(answers_of(erasing)),
    }
