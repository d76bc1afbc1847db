"""Makes the installation that `test_migrates.py` migrates; runs on the first edition only.

See README.md beside it. The code that is imported here is that of the working directory.
"""

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

COMMIT = "8544734"
HERE = Path(__file__).resolve().parent / "installation"
CHECKOUT = Path.cwd()
VAR = Path(os.environ["SEEDBED_VAR"]).resolve()
MAXIMUM_FILE_BYTES = 400_000  # of a file in the repository
RESPONSES = 800  # generated feedback of the first edition has 3,000, which is a larger dump
FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)  # the trips of a fixture must not end
ORIGIN = "first_edition_origin"  # the database of a customer, whom feedback is collected from
APPS = ("matching", "feedback", "training", "jobs")  # a file of rows for each, a file for the rest
PASSWORD = "first-edition-tests-only"
DAY = timedelta(days=1)

sys.path.insert(0, str(CHECKOUT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
os.environ["SEEDBED_FEEDBACK_ALLOWED_HOSTS"] = f"{VAR}/postgres/run:*"


def keep_secrets() -> None:
    """Lay down what development makes by itself, with words that say what it is good for."""
    folder = VAR / "secrets"
    folder.mkdir(mode=0o700, parents=True)
    for name in ("secret", "artifact", "field"):
        path = folder / f"seedbed_{name}_key"
        path.write_text(f"tests-only-{name}-key-of-the-first-edition-which-protects-nothing")
        path.chmod(0o600)


if VAR.exists():
    sys.exit(f"{VAR} is there already; name a new folder in SEEDBED_VAR.")
keep_secrets()

import django  # noqa: E402 - the environment has to come first

django.setup()

import psycopg  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.auth.models import Group, Permission, User  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402
from django.urls import reverse  # noqa: E402
from django.utils import timezone  # noqa: E402

from feedback.models import FeedbackSource, RejectedRecord  # noqa: E402
from feedback.services import imports  # noqa: E402
from matching.models import EventBatch, SeedUser, TravelGroup, TravelSession  # noqa: E402
from project import embedded  # noqa: E402
from project.bootstrap import start_servers  # noqa: E402
from project.jobs.models import Job, Process, Schedule  # noqa: E402
from project.jobs.runner import run_job  # noqa: E402
from project.jobs.services import enqueue, plan, retry_job, run_schedule, stop_job  # noqa: E402
from training.kinds import get_kind  # noqa: E402
from training.models import Dataset, ModelVersion  # noqa: E402
from training.services import registry  # noqa: E402


def main() -> None:
    """Make everything, step by step, and write it beside this file."""
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, cwd=CHECKOUT
    ).stdout
    if not found.startswith(COMMIT):
        sys.exit(f"Run it in a checkout of {COMMIT}; this is {found[:7]}.")
    start_servers()
    setup_test_environment()  # without it, an answer does not show its forms
    try:
        call_command("migrate", verbosity=0)
        people()
        matching()
        feedback()
        schedules_and_jobs()
        expected = what_is_there()
        connection.close()
        write(expected)
    finally:
        embedded.stop(VAR)


# --- Steps ---------------------------------------------------------------------------------------


def people() -> None:
    """Accounts, profiles, groups, sessions, and their history."""
    User.objects.create_superuser("admin", password=PASSWORD)
    (VAR / "demo_password").write_text(PASSWORD + "\n")
    curators = Group.objects.create(name="Curators")
    curators.permissions.set(
        permissions("view_seeduser", "change_seeduser", "add_seeduser", "view_travelsession")
    )
    curator = User.objects.create_user("curator", password=PASSWORD, is_staff=True)
    curator.groups.add(curators)
    trainer = User.objects.create_user("trainer", password=PASSWORD, is_staff=True)
    trainer.user_permissions.set(
        permissions(
            *("view_dataset", "build_dataset", "view_modelversion", "train_model"),
            *("promote_model", "override_refusal", "rebuild_model"),
        )
    )
    make("seed_users", count=180)
    file = VAR / "profiles.csv"
    file.write_text(
        "external_id,name,age,interests,home_city\n"
        "real_ada,Ada,36,hiking;food,London\n"
        "real_boris,Boris,,museums,\n"
        "real_too_old,Methuselah,969,hiking,\n"
    )
    make("seed_users", file=file, code=2)
    file.unlink()
    make("seed_users", complete=True)
    SeedUser.objects.create(external_id="real_incomplete", name="Nobody knows", age=40)
    make("create_sessions", ttl_days=365)

    # An application that is not ours plans a trip for a traveller who has none.
    TravelSession.objects.filter(external_id="real_ada").delete()
    foreign = {
        "userId": "real_ada",
        "destination": {"name": "Lisbon", "lat": 38.72, "lon": -9.13},
        "budget": 900.0,
        "startDate": "2026-06-01",
        "endDate": "2026-06-08",
        "mode": "solo",
        "interests": ["food"],
        "colour": "of another application",
    }
    with contextmanager(valkey)() as client:
        client.set("session:real_ada", json.dumps(foreign), ex=7 * 24 * 3600)
    make("check_sessions", repair=True, code=None)
    assert TravelSession.objects.get(external_id="real_ada").is_adopted
    TravelSession.objects.update(expires_at=FAR_AWAY)
    ended = TravelSession.objects.get(external_id="real_boris")
    ended.expires_at = timezone.now() - DAY
    ended.save()
    make("check_sessions", repair=True, code=None)
    job = enqueue("matching.check_sessions", by=User.objects.get(username="curator"))
    work(job)

    with logged_in("curator") as browser:
        change(browser, SeedUser.objects.get(external_id="real_boris"), religion="none")
    with logged_in("admin") as browser:
        user = SeedUser.objects.get(external_id="real_ada")
        change(browser, user, name="Ada Lovelace", profession="engineer")
        change(browser, user, home_city="Paris")
        change(browser, TravelGroup.objects.first(), name="Renamed in the admin")
        job = enqueue("matching.complete_users", by=User.objects.get(username="curator"), users=[])
        work(job)


def matching() -> None:
    """Batches of every origin, datasets of both feature sets, a champion and its way back."""
    trainer = User.objects.get(username="trainer")
    kind = get_kind("match_compatibility")
    job = enqueue("training.rebuild", by=trainer, count=1000, seed=7)
    work(job)
    first = champion("match_compatibility")

    groups = make("generate_events", count=300, match_type="group", seed=8)["batch"]
    tiered = make("generate_events", count=400, seed=9, feature_set="tiered-1")["batch"]
    make("generate_events", count=100_000_000, seed=10, code=2)  # more than there are pairs
    smooth = EventBatch.objects.complete().order_by("pk").first()

    # The same events as an application would log them that knows little, and lines that are none.
    log = VAR / "app.log.gz"
    call_command("export_events", batch=[tiered], output=str(log))
    with gzip.open(log, "rt") as file:
        lines = list(file)
    with gzip.open(log, "wt") as file:
        for number, line in enumerate(lines[:250]):
            event = json.loads(line)
            event |= {"source": "real", "eventId": f"app-{number}", "modelVersion": "rules-3"}
            event["userId"] = f"app_user_{number % 40}"
            event["features"] |= {"ageScore": 0.5, "languageScore": 0.5, "lifestyleScore": None}
            file.write(f"[ML_MATCH_EVENT] {json.dumps(event)}\n")
        file.write('{"matchType":"user_user"}\nnot JSON at all\n' + lines[0].replace("0.", "7.", 1))
    real = make("import_events", str(log))["batches"][0]
    make("import_events", str(log))
    log.unlink()

    make("build_dataset", batch=[smooth.pk, groups], split="user", seed=3)
    make("train_model", seed=3, code=None)
    second = newest("match_compatibility")
    with_reason = "Both are made of one population, and this is the second of two."
    registry.promote(second, by=trainer, reason="a second one", override_reason=with_reason)
    registry.rollback(kind, by=trainer, reason="the first one was better known")
    assert champion("match_compatibility") == first

    make("build_dataset", batch=[tiered], split="random")
    make("train_model", code=None)
    make("build_dataset", batch=[tiered, real], code=None)
    make("build_dataset", batch=[real], code=None)
    refused = Dataset.objects.of_kind("match_compatibility").first()
    assert (refused.verdict, refused.source) == ("refuse", "real"), refused.checks
    make("train_model", dataset=refused.version, code=2)
    job = enqueue(
        "training.train_model",
        by=trainer,
        model_kind="match_compatibility",
        dataset=refused.version,
        seed=4,
        override_reason="To see what a model of so poor a log is worth.",
    )
    work(job)
    assert newest("match_compatibility").override_reason
    make("build_dataset", batch=[tiered, smooth.pk], code=None)  # two feature sets
    make("build_dataset", batch=[4711], code=2)


def feedback() -> None:
    """Generated, imported and collected feedback, what was refused, and the three models."""
    imports.fill_synthetic.__kwdefaults__["count"] = RESPONSES
    make("collect_feedback")
    kinds = ("quality", "csat", "model_performance")
    for name in kinds:
        make("build_dataset", kind=name, code=None)
        make("train_model", kind=name, code=None)
        model = newest(name)
        say(f"{name}: {model.verdict}, {model.algorithm}")
        override = (
            "Few rows are what this installation is for." if model.verdict == "refuse" else ""
        )
        run(
            *("models", "promote", str(model.version)),
            kind=name,
            reason="the first of its kind",
            override_reason=override,
        )

    ratings = CHECKOUT / "docs" / "examples" / "feedback-rows.jsonl"
    make("import_feedback", str(ratings), table="quality_feedback", source="ratings")
    make("import_feedback", str(ratings), table="quality_feedback", source="x", dry_run=True)
    make("import_feedback", str(ratings), table="ab_testing", source="tests", code=2)
    mended = RejectedRecord.objects.filter(reason="out_of_range").first()
    mended.correction = {"quality_rating": 0.9}
    mended.save()
    assert imports.retry_rejected([mended])["landed"] == 1

    make_origin()
    with logged_in("admin") as browser:
        address = reverse("admin:feedback_feedbacksource_add")
        posted = {
            **initial(browser, address),
            "name": "customer",
            "kind": "postgres",
            "host": f"{VAR}/postgres/run",
            "database": ORIGIN,
            "user": embedded.USER,
            "sslmode": "disable",
            "new_password": PASSWORD,
            "mapping": '{"ab_testing": {"table": "experiments"}}',
        }
        post(browser, address, posted)
        job = enqueue(
            "feedback.collect", by=User.objects.get(username="admin"), sources=["customer"]
        )
        work(job)
        source = FeedbackSource.objects.get(name="customer")
        change(browser, source, overlap_hours="48")
        post(browser, reverse("admin:feedback_schedule"), {"switch": "on"})
    # Afterwards one that is not there any more, so that a failure stands in the history.
    FeedbackSource(
        name="gone",
        host=f"{VAR}/postgres/run",
        database="no_such_database",
        user=embedded.USER,
        sslmode="disable",
    ).save()
    make("collect_feedback", source=["gone"], code=1)


def schedules_and_jobs() -> None:
    """Schedules of several kinds; jobs in every state, also those that an update interrupts."""
    admin = User.objects.get(username="admin")
    plan(
        "nightly-model",
        kind="training.train_model",
        cron="30 2 * * *",
        arguments={"model_kind": "quality", "dataset": None, "seed": 1, "override_reason": ""},
    )
    plan(
        "weekly-rebuild",
        kind="training.rebuild",
        cron="0 4 * * 1",
        is_enabled=False,
        arguments={"count": 400, "match_type": "both", "preset": "strict", "seed": 5},
    )
    plan(
        "events",
        kind="matching.generate_events",
        interval_seconds=86_400,
        is_enabled=False,
        arguments={
            "count": 50,
            "match_type": "solo",
            "preset": "loose",
            "seed": 6,
            "feature_set": "smooth-1",
            "allow_repeats": True,
        },
    )
    plan(
        "datasets",
        kind="training.build_dataset",
        interval_seconds=7_200,
        is_enabled=False,
        arguments={
            "model_kind": "csat",
            "batches": [],
            "source": "synthetic",
            "feature_set": "",
            "split": "session",
            "train_share": 0.75,
            "seed": 2,
        },
    )
    plan(
        "one-customer",
        kind="feedback.collect",
        cron="15 * * * *",
        arguments={"sources": ["customer"], "limit": 1000},
    )
    plan(
        "sessions",
        kind="matching.repair_sessions",
        interval_seconds=3_600,
        arguments={"minimum": 5},
    )
    job = run_schedule(Schedule.objects.get(name="collect-feedback"), by=admin)
    work(job)
    work(run_schedule(Schedule.objects.get(name="sessions")))

    failed = enqueue("matching.seed_users", by=admin, count=5, colour="red")
    with suppress(TypeError):
        run_job(str(failed.pk))
    failed.refresh_from_db()
    assert failed.state == "failed"
    again = retry_job(failed, by=admin)
    stop_job(again)  # cancelled

    enqueue("matching.complete_users", by=admin, ring_bell=False, users=None, seed=7)
    enqueue("training.build_dataset", by=admin, ring_bell=False, model_kind="csat", seed=1)
    upload = imports.keep_upload(io.BytesIO(rating("queued-1") + rating("queued-2")))
    enqueue(
        "feedback.import",
        by=admin,
        ring_bell=False,
        path=str(upload),
        name="ratings.jsonl",
        table="quality_feedback",
        source="ratings",
        columns={},
        dry_run=False,
    )
    # A worker that took a job and died: its lease has run out.
    lost = enqueue("matching.repair_sessions", by=admin, ring_bell=False, minimum=5)
    assert Job.objects.claim(lost.pk, lease=timedelta(seconds=-1), worker="gone:1") == 1

    Process.objects.create(name="gone:1", role=Process.Role.WORKER)
    Job.objects.exclude(worker__in=["", "gone:1"]).update(
        worker="first-edition:1"
    )  # no host of ours
    Session.objects.update(expire_date=FAR_AWAY)

    # Rows that nobody has collected yet.
    with origin() as database:
        database.execute(
            "INSERT INTO ai_gm_quality_feedback SELECT md5('late' || n)::uuid, 'late-' || n, .25, "
            "'came after the first collection', 'p', 'm', 'a', 's', 'u', now() "
            "FROM generate_series(1, 3) n"
        )


def what_is_there() -> dict[str, Any]:
    """Say what the first edition itself makes of the installation."""
    asked = {
        "match_compatibility": {"distanceScore": 0.9, "ageScore": 0.4, "interestScore": 0.6},
        "quality": {"codeQuality": 70, "security": 40, "csat": 0.7},
        "csat": {"quality": 0.6, "provider": "google"},
        "model_performance": {"prediction": 0.7, "provider": "mistral"},
    }
    predictions = {}
    for kind, features in asked.items():
        said = run("predict", kind=kind, features=json.dumps(features))
        score = said["prediction"] if "prediction" in said else said["scores"][0]["score"]
        version = said.get("model_version")
        predictions[kind] = {"features": features, "version": version, "score": score}
    return {
        "predictions": predictions,
        "datasets": [
            {"kind": d.kind, "version": d.version, "verdict": d.verdict, "folder": d.folder}
            for d in Dataset.objects.order_by("pk")
        ],
        "models": [
            {"kind": m.kind, "version": m.version, "stage": m.stage, "folder": m.folder}
            for m in ModelVersion.objects.order_by("pk")
        ],
    }


# --- How -----------------------------------------------------------------------------------------


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def run(name: str, *arguments: str, code: int | None = 0, **options: Any) -> Any:
    """Run a command of the product and return its JSON; with None every exit code will do."""
    given = list(arguments)
    for option, value in options.items():
        given.append(f"--{option.replace('_', '-')}")
        if value is not True:
            given += [str(one) for one in (value if isinstance(value, list) else [value])]
    say(f"{name} {' '.join(given)}")
    out = io.StringIO()
    ended = 0
    try:
        call_command(name, *given, "--json", stdout=out)
    except SystemExit as exit:
        ended = exit.code
    said = json.loads(out.getvalue())
    if code is not None and ended != code:
        sys.exit(f"{name} ended with {ended}: {json.dumps(said, indent=1)[:1500]}")
    return said


def make(name: str, *arguments: str, **options: Any) -> Any:
    """Run a command whose work is a job, in this process."""
    return run(name, *arguments, "--now", **options)


def work(job: Job, *, state: str = "succeeded") -> None:
    """Work on a job that somebody enqueued, here and now."""
    say(f"{job.kind} {job.arguments}")
    run_job(str(job.pk))
    job.refresh_from_db()
    if job.state != state:
        sys.exit(f"{job} {job.state}: {json.dumps(job.result, indent=1)[:1500]}")


def permissions(*names: str) -> list[Permission]:
    found = list(Permission.objects.filter(codename__in=names))
    assert len(found) == len(names)
    return found


def champion(kind: str) -> ModelVersion:
    return ModelVersion.objects.champions().get(kind=kind)


def newest(kind: str) -> ModelVersion:
    return ModelVersion.objects.of_kind(kind).first()


def valkey() -> Iterator[Any]:
    import redis

    client = redis.Redis.from_url(settings.REDIS_URL)
    yield client
    client.close()


@contextmanager
def logged_in(name: str) -> Iterator[Client]:
    """Give a browser of somebody; the session of the login stays in the database."""
    client = Client(SERVER_NAME="localhost")
    assert client.login(username=name, password=PASSWORD)
    yield client


def initial(browser: Client, address: str) -> dict[str, Any]:
    """Return what a form of the admin shows, as it would be posted."""
    form = browser.get(address).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    return {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if value not in (None, False)
    }


def change(browser: Client, record: Any, **values: Any) -> None:
    """Change a record in the admin, so that history and log are written as for a person."""
    meta = record._meta
    address = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[record.pk])
    post(browser, address, {**initial(browser, address), **values})


