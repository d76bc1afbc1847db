"""An installation in which one person has left a trace in everything there is, and who looks."""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import joblib
import numpy as np
import pyarrow.parquet as pq
import redis
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from feedback.models import CollectionRun, FeedbackChange, QualityFeedback, RejectedRecord, Table
from matching.models import EventBatch, EventChange, MatchEvent, SeedUser
from matching.services.sessions import publish_sessions
from project.audit.models import Act
from project.audit.services import record
from project.exports.models import Export
from project.jobs.models import Job, JobLogLine, Schedule
from project.storage.blobs import BLOBS, the_store
from project.uploads.services import keep_upload
from serving.models import ApiKey, GivenAnswer, WatchState
from tests.factories import (
    make_api_key,
    make_group,
    make_mapping,
    make_refused_profile,
    make_seed_user,
    make_session,
)
from tests.feedback.collected import answer, judge, rate, real_source
from tests.serving.logged import log_pairs
from tests.training.batches import make_model
from training.kinds import DEFAULT_KIND, Recipe, get_kind
from training.models import ModelVersion
from training.queries.preparing import prepare_dataset
from training.services.datasets import write_dataset

ID = "zq_person_7481"
BEFORE = "zq_formerly_7481"
MERGED = "zq_merged_7481"  # of a second record of the same person
MERGED_NAME = "Zdenka Quixotic the Second"
NEIGHBOUR = f"{ID}0"  # whose id begins with that of the person
NAME = "Zdenka Quixworth-Örsted"
TEXT = "The hovercraft of “zq7481” was full of eels, said she"
WORD = "zq7481ball"
CONVERSATION = "zq7481-conversation-a"
# What nobody finds any more; as JSON and addresses write them too.
TRACES = (
    *(ID, BEFORE, MERGED, NAME, MERGED_NAME, TEXT, WORD, CONVERSATION),
    *("Quixworth", "Quixotic", "zq7481"),
)


def leave_traces(folder: Path) -> SeedUser:
    """Fill an empty installation; returns the person."""
    person = make_seed_user(BEFORE, name=NAME, interests=["food", WORD], age=31)
    person.external_id = ID
    person.save()
    person.age = 32
    person.save()
    others = [make_seed_user(NEIGHBOUR, name="Somebody else"), make_seed_user(), make_seed_user()]
    _run("seed_users", "--count", "150")
    _run("create_sessions")
    make_group("zq_group", [person, others[0], others[1]])
    group_trip = make_session(SeedUser.objects.get(pk=person.pk).travel_groups.get())
    trip = SeedUser.objects.get(pk=person.pk)
    own = getattr(trip, "session", None) or make_session(person)
    own.interests = [WORD, "food"]
    own.save()
    publish_sessions([ID, group_trip.external_id])
    twin = make_seed_user(MERGED, name=MERGED_NAME)
    make_session(twin)
    _events(person, folder, twin)
    _run("people", "merge", ID, MERGED)
    assert not SeedUser.objects.filter(pk=twin.pk).exists()
    _feedback(folder)
    _answers(person)
    _people_who_work(person, folder)
    _models()
    _run("export", "people")
    _run("export", "events", "--batch", str(EventBatch.objects.latest("pk").pk))
    assert Export.objects.exclude(sha256="").count() == 2
    return person


def _run(*arguments: str) -> None:
    with suppress(SystemExit):
        call_command(*arguments, "--now", stdout=StringIO(), stderr=StringIO())


def _events(person: SeedUser, folder: Path, twin: SeedUser) -> None:
    _run("generate_events", "--count", "800")
    batch = EventBatch.objects.latest("pk")
    assert batch.state == EventBatch.State.COMPLETE
    first = MatchEvent.objects.of_batch(batch)[:40]
    for number, event in enumerate(first):
        side = "user_id" if number % 2 else "target_id"
        who = twin if number % 5 == 0 else person
        MatchEvent.objects.filter(pk=event.pk, group_id=None).update(**{side: who.pk})
    EventChange.objects.create(
        event_id=batch.first_event_id, batch=batch, line=1, state="replaced", by="somebody",
        before={"user_id": person.pk, "external": {"userId": ID}},
        after={"user_id": person.pk, "external": {"userId": BEFORE}, "interest_score": 0.25},
    )  # fmt: skip
    log = folder / "log.jsonl"
    lines = []
    for number in range(60):
        said = {
            "matchType": "user_user", "outcome": "accept", "label": 1, "preset": "balanced",
            "timestamp": 1_735_689_600_000 + 61_000 * number, "source": "real",
            "eventId": f"event {number} of {ID}" if number % 3 == 0 else f"event-{number}",
            "userId": [ID, BEFORE, NEIGHBOUR, MERGED][number % 4], "targetId": f"app_user_{number}",
            "features": {"distanceScore": 0.5 + number / 200, "budgetScore": 0.5},
        }  # fmt: skip
        lines.append(f"[ML_MATCH_EVENT] {json.dumps(said)}\n")
    refused = {"matchType": "user_user", "userId": ID, "outcome": "maybe"}
    lines.append(f"[ML_MATCH_EVENT] {json.dumps(refused)}\n")
    lines.append(f"[ML_MATCH_EVENT] {json.dumps({**refused, 'userId': NEIGHBOUR})}\n")
    log.write_text("".join(lines), encoding="utf-8")
    _run("import_events", str(log))
    batch = EventBatch.objects.latest("pk")
    assert batch.method == "imported", batch.method
    assert batch.made == 60, batch.skipped
    EventBatch.objects.filter(pk=batch.pk).update(file_name=f"of {ID}.jsonl")
    log.unlink()


