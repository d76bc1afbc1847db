"""What apps add to the admin: the front page, pages and actions, each with its permission.

An app's admin registers its own; it never reaches into another app's. So training can put "Build a
dataset" beside a batch of matching, and matching knows nothing of it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from project.pages.consequences import Foresee

BuildFront = Callable[[HttpRequest], Mapping[str, Any]]
View = Callable[..., HttpResponse]
BuildRecordPanel = Callable[[HttpRequest, Any], Mapping[str, Any]]
RunAction = Callable[[HttpRequest, QuerySet[Any]], HttpResponseBase | None]


@dataclass(frozen=True)
class RecordPanel:
    """A card above the page of a record of `model`, low order first; {} hides it."""

    model: str  # app_label.model_name
    template: str
    permission: str
    build: BuildRecordPanel
    order: int


@dataclass(frozen=True)
class Page:
    """A page that belongs to no single record, at `admin/<route>`, reversed as `admin:<name>`.

    Without a permission it is for whoever is signed in. One that is the start of records of a
    model, `app_label.model_name`, is linked from their list; with `needs_rows` not while that is
    empty.
    """

    label: str
    route: str
    name: str
    permission: str
    view: View
    start_of: tuple[str, ...]
    needs_rows: bool = False


@dataclass(frozen=True)
class ObjectAction:
    """Something that can be done with records of a model, from their list and from their page.

    `template` shows it on the page of one record; `name` is what Django's list posts.
    """

    model: str  # app_label.model_name
    name: str
    label: str
    template: str
    permission: str
    run: RunAction
    foresee: Foresee | None  # what it comes to; None of one that asks itself, or changes nothing

    @property
    def is_instant(self) -> bool:
        """Whether nobody is asked before."""
        return self.foresee is None


class AlreadyRegistered(ValueError):
    """Two front pages are declared, or two pages or actions go by one name."""


_record_panels: dict[str, RecordPanel] = {}
_fronts: list[BuildFront] = []
_pages: dict[str, Page] = {}
_actions: dict[tuple[str, str], ObjectAction] = {}


def front_page(build: BuildFront) -> BuildFront:
    """Register the decorated function as what fills the front page."""
    if _fronts:
        raise AlreadyRegistered("The front page is filled by two functions.")
    _fronts.append(build)
    return build


def record_panel(
    model: str, *, template: str, permission: str, order: int
) -> Callable[[BuildRecordPanel], BuildRecordPanel]:
    """Register the decorated function as what fills a card on the page of each record."""

    def register(build: BuildRecordPanel) -> BuildRecordPanel:
        if template in _record_panels:
            raise AlreadyRegistered(f"Two cards are filled from {template}.")
        _record_panels[template] = RecordPanel(model, template, permission, build, order)
        return build

    return register


def record_panels_for(request: HttpRequest, record: Model) -> Iterator[dict[str, Any]]:
    """Yield the template of each card that this person may see, with what fills it."""
    label = record._meta.label_lower
    for each in sorted(_record_panels.values(), key=lambda panel: (panel.order, panel.template)):
        if each.model != label or not request.user.has_perm(each.permission):
            continue
        if context := each.build(request, record):
            yield {"template": each.template, **context}


def page(
    label: str,
    *,
    route: str,
    name: str,
    permission: str,
    start_of: tuple[str, ...] = (),
    needs_rows: bool = False,
) -> Callable[[View], View]:
    """Register the decorated view as a page; only who has the permission, if any, gets there.

    The lists of the models of `start_of` lead to it, with `needs_rows` where they have rows.
    """

    def register(view: View) -> View:
        if name in _pages:
            raise AlreadyRegistered(f"Two pages are named {name}.")
        _pages[name] = Page(label, route, name, permission, view, start_of, needs_rows)
        return view

    return register


def object_action(
    model: str,
    label: str,
    *,
    permission: str,
    foresee: Foresee | None,
    template: str = "components/object_action.html",
) -> Callable[[RunAction], RunAction]:
    """Register the decorated function as an action on records of `model`,
    `app_label.model_name`; `foresee` says what it comes to, None where it changes nothing."""

    def register(run: RunAction) -> RunAction:
        key = model, run.__name__
        if key in _actions:
            raise AlreadyRegistered(f"Two actions on {model} are named {run.__name__}.")
        _actions[key] = ObjectAction(model, run.__name__, label, template, permission, run, foresee)
        return run

    return register


def fill_front_page(request: HttpRequest) -> Mapping[str, Any]:
    """Return what the front page shows this person."""
    return _fronts[0](request) if _fronts else {}


def all_pages() -> list[Page]:
    """Return every registered page, by route."""
    return sorted(_pages.values(), key=lambda page: page.route)


def starts_for(request: HttpRequest, model: type[Model]) -> list[Page]:
    """Return the pages that begin records of a model and that this person may use."""
    label = model._meta.label_lower
    return [
        page
        for page in all_pages()
        if label in page.start_of and request.user.has_perm(page.permission)
    ]


def actions_for(request: HttpRequest, model: type[Model]) -> list[ObjectAction]:
    """Return what this person may do with records of a model, by label."""
    label = model._meta.label_lower
    return sorted(
        (
            action
            for action in _actions.values()
            if action.model == label and request.user.has_perm(action.permission)
        ),
        key=lambda action: action.label,
    )
