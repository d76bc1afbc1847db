"""`manage.py collect_feedback`: read what is new at the sources."""

from typing import Any, cast

from django.core.management.base import CommandError
from rich.console import Console

from feedback.queries.relations import SEE_ALL
from feedback.queries.runs import Collected, add_collected
from feedback.queries.schedule import COLLECT_KIND
from feedback.queries.sources import sources_named
from project.command import EXIT_ERROR, EXIT_REFUSED
from project.jobs.command import JobCommand
from project.jobs.models import Job
from project.terminal import Table as ConsoleTable


class Command(JobCommand):
    help = (
        "Collect feedback from the databases that are sources: what is new since the last time, "
        "rows that came late inside the overlap, or all of a window."
    )
    kind = COLLECT_KIND

    def job_arguments(self, **options: Any) -> dict[str, Any]:
        sources_named(options["sources"])
        return super().job_arguments(**options)

    def run(self, **options: Any) -> dict[str, Any]:
        """Follow the job, and those that it hands its sources out to; their results are summed."""
        result = super().run(**options)
        for part in result.get("jobs", []):
            job = Job.objects.get(pk=part["job"])
            try:
                self._follow(job, works_here=options["now"])
            except KeyboardInterrupt:
                raise CommandError(
                    "Not followed any more; the jobs of the sources go on: `manage.py jobs list`."
                ) from None
            if job.state == Job.State.SUCCEEDED:
                for found in (job.result or {})["sources"]:
                    add_collected(cast(Collected, result), found)
            else:
                result["failed"].append(part["source"])
                result.setdefault("broken", []).append(
                    f"{part['source']}: its job {job.short_id} {job.state}. {job.error}".strip()
                )
        return result

    def exit_code(self, result: Collected) -> int:
        """Say 1 where a source could not be read, 2 where one hid rows or all rows were refused."""
        if result.get("failed"):
            return EXIT_ERROR
        if result.get("incomplete"):
            return EXIT_REFUSED
        tables = [one for source in result.get("sources", ()) for one in source["tables"]]
        found = sum(one["found"] for one in tables)
        return EXIT_REFUSED if 0 < found == sum(one["rejected"] for one in tables) else 0

    def render_result(self, result: Collected, console: Console) -> None:
        if not result["sources"]:
            console.print(
                "No source to read. Add a PostgreSQL source in the admin, Feedback sources."
            )
        table = ConsoleTable("Source", "Table", "State")
        for title in ("Found", "Source's count", "New", "Known", "Changed", "Rejected", "Left"):
            table.add_column(title, justify="right")
        remarks = []
        for source in result["sources"]:
            for one in source["tables"]:
                count = one["source_count"]
                table.add_row(
                    source["source"],
                    one["table"] or "-",
                    one["state"],
                    f"{one['found']:,}",
                    "-" if count is None else f"{count:,}",
                    *(f"{one[key]:,}" for key in ("new", "known", "changed", "rejected")),
                    f"{one['remaining']:,}",
                )
                where = f"{source['source']} {one['table']}".strip()
                if one["error"]:
                    remarks.append(f"{where}: {one['error']}")
                if one["hidden_by"]:
                    remarks.append(f"{where}: {one['hidden_by']} {SEE_ALL}")
                if one["gone"]:
                    remarks.append(
                        f"{where}: {one['gone']:,} known rows are gone at the source; reports and "
                        "datasets leave them out."
                    )
                remarks += [f"{where}: {note}" for note in one["notes"]]
                if one["reasons"]:
                    reasons = ", ".join(f"{count} {name}" for name, count in one["reasons"].items())
                    remarks.append(f"{where}: refused {reasons}")
        if result["sources"]:
            console.print(table)
        for remark in remarks:
            console.print(remark)
        for told in cast(dict[str, Any], result).get("broken", []):
            console.print(told)
        if result["busy"]:
            console.print(f"Still being read by an earlier job: {', '.join(result['busy'])}.")
        if result["waiting"]:
            console.print(f"Waiting after failures: {', '.join(result['waiting'])}.")
