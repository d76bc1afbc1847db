"""What feedback does about a person who is erased."""

from feedback.queries import erasing as queries
from project.jobs.contract import Run
from project.removal.contract import Counts
from project.removal.erasing import Erasing, counts_rows, erases, finds_texts, names_people
from project.removal.sweep import rows_go

rows_go("feedback.rejectedrecord", "rejected row")
names_people(queries.known_ids)
finds_texts(queries.texts_of)
counts_rows(queries.count_feedback)


@erases("Feedback", order=40)
def erase_feedback(run: Run, erasing: Erasing) -> Counts:
    """Take name, text and conversation out of what the person answered."""
    from feedback.services import erasing as service

    done = run.once("feedback", lambda: {"rows": service.rewrite_feedback(erasing)})
    return {"emptied answer": int(done["rows"])}
