"""`jobs list|show|stop|retry|reference`: the ledger on the command line."""

import time
from argparse import SUPPRESS
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import CharField
from django.db.models.functions import Cast
from rich.console import Console

from project import words
from project.command import SeedbedCommand, positive_int
from project.jobs.contract import UnknownKind, UnusableArguments, all_kinds, title_of
from project.jobs.models import Job, JobLogLine
from project.jobs.presentation import headline
from project.jobs.reference import reference
from project.jobs.references import records_now
from project.jobs.services import JobStateError, retry_job, stop_job
from project.refusal import Refusal
from project.terminal import Table

POLL_SECONDS = 0.5
ID_LENGTH = 36  # characters of a whole id


class Command(SeedbedCommand):
    """Show jobs, stop them, and start them again."""

    help = "List jobs, show one, stop it, or try it again."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        listed = actions.add_parser("list", help="the newest jobs")
        listed.add_argument("--state", choices=Job.State.values, help="only jobs in this state")
        names = [kind.name for kind in all_kinds()]
        listed.add_argument(
            "--job-kind", dest="kind", choices=names, metavar="KIND", help="only jobs of this kind"
        )
        # What --job-kind was called before; --kind is a kind of model.
        listed.add_argument("--kind", choices=names, help=SUPPRESS)
        listed.add_argument(
            "--limit", type=positive_int, default=20, help="how many at most (default 20)"
        )
        shown = actions.add_parser("show", help="one job in full")
        shown.add_argument("--log", action="store_true", help="with its log lines")
        shown.add_argument(
            "--follow", action="store_true", help="print log lines until the job ends"
        )
        actions.add_parser("reference", help="every kind and its arguments, as Markdown")
        stopped = actions.add_parser("stop", help="stop a job at the end of its chunk")
        retried = actions.add_parser("retry", help="try an ended job again, from where it was")
        for action in (listed, shown, stopped, retried):
            action.add_argument(
                "--json", action="store_true", default=SUPPRESS, help="print the result as JSON"
            )
        for action in (shown, stopped, retried):
            action.add_argument("id", help="the job's id, or enough of its beginning")

    def run(self, **options: Any) -> dict[str, Any]:
        action = options.pop("action")
        if action == "list":
            return _list(**options)
        if action == "reference":
            return {"reference": reference()}
        job = _find(options["id"])
        try:
            if action == "stop":
                return _describe(stop_job(job))
            if action == "retry":
                return _describe(retry_job(job))
        except (JobStateError, UnknownKind, UnusableArguments) as error:
            raise CommandError(str(error)) from error
        if options["follow"]:
            self._follow(job)
        result = _describe(job)
        if options["log"]:
            result["log"] = [_line(line) for line in job.log_lines.all()]
        return result

    def render(self, result: dict[str, Any], console: Console) -> None:
        """Show a list as a table, one job as lines."""
        if "reference" in result:
            self.stdout.write(result["reference"])
        elif "jobs" in result:
            _render_list(result, console)
        else:
            _render_job(result, console)

    def _follow(self, job: Job) -> None:
        """Print log lines as they come, until the job ends; as JSON there are none in between."""
        last = 0
        try:
            while True:
                job.refresh_from_db()
                for line in job.log_lines.filter(pk__gt=last):
                    last = line.pk
                    if not self.as_json:
                        self.console.print(f"{words.clock(line.at)} {line.message}")
                if job.is_finished:
                    return
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            raise CommandError("Not followed any more; the job goes on.") from None


def _list(*, state: str | None, kind: str | None, limit: int, **_: Any) -> dict[str, Any]:
    jobs = Job.objects.select_related("user")
    if state:
        jobs = jobs.filter(state=state)
    if kind:
        jobs = jobs.filter(kind=kind)
    return {"jobs": [_summary(job) for job in jobs[:limit]], "total": jobs.count()}


LISTED = "See `manage.py jobs list`."