def _feedback(folder: Path) -> None:
    source = real_source("production")
    people = [ID if number % 30 == 0 else f"somebody {number}" for number in range(150)]
    mine = [one == ID for one in people]
    talks = [CONVERSATION if own else f"talk {number}" for number, own in enumerate(mine)]
    levels = np.tile([0.2, 0.4, 0.6, 0.8, 1.0], 30)
    rate(
        source, np.random.default_rng(2).choice(levels, 150), days_ago=np.linspace(58, 1, 150),
        user_id=people, session_id=talks, action_type="plan",
        response_id=[f"response {number}" for number in range(150)],
        feedback_text=[TEXT if own else "It was fine." for own in mine],
        extra=[{"said": TEXT, "who": ID} if own else None for own in mine],
        provider=["openai", "local"] * 75, model=["gpt", "llama"] * 75,
    )  # fmt: skip
    judge(source, levels[:5], days_ago=3.0, metadata=[{"user": ID, "note": f"asked by {NAME}"}] * 5)
    answer(source, levels[:5], experiment_name="a", variant="A", extra=[{"user_id": BEFORE}] * 5)
    run = CollectionRun.objects.filter(source=source).latest("pk")
    CollectionRun.objects.filter(pk=run.pk).update(notes=[f"A row of {ID} came twice."])
    own_row = QualityFeedback.objects.filter(user_id=ID)[0]
    FeedbackChange.objects.create(
        uid=own_row.uid, source=source, run=run, first_run=run, table=Table.QUALITY_FEEDBACK,
        action="replaced", before={"feedback_text": "zq7481 wrote this first", "user_id": ID},
        after={"feedback_text": TEXT}, row_digest=uuid4(),
    )  # fmt: skip
    for who in (ID, NEIGHBOUR):
        RejectedRecord.objects.create(
            row_uid=uuid4(), source=source, run=run, table=Table.QUALITY_FEEDBACK,
            reason="unusable", field="quality_rating", detail="Expected 0 to 1, got 7.",
            payload={"user_id": who, "quality_rating": 7},
        )  # fmt: skip


def _answers(person: SeedUser) -> None:
    now = timezone.now()
    at = [now - timedelta(minutes=one) for one in range(4)]
    log_pairs([ID, NEIGHBOUR, BEFORE, "x"], at, [0.5] * 4, right=["a", ID, "b", "c"])
    key = ApiKey.objects.first() or make_api_key()
    for name, who in (("one", ID), (f"request of {ID}", "x"), ("neighbour", NEIGHBOUR)):
        GivenAnswer.objects.create(
            key=key, name=name, digest="0" * 64, expires_at=now + timedelta(days=1),
            status=200, body=json.dumps({"items": [{"id": who}]}).encode(),
        )  # fmt: skip
    state = WatchState.objects.first() or WatchState()
    state.last_person = "d" * 32
    state.save()