def post(browser: Client, address: str, values: dict[str, Any]) -> None:
    answer = browser.post(address, values)
    if answer.status_code != 302:
        sys.exit(f"{address}: {answer.context['errors']}")


def rating(name: str) -> bytes:
    row = {"id": name, "response_id": name, "quality_rating": 0.6, "provider": "p", "model": "m"}
    return json.dumps({**row, "created_at": "2026-05-01T12:00:00Z"}).encode() + b"\n"


@contextmanager
def origin() -> Iterator[Any]:
    with psycopg.connect(
        host=f"{VAR}/postgres/run", user=embedded.USER, dbname=ORIGIN, autocommit=True
    ) as opened:
        yield opened


def make_origin() -> None:
    """Make the database of a customer with its three tables, one of them under another name."""
    at = {"host": f"{VAR}/postgres/run", "user": embedded.USER, "dbname": "postgres"}
    with psycopg.connect(**at, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {ORIGIN}")
    with origin() as database:
        database.execute(
            """
            CREATE TABLE ai_gm_quality_feedback (
                id uuid PRIMARY KEY, response_id text, quality_rating double precision,
                feedback_text text, provider text, model text, action_type text,
                session_id text, user_id text, created_at timestamptz);
            CREATE TABLE ai_gm_explanations (
                id uuid PRIMARY KEY, quality_score double precision, provider text, model text,
                action_type text, scenario_id text, created_at timestamptz, metadata jsonb);
            CREATE TABLE experiments (
                id bigint PRIMARY KEY, experiment_name text, variant text, response_id text,
                user_rating double precision, predicted_quality double precision, provider text,
                model text, created_at timestamptz);
            INSERT INTO ai_gm_quality_feedback SELECT md5('q' || n)::uuid, 'response-' || n,
                n % 13 / 11.0, 'fine ' || n, 'provider-' || n % 3, 'model-' || n % 5,
                'action-' || n % 2, 'session-' || n / 4, 'user-' || n / 8,
                now() - interval '9 hours' * (61 - n) FROM generate_series(1, 60) n;
            INSERT INTO ai_gm_explanations SELECT md5('e' || n)::uuid, n % 21 / 20.0,
                'provider-' || n % 3, 'model-' || n % 5, 'action-' || n % 2, 'scenario-' || n % 9,
                now() - interval '9 hours' * (31 - n), json_build_object('codeQuality', n,
                'security', 50, 'responseTime', n * 10, 'response_id', 'response-' || n)
                FROM generate_series(1, 30) n;
            INSERT INTO experiments SELECT n, 'experiment-' || n % 2,
                CASE n % 2 WHEN 0 THEN 'A' ELSE 'B' END, 'response-' || n, n % 6 / 5.0, n % 9 / 8.0,
                'provider-' || n % 3, 'model-' || n % 5, now() - interval '9 hours' * (31 - n)
                FROM generate_series(1, 30) n;
            """
        )


# --- What is written -----------------------------------------------------------------------------


def write(expected: dict[str, Any]) -> None:
    """Write the dumps, the files of var and what is expected, each packed and small."""
    HERE.mkdir(exist_ok=True)
    for old in HERE.rglob("*"):
        if old.is_file():
            old.unlink()
    others = [f"--exclude-table={app}_*" for app in APPS]
    for number, (name, options) in enumerate(
        [
            ("tables", ["--section=pre-data"]),
            *((app, ["--section=data", f"--table={app}_*"]) for app in APPS),
            ("others", ["--section=data", *others]),
            ("constraints", ["--section=post-data"]),
        ]
    ):
        pack(HERE / "database" / f"{number}-{name}.sql.gz", dump(embedded.DATABASE, *options))
    pack(HERE / "origin.sql.gz", dump(ORIGIN))
    for path in sorted(VAR.rglob("*")):
        place = path.relative_to(VAR)
        if path.is_file() and place.parts[0] in (
            "artifacts",
            "uploads",
            "secrets",
            "demo_password",
        ):
            if place.name.startswith("."):
                continue
            pack(HERE / "files" / f"{place}.gz", path.read_bytes())
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    total = sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file())
    say(f"{total:,} bytes in {sum(path.is_file() for path in HERE.rglob('*'))} files")