def _find(beginning: str) -> Job:
    text = beginning.lower()
    if not text or len(text) > ID_LENGTH or set(text) - set("0123456789abcdef-"):
        raise Refusal(
            f"{beginning!r:.100} is no job id; expected its first letters and digits.",
            remedy=LISTED,
        )
    matching = Job.objects.annotate(text=Cast("pk", CharField())).filter(text__startswith=text)
    found = list(matching[:6])
    if not found:
        raise Refusal(f"No job's id begins with {beginning!r}.", remedy=LISTED)
    if len(found) > 1:
        named = ", ".join(f"{job.pk} ({job.kind}, {job.state})" for job in found[:5])
        more = " and more" if len(found) > 5 else ""
        raise Refusal(
            f"{beginning!r} names several jobs: {named}{more}.", remedy="Give more of the id."
        )
    return found[0]


def _summary(job: Job) -> dict[str, Any]:
    return {
        "id": str(job.pk),
        "kind": job.kind,
        "title": title_of(job.kind),
        "state": job.state,
        "headline": headline(job)["text"],
        "verdict": job.verdict,
        "progress_share": job.progress_share,
        "by": job.actor,
        "user": job.user.get_username() if job.user else None,
        "created_at": job.created_at,
        "duration_seconds": job.duration_seconds,
        "error": job.error,
    }


def _describe(job: Job) -> dict[str, Any]:
    return {
        **_summary(job),
        "arguments": job.arguments,
        "stages": job.stages,
        "progress_done": job.progress_done,
        "progress_total": job.progress_total,
        "progress_message": job.progress_message,
        "stop_requested": job.stop_requested,
        "runs": job.fence,
        "worker": job.worker,
        "lease_until": job.lease_until,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "result": job.result,
        "records": [
            {**kept, "title": now.title}
            for kept, now in zip(job.records, records_now(job.records), strict=True)
        ],
        "traceback": job.traceback,
        "retry_of": str(job.retry_of_id) if job.retry_of_id else None,
        "retried_as": [str(key) for key in job.retries.values_list("pk", flat=True)],
    }


def _line(line: JobLogLine) -> dict[str, Any]:
    return {"at": line.at, "level": line.level, "message": line.message}


def _share(value: float | None) -> str:
    return "" if value is None else words.share(value)


def _render_list(result: dict[str, Any], console: Console) -> None:
    if not result["jobs"]:
        console.print("No jobs.")
        return
    table = Table("Job", "What", "State", "Done", "By", "Created", "Took")
    for job in result["jobs"]:
        table.add_row(
            job["id"],
            job["title"],
            job["state"],
            _share(job["progress_share"]),
            job["user"] or "",
            words.moment(job["created_at"]),
            words.duration(job["duration_seconds"]),
        )
    console.print(table)
    if result["total"] > len(result["jobs"]):
        console.print(f"{len(result['jobs'])} of {result['total']}; --limit shows more.")


def _render_job(result: dict[str, Any], console: Console) -> None:
    console.print(result["headline"], style="bold")
    lines = {
        "Job": result["id"],
        "What": f"{result['title']} ({result['kind']})",
        "State": result["state"]
        + (", stops at the end of its chunk" if _is_stopping(result) else ""),
        "Progress": f"{_share(result['progress_share'])} {result['progress_message']}".strip(),
        "Took": ""
        if result["duration_seconds"] is None
        else words.duration(result["duration_seconds"]),
        "Runs": str(result["runs"]),
        "Worker": result["worker"],
        "Error": result["error"],
        "Retry of": result["retry_of"],
        "Retried as": ", ".join(result["retried_as"]),
    }
    for name, value in lines.items():
        if value:
            console.print(f"{name + ':':<12}{value}")
    for stage in result["stages"]:
        console.print(f"{'Stage:':<12}{stage['name']}, {stage['state']}")
    for record in result["records"]:
        console.print(f"{'Made:':<12}{record['title']}")
    for name in ("arguments", "result"):
        if result[name]:
            console.print(f"{name.capitalize()}:")
            console.print_json(data=result[name], default=str)
    if result["traceback"]:
        console.print(result["traceback"])
    for line in result.get("log", []):
        console.print(f"{words.clock(line['at'])} {line['message']}")


def _is_stopping(result: dict[str, Any]) -> bool:
    return result["stop_requested"] and result["state"] in Job.ACTIVE
