"""What it takes to erase one person: what is looked for, and what every app does about it.

Each app registers how it finds texts of a person, how it counts what would go, and how it takes
that out. Nothing here knows what a person is.
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import connection

from project.jobs.contract import Run
from project.jobs.models import JobStep
from project.refusal import Refusal
from project.removal.contract import Counts, totals
from project.removal.digests import remember
from project.removal.mentions import Mentions
from project.storage.tending import remove_unnamed_now

SEALED: Final = "what is looked for"  # the step whose result is sealed until the end
WAIT_SECONDS: Final = 1.0
PURPOSE: Final = b"seedbed names of a person who is being erased\0"


@dataclass(frozen=True)
class Erasing:
    """One person who is being erased.

    Attributes
    ----------
    number : of the person's row
    stand_in : the number of nobody, below zero, that stands in events from now on
    names : every id that the person was known by
    numbers : every number by which events may name the person, the own among them
    replaced : display names, words and conversations of the person, to what takes their place
    texts : what the person wrote, as it was written
    called : every display name, also those that others have: a reason may not have them
    keeps_features : whether the features of the person's events stay
    record : the person's row while it is looked at; None afterwards
    """

    number: int
    stand_in: int
    names: tuple[str, ...]
    numbers: tuple[int, ...]
    replaced: Mapping[str, str] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    keeps_features: bool = True
    record: Any = field(default=None, compare=False, repr=False)

    @property
    def label(self) -> str:
        """What stands where an id of the person stood."""
        return label_of(self.number)

    @cached_property
    def mentions(self) -> Mentions:
        """Where texts speak of the person."""
        labelled = dict.fromkeys((*self.texts, *self.names), self.label)
        return Mentions({**self.replaced, **labelled})

    @cached_property
    def by_names(self) -> "Erasing":
        """The same without what the person wrote: for large tables, where nobody repeats that."""
        return replace(self, texts=())


def label_of(number: int) -> str:
    """Return the name that stands for a person who was erased."""
    return f"erased-{number}"


Ids = Callable[[], Iterable[str]]
Written = Callable[["Erasing"], Iterable[str]]
Find = Callable[[Erasing], Mapping[str, str]]
Count = Callable[[Erasing], Counts]
Work = Callable[[Run, Erasing], Counts]


@dataclass(frozen=True)
class Part:
    """What one app does; those of a lower order come first."""

    order: int
    title: str
    work: Work


_ids: list[Ids] = []
_finds: list[Find] = []
_writings: list[Written] = []
_counts: list[Count] = []
_parts: list[Part] = []


def names_people(ids: Ids) -> Ids:
    """Register the decorated function: it yields every id of a person that an app knows."""
    _ids.append(ids)
    return ids


def all_ids() -> Iterator[str]:
    """Yield every id of a person that any app knows; some more than once."""
    for ids in _ids:
        yield from ids()


def finds_texts(find: Find) -> Find:
    """Register the decorated function: it returns short texts of a person, such as a display name,
    and what replaces each."""
    _finds.append(find)
    return find


def finds_writings(find: Written) -> Written:
    """Register the decorated function: it returns what a person wrote, and nobody else too."""
    _writings.append(find)
    return find


def counts_rows(count: Count) -> Count:
    """Register the decorated function: it counts for a plan what of an app would go."""
    _counts.append(count)
    return count


def erases(title: str, *, order: int) -> Callable[[Work], Work]:
    """Register the decorated function as what an app takes out, in steps of the run.

    It may run again after it was killed anywhere, and finds then what is left.
    """

    def register(work: Work) -> Work:
        _parts.append(Part(order, title, work))
        return work

    return register


def with_texts(erasing: Erasing) -> Erasing:
    """Return the same with every text that an app knows of the person."""
    replaced: dict[str, str] = {}
    for find in _finds:
        replaced |= find(erasing)
    texts = tuple(text for find in _writings for text in find(erasing))
    return replace(erasing, replaced=replaced, texts=texts)


def count_rows(erasing: Erasing) -> dict[str, int]:
    """Count what would go, in all apps."""
    return totals(count(erasing) for count in _counts)


def erase_everywhere(run: Run, erasing: Erasing) -> dict[str, int]:
    """Let every app take the person out; returns what went."""
    done = []
    parts = sorted(_parts, key=lambda part: part.order)
    for place, part in enumerate(parts):
        run.report(place, len(parts), part.title)
        done.append(part.work(run, erasing))
    return totals(done)


@erases("Digests for restores of older backups", order=0)
def remember_first(run: Run, erasing: Erasing) -> Counts:
    """Keep digests of the ids before anything goes: a backup of half an erasure knows them too."""
    run.once("digests", lambda: {"ids": remember(erasing.names)})
    return {}


@erases("Digests for restores of older backups", order=100)
def remember_last(run: Run, erasing: Erasing) -> Counts:
    """Keep them again, from now on: a backup that was made meanwhile is an older one."""
    run.once("digests, again", lambda: {"ids": remember(erasing.names)})
    return {}


@erases("Files that nobody names any more", order=99)
def remove_files(run: Run, erasing: Erasing) -> Counts:
    """Remove what others were put in place of: at once, and not a day later."""

    def removed() -> dict[str, int]:
        while (files := remove_unnamed_now()) is None:
            # A backup is being made, or somebody tends the store.
            run.check()
            time.sleep(WAIT_SECONDS)
        return {"files": files}

    return {"replaced file": int(run.once("files", removed)["files"])}


def allow_changes() -> None:
    """Let this transaction rewrite texts of rows that are else only added to.

    The triggers of those tables look for it, and let nothing through but columns of texts.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL seedbed.erasing = 'on'")


