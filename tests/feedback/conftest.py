"""A second database that stands for a customer's: the three tables, filled with SQL."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from feedback.models import FeedbackSource
from feedback.services.sources import set_password
from tests.settings import WORKER

# Databases and roles are of the whole server, which the workers share.
SUFFIX = f"_{WORKER}" if WORKER else ""
SOURCE_DATABASE = f"customer{SUFFIX}"
READER, READER_PASSWORD = f"feedback_reader{SUFFIX}", "correct-horse"
QUALITY, EXPLANATIONS, AB_TESTING = (
    "ai_gm_quality_feedback",
    "ai_gm_explanations",
    "ai_gm_ab_testing",
)

TABLES_SQL = f"""
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
CREATE TABLE {QUALITY} (
    id uuid PRIMARY KEY, response_id text, quality_rating double precision, feedback_text text,
    provider text, model text, action_type text, session_id text, user_id text,
    created_at timestamptz);
CREATE TABLE {EXPLANATIONS} (
    id uuid PRIMARY KEY, quality_score double precision, provider text, model text,
    action_type text, scenario_id text, created_at timestamptz, metadata jsonb);
CREATE TABLE {AB_TESTING} (
    id bigint PRIMARY KEY, experiment_name text, variant text, response_id text,
    user_rating double precision, predicted_quality double precision, provider text, model text,
    created_at timestamptz);
GRANT USAGE ON SCHEMA public TO {READER};
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER};
"""

# Rows of the last `days`, one every few minutes, the same in every test.
FILL_SQL = f"""
INSERT INTO {QUALITY} SELECT md5('q' || n)::uuid, 'response-' || n, (n %% 11) / 10.0, 'fine ' || n,
    'provider-' || n %% 3, 'model-' || n %% 5, 'action-' || n %% 2, 'session-' || n / 4,
    'user-' || n / 8, now() - interval '1 day' * %(days)s * (1 - n / %(count)s::float)
    FROM generate_series(1, %(count)s) n;
INSERT INTO {EXPLANATIONS} SELECT md5('e' || n)::uuid, (n %% 21) / 20.0, 'provider-' || n %% 3,
    'model-' || n %% 5, 'action-' || n %% 2, 'scenario-' || n %% 50,
    now() - interval '1 day' * %(days)s * (1 - n / %(count)s::float),
    json_build_object('codeQuality', n %% 100, 'security', 50, 'responseTime', n %% 3000,
        'response_id', 'response-' || n)
    FROM generate_series(1, %(count)s) n;
INSERT INTO {AB_TESTING} SELECT n, 'experiment-' || n %% 2, CASE n %% 2 WHEN 0 THEN 'A' ELSE 'B'
END,
    'response-' || n, (n %% 6) / 5.0, (n %% 9) / 8.0, 'provider-' || n %% 3, 'model-' || n %% 5,
    now() - interval '1 day' * %(days)s * (1 - n / %(count)s::float)
    FROM generate_series(1, %(count)s) n;
"""


@dataclass
class Customer:
    """The customer's side: a connection that may write."""

    connection: "psycopg.Connection[tuple[Any, ...]]"

    def execute(self, statement: str, parameters: Any = None) -> None:
        self.connection.execute(statement, parameters)  # type: ignore[arg-type]

    def fill(self, count: int, days: int = 20) -> None:
        cursor = psycopg.ClientCursor(self.connection)
        cursor.execute(FILL_SQL, {"count": count, "days": days})

    def one(self, statement: str) -> Any:
        row = self.connection.execute(statement).fetchone()  # type: ignore[arg-type]
        assert row is not None
        return row[0]


def _address(database: str) -> dict[str, Any]:
    at = settings.DATABASES["default"]
    return {"host": at["HOST"], "port": at["PORT"], "user": at["USER"], "dbname": database}


@pytest.fixture(scope="session")
def _customer_database(servers: None) -> None:
    with psycopg.connect(**_address("postgres"), autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(1)")
        if not admin.execute(
            "SELECT FROM pg_database WHERE datname = %s", [SOURCE_DATABASE]
        ).rowcount:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(SOURCE_DATABASE)))
        if not admin.execute("SELECT FROM pg_roles WHERE rolname = %s", [READER]).rowcount:
            admin.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(READER), sql.Literal(READER_PASSWORD)
                )
            )


@pytest.fixture
def customer(_customer_database: None) -> Iterator[Customer]:
    """Give the customer's database with the three tables, empty."""
    with psycopg.connect(**_address(SOURCE_DATABASE), autocommit=True) as opened:
        opened.execute("SELECT pg_advisory_lock(2)")
        opened.execute(TABLES_SQL)  # type: ignore[arg-type]
        yield Customer(opened)


@pytest.fixture
def source(db: None, settings: Any) -> FeedbackSource:
    """Give a source that reads the customer's database."""
    return make_source(settings)


def make_source(settings: Any, **fields: Any) -> FeedbackSource:
    """Make a source that reads the customer's database, and put it on the list of allowed hosts."""
    at = settings.DATABASES["default"]
    settings.FEEDBACK_ALLOWED_HOSTS = [f"{at['HOST']}:*"]
    source = FeedbackSource(
        **{
            "name": "customer",
            "host": at["HOST"],
            "port": int(at["PORT"]),
            "database": SOURCE_DATABASE,
            "user": READER,
            "sslmode": "disable",
            **fields,
        }
    )
    set_password(source, READER_PASSWORD)
    source.full_clean()
    source.save()
    return source
