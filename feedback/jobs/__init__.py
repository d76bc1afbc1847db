"""The job kinds of feedback. Their work is imported when it is done: it loads pandas."""

from typing import Any

from feedback.jobs import arguments, erasing, removals, retention, sayings
from feedback.queries.runs import CheckedFile, Collected, CountedReports, ImportedFile
from feedback.queries.schedule import COLLECT_KIND
from project.exporting.arguments import say_exported
from project.jobs.contract import Run, job

__all__ = ["erasing", "removals", "retention"]  # what declares kinds of its own, or parts of some


def _interrupt_runs(run: Run) -> None:
    from feedback.jobs import collection

    collection.interrupt_runs(run)


@job(
    COLLECT_KIND,
    title="Collect feedback",
    permission="feedback.collect_feedback",
    says=sayings.say_collected,
    arguments=arguments.CollectFeedback,
    cleanup=_interrupt_runs,
)
def collect_feedback(run: Run, asked: arguments.CollectFeedback) -> Collected:
    """Collect what is new from sources, each in a job of its own; one that fails fails alone."""
    from feedback.jobs import collection

    return collection.collect_feedback(run, asked)


@job(
    "feedback.import_feedback",
    title="Import feedback",
    permission="feedback.import_feedback",
    says=sayings.say_imported,
    arguments=arguments.ImportFeedback,
    cleanup=_interrupt_runs,
)
def import_feedback(run: Run, asked: arguments.ImportFeedback) -> ImportedFile | CheckedFile:
    """Land the rows of a file; rows that are there already are counted as known."""
    from feedback.jobs import imports

    return imports.import_feedback(run, asked)


@job(
    "feedback.count_reports",
    title="Count feedback reports",
    permission="feedback.report_feedback",
    says=sayings.say_counted,
    arguments=arguments.CountReports,
)
def count_reports(run: Run, asked: arguments.CountReports) -> CountedReports:
    """Count reports of many rows and keep them; one that is as its rows are stays."""
    from feedback.jobs import counting

    return counting.count_reports(run, asked)


def _discard_export(run: Run) -> None:
    from project.exporting.making import discard_export

    discard_export(run)


@job(
    "feedback.export_feedback",
    title="Export feedback",
    permission="feedback.export_feedback",
    says=say_exported,
    arguments=arguments.ExportFeedback,
    cleanup=_discard_export,
)
def export_feedback(run: Run, asked: arguments.ExportFeedback) -> dict[str, Any]:
    """Write feedback of a table into a file that is kept for a week; an import takes it back."""
    from feedback.jobs import exports

    return exports.export_feedback(run, asked)
