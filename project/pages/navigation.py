"""The navigation of the admin: the pipeline in its order, with counts and states.

An app's admin declares its entries; the project may not import the apps. All numbers come from one
query, kept for a few seconds for everybody; who may not see an entry does not see its number.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Final, Self, TypedDict

from django.contrib import admin
from django.core.cache import cache
from django.db.models import BigIntegerField, Count, Model, QuerySet, Sum, Value
from django.db.models.functions import Cast, Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from project import words
from project.pages.registry import all_pages

KEPT_SECONDS = 5
CACHE_KEY: Final = "seedbed:navigation"
SECTIONS: Final = ("", "Matching", "Feedback", "Work", "Administration")

Rows = Callable[[], QuerySet[Any]]


FOUND = 5  # records of a kind that the palette shows


@dataclass(frozen=True)
class State:
    """Rows that ask for a look: their tone, and what a screen reader says after the number.

    Without `rows` each row that the entry counts asks for one.
    """

    tone: str
    words: str
    rows: Rows | None = None


@dataclass(frozen=True)
class Entry:
    """One line of the navigation.

    Attributes
    ----------
    section : one of `SECTIONS`; order : within all of them, low first.
    url_name : without `admin:`; url_args go with it.
    permissions : any of them opens it.
    rows : what is counted; weight : the column that is summed instead, where a row stands for many.
    noun : said after the number, as `2 live`.
    """

    section: str
    label: str
    url_name: str
    order: int
    permissions: tuple[str, ...]
    icon: str = ""
    url_args: tuple[str, ...] = ()
    rows: Rows | None = None
    weight: str = ""
    noun: str = ""
    state: State | None = None

    @classmethod
    def of(cls, model: type[Model], section: str, label: str, order: int, **more: Any) -> Self:
        """Return the entry of the list of a model's records, for who may look at or change them."""
        opts = model._meta
        name = f"{opts.app_label}_{opts.model_name}_changelist"
        return cls(section, label, name, order, _seen_with(opts.label_lower), **more)

    @property
    def url(self) -> str:
        """The address of its page."""
        return reverse(f"admin:{self.url_name}", args=self.url_args)

    @property
    def key(self) -> str:
        """What its number goes by."""
        return "/".join((self.url_name, *self.url_args))


@dataclass(frozen=True)
class Found:
    """A record, page or action that one can jump to."""

    title: str
    what: str
    url: str
    icon: str = ""


FindRecords = Callable[[str], Iterable[Found]]


class ShownEntry(TypedDict):
    """An entry as the template takes it."""

    label: str
    url: str
    icon: str
    is_sub: bool
    is_current: bool
    said: str
    state: str
    state_words: str


class ShownSection(TypedDict):
    """A heading and what stands below it."""

    title: str
    entries: list[ShownEntry]


@dataclass
class Navigation:
    """What one person sees of it on one page; nothing is asked before a template does."""

    request: HttpRequest
    _numbers: dict[str, int] | None = field(default=None, init=False)

    @property
    def sections(self) -> list[ShownSection]:
        """The entries this person may open, by section; the current one is marked."""
        entries = list(_entries_for(self.request))
        here = max(
            (e.url for e in entries if _is_within(self.request.path, e.url)), key=len, default=""
        )
        found = []
        for title in SECTIONS:
            shown = [self._show(e, is_current=e.url == here) for e in entries if e.section == title]
            if shown:
                found.append(ShownSection(title=title, entries=shown))
        return found

    def number(self, key: str) -> int:
        """How many rows the entry of that key stands for."""
        return self._counted().get(key, 0)

    @property
    def has_worker(self) -> bool:
        """Whether a worker is up, so that what is started does not wait."""
        return bool(self.number("worker"))

    @property
    def work(self) -> dict[str, str]:
        """Whether a worker and a scheduler are up, as a tone and a sentence."""
        missing = [name for name in ("worker", "scheduler") if not self._counted().get(name)]
        if not missing:
            return {"tone": "good", "words": "Worker and scheduler up"}
        return {"tone": "bad", "words": f"No {' and no '.join(missing)} runs"}

    @property
    def jumps(self) -> list[Found]:
        """Pages and actions of the palette."""
        pages, icon = [], ""
        for entry in _entries_for(self.request):
            icon = entry.icon or icon  # what is below another entry has its icon
            pages.append(Found(entry.label, entry.section.lower() or "page", entry.url, icon))
        actions = [
            Found(p.label, "action", reverse(f"admin:{p.name}"), "action")
            for p in all_pages()
            if p.start_of and self.request.user.has_perm(p.permission)
        ]
        actions += [
            Found(label, "action", reverse(f"admin:{name}"), "action")
            for model_admin in admin.site._registry.values()
            for name, label, permission in getattr(model_admin, "start_links", ())
            if self.request.user.has_perm(permission)
        ]
        jumps: dict[str, Found] = {}
        for found in (*pages, *actions):
            jumps.setdefault(found.url, found)
        return list(jumps.values())

    def _counted(self) -> dict[str, int]:
        if self._numbers is None:
            self._numbers = cache.get_or_set(CACHE_KEY, count_all, KEPT_SECONDS)
        return self._numbers or {}

    def _show(self, entry: Entry, *, is_current: bool) -> ShownEntry:
        numbers = self._counted()
        number = numbers.get(entry.key, 0)
        waiting = 0
        if entry.state is not None:
            waiting = numbers.get(f"{entry.key}!", 0) if entry.state.rows else number
        # A number with a noun is said where there is something: "2 live", and nothing for none.
        said = words.number(number) if entry.rows and (number or not entry.noun) else ""
        return {
            "label": entry.label,
            "url": entry.url,
            "icon": entry.icon,
            "is_sub": not entry.icon,
            "is_current": is_current,
            "said": f"{said} {entry.noun}".strip() if said else "",
            "state": entry.state.tone if entry.state and waiting else "",
            "state_words": entry.state.words if entry.state else "",
        }


