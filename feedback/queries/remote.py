"""Reads a source's database: one read-only transaction, bounded in time and memory."""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from django.conf import settings
from django.views.decorators.debug import sensitive_variables
from psycopg import sql

from feedback.domain.masking import Mask
from feedback.domain.row_format import MAX_ROW_BYTES, OVERSIZED_KEY
from feedback.domain.tables import MissingColumn
from feedback.models import FeedbackSource
from feedback.models.passwords import PasswordUnavailable, password_of
from feedback.queries.addresses import Address, AddressRefused, check_address
from feedback.queries.handshake import Connection, Line, NoWayIn, connect
from feedback.queries.line_watch import LineWatch

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 120  # of one statement or fetch, at the server
LOCK_SECONDS = 5
SILENCE_SECONDS = (
    150  # without an answer to a statement we hang up: a frozen server keeps no timeout
)
# An empty name would mean ~/.pgpass, and of a device libpq warns.
NO_PASSWORD_FILE = "/nonexistent"  # noqa: S105 - the name of a file
# Times MAX_ROW_BYTES is the most that a fetch can bring: 16 MB, of which the driver makes eight
# times as much where it is an error.
FETCH_ROWS = 256
OVERHEAD_BYTES = 1024 * 1024  # of an answer beyond its rows, and of an answer that has few
READING_SECONDS = 6 * 3600  # of one table; what came is kept, and the next run goes on there
MOST_DIGITS = 18  # of a count; one digit more may be beyond 64 bits
SAID_LENGTH = 500  # characters of what a source says
# Ids that can be compared as what they are, so that an index finds them, and how they look.
ID_FORMS = {
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "bigint": re.compile(r"-?[0-9]{1,18}"),
    "integer": re.compile(r"-?[0-9]{1,9}"),
}
TIMED_TYPES = ("timestamp with time zone", "timestamp without time zone", "date")

NUMERIC_TYPES = ("bigint", "integer", "numeric", "double precision", "real")
WHOLE_TYPES = ("bigint", "integer")
TEXT_TYPES = ("text", "character varying")
# Microseconds in each unit that a time since 1970 may be counted in.
UNIT_MICROSECONDS = {"s": "1000000", "ms": "1000", "us": "1", "ns": "0.001"}
MOST_MICROSECONDS = "8000000000000000"  # the year 2223; floats hold all of these exactly


class SourceUnreachable(Exception):
    """A source cannot be read; the message says why, and never contains its password."""


class SourceDown(SourceUnreachable):
    """A source cannot even be connected to: its other tables need not be tried."""


class TableMissing(LookupError):
    """A source does not have a table; the message says what to do."""


@dataclass(frozen=True)
class RemoteTable:
    """A table as one of the three is read from it.

    Attributes
    ----------
    columns : column -> type, of those that the user may see.
    moment : known name created_at at the source.
    identity : known name id at the source, or None.
    time_unit : of times that are numbers since 1970: s, ms, us, ns; empty: none are.
    """

    schema: str
    name: str
    columns: dict[str, str]
    moment: str
    identity: str | None
    naive_timezone: str
    time_unit: str = ""

    @property
    def is_timed(self) -> bool:
        """Whether the source itself can compare and sort times of creation."""
        return self.has_times(self.moment)

    def has_times(self, name: str) -> bool:
        """Whether there is a column that the source can compare with a time."""
        return self.columns.get(name) in TIMED_TYPES or self.is_counted(name)

    def is_counted(self, name: str) -> bool:
        """Whether a column holds times as numbers, whose unit is known."""
        return bool(self.time_unit) and self.columns.get(name) in NUMERIC_TYPES + TEXT_TYPES

    @property
    def source(self) -> sql.Composable:
        return sql.Identifier(self.schema, self.name)

    @property
    def moment_expression(self) -> sql.Composable:
        """The time of creation as a time with a zone."""
        return self.time_expression(self.moment)

    def time_expression(self, name: str) -> sql.Composable:
        """Return a column of times as times with a zone."""
        column = sql.Identifier(name)
        if self.is_counted(name):
            return self._counted_expression(name)
        if self.columns[name] == "timestamp with time zone":
            return column
        return sql.SQL("({}::timestamp AT TIME ZONE {})").format(
            column, sql.Literal(self.naive_timezone or "UTC")
        )

    def _counted_expression(self, name: str) -> sql.Composable:
        """Return a column of numbers as times; NULL where one is no number or no time."""
        column: sql.Composable = sql.Identifier(name)
        if self.columns[name] not in WHOLE_TYPES:
            # By way of the text, which has all digits of a float, and neither NaN nor infinity.
            digits = sql.Literal(r"^\s*(-?[0-9]{1,19}(?:\.[0-9]{1,20})?(?:e\+[0-9]{1,2})?)\s*$")
            column = sql.SQL("substring({}::text from {})").format(column, digits)
        return sql.SQL(
            "(CASE WHEN abs({column}::numeric * {unit}) <= {most} THEN 'epoch'::timestamptz "
            "+ ({column}::numeric * {unit})::float8 * interval '1 microsecond' END)"
        ).format(
            column=column,
            unit=sql.SQL(UNIT_MICROSECONDS[self.time_unit]),
            most=sql.SQL(MOST_MICROSECONDS),
        )

    @property
    def selected(self) -> sql.Composable:
        """The columns to read, times that are numbers as times with their zone."""
        return sql.SQL(", ").join(
            sql.SQL(
                "coalesce(to_char({time} AT TIME ZONE 'UTC', "
                '\'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"\'), {column}::text) AS {column}'
            ).format(time=self.time_expression(name), column=sql.Identifier(name))
            if name == self.moment and self.is_counted(name)
            else sql.Identifier(name)
            for name in self.columns
        )


