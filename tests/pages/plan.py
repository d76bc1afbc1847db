"""Which pages are opened: all that the resolver knows, and what becomes of them in other states."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import reverse

from feedback.admin.reports import TITLES
from matching.admin import batches
from project.removal.registry import all_removals
from tests.pages.installation import Shown
from tests.pages.server import BROKEN
from tests.project.fuzz import addresses
from training.admin import datasets
from training.admin.model_page import TABS

OWNER, ANALYST, LOCKED = "ada", "grace", "mallory"  # may do all, may look, is locked out
PAGE_QUERIES, LIST_QUERIES = 25, 30  # at most
HOME, HOME_QUERIES = "/admin/", 15

DATA = "data for a script of a page, no page"
DOWNLOAD = "a download"
POST_ONLY = "answers nothing but POST"
PROGRAM = "answers programs: tests/serving"
LEFT_OUT = {
    "/healthz": PROGRAM,
    "/readyz": PROGRAM,
    "/metrics": PROGRAM,
    "/api/v1/": PROGRAM,
    "/api/v1/openapi.json": PROGRAM,
    "/api/v1/docs": "the page that django-ninja brings",
    "/api/v1/events": PROGRAM,
    "/api/v1/feedback": PROGRAM,
    "/api/v1/feedback/predict": PROGRAM,
    "/api/v1/match/explain": PROGRAM,
    "/api/v1/match/rank": PROGRAM,
    "/api/v1/match/score": PROGRAM,
    "/api/v1/models": PROGRAM,
    "/api/v1/outcomes": PROGRAM,
    "/api/v1/models/%(kind)s/champion": PROGRAM,
    "/api/v1/people/%(external_id)s": PROGRAM,
    "/api/v1/sessions/%(external_id)s": PROGRAM,
    "/": "leads to the front page",
    "/admin/%(url)s": "every address that there is none of: the page of a 404 is opened",
    "/admin/autocomplete/": DATA,
    "/admin/jsi18n/": DATA,
    "/admin/home/live/": "the parts of the front page that renew themselves",
    "/admin/home/begin/%(step)s/": POST_ONLY,
    "/admin/logout/": f"{POST_ONLY}: the page that follows is opened",
    "/admin/jobs/job/strip/": DATA,
    "/admin/jobs/job/%(object_id)s/live/": "the part of a job's page that renews itself",
    "/admin/jobs/job/%(object_id)s/offer/": POST_ONLY,
    "/admin/feedback/feedbacksource/schedule/": POST_ONLY,
    "/admin/exports/export/%(pk)s/download/": DOWNLOAD,
    "/admin/matching/eventbatch/%(pk)s/export/": DOWNLOAD,
    "/admin/matching/eventbatch/%(pk)s/rejected.csv": DOWNLOAD,
    "/admin/training/dataset/%(pk)s/files.zip": DOWNLOAD,
    "/admin/training/dataset/%(pk)s/files/%(file)s": DOWNLOAD,
    "/admin/training/modelversion/%(pk)s/files.zip": DOWNLOAD,
    "/admin/login/": "opened by who is not signed in",
}
REMOVAL_QUERIES = 32  # every app counts what it has of a person, under each id and name
# What has to be given along for a page to be there.
GIVEN = {
    "/admin/training/modelversion/%(pk)s/compare/": "?other=1",
    "/admin/training/dataset/%(pk)s/compare/": "?other=2",
    "/admin/scores/": "?left=1&right=2",
    "/admin/answers/person/": "?user=user1",
}
# What stands in tabs of a page beside the first.
TABBED = {
    "/admin/matching/eventbatch/%(object_id)s/change/": tuple(batches.TABS)[1:],
    "/admin/training/dataset/%(object_id)s/change/": tuple(datasets.TABS)[1:],
}
RECORD = re.compile(r"/admin/(?P<app>\w+)/(?P<model>\w+)/(?P<rest>.*)")


@dataclass(frozen=True)
class Visit:
    """One page to open, and how one comes to it."""

    name: str
    address: str
    form: str = ""  # of the resolver, where it comes from there
    who: str = OWNER
    status: int = 200
    budget: int | None = PAGE_QUERIES
    # What is posted to the address; None opens it. A list is for several of one name.
    post: dict[str, Any] | None = field(default=None, hash=False)
    may_lead_on: bool = False  # where it leads elsewhere, there is no such page

    @property
    def short_name(self) -> str:
        """Its name without that of the record."""
        return re.sub(r" \(.*?\)", "", self.name) if self.form else self.name

    @property
    def is_hard(self) -> bool:
        """Whether it shows what is hardest to fit in."""
        return "(long" in self.name or "(champion" in self.name or "(running" in self.name


def why_left_out(form: str, owner: User) -> str:
    """Return why an address is not opened; empty where it is."""
    if form in LEFT_OUT:
        return LEFT_OUT[form]
    match = RECORD.fullmatch(form)
    if match is None:
        return ""
    if match["rest"] == "%(object_id)s/":
        return "leads to the page of the record"
    registered = admin.site._registry.get(_model_of(match))
    asking = _request(owner)
    if registered and match["rest"] == "add/" and not registered.has_add_permission(asking):
        return "nobody may add one by hand"
    is_delete = match["rest"].endswith("delete/")
    if is_delete and getattr(registered, "removal_page", ""):
        return "leads to the page that removes it"
    if registered and is_delete and not registered.has_delete_permission(asking):
        return "nobody may delete one"
    return ""


def forms() -> dict[str, list[str]]:
    """Return every address of the resolver once, with its places."""
    return dict(addresses())


def pages_without_rows(owner: User) -> Iterator[Visit]:
    """Yield the pages of an installation in which there is nothing yet."""
    for form, places in forms().items():
        if places in ([], ["kind"]) and not why_left_out(form, owner):
            for named, values in _fillings(form, places, owner, {}):
                name = f"{_titled(form, named)}, no rows"
                yield Visit(name, form % values, form, budget=_budget(form), may_lead_on=True)


def pages(owner: User, shown: Shown) -> Iterator[Visit]:
    """Yield every page of the resolver for the records that are shown, and lists in all states."""
    for form, places in forms().items():
        if why_left_out(form, owner):
            continue
        for named, values in _fillings(form, places, owner, shown):
            address = form % {name: quote(str(value), safe="") for name, value in values.items()}
            address += GIVEN.get(form, "")
            # Some pages are there for some records only: no model is compared with itself.
            leads = bool(places)
            yield Visit(
                _titled(form, named), address, form, budget=_budget(form), may_lead_on=leads
            )
            for tab in TABBED.get(form, ()):
                yield Visit(
                    f"{_titled(form, named)}, {tab}", f"{address}?tab={tab}", form,
                    budget=_budget(form),
                )  # fmt: skip
    for model, registered in admin.site._registry.items():
        yield from _lists(model, registered, owner, shown)
    yield from _removals(shown)
    yield from _others(shown)


def _removals(shown: Shown) -> Iterator[Visit]:
    """Yield what removing each record comes to."""
    for how in all_removals():
        at = reverse(f"admin:remove_{how.thing}")
        known = shown.get(how.model) or _first(apps.get_model(how.model))
        for name, key in known.items():
            yield Visit(f"{at} ({name})", f"{at}?number={key}", budget=REMOVAL_QUERIES)


def _titled(form: str, named: str) -> str:
    short = re.sub(r"%\((\w+)\)s", "*", form)
    return f"{short} ({named})" if named else short


def _budget(form: str) -> int:
    if form == HOME:
        return HOME_QUERIES
    match = RECORD.fullmatch(form)
    return LIST_QUERIES if match and not match["rest"] else PAGE_QUERIES


def _model_of(match: re.Match[str]) -> Any:
    try:
        return apps.get_model(match["app"], match["model"])
    except LookupError:
        return None


def _request(owner: User, query: str = "") -> HttpRequest:
    request = RequestFactory().get(f"/{query}")
    request.user = owner
    return request


def _fillings(
    form: str, places: list[str], owner: User, shown: Shown
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what can stand in the places of an address, with a name for it."""
    if not places:
        yield "", {}
    elif places == ["kind"]:
        yield from ((kind, {"kind": kind}) for kind in TITLES)
    elif places == ["app_label"]:
        labels = sorted({model._meta.app_label for model in admin.site._registry})
        yield from ((label, {"app_label": label}) for label in labels)
    else:
        match = RECORD.fullmatch(form)
        assert match, f"Say in tests/pages/plan.py what stands in {form}, or why it is left out."
        model = _model_of(match)
        known = shown.get(f"{match['app']}.{match['model']}") or _first(model)
        for name, key in known.items():
            if match["rest"].endswith("delete/") and not _may_delete(model, key, owner):
                continue
            if places == ["_0", "_1"]:
                lines = model.history.filter(**{model._meta.pk.attname: key})
                yield from ((name, {"_0": key, "_1": line.pk}) for line in lines[:1])
            else:
                yield name, dict.fromkeys(places, key)


