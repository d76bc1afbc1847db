"""Feedback from a second PostgreSQL: the first collection of three tables, by a connection."""

import resource
import statistics

from benchmarks.figures import Figure
from benchmarks.measure import peak_memory_mb, rate, seconds
from benchmarks.servers import clean, connect

TARGET_RATE = 50_000  # rows/s
DATABASE = "bench_customer"
TABLES = ("ai_gm_quality_feedback", "ai_gm_explanations", "ai_gm_ab_testing")
KEPT = ("feedback_qualityfeedback", "feedback_explanation", "feedback_abtestresult")
FILL = """
CREATE TABLE ai_gm_quality_feedback AS SELECT md5('q' || n)::uuid AS id,
    'response-' || n AS response_id, (n %% 11) / 10.0::float AS quality_rating,
    'fine ' || n AS feedback_text, 'provider-' || n %% 3 AS provider, 'model-' || n %% 5 AS model,
    'action-' || n %% 2 AS action_type, 'session-' || n / 4 AS session_id,
    'user-' || n / 8 AS user_id,
    now() - interval '20 days' * (1 - n / %(rows)s::float) AS created_at
    FROM generate_series(1, %(rows)s) n;
CREATE TABLE ai_gm_explanations AS SELECT md5('e' || n)::uuid AS id,
    (n %% 21) / 20.0::float AS quality_score, 'provider-' || n %% 3 AS provider,
    'model-' || n %% 5 AS model, 'action-' || n %% 2 AS action_type,
    'scenario-' || n %% 50 AS scenario_id,
    now() - interval '20 days' * (1 - n / %(rows)s::float) AS created_at,
    jsonb_build_object('codeQuality', n %% 100, 'security', 50, 'responseTime', n %% 3000,
        'response_id', 'response-' || n) AS metadata
    FROM generate_series(1, %(rows)s) n;
CREATE TABLE ai_gm_ab_testing AS SELECT n AS id, 'experiment-' || n %% 2 AS experiment_name,
    CASE n %% 2 WHEN 0 THEN 'A' ELSE 'B' END AS variant, 'response-' || n AS response_id,
    (n %% 6) / 5.0::float AS user_rating, (n %% 9) / 8.0::float AS predicted_quality,
    'provider-' || n %% 3 AS provider, 'model-' || n %% 5 AS model,
    now() - interval '20 days' * (1 - n / %(rows)s::float) AS created_at
    FROM generate_series(1, %(rows)s) n;
"""


def run(rows: int, runs: int) -> list[Figure]:
    """Return rows a second of a first collection of so many rows a table, and of the one after."""
    connect()
    import psycopg
    from django.conf import settings
    from django.db import connection

    from feedback.jobs.collection import collect
    from feedback.models import CollectionCursor, CollectionRun, FeedbackSource

    at = settings.DATABASES["default"]
    place = {"host": at["HOST"], "port": at["PORT"], "user": at["USER"]}
    with psycopg.connect(**place, dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        admin.execute(f"CREATE DATABASE {DATABASE}")
    with psycopg.connect(**place, dbname=DATABASE, autocommit=True) as customer:
        psycopg.ClientCursor(customer).execute(FILL, {"rows": rows})
        customer.execute("VACUUM ANALYZE")
    settings.FEEDBACK_ALLOWED_HOSTS = [f"{at['HOST']}:*"]
    source = FeedbackSource.objects.create(
        name="bench", database=DATABASE, sslmode="disable", **{**place, "port": int(at["PORT"])}
    )

    def first() -> None:
        for one in collect(source):
            if one.new != rows or not one.is_reconciled:
                raise RuntimeError(f"{one.table}: {one.new} of {rows} rows. {one.error}")

    rates, spent = [], []
    for _ in range(runs):
        clean()
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(KEPT)}")
        CollectionCursor.objects.all().delete()
        CollectionRun.objects.all().delete()
        before = _own_seconds()
        rates.append(rate(len(TABLES) * rows, first))
        spent.append(_own_seconds() - before)
    peak = peak_memory_mb()
    return [
        Figure(
            "feedback collected, rows/s",
            statistics.median(rates),
            len(TABLES) * rows,
            TARGET_RATE,
            at_least=True,
            note=f"own processor time {statistics.median(spent):.1f} s",
            runs=rates,
        ),
        Figure("feedback collected, peak memory, MB", peak, len(TABLES) * rows),
        Figure("feedback collected again, s", seconds(lambda: collect(source)), len(TABLES) * rows),
    ]


def _own_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