def seal(erasing: Erasing) -> str:
    """Return what is looked for as nobody reads it who has not the key of fields."""
    content = {
        "stand_in": erasing.stand_in,
        "names": list(erasing.names),
        "numbers": list(erasing.numbers),
        "replaced": dict(erasing.replaced),
        "texts": list(erasing.texts),
        "called": list(erasing.called),
        "keeps_features": erasing.keeps_features,
    }
    return _cipher().encrypt(json.dumps(content).encode()).decode()


def sealed_before(kind: str, number: int) -> Erasing | None:
    """Return what a run that was ended before looked for; None where there was none."""
    steps = JobStep.objects.filter(
        name=SEALED, job__kind=kind, job__arguments__number=number, result__has_key="sealed"
    )
    step = steps.order_by("-pk").first()
    return None if step is None else unseal(number, step.result["sealed"])


def unseal(number: int, sealed: str) -> Erasing:
    """Return what was sealed.

    Raises
    ------
    Refusal : no key opens it.
    """
    try:
        given: dict[str, Any] = json.loads(_cipher().decrypt(sealed.encode()))
    except InvalidToken:
        raise Refusal(
            "What this erasure looks for was sealed with another SEEDBED_FIELD_KEY.",
            remedy="Name the key of that day in SEEDBED_FIELD_KEY_FALLBACKS, and try again.",
        ) from None
    return Erasing(
        number,
        given["stand_in"],
        tuple(given["names"]),
        tuple(given["numbers"]),
        given["replaced"],
        tuple(given["texts"]),
        tuple(given.get("called", ())),  # of an edition before
        keeps_features=given["keeps_features"],
    )


def forget_sealed(kind: str, number: int) -> None:
    """Remove what any run has sealed of this person."""
    JobStep.objects.filter(name=SEALED, job__kind=kind, job__arguments__number=number).update(
        result={}
    )


def _cipher() -> MultiFernet:
    keys: Iterable[str] = (settings.FIELD_KEY, *settings.FIELD_KEY_FALLBACKS)
    digests = (hashlib.sha256(PURPOSE + key.encode()).digest() for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])
