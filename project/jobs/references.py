"""What names in results and arguments of jobs refer to, and how records that jobs made are called
now."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db.models import BinaryField, JSONField, Model, QuerySet
from django.http import HttpRequest

from project.pages.links import list_url_for, url_for

VALUES: Final = 200  # of one name that are looked up; as many are shown
Links = Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Reference:
    """A field of records of `model`, `app_label.model_name`, by which a result names them."""

    model: str
    field: str


_references: dict[str, list[Reference]] = defaultdict(list)


def refer(model: str, *names: str, field: str = "pk") -> None:
    """Say that values of these names in the JSON of jobs are such records, by that field."""
    for name in names:
        _references[name].append(Reference(model, field))


def links_in(request: HttpRequest, *values: Any) -> Links:
    """Return the address of each record that is named in JSON, that is there, and that may be seen.

    By (name, value as text); one query for each name that occurs.
    """
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for value in values:
        _collect("", value, found)
    links: dict[tuple[str, str], str] = {}
    for name, named in found.items():
        for reference in _references[name]:
            for text, pk in _there(reference, list(named.values())[:VALUES]):
                if url := url_for(request, reference.model, pk):
                    links.setdefault((name, text), url)
    return links


def _collect(name: str, value: Any, found: dict[str, dict[str, Any]]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _collect(key, inner, found)
    elif isinstance(value, list):
        for inner in value:
            _collect(name, inner, found)
    elif name in _references and isinstance(value, int | str) and not isinstance(value, bool):
        found[name][str(value)] = value


def _there(reference: Reference, values: list[Any]) -> Iterable[tuple[str, Any]]:
    model: Any = apps.get_model(reference.model)
    field = model._meta.pk if reference.field == "pk" else model._meta.get_field(reference.field)
    usable = [value for value in values if _is_of(field, value)]
    rows = model._default_manager.filter(**{f"{reference.field}__in": usable})
    return [(str(named), pk) for named, pk in rows.values_list(reference.field, "pk")]


def _is_of(field: Any, value: Any) -> bool:
    """Whether the database takes a value of a job as one of a field."""
    try:
        field.clean(field.to_python(value), None)
    except ValidationError:
        return False
    return True


@dataclass(frozen=True)
class Made:
    """A record that a job made, or a list of such: what it is called now."""

    title: str
    url: str


def records_now(
    records: Iterable[Mapping[str, Any]], request: HttpRequest | None = None
) -> list[Made]:
    """Return what a job made as it is called now; what is gone keeps its title, without a link.

    A title that was kept when the record was begun tells of that moment: a batch of no events.
    """
    kept = list(records)
    ids: dict[str, list[Any]] = defaultdict(list)
    for record in kept:
        if "query" not in record:
            ids[record["model"]].append(record["id"])
    there = {label: _by_key(label, keys) for label, keys in ids.items()}
    return [_made(record, there, request) for record in kept]


def _made(
    record: Mapping[str, Any],
    there: Mapping[str, Mapping[str, Model]],
    request: HttpRequest | None,
) -> Made:
    label = record["model"]
    if "query" in record:
        url = list_url_for(request, label, record["query"]) if request else ""
        return Made(record["title"], url)
    now = there[label].get(str(record["id"]))
    if now is None:
        return Made(f"{record['title']}, deleted since", "")
    return Made(str(now), url_for(request, label, now.pk) if request else "")


def _by_key(label: str, keys: list[Any]) -> dict[str, Model]:
    try:
        model: Any = apps.get_model(label)
    except LookupError:  # of a release that had it
        return {}
    heavy = [
        field.name
        for field in model._meta.concrete_fields
        if isinstance(field, BinaryField | JSONField)
    ]
    rows: QuerySet[Any] = model._default_manager.defer(*heavy)
    return {str(pk): row for pk, row in rows.in_bulk(keys).items()}