def _may_delete(model: Any, key: str, owner: User) -> bool:
    registered = admin.site._registry[model]
    return registered.has_delete_permission(_request(owner), model._default_manager.get(pk=key))


def _first(model: Any) -> dict[str, str]:
    key = model._default_manager.order_by("pk").values_list("pk", flat=True).first()
    return {} if key is None else {"first": str(key)}


def _lists(model: Any, registered: Any, owner: User, shown: Shown) -> Iterator[Visit]:
    """Yield a list as it is searched, filtered and empty, and what its actions ask first."""
    meta = model._meta
    at = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    if registered.get_search_fields(_request(owner)):
        yield Visit(f"{at} (searched)", f"{at}?q=e", budget=LIST_QUERIES)
        yield Visit(f"{at} (nothing found)", f"{at}?q=nothing+of+that+name", budget=LIST_QUERIES)
    request = _request(owner)
    changelist = registered.get_changelist_instance(request)
    for filters in changelist.filter_specs[:1]:
        chosen = list(filters.choices(changelist))[1:2]
        for choice in chosen:
            address = f"{at}{choice['query_string']}"
            yield Visit(f"{at} (filtered)", address, budget=LIST_QUERIES)
    keys = list((shown.get(meta.label_lower) or _first(model)).values())
    for action in registered.get_actions(request):
        post = {"action": action, "_selected_action": keys, "index": "0", "select_across": "0"}
        yield Visit(f"{at} (asked: {action})", at, post=post, may_lead_on=True)


