"""What a source's own catalogue says of a table: its columns, its size, and what hides its rows."""

from collections.abc import Mapping
from dataclasses import dataclass

from feedback.domain.tables import UnusableColumn
from feedback.models import FeedbackSource
from feedback.queries.remote import (
    NUMERIC_TYPES,
    Remote,
    RemoteTable,
    TableMissing,
    shortened,
    text_of,
)
from project import words

MOST_COLUMNS = 1_600  # PostgreSQL's own limit
MOST_HIDING = 1_000  # tables with row security below one view
SHOWN_HIDING = 5
# A count below half of the server's estimate is no matter of a late ANALYZE alone.
FAR_BELOW = 2
FEWEST_ASTRAY = 100  # rows; of small tables the estimate is rough

KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}

# Of a table with children or partitions the estimates are added up: each is counted for itself.
_RELATION = """
SELECT c.oid::text, c.relkind::text, (
    WITH RECURSIVE parts(relation) AS (
        SELECT c.oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN parts ON inhparent = relation
    ) SELECT coalesce(sum(p.reltuples::numeric) FILTER (WHERE p.reltuples > 0), 0)::bigint::text
    FROM parts JOIN pg_class p ON p.oid = relation AND p.relkind IN ('r', 'm', 'f'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""

# Of a domain the type below it, as the standard's own views say it.
_COLUMNS = """
SELECT a.attname::text,
    format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL)
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %s::oid AND a.attnum > 0 AND NOT a.attisdropped
    AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')
ORDER BY a.attnum
"""

# A view reads what is below it with the rights of its owner, or with those of whoever asks, however
# many views lie between. The rule is that of check_enable_rls in PostgreSQL, which answers
# row_security_active for the current user alone. A policy that is plainly true hides nothing.
_HIDING = """
WITH RECURSIVE below(relation, reader) AS (
    SELECT c.oid, r.oid FROM pg_class c, pg_roles r
    WHERE c.oid = %s::oid AND r.rolname = current_user
UNION
    SELECT d.refobjid, CASE WHEN c.relkind = 'v' AND EXISTS (
        SELECT FROM unnest(c.reloptions) o WHERE o ~* '^security_invoker=(true|on|yes|1)$'
    ) THEN (SELECT oid FROM pg_roles WHERE rolname = current_user) ELSE c.relowner END
    FROM below b JOIN pg_class c ON c.oid = b.relation AND c.relkind IN ('v', 'm')
    JOIN pg_rewrite w ON w.ev_class = c.oid
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid
)
SELECT n.nspname || '.' || t.relname, r.rolname::text,
    count(p.oid) FILTER (WHERE p.polpermissive)::text
FROM below b
JOIN pg_class t ON t.oid = b.relation JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_roles r ON r.oid = b.reader
LEFT JOIN pg_policy p ON p.polrelid = t.oid AND p.polcmd IN ('r', '*') AND EXISTS (
    SELECT FROM unnest(p.polroles) AS named(role)
    WHERE role = 0 OR pg_has_role(r.oid, role, 'USAGE'))
WHERE t.relrowsecurity AND CASE WHEN r.rolname = current_user THEN row_security_active(t.oid)
    ELSE NOT (r.rolsuper OR r.rolbypassrls
        OR (pg_has_role(r.oid, t.relowner, 'USAGE') AND NOT t.relforcerowsecurity)) END
GROUP BY 1, 2
HAVING NOT coalesce(bool_or(p.polpermissive AND pg_get_expr(p.polqual, p.polrelid) = 'true'), false)
    OR coalesce(bool_or(NOT p.polpermissive
        AND pg_get_expr(p.polqual, p.polrelid) IS DISTINCT FROM 'true'), false)
ORDER BY 1, 2
"""

SEE_ALL = (
    "Let the user see all of it: a policy FOR SELECT TO the user USING (true), or a user with "
    "BYPASSRLS."
)


@dataclass(frozen=True)
class RemoteRelation:
    """A table as the catalogue of its server describes it.

    Attributes
    ----------
    kind : what it is, in words: a table, a view ...
    columns : column -> type, of those that the user may see.
    estimate : rows, as the server last estimated them; None where it never did.
    hidden_by : a sentence for each row security that keeps rows from this user.
    """

    schema: str
    name: str
    kind: str
    columns: dict[str, str]
    estimate: int | None
    hidden_by: tuple[str, ...]


def describe_relation(remote: Remote, schema: str, name: str) -> RemoteRelation:
    """Ask a source's catalogue about a table, a view, or what else can be read like one.

    Raises
    ------
    TableMissing
        When there is no such table, or none of its columns may be read.
    """
    found = remote.ask(_RELATION, [schema, name], columns=3, rows=1)
    columns: dict[str, str] = {}
    if found:
        oid, kind, estimate = map(text_of, found[0])
        answer = remote.ask(_COLUMNS, [oid], columns=2, rows=MOST_COLUMNS)
        columns = {text_of(column): text_of(type_) for column, type_ in answer}
    if not columns:
        raise TableMissing(
            f"There is no table {schema}.{name} that this user may read. Create it, grant "
            "SELECT on it, map it to the name it has, or map it to an empty name to leave it "
            "out."
        )
    hiding = remote.ask(_HIDING, [oid], columns=3, rows=MOST_HIDING)
    return RemoteRelation(
        schema,
        name,
        KINDS.get(kind, "table"),
        columns,
        remote.number_of(estimate, "an estimate of rows") or None,
        tuple(
            shortened(remote.masked(_hides(f"{schema}.{name}", *map(text_of, row))))
            for row in hiding[:SHOWN_HIDING]
        ),
    )


def table_of(
    relation: RemoteRelation, source: FeedbackSource, known: Mapping[str, str]
) -> RemoteTable:
    """Return a relation as a table to read; `known` is known column -> column there.

    Raises
    ------
    UnusableColumn
        When times are numbers whose unit nobody said.
    """
    moment = known["created_at"]
    if relation.columns[moment] in NUMERIC_TYPES and not source.time_unit:
        raise UnusableColumn(
            f"{relation.name}.{moment} is of type {relation.columns[moment]}: a number since 1970, "
            "of seconds or of something smaller. Say which, as the unit of times of the source."
        )
    return RemoteTable(
        relation.schema,
        relation.name,
        relation.columns,
        moment,
        known.get("id"),
        source.naive_timezone,
        source.time_unit,
    )


def is_far_below(seen: int, estimate: int | None) -> bool:
    """Tell whether far fewer rows are seen than the server itself believes to have."""
    if estimate is None:
        return False
    return FAR_BELOW * seen < estimate and estimate - seen >= FEWEST_ASTRAY


def describe_gap(seen: int, estimate: int) -> str:
    """Say that far fewer rows are seen than the server believes to have."""
    return (
        f"The server itself estimates {words.tally(estimate, 'row')}, and this user sees "
        f"{seen:,}. Rows were "
        "deleted there since its last ANALYZE, or something keeps them from this user."
    )


def _hides(asked: str, table: str, reader: str, policies: str) -> str:
    where = table if table == asked else f"{table}, which {asked} reads as {reader},"
    which = (
        f"no policy lets {reader} see a row"
        if policies == "0"
        else f"policies choose which rows {reader} sees"
    )
    return f"Row security is on for {where} and {which}."
