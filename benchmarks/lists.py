"""The lists of the admin at ten million events: what each of their addresses costs beside an empty
list."""

import html
import re
import statistics
from typing import Any

from benchmarks.figures import Figure
from benchmarks.measure import seconds
from benchmarks.servers import connect

LIMIT_MS = 60.0
QUERIES_AT_MOST = 12
LOOKS = 3  # at each address, of which the median counts
EVENTS_OF_A_BATCH = 1_000_000
LINK = re.compile(r'href="(\?[^"#]*)"')


LISTS = (
    "matching_matchevent", "matching_rejectedevent", "matching_eventchange",
    "feedback_qualityfeedback", "feedback_explanation", "feedback_abtestresult",
    "feedback_rejectedrecord", "feedback_feedbackchange", "jobs_job",
)  # fmt: skip


def run(events: int, *, is_quick: bool = False) -> list[Figure]:
    """Return the costs of the worst address; a tenth as many rows are refused, rated
    and so on. When it is quick, the lists alone are looked at."""
    connect()
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client
    from django.test.utils import override_settings

    with override_settings(ALLOWED_HOSTS=["*"]):
        client = Client()
        client.force_login(get_user_model().objects.create_superuser("bench-lists"))
        tables = _seed(events)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        addresses = _addresses(client, with_links=not is_quick)
        full = {address: _look(client, address) for address in addresses}
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
            cursor.execute("ANALYZE")
        empty = {address: _look(client, address) for address in full}
    over = {address: full[address][0] - empty[address][0] for address in full}
    slowest = max(over, key=lambda address: over[address])
    busiest = max(full, key=lambda address: full[address][1])
    is_large = events >= 10_000_000
    return [
        Figure(
            "worst address of a list, ms over the empty list",
            over[slowest],
            events,
            target=LIMIT_MS if is_large else None,
            note=f"{slowest}, of {len(full)} addresses",
        ),
        Figure(
            "most queries of a list",
            full[busiest][1],
            events,
            target=QUERIES_AT_MOST,
            note=busiest,
        ),
    ]


def _addresses(client: Any, *, with_links: bool) -> list[str]:
    """Return the lists, and wherever their own links lead: filters, orders, the last page; and a
    search."""
    from django.urls import reverse

    found = []
    for name in LISTS:
        address = reverse(f"admin:{name}_changelist")
        found.append(address)
        if not with_links:
            continue
        page = client.get(address).content.decode()
        links = {html.unescape(link) for link in LINK.findall(page)}
        found += [address + link for link in sorted(links - {"?"})]
        if 'name="q"' in page:
            found += [f"{address}?q=nothing-like-it", f"{address}?q=7"]
    return found


