"""Whether a source answers, and what it has of the tables."""

from dataclasses import dataclass
from typing import Literal, TypedDict

from feedback.domain.door import columns_at_source
from feedback.domain.tables import TABLES, MissingColumn, source_table
from feedback.models import FeedbackSource, Table
from feedback.queries.relations import (
    FAR_BELOW,
    SEE_ALL,
    RemoteRelation,
    describe_gap,
    describe_relation,
    is_far_below,
    table_of,
)
from feedback.queries.remote import (
    Remote,
    RemoteTable,
    SourceUnreachable,
    TableMissing,
    open_source,
)


class ConnectionCheck(TypedDict):
    """One thing that was looked at."""

    name: str
    value: str
    limit: str
    verdict: Literal["pass", "warn", "refuse"]
    remedy: str


@dataclass(frozen=True)
class ConnectionTest:
    """What a test of a connection found."""

    checks: list[ConnectionCheck]

    @property
    def passed(self) -> bool:
        return all(check["verdict"] != "refuse" for check in self.checks)

    @property
    def sees_all(self) -> bool:
        """Whether nothing was found that hides rows from the user of the source."""
        return all(check["verdict"] == "pass" for check in self.checks)


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
                    relation = describe_relation(remote, source.schema, name)
                    columns = columns_at_source(spec, source.mapping, relation.columns)
                    remote_table = table_of(relation, source, columns)
                except (TableMissing, MissingColumn) as error:
                    told = remote.masked(str(error))
                    checks.append(_check(name, "not readable", "there", told))
                    continue
                absent = [column.name for column in spec.columns if column.name not in columns]
                extra = len(relation.columns) - len(columns)
                value = f"{len(columns)} of {len(spec.columns)} columns"
                value += f", {extra} kept as extra" if extra else ""
                value += f", without {', '.join(absent)}" if absent else ""
                if relation.kind != "table":
                    value += f", a {relation.kind}"
                checks.append(_check(name, value, "required columns there", ""))
                checks += _whole(remote, remote_table, relation)
    except SourceUnreachable as error:
        checks.append(_check("connection", "no", "answers", str(error)))
    return ConnectionTest(checks)


def _whole(remote: Remote, table: RemoteTable, relation: RemoteRelation) -> list[ConnectionCheck]:
    """Look whether the user sees all rows of a table."""
    name, limit = f"all rows of {relation.name}", "nothing hides rows"
    if relation.hidden_by:
        told = " ".join([*relation.hidden_by, SEE_ALL])
        return [_check(name, "sees only some rows", limit, told, "warn")]
    if relation.estimate is not None:
        seen = remote.count_up_to(table, most=relation.estimate // FAR_BELOW + 1)
        if is_far_below(seen, relation.estimate):
            told = remote.masked(describe_gap(seen, relation.estimate))
            return [_check(name, f"{seen:,} of about {relation.estimate:,}", limit, told, "warn")]
    return [_check(name, "no row security for this user", limit, "")]


def _check(
    name: str,
    value: str,
    limit: str,
    remedy: str,
    verdict: Literal["warn", "refuse"] = "refuse",
) -> ConnectionCheck:
    return {
        "name": name,
        "value": value,
        "limit": limit,
        "verdict": verdict if remedy else "pass",
        "remedy": remedy,
    }
