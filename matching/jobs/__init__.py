"""The job kinds of matching. Their work is imported when it is done: it loads pandas."""

from collections.abc import Mapping
from typing import Any

from project.jobs.contract import Run, job


@job("matching.seed_users", title="Make seed users", permission="matching.add_seeduser")
def seed_users(run: Run) -> dict[str, Any]:
    """Add the named users and `count` drawn ones; what is there stays."""
    from matching.jobs import people

    return people.seed_users(run, **run.arguments)


@job(
    "matching.import_users",
    title="Import seed users from a file",
    permission="matching.add_seeduser",
)
def import_users(run: Run) -> dict[str, Any]:
    """Add or update the users of a file."""
    from matching.jobs import people

    return people.import_users(run, **run.arguments)


@job(
    "matching.complete_users",
    title="Fill in what profiles lack",
    permission="matching.change_seeduser",
)
def complete_users(run: Run) -> dict[str, Any]:
    """Fill in what is missing in profiles."""
    from matching.jobs import people

    return people.complete_users(run, **run.arguments)


@job(
    "matching.create_sessions",
    title="Create sessions",
    permission="matching.add_travelsession",
)
def create_sessions(run: Run) -> dict[str, Any]:
    """Give users and groups without a live session one."""
    from matching.jobs import people

    return people.create_sessions(run, **run.arguments)


@job(
    "matching.check_sessions",
    title="Check sessions",
    permission="matching.view_travelsession",
)
def check_sessions(run: Run) -> Mapping[str, Any]:
    """Compare the live copies with the records; refuse while something needs repair."""
    from matching.jobs import people

    return people.check_sessions(**run.arguments)


@job(
    "matching.repair_sessions",
    title="Repair sessions",
    permission="matching.change_travelsession",
)
def repair_sessions(run: Run) -> dict[str, Any]:
    """Bring records and live copies together."""
    from matching.jobs import people

    return people.repair_sessions(run, **run.arguments)


def discard_generation(run: Run) -> None:
    """Remove the events of a generation that was stopped."""
    from matching.jobs import generation

    generation.discard_generation(run)


@job(
    "matching.generate_events",
    title="Generate match events",
    permission="matching.generate_events",
    cleanup=discard_generation,
)
def generate_events(run: Run) -> dict[str, Any]:
    """Generate one batch of synthetic events."""
    from matching.jobs import generation

    return generation.generate(run, **run.arguments)


def _discard_import(run: Run) -> None:
    from matching.jobs import imports

    imports.discard_import(run)


def _check_import(arguments: dict[str, Any]) -> None:
    from matching.services.stored_logs import StoredLog

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
    cleanup=_discard_import,
    check=_check_import,
)
def import_events(run: Run) -> dict[str, Any]:
    """Import the stored logs, a batch each."""
    from matching.jobs import imports

    return imports.import_logs(run, **run.arguments)