class Remote:
    """An open connection to a source, inside its one transaction.

    What answers there may be anything: the shape, the number and the size of its answers are
    compared with what was asked, and values are read as the bytes they came as.
    """

    def __init__(self, connection: Connection, watch: LineWatch, mask: Mask) -> None:
        self._connection, self._watch, self._mask = connection, watch, mask
        self._opened = time.monotonic()

    def now(self) -> datetime:
        """Return the source's time at the beginning of the transaction."""
        told = self._one('SELECT to_char(now(), \'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"\')')
        try:
            return datetime.fromisoformat(told)
        except ValueError:
            raise SourceUnreachable(f"Expected the source's time, got {shortened(told)}.") from None

    def version(self) -> str:
        return shortened(self.masked(str(self._one("SHOW server_version"))))

    def masked(self, text: str) -> str:
        """Return what is said of the source, if it does not repeat the password."""
        return self._mask(text)

    def count(self, table: RemoteTable, where: sql.Composable) -> int:
        """Return the source's own count of rows."""
        query = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(table.source, where)
        return self.number_of(self._one(query), "a count of rows")

    def count_up_to(self, table: RemoteTable, most: int) -> int:
        """Return the source's own count of all rows, or `most` when there are more."""
        query = sql.SQL("SELECT count(*) FROM (SELECT FROM {} LIMIT {}) seen").format(
            table.source, sql.Literal(most)
        )
        return self.number_of(self._one(query), "a count of rows")

    def ids_there(self, table: RemoteTable, ids: Sequence[str]) -> set[str]:
        """Return which of some ids are in a table, anywhere in it."""
        if table.identity is None:
            return set()
        column = sql.Identifier(table.identity)
        form = ID_FORMS.get(table.columns[table.identity])
        # The column may have been of another type when these came.
        fits = form is not None and all(map(form.fullmatch, ids))
        typed = table.columns[table.identity] if fits else "text"
        query = sql.SQL("SELECT DISTINCT {}::text FROM {} WHERE {}::{} = ANY({}::{}[])").format(
            column, table.source, column, sql.SQL(typed), sql.Literal(list(ids)), sql.SQL(typed)
        )
        rows = self.ask(query, columns=1, rows=len(ids))
        return {text_of(row[0]) for row in rows}

    def number_of(self, told: str, what: str) -> int:
        """Read a number that a source tells."""
        if not told.isascii() or not told.isdigit() or len(told) > MOST_DIGITS:
            raise SourceUnreachable(f"Expected {what}, got {shortened(told)}.")
        return int(told)

    def rows(
        self, table: RemoteTable, where: sql.Composable, *, limit: int | None, counted: int
    ) -> Iterator[list[bytes]]:
        """Yield rows as JSON, oldest first, in lists of at most FETCH_ROWS.

        The source itself writes each row as JSON, so that values arrive as they are, whatever their
        type: infinity, NaN and the year 10000 included. OFFSET 0 keeps the planner from writing it
        twice. `counted` is how many rows the source counts for `where`: when more have come, no
        further ones are asked for.
        """
        order: sql.Composable = (
            table.moment_expression
            if table.is_counted(table.moment)
            else sql.Identifier(table.moment)
        )
        if table.identity is not None:
            order = sql.SQL("{}, {}").format(order, sql.Identifier(table.identity))
        bound: sql.Composable = sql.SQL("")
        if limit is not None:
            # Without an id, rows of the same instant have no order: they are taken together.
            ties = sql.SQL("ONLY" if table.identity is not None else "WITH TIES")
            bound = sql.SQL("FETCH FIRST {} ROWS {}").format(sql.Literal(limit), ties)
        chosen = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {} {}").format(
            table.selected, table.source, where, order, bound
        )
        query = sql.SQL("DECLARE seedbed_feedback NO SCROLL CURSOR FOR {}").format(
            _as_json(table, chosen)
        )
        self.ask(query, columns=0, rows=0)
        came = 0
        while True:
            fetched = self.ask(
                sql.SQL("FETCH FORWARD {} FROM seedbed_feedback").format(sql.Literal(FETCH_ROWS)),
                columns=1,
                rows=FETCH_ROWS,
                size=FETCH_ROWS * MAX_ROW_BYTES + OVERHEAD_BYTES,
            )
            came += len(fetched)
            if fetched:
                yield [_row(row[0]) for row in fetched]
            if came > counted:
                return  # it may go on so for ever; who counts the rows says what is wrong
            if len(fetched) < FETCH_ROWS:  # so PostgreSQL says that there are no more
                self.ask("CLOSE seedbed_feedback", columns=0, rows=0)
                return
            if time.monotonic() - self._opened > READING_SECONDS:
                raise SourceUnreachable(
                    f"Reading took longer than {READING_SECONDS // 3600} hours. What came was "
                    "kept; collect again, and it goes on there."
                )

    def first_rows(self, table: RemoteTable, count: int) -> list[bytes]:
        """Return some rows as JSON, those that the source comes upon first."""
        chosen = sql.SQL("SELECT {} FROM {} LIMIT {}").format(
            table.selected, table.source, sql.Literal(count)
        )
        size = count * MAX_ROW_BYTES + OVERHEAD_BYTES
        answer = self.ask(_as_json(table, chosen), columns=1, rows=count, size=size)
        return [_row(row[0]) for row in answer]

    def _one(self, query: str | sql.Composable) -> str:
        rows = self.ask(query, columns=1, rows=1)
        if not rows:
            raise SourceUnreachable("Expected one row, got none.")
        return text_of(rows[0][0])

    def ask(
        self,
        query: str | sql.Composable,
        parameters: Sequence[str] | None = None,
        *,
        columns: int,
        rows: int,
        size: int = OVERHEAD_BYTES,
    ) -> list[list[bytes | None]]:
        """Return the answer to a statement as bytes, if it is of the shape that was asked for."""
        with self._watch.answer(size):
            cursor = self._connection.cursor()
            try:
                cursor.execute(query, parameters)  # type: ignore[arg-type]  # ours, not a template
            except (ValueError, TypeError, OverflowError) as error:
                # The driver reads names and types of columns as they come.
                raise SourceUnreachable(_explain(error, self._mask)) from None
        answer = cursor.pgresult
        if answer is None or answer.nfields != columns or answer.ntuples > rows:
            came = (0, 0) if answer is None else (answer.nfields, answer.ntuples)
            raise SourceUnreachable(
                f"Expected at most {rows:,} rows of {columns} columns, got {came[1]:,} of "
                f"{came[0]:,}. What listens there does not behave as PostgreSQL does."
            )
        return [
            [answer.get_value(row, column) for column in range(columns)]
            for row in range(answer.ntuples)
        ]


