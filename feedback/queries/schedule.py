"""The schedule that collects by itself."""

from project.jobs.models import Schedule

COLLECT_KIND = "feedback.collect_feedback"
SCHEDULE_NAME = "collect-feedback"


def current_schedule() -> Schedule | None:
    """Return the schedule, if it was ever switched on."""
    return Schedule.objects.filter(name=SCHEDULE_NAME).first()
