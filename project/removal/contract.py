"""What it takes to remove a record of one kind: a plan, steps that may be interrupted, an end."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar

from django.apps import apps
from django.db.models import Model
from pydantic import Field

from project import words
from project.jobs.contract import Arguments, Run
from project.jobs.models import Job
from project.jobs.questions import Ask, RecordId, Word
from project.removal.models import REASON_LENGTH

M = TypeVar("M", bound=Model)
PLANNED: Final = "-"  # why a plan is made that is only looked at
Counts = Mapping[str, int]
Lead = tuple[str, str, str]  # words, app_label.model_name and key of a record


class RemoveRecord(Arguments):
    """Which record goes, and why."""

    number: Annotated[
        RecordId, Field(description="Number of what is to be removed."), Ask(is_asked=False)
    ]
    why: Annotated[
        Word,
        Field(
            min_length=1,
            max_length=REASON_LENGTH,
            description="Why it is removed, without names of people: it stands on the receipt.",
        ),
    ]


@dataclass(frozen=True)
class Plan:
    """What a removal comes to, as things are now. Nothing personal is in it.

    Attributes
    ----------
    title : what goes, by its number
    goes : how much, by what it is called in the singular
    also : what goes too and is counted when it was found, in sentences
    stale : what stands on it and stays, in sentences
    stays : what one might think that it goes too, and why it does not, in sentences
    blocked : why it cannot go now, in sentences; empty where it can
    remedy : what to do about that
    leads : where that is done, as (words, app_label.model_name, key)
    digests : SHA-256 of what goes, by what it is
    kind, version : of a dataset or model
    touches : records that stay and lose rows, as (app_label.model_name, number): what was made of
        them before goes stale
    """

    title: str
    goes: Counts
    also: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    remedy: str = ""
    leads: tuple[Lead, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    version: int | None = None
    touches: tuple[tuple[str, int], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            **asdict(self),
            "touches": [{"model": model, "id": number} for model, number in self.touches],
        }


class Removal(ABC, Generic[M]):
    """How records of one model are taken out.

    A removal is a job. In its first step the plan is made again and the record closed, so that
    nobody reads what is half there; then it is cleared in steps; the last one removes the record
    and writes the receipt.

    Attributes
    ----------
    thing : the word by which a command calls it
    noun : the same in words
    record : what a number is the number of, in one word; the same as `thing` where that is one
    called : what else than its number may name a record; empty where nothing does
    listed : what the navigation calls the list in which its number stands
    itself : what counts call the record itself, where that is not `thing`
    model : app_label.model_name
    kind : of the job; it stands in the ledger
    permission : that whoever asks needs
    arguments : what the job is asked
    """

    thing: ClassVar[str]
    noun: ClassVar[str]
    record: ClassVar[str] = ""
    called: ClassVar[str] = ""
    listed: ClassVar[str]
    itself: ClassVar[str] = ""
    model: ClassVar[str]
    kind: ClassVar[str]
    permission: ClassVar[str]
    arguments: ClassVar[type[RemoveRecord]] = RemoveRecord

    @property
    def word(self) -> str:
        """What people call a record of it: a word before a number."""
        return self.record or self.thing

    def beside(self, counts: Counts) -> dict[str, int]:
        """Return what there is beside the record itself, which everybody knows of."""
        itself = self.itself or self.thing
        return {noun: count for noun, count in counts.items() if noun != itself}

    def find(self, number: int, *, locked: bool = False) -> M | None:
        """Return the record of a number; locked, no other transaction changes it until the end."""
        rows: Any = apps.get_model(self.model)._default_manager
        if locked:
            rows = rows.select_for_update(of=("self",))
        found: M | None = rows.filter(pk=number).first()
        return found

    def named(self, name: str) -> M | None:
        """Return the record that people call so, where they call it by more than its number."""
        return None

    @abstractmethod
    def plan(self, record: M, asked: RemoveRecord) -> Plan:
        """Say what would go; it changes nothing."""

    better_reason: ClassVar[str] = "Say why in other words."

    def objection(self, record: M, why: str) -> str:
        """Say what is wrong with a reason, before a job has it among its arguments."""
        return ""

    def close(self, record: M, asked: RemoveRecord) -> None:
        """Let nobody read the record any more; in the transaction in which it was looked at."""

    def clear(self, run: Run, number: int, asked: RemoveRecord) -> Counts:
        """Remove what belongs to the record, in steps of the run; returns what went."""
        return {}

    @abstractmethod
    def finish(self, record: M, asked: RemoveRecord) -> Counts:
        """Remove the record itself and what is left of it, in one transaction; returns what went.

        What has gone wrong meanwhile raises a Refusal: the record stays then.
        """


@dataclass(frozen=True)
class Standing:
    """What the apps above have made of a record."""

    stale: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    remedy: str = ""
    leads: tuple[Lead, ...] = ()


_standing: dict[str, list[Callable[[Any], Standing]]] = defaultdict(list)


def stands_on(model: str) -> Callable[[Callable[[Any], Standing]], Callable[[Any], Standing]]:
    """Register the decorated function as what an app has made of records of `model`."""

    def register(tell: Callable[[Any], Standing]) -> Callable[[Any], Standing]:
        _standing[model].append(tell)
        return tell

    return register


def standing_on(record: Model) -> Standing:
    """Return what all apps have made of a record."""
    told = [tell(record) for tell in _standing[record._meta.label_lower]]
    return Standing(
        stale=tuple(one for part in told for one in part.stale),
        stays=tuple(one for part in told for one in part.stays),
        blocked=tuple(one for part in told for one in part.blocked),
        remedy=" ".join(part.remedy for part in told if part.remedy),
        leads=tuple(one for part in told for one in part.leads),
    )


def leads_to(jobs: Iterable[Job]) -> tuple[Lead, ...]:
    """Lead to jobs that hold a record."""
    return tuple((f"Job {job.short_id}", "jobs.job", str(job.pk)) for job in jobs)


def said_of(counts: Counts) -> list[str]:
    """Say what went, without what was not there."""
    return [words.counted(count, noun) for noun, count in counts.items() if count]


def figures_of(counts: Counts) -> list[tuple[str, str]]:
    """Return what went as figures: what it is called, and how much."""
    found = []
    for said, count in zip(said_of(counts), filter(None, counts.values()), strict=True):
        noun = said.partition(" ")[2]
        found.append((f"{noun[:1].upper()}{noun[1:]}", words.number(count)))
    return found


def totals(parts: Iterable[Counts]) -> dict[str, int]:
    """Add up what went in several steps."""
    sums: dict[str, int] = {}
    for part in parts:
        for noun, count in part.items():
            sums[noun] = sums.get(noun, 0) + count
    return sums