def _as_json(table: RemoteTable, chosen: sql.Composable) -> sql.Composable:
    """Return chosen rows as the source itself writes them as JSON; a stub of too long a one."""
    return sql.SQL(
        "SELECT CASE WHEN octet_length(seedbed_row) <= {most} THEN seedbed_row ELSE "
        "json_build_object({key}, octet_length(seedbed_row), {stub})::text END FROM "
        "(SELECT row_to_json(r)::text AS seedbed_row, r.* FROM ({chosen}) r OFFSET 0) s"
    ).format(
        most=sql.Literal(MAX_ROW_BYTES),
        key=sql.Literal(OVERSIZED_KEY),
        stub=sql.SQL(", ").join(
            sql.SQL("{}, left(s.{}::text, 200)").format(sql.Literal(name), sql.Identifier(name))
            for name in (table.identity, table.moment)
            if name is not None
        ),
        chosen=chosen,
    )


def shortened(text: str) -> str:
    """Return what a source says, no longer than a message can be."""
    return text if len(text) <= SAID_LENGTH else f"{text[:SAID_LENGTH]} ..."


def text_of(value: bytes | None) -> str:
    """Read a text that a source tells; it is never empty."""
    try:
        text = (value or b"").decode()
    except UnicodeDecodeError:
        text = ""
    if not text or "\0" in text:
        raise SourceUnreachable(
            f"Expected a text, got {shortened(repr(value))}. What listens there does not behave "
            "as PostgreSQL does."
        )
    return text


