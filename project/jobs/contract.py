"""What a job kind is, and what its work may ask of the run that it is given."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

Result = dict[str, Any]


class Run(Protocol):
    """One run of one job, as the work of a kind sees it.

    Work that must not happen twice goes through `once` or `transaction` and is remembered as a
    step, so that any other worker can go on from there. Each method may raise for a job that was
    stopped or that another worker has taken; let that pass.
    """

    @property
    def job_id(self) -> UUID:
        """The job's id."""

    @property
    def asked_at(self) -> datetime:
        """When the job was asked for."""

    @property
    def is_scheduled(self) -> bool:
        """Whether a schedule asked for it."""

    @property
    def user(self) -> Any:
        """Who asked for the job, or None for a schedule or command."""

    @property
    def arguments(self) -> dict[str, Any]:
        """What was asked."""

    def result_of(self, name: str, number: int = 0) -> Result | None:
        """Return the result of a step that this or an earlier run finished, else None."""

    def transaction(
        self, name: str | None = None, number: int = 0
    ) -> AbstractContextManager[Result]:
        """Open a transaction that commits only while this run owns the job.

        With a name, the dict that it yields is stored as the result of that step.
        """

    def once(self, name: str, work: Callable[[], Mapping[str, Any]], number: int = 0) -> Result:
        """Return the step's result, doing its work in one such transaction if it is missing."""

    def check(self) -> None:
        """Raise when this run has to end."""

    def report(self, done: int, total: int | None = None, message: str = "") -> None:
        """Show how far the work is, in the units of `total`."""

    def log(self, message: str, level: str = "info") -> None:
        """Keep a line for people."""

    def add_record(self, record: Any) -> None:
        """Link a record that the job made."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Show a named stage as running, then as done."""


Work = Callable[[Run], Mapping[str, Any]]
Cleanup = Callable[[Run], None]
Check = Callable[[dict[str, Any]], None]


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
        Takes a `Run`, returns the JSON-serialisable result.
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
    cleanup: Cleanup | None = None
    check: Check | None = None


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
    cleanup: Cleanup | None = None,
    check: Check | None = None,
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
