"""The job kinds of serving. Their work is imported when it is done: it loads NumPy and pandas."""

from typing import Any

from project.exporting.arguments import say_exported
from project.jobs.contract import Arguments, Run, job
from serving.jobs import arguments, erasing, retention, sayings
from serving.queries.schedule import MONITOR_KIND

__all__ = ["erasing", "retention"]  # what declares parts of other kinds

MONITOR_PERMISSION = "serving.monitor_scores"


@job(
    MONITOR_KIND,
    title="Watch what applications are answered",
    permission=MONITOR_PERMISSION,
    says=sayings.say_monitored,
)
def monitor_scores(run: Run, asked: Arguments) -> dict[str, Any]:
    """Read on in the score log, and open and close the alarms that it gives reason for."""
    from serving.jobs import watching

    return watching.monitor_scores(run)


@job(
    "serving.tell_alarm",
    title="Post an alarm",
    permission=MONITOR_PERMISSION,
    says=sayings.say_told,
    arguments=arguments.TellAlarm,
)
def tell_alarm(run: Run, asked: arguments.TellAlarm) -> dict[str, Any]:
    """Post that an alarm opened or closed to SEEDBED_ALARM_WEBHOOK."""
    from serving.jobs import telling

    return telling.tell_alarm(run, asked)


def _discard_export(run: Run) -> None:
    from project.exporting.making import discard_export

    discard_export(run)


@job(
    "serving.export_scores",
    title="Export the score log",
    permission="serving.export_scores",
    says=say_exported,
    arguments=arguments.ExportScores,
    cleanup=_discard_export,
)
def export_scores(run: Run, asked: arguments.ExportScores) -> dict[str, Any]:
    """Write what applications were answered into a file that is kept for a week."""
    from serving.jobs import exports

    return exports.export_scores(run, asked)
