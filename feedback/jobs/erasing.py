"""What feedback does about a person who is erased."""

from feedback.models.records import MODELS
from feedback.queries import erasing as queries
from project.jobs.contract import Run
from project.removal.contract import Counts
from project.removal.erasing import (
    Erasing,
    counts_rows,
    erases,
    finds_texts,
    finds_writings,
    names_people,
)
from project.removal.sweep import leaves_out, rows_go, sweep_model

rows_go("feedback.rejectedrecord", "rejected row")
# Their own part below looks through them.
leaves_out(*(model._meta.label_lower for model in MODELS.values()))
names_people(queries.known_ids)
finds_texts(queries.sessions_of)
finds_writings(queries.texts_of)
counts_rows(queries.count_feedback)


@erases("Feedback", order=40)
def erase_feedback(run: Run, erasing: Erasing) -> Counts:
    """Take name, text and conversation out of what the person answered."""
    from feedback.services import erasing as service

    done = run.once("feedback", lambda: {"rows": service.rewrite_feedback(erasing)})
    others = 0
    for number, model in enumerate(MODELS.values()):
        swept = run.once(
            "other feedback",
            lambda model=model: sweep_model(model, erasing.by_names),  # type: ignore[misc]
            number,
        )
        others += int(swept["rows"])
    return {"emptied answer": int(done["rows"]), "other record": others}
