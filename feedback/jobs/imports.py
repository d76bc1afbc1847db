"""The work of the job that lands an uploaded file."""

from pathlib import Path
from typing import Any

from feedback.services.imports import import_file
from feedback.services.sources import file_source
from project.jobs.contract import Run
from project.refusal import Refusal


def import_feedback(run: Run) -> dict[str, Any]:
    """Land the rows of an uploaded file; rows that are there already are counted as known."""
    done = run.result_of("import_file")
    if done is not None:
        return done
    arguments = run.arguments
    path = Path(arguments["path"])
    if not path.is_file():
        raise Refusal(
            f"The upload of {arguments['name']} is not there any more.",
            remedy="Import the file again.",
        )
    dry_run = arguments["dry_run"]
    outcome = import_file(
        path,
        name=arguments["name"],
        table=arguments["table"],
        source=None if dry_run else file_source(arguments["source"]),
        columns=arguments["columns"],
        dry_run=dry_run,
        job_id=run.job_id,
        transaction=run.transaction,
        progress=run.report,
    )
    with run.transaction("import_file") as done:
        done.update(outcome)
    path.unlink()
    return done
