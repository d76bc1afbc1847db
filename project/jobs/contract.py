"""Job kinds: what a name in the ledger stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from project.jobs.runner import JobRun

Result = dict[str, Any]
Work = Callable[["JobRun"], Result]


@dataclass(frozen=True)
class JobKind:
    """A declaration: the work behind a name and who may start it.

    Attributes
    ----------
    name : str
        `app.verb_noun`, stable for ever: it stands in the ledger.
    title : str
        Imperative words for people.
    work : callable
        Takes a `JobRun`, returns the JSON-serialisable result.
    permission : str
        Django permission (`app.codename`) needed to start it from the admin.
    cleanup : callable or None
        Removes what a stopped run left half-made, in one transaction; must be safe to run twice. A
        job without one keeps its finished steps when it is stopped. A failed job always does: its
        retry goes on from there.
    check : callable or None
        Raises ValueError for arguments that the work cannot use; asked before a schedule is saved
        and before a job is written.
    """

    name: str
    title: str
    work: Work
    permission: str
    cleanup: Callable[[JobRun], None] | None = None
    check: Callable[[dict[str, Any]], None] | None = None


class UnknownKind(LookupError):
    """A job names a kind that no app declares."""


class UnusableArguments(ValueError):
    """The kind cannot work with these arguments."""


_kinds: dict[str, JobKind] = {}


def job(
    name: str,
    *,
    title: str,
    permission: str,
    cleanup: Callable[[JobRun], None] | None = None,
    check: Callable[[dict[str, Any]], None] | None = None,
) -> Callable[[Work], Work]:
    """Declare the decorated function as the work of the kind `name`."""

    def declare(work: Work) -> Work:
        if name in _kinds:
            raise ValueError(f"The job kind {name!r} is declared twice.")
        _kinds[name] = JobKind(name, title, work, permission, cleanup, check)
        return work

    return declare


def get_kind(name: str) -> JobKind:
    """Return the declaration of a kind; UnknownKind names the ones there are."""
    try:
        return _kinds[name]
    except KeyError:
        raise UnknownKind(
            f"No app declares the job kind {name!r}; there are: {', '.join(sorted(_kinds))}."
        ) from None


def all_kinds() -> list[JobKind]:
    """Return every declared kind, by name."""
    return [_kinds[name] for name in sorted(_kinds)]


def title_of(name: str) -> str:
    """Return the title of a kind, or the bare name where a later version no longer declares it."""
    return _kinds[name].title if name in _kinds else name


def check_arguments(kind: str, arguments: Any) -> None:
    """Raise UnknownKind or UnusableArguments for what `enqueue` would not take."""
    declared = get_kind(kind)
    if not isinstance(arguments, dict):
        raise UnusableArguments(
            f'Expected a JSON object with the arguments by name, such as {{"days": 30}}; '
            f"got {arguments!r}."
        )
    reserved = {"kind", "by", "schedule", "ring_bell"} & arguments.keys()
    if reserved:
        raise UnusableArguments(f"No job has an argument {reserved.pop()!r}; leave it out.")
    if declared.check is not None:
        try:
            declared.check(arguments)
        except ValueError as error:
            raise UnusableArguments(str(error)) from error
