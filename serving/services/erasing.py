"""Takes one person out of what applications were answered."""

from django.db import transaction

from project.removal.erasing import Erasing
from serving.models import GivenAnswer, ScoredPair, WatchState
from serving.queries.erasing import answers_of, pairs_of


@transaction.atomic
def rewrite_score_log(erasing: Erasing) -> int:
    """Put a name of nobody into the score log; scores stay. Returns in how many rows."""
    rows = int(pairs_of(erasing).count())
    for column in ("left_id", "right_id"):
        pairs = ScoredPair.objects.filter(**{f"{column}__in": erasing.names})
        pairs.update(**{column: erasing.label})
    # Whose visit the watch saw last is kept as a digest: it reads on as after a new one.
    WatchState.objects.update(last_person="")
    return rows


@transaction.atomic
def remove_answers(erasing: Erasing) -> int:
    """Remove kept answers that mention the person; a request that comes again is answered anew."""
    return int(GivenAnswer.objects.filter(pk__in=answers_of(erasing)).delete()[0])
