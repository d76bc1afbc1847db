"""What a job kind is, what it is asked, and what its work may ask of the run that it is given."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from project.jobs.questions import Question, questions_of
from project.jobs.said import Says

Result = dict[str, Any]


class Arguments(BaseModel):
    """What a kind of job is asked, one typed field each; a kind that asks nothing takes this.

    From the fields come the options of the command, the forms of the admin and docs/jobs.md; see
    `project.jobs.questions` for what a field may be.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=()
    )


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
    def by(self) -> Any:
        """Who asked for the job: an actor, with the rights of this moment."""

    @property
    def user(self) -> Any:
        """The account of who asked for the job, None at the command line."""

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

    def add_list(self, model: Any, title: str, **asked: Any) -> None:
        """Link a list of records that the job made, by the filters that show them."""

    def plan(self, *names: str) -> None:
        """Show the stages that are to come, in order."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Show a named stage as running, then as done."""


A = TypeVar("A", bound=Arguments)
Work = Callable[[Run, Any], Mapping[str, Any]]
Cleanup = Callable[[Run], None]


@dataclass(frozen=True)
class JobKind:
    """A declaration: the work behind a name, what it is asked and who may start it.

    Attributes
    ----------
    name : str
        `app.verb_noun`, stable for ever: it stands in the ledger.
    title : str
        Imperative words for people.
    summary : str
        What it does, in a sentence: the first line of the work's docstring.
    work : callable
        Takes a `Run` and the arguments, returns the JSON-serialisable result.
    permission : str
        Django permission (`app.codename`) that whoever starts it needs.
    arguments : type
        The model of what it is asked.
    cleanup : callable or None
        Removes what a stopped run left half-made, in one transaction; must be safe to run twice. A
        job without one keeps its finished steps when it is stopped. A failed job always does: its
        retry goes on from there.
    happens_once : bool
        Whether it is about what is there once, so that no schedule can start it.
    says : callable
        Takes a result of the work and says it in a headline, good only where it is good.
    """

    name: str
    title: str
    summary: str
    work: Work
    permission: str
    arguments: type[Arguments] = Arguments
    cleanup: Cleanup | None = None
    happens_once: bool = False
    says: Says = field(kw_only=True)

    @property
    def questions(self) -> tuple[Question, ...]:
        """What it asks, in the order of the fields."""
        return questions_of(self.arguments)

    @property
    def can_be_scheduled(self) -> bool:
        """Whether it can run again and again: a file is there once, and nobody confirms it."""
        return not (self.happens_once or any(one.asks_upload for one in self.questions))

    def permissions_for(self, asked: Arguments) -> tuple[str, ...]:
        """Every permission that a start with these arguments needs.

        An answer that is the default or says no needs none: it asks for nothing more.
        """
        more = (
            question.ask.permission
            for question in self.questions
            if question.ask.permission
            and (answer := getattr(asked, question.name))
            and answer != question.default
        )
        return (self.permission, *more)


class UnknownKind(LookupError):
    """A job names a kind that no app declares."""


class UnusableArguments(ValueError):
    """The kind cannot work with these arguments.

    Attributes
    ----------
    by_name : what is wrong with each argument; "" holds what is wrong with all of them
    """

    def __init__(self, by_name: Mapping[str, str]) -> None:
        super().__init__(" ".join(by_name.values()))
        self.by_name = dict(by_name)


_kinds: dict[str, JobKind] = {}
# What `enqueue`, the commands and the form of a schedule call their own.
RESERVED: Final = frozenset(
    {
        *("by", "kind", "schedule", "ring_bell", "detach", "now", "json"),
        *("name", "interval_seconds", "cron", "is_enabled", "owner", "arguments"),
    }
)


def job(
    name: str,
    *,
    title: str,
    permission: str,
    says: Says,
    arguments: type[A] = Arguments,  # type: ignore[assignment]
    cleanup: Cleanup | None = None,
    happens_once: bool = False,
) -> Callable[[Callable[[Run, A], Mapping[str, Any]]], Callable[[Run, A], Mapping[str, Any]]]:
    """Declare the decorated function as the work of the kind `name`."""

    def declare(
        work: Callable[[Run, A], Mapping[str, Any]],
    ) -> Callable[[Run, A], Mapping[str, Any]]:
        if name in _kinds:
            raise ValueError(f"The job kind {name!r} is declared twice.")
        taken = RESERVED & arguments.model_fields.keys()
        if taken:
            raise ValueError(f"{name}: an argument may not be called {', '.join(sorted(taken))}.")
        summary = (work.__doc__ or "").strip().partition("\n")[0]
        _kinds[name] = JobKind(
            name, title, summary, work, permission, arguments, cleanup, happens_once, says=says
        )
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


def is_known(name: str) -> bool:
    """Whether an app declares a kind of that name."""
    return name in _kinds


def title_of(name: str) -> str:
    """Return the title of a kind, or the bare name where a later version no longer declares it."""
    return _kinds[name].title if name in _kinds else name


MAX_ARGUMENT_BYTES: Final = 1_000_000  # of the JSON of all arguments of a job


def read_arguments(kind: JobKind, given: Any) -> Arguments:
    """Return what a kind is asked, checked; raises UnusableArguments in words.

    `given` is what JSON can say: an object with the arguments by name.
    """
    if not isinstance(given, dict):
        raise UnusableArguments(
            {
                "": 'Expected a JSON object with the arguments by name, such as {"days": 30}; '
                f"got {_shown(given)}."
            }
        )
    try:
        text = json.dumps(given, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnusableArguments(
            {"": f"Expected what JSON can say, without NaN or infinity: {error}."}
        ) from None
    if len(text) > MAX_ARGUMENT_BYTES:
        raise UnusableArguments(
            {
                "": f"Expected at most {MAX_ARGUMENT_BYTES:,} bytes of arguments, got "
                f"{len(text):,}. Choose fewer records, or leave them all to the job."
            }
        )
    try:
        return kind.arguments.model_validate_json(text)
    except ValidationError as error:
        raise UnusableArguments(_in_words(kind, error)) from None


def stored_arguments(asked: Arguments) -> dict[str, Any]:
    """Return arguments as the ledger keeps them: JSON of what was said, nothing of what was not."""
    stored: dict[str, Any] = asked.model_dump(mode="json", exclude_unset=True)
    return stored


def _in_words(kind: JobKind, error: ValidationError) -> dict[str, str]:
    questions = {question.name: question for question in kind.questions}
    words: dict[str, str] = {}
    for one in error.errors(include_url=False, include_context=False):
        name = str(one["loc"][0]) if one["loc"] else ""
        if one["type"] == "extra_forbidden":
            there_are = f"there are: {', '.join(questions)}" if questions else "it has none"
            words.setdefault("", f"“{kind.title}” has no argument {_shown(name)}; {there_are}.")
        elif name not in questions:
            words.setdefault("", f"{one['msg'].removeprefix('Value error, ')}.".replace("..", "."))
        elif one["type"] == "missing":
            words[name] = f"{name} is missing: expected {questions[name].expected}."
        else:
            words[name] = (
                f"{name}: expected {questions[name].expected}, got {_shown(one['input'])}."
            )
    return words


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python spells
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:80]}..."
