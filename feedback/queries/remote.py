"""Reads a source's database: one read-only transaction, bounded in time and memory."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from django.conf import settings
from django.views.decorators.debug import sensitive_variables
from psycopg import sql
from psycopg.abc import Buffer
from psycopg.adapt import Loader

from feedback.domain.row_format import MAX_ROW_BYTES, OVERSIZED_KEY
from feedback.models import FeedbackSource
from feedback.models.passwords import PasswordUnavailable, password_of
from feedback.queries.addresses import Address, AddressRefused, check_address

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 120  # of one statement or fetch, at the server
LOCK_SECONDS = 5
SILENCE_SECONDS = (
    150  # without an answer to a statement we hang up: a frozen server keeps no timeout
)
# An empty name would mean ~/.pgpass, and of a device libpq warns.
NO_PASSWORD_FILE = "/nonexistent"  # noqa: S105 - the name of a file
FETCH_ROWS = 4_096  # times MAX_ROW_BYTES is the most that one fetch can bring: 256 MB
TIMED_TYPES = ("timestamp with time zone", "timestamp without time zone", "date")

Connection = psycopg.Connection[tuple[Any, ...]]


class SourceUnreachable(Exception):
    """A source cannot be read; the message says why, and never contains its password."""


class SourceDown(SourceUnreachable):
    """A source cannot even be connected to: its other tables need not be tried."""


class TableMissing(LookupError):
    """A source does not have a table; the message says what to do."""


@dataclass(frozen=True)
class RemoteTable:
    """A table as the source's information_schema describes it.

    Attributes
    ----------
    columns : column -> type, of those that the user may see.
    moment : known name created_at at the source.
    identity : known name id at the source, or None.
    """

    schema: str
    name: str
    columns: dict[str, str]
    moment: str
    identity: str | None
    naive_timezone: str

    @property
    def is_timed(self) -> bool:
        """Whether the source itself can compare and sort times of creation."""
        return self.columns[self.moment] in TIMED_TYPES

    @property
    def source(self) -> sql.Composable:
        return sql.Identifier(self.schema, self.name)

    @property
    def moment_expression(self) -> sql.Composable:
        """The time of creation as a time with a zone."""
        column = sql.Identifier(self.moment)
        if self.columns[self.moment] == "timestamp with time zone":
            return column
        return sql.SQL("({}::timestamp AT TIME ZONE {})").format(
            column, sql.Literal(self.naive_timezone or "UTC")
        )


class _BytesLoader(Loader):
    """Leaves text as it came over the line; the parser reads bytes."""

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


class Remote:
    """An open connection to a source, inside its one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def now(self) -> datetime:
        """Return the source's time at the beginning of the transaction."""
        return datetime.fromisoformat(
            self._one('SELECT to_char(now(), \'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"\')')
        )

    def version(self) -> str:
        return str(self._one("SHOW server_version"))

    def columns_of(self, schema: str, table: str) -> dict[str, str]:
        """Return column -> type of a table, in its order.

        Raises
        ------
        TableMissing
            When there is no such table, or none of its columns may be read.
        """
        with self._patience():
            rows = self._connection.execute(
                "SELECT column_name::text, data_type::text FROM information_schema.columns "
                "WHERE table_schema = %s AND table_name = %s "
                "AND has_column_privilege(to_regclass(quote_ident(table_schema) || '.' || "
                "quote_ident(table_name)), column_name::text, 'SELECT') ORDER BY ordinal_position",
                [schema, table],
            ).fetchall()
        if not rows:
            raise TableMissing(
                f"There is no table {schema}.{table} that this user may read. Create it, grant "
                "SELECT on it, map it to the name it has, or map it to an empty name to leave it "
                "out."
            )
        return dict(rows)

    def count(self, table: RemoteTable, where: sql.Composable) -> int:
        """Return the source's own count of rows."""
        return int(
            self._one(sql.SQL("SELECT count(*) FROM {} WHERE {}").format(table.source, where))
        )

    def rows(
        self, table: RemoteTable, where: sql.Composable, *, limit: int | None
    ) -> Iterator[list[bytes]]:
        """Yield rows as JSON, oldest first, in lists of at most FETCH_ROWS.

        The source itself writes each row as JSON, so that values arrive as they are, whatever their
        type: infinity, NaN and the year 10000 included. OFFSET 0 keeps the planner from writing it
        twice.
        """
        columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        order: sql.Composable = sql.Identifier(table.moment)
        if table.identity is not None:
            order = sql.SQL("{}, {}").format(order, sql.Identifier(table.identity))
        bound: sql.Composable = sql.SQL("")
        if limit is not None:
            # Without an id, rows of the same instant have no order: they are taken together.
            ties = sql.SQL("ONLY" if table.identity is not None else "WITH TIES")
            bound = sql.SQL("FETCH FIRST {} ROWS {}").format(sql.Literal(limit), ties)
        query = sql.SQL(
            "SELECT CASE WHEN octet_length(seedbed_row) <= {most} THEN seedbed_row ELSE "
            "json_build_object({key}, octet_length(seedbed_row), {stub})::text END FROM "
            "(SELECT row_to_json(r)::text AS seedbed_row, r.* FROM "
            "(SELECT {columns} FROM {source} WHERE {where} ORDER BY {order} {bound}) r OFFSET 0) s"
        ).format(
            most=sql.Literal(MAX_ROW_BYTES),
            key=sql.Literal(OVERSIZED_KEY),
            stub=sql.SQL(", ").join(
                sql.SQL("{}, left(s.{}::text, 200)").format(sql.Literal(name), sql.Identifier(name))
                for name in (table.identity, table.moment)
                if name is not None
            ),
            columns=columns,
            source=table.source,
            where=where,
            order=order,
            bound=bound,
        )
        with self._connection.cursor(name="seedbed_feedback") as cursor:
            cursor.adapters.register_loader("text", _BytesLoader)
            with self._patience():
                cursor.execute(query)
            while True:
                with self._patience():
                    fetched = cursor.fetchmany(FETCH_ROWS)
                if not fetched:
                    return
                yield [row[0] for row in fetched]

    def _one(self, query: Any) -> Any:
        with self._patience():
            row = self._connection.execute(query).fetchone()
        assert row is not None  # noqa: S101 - each query asks for exactly one row
        return row[0]

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Hang up when the server has been silent for too long."""
        watch = threading.Timer(SILENCE_SECONDS, _hang_up, [self._connection])
        watch.daemon = True
        watch.start()
        try:
            yield
        finally:
            watch.cancel()


def _hang_up(connection: Connection) -> None:
    with contextlib.suppress(OSError, psycopg.Error):
        line = socket.socket(fileno=os.dup(connection.fileno()))
        line.shutdown(socket.SHUT_RDWR)
        line.close()


@contextmanager
def open_source(source: FeedbackSource) -> Iterator[Remote]:
    """Open a read-only, repeatable-read transaction at a source, and roll it back in the end.

    Nothing is set for the session: behind a transaction pooler it belongs to somebody else.

    Raises
    ------
    SourceUnreachable
        When it may not or cannot be connected to, or stops answering.
    """
    try:
        address = check_address(source.host, source.port, settings.FEEDBACK_ALLOWED_HOSTS)
    except AddressRefused as error:
        raise SourceDown(str(error)) from None
    connection, problem = _connect(source, address)
    if connection is None:
        raise SourceDown(problem)
    try:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        remote = Remote(connection)
        with remote._patience():
            connection.execute(
                sql.SQL(
                    "SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}; "
                    "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; "
                    "SET LOCAL search_path = pg_catalog"
                ).format(sql.Literal(STATEMENT_SECONDS * 1000), sql.Literal(LOCK_SECONDS * 1000))
            )
        yield remote
    except psycopg.Error as error:
        # From None: frames of the driver say nothing that the message does not.
        raise SourceUnreachable(_explain(error)) from None
    finally:
        with contextlib.suppress(psycopg.Error):
            connection.close()


@sensitive_variables()
def _connect(source: FeedbackSource, address: Address) -> tuple[Connection | None, str]:
    """Return a connection, or None and why not; raises nothing whose frames hold the password."""
    try:
        password = password_of(source)
    except PasswordUnavailable as error:
        return None, str(error)
    parameters: dict[str, Any] = {
        "host": address.host,
        "port": source.port,
        "dbname": source.database,
        "user": source.user,
        "password": password,
        "sslmode": source.sslmode,
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "seedbed",
        "client_encoding": "UTF8",  # the parser reads the bytes of rows
        "keepalives_idle": 30,
        "tcp_user_timeout": SILENCE_SECONDS * 1000,
        # The passwords and options of the account that Seedbed runs under are not the source's.
        "passfile": NO_PASSWORD_FILE,
        "options": "",
    }
    if address.address:
        parameters["hostaddr"] = address.address
    if source.sslmode.startswith("verify"):
        parameters["sslrootcert"] = os.environ.get("SSL_CERT_FILE") or "system"
        if parameters["sslrootcert"] == "system" and source.sslmode == "verify-ca":
            # libpq checks the name too when it uses the certificates of the system.
            parameters["sslmode"] = "verify-full"
    try:
        return psycopg.connect(**parameters, prepare_threshold=None), ""
    except (psycopg.Error, UnicodeError) as error:
        return None, _explain(error).replace(password, "***") if password else _explain(error)


def _explain(error: Exception) -> str:
    """Return the first lines of a driver's message: what failed, without the data of any row."""
    if isinstance(error, psycopg.errors.QueryCanceled):
        return (
            f"The source took longer than {STATEMENT_SECONDS} s. An index on created_at makes it "
            "fast."
        )
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return "The source refused to be only read."
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:3]) or type(error).__name__
    return f"The source does not answer as it should: {text}"


def moment_literal(moment: datetime) -> sql.Composable:
    """Return a time as SQL; a literal, for a cursor behind a pooler takes no parameters."""
    return sql.SQL("{}::timestamptz").format(sql.Literal(moment.isoformat()))


def all_of(conditions: Sequence[sql.Composable]) -> sql.Composable:
    """Return the conjunction of conditions; true of none."""
    return sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")
