"""What people do to sources: set a password, test the connection, choose what is read."""

from dataclasses import dataclass
from typing import Any

from django.views.decorators.debug import sensitive_variables

from feedback.domain.tables import TABLES, MissingColumn, source_columns, source_table
from feedback.models import FeedbackSource, Table
from feedback.models.passwords import encrypt_password
from feedback.queries.remote import SourceUnreachable, TableMissing, open_source
from project.refusal import Refusal

SYNTHETIC_NAME = "synthetic"


@sensitive_variables("password")
def set_password(source: FeedbackSource, password: str) -> FeedbackSource:
    """Keep a password encrypted; an empty one removes it. The caller saves."""
    source.password_encrypted = encrypt_password(password) if password else ""
    return source


@dataclass(frozen=True)
class ConnectionTest:
    """What a test of a connection found: checks {name, value, limit, verdict, remedy}."""

    checks: list[dict[str, Any]]

    @property
    def passed(self) -> bool:
        return all(check["verdict"] != "refuse" for check in self.checks)


def check_connection(source: FeedbackSource) -> ConnectionTest:
    """Connect to a source and look at its tables; writes nothing there nor here."""
    checks = []
    try:
        with open_source(source) as remote:
            version = remote.version()
            checks.append(_check("connection", f"PostgreSQL {version}", "answers", ""))
            for table in Table.values:
                spec = TABLES[table]
                name = source_table(spec, source.mapping)
                if not name:
                    checks.append(_check(table, "left out", "mapped to no table", ""))
                    continue
                try:
                    available = remote.columns_of(source.schema, name)
                    columns = source_columns(spec, source.mapping, available)
                except (TableMissing, MissingColumn) as error:
                    checks.append(_check(name, "not readable", "there", str(error)))
                    continue
                absent = [column.name for column in spec.columns if column.name not in columns]
                extra = len(available) - len(columns)
                value = f"{len(columns)} of {len(spec.columns)} columns"
                value += f", {extra} kept as extra" if extra else ""
                value += f", without {', '.join(absent)}" if absent else ""
                checks.append(_check(name, value, "required columns there", ""))
    except SourceUnreachable as error:
        checks.append(_check("connection", "no", "answers", str(error)))
    return ConnectionTest(checks)


def _check(name: str, value: str, limit: str, remedy: str) -> dict[str, Any]:
    verdict = "refuse" if remedy else "pass"
    return {"name": name, "value": value, "limit": limit, "verdict": verdict, "remedy": remedy}


def synthetic_source() -> FeedbackSource:
    """Return the source that stands in while there is no other."""
    source, _ = FeedbackSource.objects.get_or_create(
        name=SYNTHETIC_NAME, defaults={"kind": FeedbackSource.Kind.SYNTHETIC, "schema": ""}
    )
    if not source.is_synthetic:
        raise Refusal(
            f"A source of kind {source.kind} is called {SYNTHETIC_NAME}.",
            remedy="Rename it: the name belongs to generated feedback.",
        )
    return source


def file_source(name: str) -> FeedbackSource:
    """Return the source that keeps imported files under a name; it is made when it is new."""
    source, _ = FeedbackSource.objects.get_or_create(
        name=name, defaults={"kind": FeedbackSource.Kind.FILE, "schema": ""}
    )
    if source.kind != FeedbackSource.Kind.FILE:
        raise Refusal(
            f"{name} is a source of kind {source.kind}; files are imported into one of kind file.",
            remedy="Give another name with --source.",
        )
    return source


def sources_named(names: list[str]) -> list[FeedbackSource]:
    """Return sources by name, in that order; refuses unknown ones."""
    found = {source.name: source for source in FeedbackSource.objects.filter(name__in=names)}
    unknown = [name for name in names if name not in found]
    if unknown:
        known = ", ".join(FeedbackSource.objects.values_list("name", flat=True)) or "none"
        raise Refusal(
            f"There is no source {', '.join(unknown)}; there are: {known}.",
            remedy="Give the name of a source, or add it in the admin.",
        )
    return [found[name] for name in names]
