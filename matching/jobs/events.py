"""The work of jobs on batches of match events."""

from typing import Any

from matching.services.generation import discard_generation, generate
from matching.services.imports import discard_import, import_logs
from matching.services.stored_logs import StoredLog
from project.jobs.contract import Run, job


@job(
    "matching.generate_events",
    title="Generate match events",
    permission="matching.generate_events",
    cleanup=discard_generation,
)
def generate_events(run: Run) -> dict[str, Any]:
    """Generate one batch of synthetic events."""
    return generate(run, **run.arguments)


def _check_import(arguments: dict[str, Any]) -> None:
    """Raise ValueError for arguments that name no stored log."""
    files = arguments.get("files")
    if not isinstance(files, list) or not files:
        raise ValueError("Expected files, a list of {sha256, name}; upload them first.")
    for given in files:
        if not isinstance(given, dict) or given.keys() != {"sha256", "name"}:
            raise ValueError(f"Expected each file as {{sha256, name}}; got {given!r}.")
        StoredLog(**given)


@job(
    "matching.import_events",
    title="Import event logs",
    permission="matching.import_events",
    cleanup=discard_import,
    check=_check_import,
)
def import_events(run: Run) -> dict[str, Any]:
    """Import the stored logs, a batch each."""
    return import_logs(run, **run.arguments)