def _others(shown: Shown) -> Iterator[Visit]:
    """Yield what no address of the resolver leads to: refusals, messages, signing in and out."""
    people = reverse("admin:matching_seeduser_changelist")
    add = reverse("admin:auth_user_add")
    login = reverse("admin:login")
    wrong = {"username": "nobody", "password": "wrong"}
    yield Visit("not found", "/admin/nothing-there/", status=404)
    yield Visit("no such record", f"{people}999999/change/", status=404)
    yield Visit("a message above a list", people, post={"action": "delete_selected", "index": "0"})
    yield Visit("not permitted", add, who=ANALYST, status=403)
    yield Visit("front page of who may only look", "/admin/", who=ANALYST, budget=HOME_QUERIES)
    yield Visit("list of who may only look", people, who=ANALYST, budget=LIST_QUERIES)
    first = next(iter(shown["matching.seeduser"].values()))
    yield Visit("record of who may only look", f"{people}{first}/change/", who=ANALYST)
    other = shown["matching.seeduser"]["empty"]
    yield Visit("what a merge comes to", f"{people}{first}/merge/?gone={other}")
    for name, asked in (("nobody of that id", "user=nobody"), ("nobody asked", "user=")):
        yield Visit(f"/admin/answers/person/ ({name})", f"/admin/answers/person/?{asked}")
    key = {"name": "an application", "scopes": ["score"], "requests_per_minute": "600"}
    yield Visit("a key that was made", reverse("admin:serving_apikey_add"), post=key)
    models = reverse("admin:training_modelversion_changelist")
    for label, key in shown["training.modelversion"].items():
        at = f"{models}{key}/"
        for tab in TABS:
            yield Visit(f"model, {tab} ({label})", f"{at}change/?tab={tab}")
        beside = f"{at}compare/?other=1&other=2&other=3&other=4"
        yield Visit(f"versions side by side ({label})", beside)
    yield Visit("not understood", f"{people}?q=%00", status=400)
    yield Visit("broken", BROKEN, status=500)
    yield Visit("signed out", reverse("admin:logout"), post={})
    yield Visit("sign in", login, who="")
    yield Visit("sign in, wrong", login, who="", post=wrong)
    locked = {"username": LOCKED, "password": "wrong"}
    yield Visit("locked out", login, who="", status=429, post=locked)