def _row(value: bytes | None) -> bytes:
    if value is None:
        raise SourceUnreachable("A row came as NULL, where each is written as JSON.")
    if len(value) > MAX_ROW_BYTES + OVERHEAD_BYTES:
        raise SourceUnreachable(
            f"A row of {len(value):,} bytes came, where at most {MAX_ROW_BYTES:,} were asked for."
        )
    return value


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
    line, problem, mask = _connect(source, address)
    if line is None:
        raise SourceDown(problem)
    connection, watch = line
    try:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        remote = Remote(connection, watch, mask)
        remote.ask(
            sql.SQL(
                "SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}; "
                "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; "
                "SET LOCAL search_path = pg_catalog"
            ).format(sql.Literal(STATEMENT_SECONDS * 1000), sql.Literal(LOCK_SECONDS * 1000)),
            columns=0,
            rows=0,
        )
        yield remote
    except psycopg.Error as error:
        # From None: frames of the driver say nothing that the message does not.
        raise SourceUnreachable(watch.broke or _explain(error, mask)) from None
    except (SourceUnreachable, TableMissing, MissingColumn) as error:
        if mask(str(error)) == str(error):
            raise
        raise SourceUnreachable(mask(str(error))) from None
    finally:
        watch.end()
        with contextlib.suppress(psycopg.Error):
            connection.close()


@sensitive_variables()
def _connect(source: FeedbackSource, address: Address) -> tuple[Line | None, str, Mask]:
    """Return a connection, or None and why not; raises nothing whose frames hold the password.

    And what keeps the password out of all that the server says.
    """
    try:
        password = password_of(source)
    except PasswordUnavailable as error:
        return None, str(error), Mask("")
    mask = Mask(password)
    parameters: dict[str, Any] = {
        "host": address.host,
        "port": source.port,
        "dbname": source.database,
        "user": source.user,
        "password": password,
        "sslmode": source.sslmode,
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
    own = source.ca_certificate if source.sslmode.startswith("verify") else ""
    if source.sslmode.startswith("verify") and not own:
        parameters["sslrootcert"] = os.environ.get("SSL_CERT_FILE") or "system"
        if parameters["sslrootcert"] == "system" and source.sslmode == "verify-ca":
            # libpq checks the name too when it uses the certificates of the system.
            parameters["sslmode"] = "verify-full"
    try:
        with _file_of(own) as file:
            if file:
                parameters["sslrootcert"] = file
            line = connect(parameters, seconds=CONNECT_SECONDS, silence_seconds=SILENCE_SECONDS)
            return line, "", mask
    except (psycopg.Error, UnicodeError, NoWayIn) as error:
        return None, _explain(error, mask), mask


@contextmanager
def _file_of(certificates: str) -> Iterator[str]:
    """Give certificates as a file that only we can read: libpq takes them in no other way."""
    if not certificates:
        yield ""
        return
    with tempfile.NamedTemporaryFile("w", prefix="seedbed-ca-", suffix=".pem") as file:
        file.write(certificates)
        file.flush()
        yield file.name


def _explain(error: Exception, mask: Mask) -> str:
    """Return the first lines of a driver's message: what failed, without the data of any row."""
    if isinstance(error, psycopg.errors.QueryCanceled):
        return (
            f"The source took longer than {STATEMENT_SECONDS} s. An index on created_at makes it "
            "fast."
        )
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return "The source refused to be only read."
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Masked first: of a part that was cut off nobody could tell what it is.
    said = mask(" ".join(lines[:3]), getattr(error, "sqlstate", None))
    text = shortened(said) or type(error).__name__
    return f"The source does not answer as it should: {text}"


def moment_literal(moment: datetime) -> sql.Composable:
    """Return a time as SQL; a literal, for a cursor behind a pooler takes no parameters."""
    return sql.SQL("{}::timestamptz").format(sql.Literal(moment.isoformat()))


def all_of(conditions: Sequence[sql.Composable]) -> sql.Composable:
    """Return the conjunction of conditions; true of none."""
    return sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")