def _look(client: Any, address: str) -> tuple[float, int]:
    """Return the median milliseconds of an address and its queries."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.get(address)  # what is remembered from then on
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(address)
    asked = len(queries)  # which the next request forgets
    if answer.status_code != 200:
        raise RuntimeError(f"{address} answers {answer.status_code}.")
    took = [1_000 * seconds(lambda: client.get(address)) for _ in range(LOOKS)]
    return statistics.median(took), asked


def _seed(events: int) -> list[str]:
    """Fill the tables by statements of the server, and return their names."""
    from feedback.models import (
        ABTestResult,
        CollectionRun,
        Explanation,
        FeedbackChange,
        FeedbackSource,
        QualityFeedback,
        RejectedRecord,
    )
    from matching.models import EventBatch, EventChange, MatchEvent, RejectedEvent
    from project.jobs.models import Job

    batches = [
        EventBatch.objects.create(
            uid="00000000-0000-0000-0000-000000000001",
            method="imported",
            origin=1,
            state="complete",
            feature_set="smooth-1",
            file_name="events.csv",
        ).pk
        for _ in range(-(-events // EVENTS_OF_A_BATCH))
    ]
    source = FeedbackSource.objects.create(name="bench-lists", kind="file")
    run = CollectionRun.objects.create(source=source, table="quality_feedback", state="complete")
    some = max(1, events // 10)
    first, size = batches[0], EVENTS_OF_A_BATCH
    event_id = f"(({first} + n / {size})::bigint << 32) + n % {size}"
    moment = "'2026-01-01'::timestamptz + n * interval '1 second'"
    uid = "md5(n::text)::uuid"
    rated = {
        "uid": uid,
        "source": str(source.pk),
        "run": str(run.pk),
        "row_digest": uid,
        "external_id": "n::text",
        "provider": "'provider-' || n % 3",
        "model": "'model-' || n % 7",
        "created_at": moment,
    }
    filled: list[tuple[Any, int, dict[str, str]]] = [
        (
            MatchEvent,
            events,
            {
                "id": event_id,
                "match_type": "n % 2 + 1",
                "origin": "1",
                "outcome": "n % 4 + 1",
                "label": "n % 4 = 0",
                "occurred_at": moment,
                "distance_score": "n % 997 / 997.0",
                "interest_score": "n % 991 / 991.0",
            },
        ),
        (
            RejectedEvent,
            some,
            {
                "batch": str(batches[-1]),
                "line": "n + 1",
                "reason": "(ARRAY['bad_value', 'future', 'no_outcome'])[n % 3 + 1]",
                "message": "'expected a moment, got ' || n",
                "excerpt": "'line ' || n",
                "text": "'line ' || n",
            },
        ),
        (
            EventChange,
            some,
            {
                "event_id": event_id,
                "batch": str(batches[-1]),
                "line": "n + 1",
                "state": "CASE WHEN n % 2 = 0 THEN 'replaced' ELSE 'kept' END",
                "by": "'ada'",
            },
        ),
        (QualityFeedback, some, {**rated, "quality_rating": "n % 5 / 4.0"}),
        (Explanation, some, {**rated, "quality_score": "n % 101 / 100.0"}),
        (ABTestResult, some, {**rated, "user_rating": "n % 5 / 4.0"}),
        (
            RejectedRecord,
            some,
            {
                "row_uid": uid,
                "source": str(source.pk),
                "run": str(run.pk),
                "table": "'quality_feedback'",
                "reason": "'bad_value'",
                "detail": "'expected a number, got ' || n",
                "payload": "'{}'::jsonb",
            },
        ),
        (
            FeedbackChange,
            some,
            {
                "uid": uid,
                "source": str(source.pk),
                "run": str(run.pk),
                "table": "'quality_feedback'",
                "first_run": str(run.pk),
                "action": "'replaced'",
                "before": "'{}'::jsonb",
                "after": "'{}'::jsonb",
                "row_digest": uid,
            },
        ),
        (
            Job,
            some,
            {
                "id": uid,
                "kind": "(ARRAY['matching.generate_events', 'training.train_model'])[n % 2 + 1]",
                "state": "(ARRAY['succeeded', 'failed', 'refused'])[n % 3 + 1]",
                "actor": "'ada'",
                "created_at": moment,
            },
        ),
    ]
    for model, rows, columns in filled:
        _fill(model, rows, columns)
    return [model._meta.db_table for model, _, _ in filled]


def _fill(model: Any, rows: int, columns: dict[str, str]) -> None:
    """Insert rows: `columns` are expressions of n, from 0; the others stand at their default."""
    from django.db import connection

    names, values, defaults = [], [], []
    for field in model._meta.concrete_fields:
        if field.name in columns:
            values.append(columns[field.name].replace("%", "%%"))
        elif field.generated or field.primary_key or field.null:
            continue
        else:
            values.append("%s")
            defaults.append(field.get_db_prep_save(field.get_default(), connection))
        names.append(field.column)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({', '.join(map(_quoted, names))}) "  # noqa: S608 - own names
            f"SELECT {', '.join(values)} FROM generate_series(0, {rows - 1}) AS n",
            defaults,
        )


def _quoted(name: str) -> str:
    return f'"{name}"'
