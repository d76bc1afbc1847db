"""The work of the look at what applications are answered."""

from project import clock
from project.jobs.contract import Result, Run
from serving.models import Alarm
from serving.services.outcomes import match_events
from serving.services.watching import watch


def monitor_scores(run: Run) -> Result:
    """Read on until nothing is left, a part of the log in each transaction."""
    visits, opened, closed = 0, list[str](), list[str]()
    while True:
        run.check()
        told = watch(at=clock.now())
        visits += told.visits
        opened += told.opened
        closed += told.closed
        if not told.is_behind:
            break
        run.report(visits, message="Reading the score log")
    return {
        "visits": visits,
        "outcomes": match_events(),
        "opened": opened,
        "closed": closed,
        "open": Alarm.objects.open().count(),
    }