_entries: dict[str, Entry] = {}
_finders: list[tuple[tuple[str, ...], FindRecords]] = []
_counters: dict[str, Rows] = {}
BuildPart = Callable[[HttpRequest, Navigation], Any]
_parts: dict[str, BuildPart] = {}


def add_entries(*entries: Entry) -> None:
    """Put entries into the navigation; each address once."""
    for entry in entries:
        if entry.section not in SECTIONS:
            raise ValueError(f"Expected a section of {SECTIONS}, got {entry.section!r}.")
        if entry.key in _entries:
            raise ValueError(f"Two entries of the navigation lead to {entry.key}.")
        _entries[entry.key] = entry


def add_counter(name: str, rows: Rows) -> None:
    """Count rows that no entry stands for, as the workers that are alive."""
    _counters[name] = rows


def add_to_pages(name: str) -> Callable[[BuildPart], BuildPart]:
    """Give every page's template what the decorated function returns, by a name."""

    def register(build: BuildPart) -> BuildPart:
        _parts[name] = build
        return build

    return register


def parts_of_page(request: HttpRequest, navigation: Navigation) -> dict[str, Any]:
    """Return what apps add to every page; each is made when, and if, a template shows it."""
    return {
        name: SimpleLazyObject(partial(build, request, navigation))
        for name, build in _parts.items()
    }


def forget_numbers() -> None:
    """Let the next page count anew."""
    cache.delete(CACHE_KEY)


def finder(model: type[Model]) -> Callable[[FindRecords], FindRecords]:
    """Let the palette find records by what the decorated function returns for a text.

    Who may look at or change records of the model is shown at most `FOUND` of them.
    """

    def register(find: FindRecords) -> FindRecords:
        _finders.append((_seen_with(model._meta.label_lower), find))
        return find

    return register


def find_records(request: HttpRequest, text: str) -> list[Found]:
    """Return the records that this person may see and that a text names."""
    return [
        found
        for permissions, find in _finders
        if any(map(request.user.has_perm, permissions))
        for found in islice(find(text), FOUND)
    ]


def _seen_with(label: str) -> tuple[str, str]:
    """Return the permissions of which any lets one see records of `app_label.model_name`."""
    app, _, model = label.partition(".")
    return f"{app}.view_{model}", f"{app}.change_{model}"


def all_entries() -> list[Entry]:
    """Return every entry, in order."""
    return sorted(_entries.values(), key=lambda entry: (entry.order, entry.label))


def label_of(url_name: str) -> str:
    """Return what the navigation calls a page; empty where it does not lead there."""
    return next((e.label for e in _entries.values() if e.url_name == url_name), "")


def count_all() -> dict[str, int]:
    """Return the number of each entry (`key`), state (`key!`) and counter, in one query."""
    parts = []
    for entry in _entries.values():
        if entry.rows is not None:
            parts.append(_number(entry.key, entry.rows(), entry.weight))
        if entry.state is not None and entry.state.rows is not None:
            parts.append(_number(f"{entry.key}!", entry.state.rows()))
    parts += [_number(name, rows()) for name, rows in _counters.items()]
    if not parts:
        return {}
    first, *others = parts
    return dict(first.union(*others, all=True))


def _number(key: str, rows: QuerySet[Any], weight: str = "") -> QuerySet[Any]:
    counted: Any = Coalesce(Sum(weight), 0) if weight else Count("*")
    numbered: QuerySet[Any] = (
        rows.order_by()
        .annotate(entry_key=Value(key))
        .values("entry_key")
        .annotate(entry_number=Cast(counted, BigIntegerField()))
        .values_list("entry_key", "entry_number")
    )
    return numbered


def _entries_for(request: HttpRequest) -> Iterator[Entry]:
    for entry in all_entries():
        if not entry.permissions or any(map(request.user.has_perm, entry.permissions)):
            yield entry


def _is_within(path: str, url: str) -> bool:
    return path == url if url == reverse("admin:index") else path.startswith(url)
