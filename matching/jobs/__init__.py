"""The job kinds of matching. Their work is imported when it is done: it loads pandas."""

from collections.abc import Mapping
from typing import Any

from matching.jobs import arguments, erasing, removals, retention, sayings
from project.exporting.arguments import say_exported
from project.jobs.contract import Run, job

__all__ = ["erasing", "removals", "retention"]  # what declares kinds of its own


@job(
    "matching.seed_users",
    title="Make seed users",
    permission="matching.add_seeduser",
    says=sayings.say_seeded,
    arguments=arguments.SeedUsers,
)
def seed_users(run: Run, asked: arguments.SeedUsers) -> dict[str, Any]:
    """Add the named users and drawn ones; what is there stays."""
    from matching.jobs import people

    return people.seed_users(run, asked)


@job(
    "matching.import_users",
    title="Import seed users from a file",
    permission="matching.add_seeduser",
    says=sayings.say_people_imported,
    arguments=arguments.ImportUsers,
)
def import_users(run: Run, asked: arguments.ImportUsers) -> dict[str, Any]:
    """Add the users of a file; with the right to change users, update those that are there."""
    from matching.jobs import people

    return people.import_users(run, asked)


@job(
    "matching.import_groups",
    title="Import groups from a file",
    permission="matching.add_travelgroup",
    says=sayings.say_groups_imported,
    arguments=arguments.ImportGroups,
)
def import_groups(run: Run, asked: arguments.ImportGroups) -> dict[str, Any]:
    """Add the groups of a file; with the right to change groups, update those that are there."""
    from matching.jobs import travel_files

    return travel_files.import_groups(run, asked)


@job(
    "matching.import_sessions",
    title="Import trips from a file",
    permission="matching.add_travelsession",
    says=sayings.say_trips_imported,
    arguments=arguments.ImportSessions,
)
def import_sessions(run: Run, asked: arguments.ImportSessions) -> dict[str, Any]:
    """Add the trips of a file; with the right to change sessions, replace those that are there."""
    from matching.jobs import travel_files

    return travel_files.import_sessions(run, asked)


@job(
    "matching.complete_users",
    title="Fill in what synthetic profiles lack",
    permission="matching.change_seeduser",
    says=sayings.say_completed,
    arguments=arguments.CompleteUsers,
)
def complete_users(run: Run, asked: arguments.CompleteUsers) -> dict[str, Any]:
    """Fill in what synthetic profiles lack, with drawn values; real people stay as they are."""
    from matching.jobs import people

    return people.complete_users(run, asked)


@job(
    "matching.merge_people",
    title="Merge two people",
    permission="matching.delete_seeduser",
    says=sayings.say_merged,
    arguments=arguments.MergePeople,
    happens_once=True,
)
def merge_people(run: Run, asked: arguments.MergePeople) -> dict[str, Any]:
    """Make one person of two records: profile, trip, groups, names and events."""
    from matching.jobs import identity

    return identity.merge_people(run, asked)


@job(
    "matching.create_sessions",
    title="Create sessions",
    permission="matching.add_travelsession",
    says=sayings.say_sessions_created,
    arguments=arguments.CreateSessions,
)
def create_sessions(run: Run, asked: arguments.CreateSessions) -> dict[str, Any]:
    """Give users and groups without a live session one."""
    from matching.jobs import people

    return people.create_sessions(run, asked)


@job(
    "matching.check_sessions",
    title="Check sessions",
    permission="matching.change_travelsession",
    says=sayings.say_sessions_checked,
    arguments=arguments.CheckSessions,
)
def check_sessions(run: Run, asked: arguments.CheckSessions) -> Mapping[str, Any]:
    """Compare the live copies with the records; refuse while something needs repair."""
    from matching.jobs import people

    return people.check_sessions(asked)


@job(
    "matching.repair_sessions",
    title="Repair sessions",
    permission="matching.change_travelsession",
    says=sayings.say_sessions_repaired,
    arguments=arguments.CheckSessions,
)
def repair_sessions(run: Run, asked: arguments.CheckSessions) -> dict[str, Any]:
    """Bring records and live copies together."""
    from matching.jobs import people

    return people.repair_sessions(run, asked)


def discard_generation(run: Run) -> None:
    """Remove the events of a generation that was stopped."""
    from matching.jobs import generation

    generation.discard_generation(run)


@job(
    "matching.generate_events",
    title="Generate match events",
    permission="matching.generate_events",
    says=sayings.say_generated,
    arguments=arguments.GenerateEvents,
    cleanup=discard_generation,
)
def generate_events(run: Run, asked: arguments.GenerateEvents) -> dict[str, Any]:
    """Generate one batch of synthetic events from the live sessions of complete users."""
    from matching.jobs import generation

    return generation.generate(run, asked)


def _discard_import(run: Run) -> None:
    from matching.jobs import imports

    imports.discard_import(run)


@job(
    "matching.import_events",
    title="Import event logs",
    permission="matching.import_events",
    says=sayings.say_events_imported,
    arguments=arguments.ImportEvents,
    cleanup=_discard_import,
)
def import_events(run: Run, asked: arguments.ImportEvents) -> Mapping[str, Any]:
    """Import logs, a batch each: good lines land once, the others are kept with their reason."""
    from matching.jobs import imports

    return imports.import_logs(run, asked)


@job(
    "matching.retry_events",
    title="Try refused lines again",
    permission="matching.retry_rejectedevent",
    says=sayings.say_retried,
    arguments=arguments.RetryEvents,
)
def retry_events(run: Run, asked: arguments.RetryEvents) -> dict[str, Any]:
    """Land refused lines of an import with their corrections, each under its own line number."""
    from matching.jobs import refused

    return refused.retry_events(run, asked)


def _discard_export(run: Run) -> None:
    from project.exporting.making import discard_export

    discard_export(run)


@job(
    "matching.export_people",
    title="Export people, groups or trips",
    permission="matching.export_people",
    says=say_exported,
    arguments=arguments.ExportPeople,
    cleanup=_discard_export,
)
def export_people(run: Run, asked: arguments.ExportPeople) -> dict[str, Any]:
    """Write people, groups or trips into a file kept for a week; an import takes it back."""
    from matching.jobs import exports

    return exports.export_people(run, asked)


@job(
    "matching.export_events",
    title="Export match events",
    permission="matching.export_events",
    says=say_exported,
    arguments=arguments.ExportEvents,
    cleanup=_discard_export,
)
def export_events(run: Run, asked: arguments.ExportEvents) -> dict[str, Any]:
    """Write events of batches into a file that is kept for a week; an import takes it back."""
    from matching.jobs import exports

    return exports.export_events(run, asked)
