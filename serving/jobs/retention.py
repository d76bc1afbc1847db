"""How long serving keeps what applications were answered."""

from datetime import datetime

from project.removal.retention import keeps


@keeps("score-log line", setting="KEEP_SCORES_DAYS")
def remove_old_scores(until: datetime) -> int:
    """Remove rows of the score log that are older."""
    from serving.services import retention

    return retention.remove_old_scores(until)
