"""Whether a source answers, and what it has of the tables."""

from dataclasses import dataclass
from typing import Literal, TypedDict

from feedback.domain.tables import TABLES, MissingColumn, source_columns, source_table
from feedback.models import FeedbackSource, Table
from feedback.queries.remote import SourceUnreachable, TableMissing, open_source


class ConnectionCheck(TypedDict):
    """One thing that was looked at."""

    name: str
    value: str
    limit: str
    verdict: Literal["pass", "refuse"]
    remedy: str


@dataclass(frozen=True)
class ConnectionTest:
    """What a test of a connection found."""

    checks: list[ConnectionCheck]

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
                    told = remote.masked(str(error))
                    checks.append(_check(name, "not readable", "there", told))
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


def _check(name: str, value: str, limit: str, remedy: str) -> ConnectionCheck:
    return {
        "name": name,
        "value": value,
        "limit": limit,
        "verdict": "refuse" if remedy else "pass",
        "remedy": remedy,
    }
