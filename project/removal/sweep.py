"""Looks through the texts of every table for one person, whichever app has it."""

import json
from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection, models, transaction

from project.jobs.contract import Run
from project.removal.contract import Counts
from project.removal.erasing import Erasing, allow_changes, erases

ROWS: Final = 2000  # looked at together
# Who acted: accounts and keys, which are no people of this kind.
ACTING: Final = frozenset(
    {"actor", "by", "made_by", "revoked_by", "proposed_by", "confirmed_by", "override_by"}
)
LAST: Final = 90  # after what apps do about rows of their own

_going: dict[str, str] = {}
_left: set[str] = {
    # Accounts, rights and what Django knows of itself.
    *("auth.user", "auth.group", "auth.permission", "contenttypes.contenttype", "sessions.session"),
    *("storage.installation", "removal.receipt", "serving.apikey", "jobs.process"),
}


def rows_go(label: str, noun: str) -> None:
    """Have rows of a model go where they mention the person; others are only rewritten.

    Parameters
    ----------
    noun : what such a row is, in the singular
    """
    _going[label] = noun


def leaves_out(*labels: str) -> None:
    """Have models passed over: their app looks through them itself, or nobody is named there."""
    _left.update(labels)


def swept_models() -> list[type[models.Model]]:
    """Return every model whose texts are looked through, in the order of their names."""
    return sorted(
        (
            model
            for model in apps.get_models()
            if model._meta.managed
            and not model._meta.proxy
            and model._meta.label_lower not in _left
            and swept_columns(model)
        ),
        key=lambda model: model._meta.label_lower,
    )


def swept_columns(model: type[models.Model]) -> list[str]:
    """Return the columns of a model that may hold words."""
    return [field.attname for field in model._meta.concrete_fields if _holds_words(field)]


def _holds_words(field: Any) -> bool:
    if field.name in ACTING or field.choices or field.primary_key or field.is_relation:
        return False
    if isinstance(field, models.GeneratedField):
        return False
    base = field.base_field if isinstance(field, ArrayField) else field
    if field.name.endswith(("_encrypted", "password", "sha256", "digest")):
        return False
    return isinstance(base, models.CharField | models.TextField | models.JSONField)


@erases("Looking through the texts of all tables", order=LAST)
def sweep_texts(run: Run, erasing: Erasing) -> Counts:
    """Rewrite or remove every row that still mentions the person."""
    counts: dict[str, int] = {}
    for model in swept_models():
        label = model._meta.label_lower
        found = run.once(f"sweep {label}", lambda model=model: sweep_model(model, erasing))  # type: ignore[misc]
        noun = _going.get(label, "other record")
        counts[noun] = counts.get(noun, 0) + int(found["rows"])
    return counts


@erases("Sessions of the admin", order=LAST + 1)
def sweep_sessions(run: Run, erasing: Erasing) -> Counts:
    """Rewrite what pages have said of the person to somebody who has not seen it yet."""
    done = run.once("sessions", lambda: {"rows": _rewrite_sessions(erasing)})
    return {"other record": int(done["rows"])}


def _rewrite_sessions(erasing: Erasing) -> int:
    rewritten = 0
    for session in Session.objects.iterator():
        said = session.get_decoded()
        other = erasing.mentions.without(said)
        if other != said:
            store = SessionStore(session_key=session.session_key)
            rows = Session.objects.filter(pk=session.pk)
            rewritten += rows.update(session_data=store.encode(other))
    return rewritten


def count_mentions(erasing: Erasing) -> dict[str, int]:
    """Count the rows that go because they mention the person, for a plan."""
    counts: dict[str, int] = {}
    for label, noun in _going.items():
        model = apps.get_model(label)
        rows = sum(len(keys) for keys in _found(model, swept_columns(model), erasing))
        counts[noun] = counts.get(noun, 0) + rows
    return counts


@transaction.atomic
def sweep_model(model: type[models.Model], erasing: Erasing) -> dict[str, int]:
    """Go once through one table; returns how many rows were rewritten or removed."""
    allow_changes()
    columns = swept_columns(model)
    goes = model._meta.label_lower in _going
    went = 0
    for keys in list(_found(model, columns, erasing)):
        rows: Any = model._base_manager.filter(pk__in=keys)
        if goes:
            rows._raw_delete(rows.db)
            went += len(keys)
            continue
        for values in list(rows.values("pk", *columns)):
            went += _rewrite(model, values, erasing)
    return {"rows": went}


def _rewrite(model: type[models.Model], values: dict[str, Any], erasing: Erasing) -> int:
    changed = {}
    for name, value in values.items():
        if name == "pk":
            continue
        other = erasing.mentions.without(value, key=name)
        if other != value:
            longest = getattr(model._meta.get_field(name), "max_length", None)
            changed[name] = other[:longest] if longest and isinstance(other, str) else other
    if changed:
        model._base_manager.filter(pk=values["pk"]).update(**changed)
    return bool(changed)


def _found(model: type[models.Model], columns: list[str], erasing: Erasing) -> Iterator[list[Any]]:
    """Yield the keys of rows that mention the person, some at a time."""
    mentions, goes = erasing.mentions, model._meta.label_lower in _going
    quote = connection.ops.quote_name
    field: Any = model._meta.get_field
    texts = [f"{quote(field(name).column)}::text" for name in columns]
    # Where rows go, a number counts in a column of ids too.
    untold = [f"%{name}%" for name in mentions.untold]
    patterns = [*mentions.patterns, *untold]
    if not patterns:
        return
    where = " OR ".join(f"{text} LIKE ANY(%s)" for text in texts)
    table, key = quote(model._meta.db_table), quote(str(model._meta.pk.column))
    statement = f"SELECT {key} FROM {table} WHERE {where}"  # noqa: S608 - our own names
    with connection.cursor() as cursor:
        cursor.execute(statement, [patterns] * len(texts))
        likely = [row[0] for row in cursor]
    for start in range(0, len(likely), ROWS):
        rows = model._base_manager.filter(pk__in=likely[start : start + ROWS])
        found = [
            values.pop("pk")
            for values in rows.values("pk", *columns).iterator(chunk_size=ROWS)
            if _mention(mentions, values, goes=goes)
        ]
        if found:
            yield found


def _mention(mentions: Any, values: dict[str, Any], *, goes: bool) -> bool:
    said = {name: value for name, value in values.items() if name != "pk"}
    if not goes:
        return any(mentions.without(value, key=name) != value for name, value in said.items())
    return mentions.name_a_row(said) or any(
        mentions.name_a_row(row) for value in said.values() if (row := _as_json(value)) is not None
    )


def _as_json(value: Any) -> Any:
    """Return what a text says as JSON, as rows of tables are kept; None where it is none.

    Lines of logs have a word before it.
    """
    if not isinstance(value, str) or "{" not in value:
        return None
    try:
        return json.loads(value[value.index("{") :])
    except ValueError:
        return None