def dump(database: str, *options: str) -> bytes:
    """Dump a database as plain SQL that any client can send, not only psql."""
    programs = embedded._postgres_programs(VAR / "postgres" / "data")
    text = subprocess.run(
        [
            *(str(programs / "pg_dump"), f"--host={VAR}/postgres/run", f"--user={embedded.USER}"),
            *("--no-owner", "--no-privileges", "--rows-per-insert=200", *options, database),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # What only psql understands: pg_dump frames its text with these two.
    lines = [
        line for line in text.split("\n") if not line.startswith(("\\restrict", "\\unrestrict"))
    ]
    whole = "\n".join(lines)
    for there, here in (
        (f"{VAR}/postgres/run", "@POSTGRES@"),
        (str(VAR), "@VAR@"),
        (str(CHECKOUT), "/srv/seedbed"),  # in a traceback
        (ORIGIN, "@ORIGIN@"),
    ):
        whole = whole.replace(there, here)
    return whole.encode()


def pack(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = gzip.compress(content, 9, mtime=0)
    if len(packed) > MAXIMUM_FILE_BYTES:
        sys.exit(f"{path} has {len(packed):,} bytes; make less.")
    say(f"{len(packed):>9,} {path.relative_to(HERE)}")
    path.write_bytes(packed)


if __name__ == "__main__":
    main()