def _people_who_work(person: SeedUser, folder: Path) -> None:
    owner = User.objects.create_superuser("zora")
    make_refused_profile(f"{ID}.csv", id=ID, hobbies=WORD)
    other = make_refused_profile("others.csv", id=NEIGHBOUR)
    corrected = make_refused_profile("more.csv", id="someone")
    corrected.correction = {"id": BEFORE}
    corrected.save()
    assert other.pk
    mapping = make_mapping()
    mapping.preview = [{"before": {"user": ID, "text": TEXT}, "after": {"user_id": ID}}]
    mapping.save()
    with (folder / "handed over.csv").open("w+b") as file:
        file.write(f"user,text\n{ID},hello\n".encode())
        file.seek(0)
        keep_upload(file, "handed over.csv")
        file.seek(0)
        file.truncate()
        file.write(f"user,text\n{NEIGHBOUR},hello\n".encode())
        file.seek(0)
        keep_upload(file, "of a neighbour.csv")
    (folder / "handed over.csv").unlink()
    job = Job.objects.create(
        kind="matching.import_users", state=Job.State.FAILED, actor="zora", user=owner,
        arguments={"note": f"people such as {ID}"}, error=f"Key (external_id)=({ID}) is there.",
        traceback=f"ValueError: {TEXT!r}", result={"examples": [{"external_id": ID}]},
        said={"text": f"{NAME} was left out."}, finished_at=timezone.now(),
        records=[{"model": "matching.seeduser", "id": person.pk, "title": ID}],
    )  # fmt: skip
    JobLogLine.objects.create(job=job, message=f"Read {ID}, then {NEIGHBOUR}.")
    job.steps.create(name="chunk", result={"names": [ID, NEIGHBOUR]})
    Schedule.objects.create(
        name="nightly", kind="matching.seed_users", arguments={"about": ID}, cron="0 3 * * *"
    )
    LogEntry.objects.create(
        user=owner, object_id=str(person.pk), object_repr=ID, action_flag=CHANGE,
        change_message=json.dumps([{"changed": {"name": NAME}}]),
    )  # fmt: skip
    record(Act.REMOVAL, by=owner, about=person, title=f"travel session {ID}", detail=TEXT)


def _models() -> None:
    batch = EventBatch.objects.filter(method="generated").latest("pk")
    prepared = prepare_dataset(get_kind(DEFAULT_KIND), Recipe(batches=(batch.pk,)))
    as_dict = type(prepared.report).as_dict

    def with_examples(report: Any) -> Any:
        return {**as_dict(report), "examples": [{"rows": [{"user": ID, "text": TEXT}]}]}

    with patch.object(type(prepared.report), "as_dict", with_examples):
        dataset = write_dataset(prepared)
    make_model(dataset)
    _run("build_dataset", "--kind", "csat", "--origin", "real")
    assert ModelVersion.objects.exists()


def whole_installation() -> Iterator[tuple[str, str]]:
    """Yield every place of the installation with its content as text: tables, Valkey, files."""
    yield from _tables()
    yield from _valkey()
    yield from _files()


def _tables() -> Iterator[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        )
        names = [name for (name,) in cursor]
        for name in names:
            content = io.BytesIO()
            with cursor.copy(f"COPY {name} TO STDOUT") as copy:
                for piece in copy:
                    content.write(piece)
            yield f"table {name}", content.getvalue().decode()
    for batch in EventBatch.objects.exclude(population=None):
        yield f"population {batch.pk}", _as_text(bytes(batch.population or b""))
    for kept in GivenAnswer.objects.all():
        yield f"answer {kept.pk}", _as_text(bytes(kept.body))


def _valkey() -> Iterator[tuple[str, str]]:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for key in client.scan_iter():
            kind = client.type(key)
            value = client.get(key) if kind == b"string" else client.dump(key)
            yield f"valkey {key.decode(errors='replace')}", _as_text(value or b"")


def _files() -> Iterator[tuple[str, str]]:
    store = the_store()
    for one in store.listed(BLOBS):
        yield f"blob {one.key}", _as_text(b"".join(store.pieces(one.key)))
    for root in (Path(settings.ARTIFACT_ROOT), Path(settings.CACHE_ROOT)):
        for path in sorted(root.rglob("*")) if root.exists() else ():
            if path.is_file():
                yield f"file {path}", _as_text(path.read_bytes())


def _as_text(content: bytes) -> str:
    """Return what bytes say, unpacked; and the bytes as they are."""
    texts = [content.decode(errors="replace")]
    if content[:4] == b"PAR1":
        table = pq.read_table(io.BytesIO(content))
        texts += [str(row) for row in table.to_pylist()]
    elif content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            texts += [_as_text(archive.read(name)) for name in archive.namelist()]
    else:
        with suppress(Exception):
            buffer = io.BytesIO()
            joblib.dump(joblib.load(io.BytesIO(content)), buffer)
            texts.append(buffer.getvalue().decode(errors="replace"))
        with suppress(ValueError):
            texts.append(json.dumps(json.loads(content), ensure_ascii=False))
    return "\n".join(texts)


def found(traces: tuple[str, ...] = TRACES) -> dict[str, list[str]]:
    """Return by place what of the person is found there; ids of others that begin so are none."""
    hits: dict[str, list[str]] = {}
    for place, text in whole_installation():
        searched = text.replace(NEIGHBOUR, "")
        told = [one for one in traces if one in searched or json.dumps(one)[1:-1] in searched]
        if told or (NEIGHBOUR not in text and ID in place):
            hits[place] = told
    return hits
