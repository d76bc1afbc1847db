"""What feedback says: its pages over many rows, and counting them."""

import statistics
import uuid
from datetime import UTC, datetime
from functools import partial

from benchmarks.figures import Figure
from benchmarks.measure import peak_memory_mb, seconds
from benchmarks.servers import connect

PAGES = ("status", "csat", "baselines", "calibration", "experiments")
KEPT = ("feedback_qualityfeedback", "feedback_explanation", "feedback_abtestresult")
SPAN_DAYS = 200
SEED = 7


def run(sizes: list[int], runs: int) -> list[Figure]:
    """Return the seconds of each page and of the front page over so many rows of each table."""
    connect()
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    from feedback.domain.words import REPORT_KINDS
    from feedback.models import FeedbackSource
    from feedback.queries.reports.kept import Asked, counts_asked
    from feedback.queries.sources import choose_scope
    from feedback.services.reports import count_report

    settings.ALLOWED_HOSTS = ["testserver"]
    user, _ = User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    source, _ = FeedbackSource.objects.get_or_create(
        name="bench-reports", kind=FeedbackSource.Kind.FILE, schema=""
    )
    pages = {"/admin/": "front page"} | {
        f"/admin/feedback/says/{kind}/": f"report page {kind}" for kind in PAGES
    }
    figures = []
    for rows in sizes:
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(KEPT)}")
        _fill(source.pk, rows)
        scope = choose_scope(source=source.name)
        asked = [Asked(kind, scope) for kind in REPORT_KINDS]
        asked.append(counts_asked(FeedbackSource.objects.all()))
        for one in asked:
            spent = seconds(partial(count_report, one))
            figures.append(Figure(f"counting {one.kind}, s", spent, len(KEPT) * rows))
        figures.append(Figure("counting reports, peak memory, MB", peak_memory_mb(), 3 * rows))
        for address, title in pages.items():
            client.get(address)
            found = [seconds(partial(client.get, address)) for _ in range(runs)]
            figures.append(
                Figure(f"{title}, s", statistics.median(found), len(KEPT) * rows, runs=found)
            )
    return figures


def _fill(source: int, rows: int) -> None:
    """Copy so many rows into each table, of four to a session."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    from django.db import connection

    from project.bulk import copy_rows

    rng = np.random.default_rng(SEED)
    number = np.arange(rows)

    def text(name: str, values: object) -> pa.Array:
        return pc.binary_join_element_wise(name, pc.cast(pa.array(values), pa.string()), "-")

    empty = pa.array(np.repeat("", rows))
    now = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")
    ago = (SPAN_DAYS * 86_400e6 * (1 - number / rows)).astype("timedelta64[us]")
    for place, name in enumerate(KEPT):
        uids = np.frombuffer(
            b"".join(uuid.UUID(int=place * 2**64 + one).bytes for one in number.tolist()), "V16"
        )
        common = {
            "uid": uids,
            "row_digest": uids,
            "source_id": np.full(rows, source),
            "run_id": np.zeros(rows, np.int64),
            "external_id": text("id", number),
            "provider": text("provider", number % 3),
            "model": text("model", number % 5),
            "created_at": now - ago,
            "response_id": text("response", number),
            "action_type": text("action", number % 2),
        }
        value = rng.beta(6, 3, rows)
        own = {
            "feedback_qualityfeedback": {
                "quality_rating": value,
                "feedback_text": empty,
                "session_id": text("session", number // 4),
                "user_id": text("user", number // 8),
            },
            "feedback_explanation": {
                "quality_score": value,
                "scenario_id": text("scenario", number % 50),
                "code_quality": 100 * value,
            },
            "feedback_abtestresult": {
                "user_rating": value,
                "predicted_quality": np.clip(value + rng.normal(0, 0.1, rows), 0, 1),
                "experiment_name": text("experiment", number % 2),
                "variant": text("variant", (number // 4) % 2),
            },
        }[name]
        copy_rows(connection, name, {**common, **own})
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(KEPT)}")
