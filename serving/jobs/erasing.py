"""What serving does about a person who is erased."""

from project.jobs.contract import Run
from project.removal.contract import Counts
from project.removal.erasing import Erasing, counts_rows, erases, names_people
from project.removal.sweep import leaves_out
from serving.queries.erasing import count_answered, known_ids

leaves_out("serving.scoredpair", "serving.watchstate", "serving.watchedstream")
names_people(known_ids)
counts_rows(count_answered)


@erases("Score log and kept answers", order=50)
def erase_scores(run: Run, erasing: Erasing) -> Counts:
    """Put a name of nobody into the score log, and remove kept answers that mention the person."""
    from serving.services import erasing as service

    rows = run.once("score log", lambda: {"rows": service.rewrite_score_log(erasing)})["rows"]
    kept = run.once("answers", lambda: {"rows": service.remove_answers(erasing)})["rows"]
    return {"score-log line": int(rows), "kept response": int(kept)}
