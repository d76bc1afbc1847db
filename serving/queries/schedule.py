"""The schedule that looks at what applications are answered."""

from typing import Final

from project.jobs.models import Schedule

MONITOR_KIND: Final = "serving.monitor_scores"
SCHEDULE_NAME: Final = "monitor-scores"


def current_schedule() -> Schedule | None:
    """Return the schedule, None where nobody ever switched it on."""
    return Schedule.objects.filter(name=SCHEDULE_NAME).first()
