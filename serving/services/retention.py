"""Removes what applications were answered once it is old."""

from datetime import datetime
from typing import Final

from django.db import transaction

from serving.models import ScoredPair

CHUNK: Final = 50_000  # rows of one transaction


@transaction.atomic
def remove_old_scores(until: datetime) -> int:
    """Remove the next rows of the score log that are older than a moment."""
    keys = list(
        ScoredPair.objects.filter(at__lt=until).order_by("at").values_list("pk", flat=True)[:CHUNK]
    )
    rows = ScoredPair.objects.filter(pk__in=keys)
    return int(rows._raw_delete(rows.db)) if keys else 0
