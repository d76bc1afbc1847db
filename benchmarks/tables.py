"""A foreign table of ratings into PostgreSQL: looked at, mapped, judged, checked, landed."""

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.measure import peak_memory_mb, seconds
from benchmarks.servers import VAR, clean, connect

HEADER = (
    "Id", "Response Id", "Stars", "Comment", "Provider", "Model", "Action Type", "Session Id",
    "User Id", "Created At", "Team",
)  # fmt: skip
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def write_table(path: Path, rows: int) -> None:
    """Write ratings as a spreadsheet exports them: stars, other names, a column too many."""
    draw = random.Random(7)  # noqa: S311 - a benchmark keeps no secret
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(HEADER)
        for row in range(rows):
            writer.writerow(
                (
                    f"r-{row}", f"resp-{row}", 1 + int(draw.random() * 5), "a fair answer",
                    "openai" if row % 2 else "groq", f"m-{row % 4}", "chat", f"s-{row // 20}",
                    f"u-{row % 5_000}", (FIRST + timedelta(seconds=row)).isoformat(), "north",
                )
            )  # fmt: skip


def run(rows: int) -> list[Figure]:
    """Return how many times a bare binary COPY of the same rows the import of a table takes."""
    path = VAR / "ratings.csv"
    write_table(path, rows)
    connect()
    from django.db import connection

    from project.bulk import copy_rows, read_arrow
    from project.jobs.models import Job
    from project.jobs.runner import run_job
    from project.jobs.services import enqueue
    from project.uploads.services import keep_upload

    clean()

    def load() -> None:
        with path.open("rb") as stream:
            upload = keep_upload(stream, path.name)
        job = enqueue(
            "feedback.import_feedback",
            ring_bell=False,
            file=str(upload.pk),
            table="quality_feedback",
            mapping="proposed",
        )
        run_job(str(job.pk))
        job.refresh_from_db()
        if job.state != Job.State.SUCCEEDED or (job.result or {}).get("new") != rows:
            raise RuntimeError(f"The import is {job.state}: {job.error or job.result}")

    imported = seconds(load)
    memory = peak_memory_mb()
    table = "feedback_qualityfeedback"
    names = (
        "external_id, response_id, quality_rating, feedback_text, provider, model, action_type, "
        "session_id, user_id, created_at"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE bare_ratings AS SELECT {names} FROM {table} WITH NO DATA")  # noqa: S608 - own names
    held = read_arrow(f"SELECT {names} FROM {table}", [])  # noqa: S608 - own names
    columns = {name: held.column(name).combine_chunks() for name in held.column_names}

    def copy() -> None:
        copy_rows(connection, "bare_ratings", columns)

    bare = seconds(copy)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE bare_ratings")
    path.unlink()
    return [
        Figure(
            "import of a mapped CSV, times a bare COPY",
            imported / bare,
            rows,
            target=12.0 if rows >= 1_000_000 else None,
            note=f"{imported:.1f} s against {bare:.2f} s",
        ),
        Figure(
            "import of a mapped CSV, peak memory, MB",
            memory,
            rows,
            target=400.0 if rows >= 1_000_000 else None,
        ),
    ]
