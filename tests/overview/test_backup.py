"""A backup, and what comes back: byte-equal artefacts, equal scores, no for what is not whole.

One installation is made for all tests; each restores it into a database and a folder of its own.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone
from psycopg import sql

from matching.models import SeedUser
from overview.jobs import backups as backup_jobs
from overview.queries.backups import BACKUP_KIND, TOLERANCE, describe_backups, sample_champion
from overview.services.backups import make_named_backup, remove_old_backups, switch_on
from project import embedded
from project.audit.models import Act, AuditEntry
from project.backup import making, programs
from project.backup.failures import BackupRefused, ProgramUnusable
from project.backup.making import make_backup
from project.backup.manifest import MANIFEST, Manifest, read_manifest
from project.backup.places import open_place
from project.jobs.models import Job, Schedule
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.refusal import Refusal
from project.storage.blobs import key_of
from project.storage.models import Installation
from project.storage.tending import TENDING_LOCK, tend_store
from project.uploads.models import Upload
from project.uploads.services import keep_upload
from tests import s3
from tests.factories import make_seed_user, make_session, make_staff
from tests.training.batches import make_dataset, make_model
from training.models import ModelVersion
from training.queries.loading import forget_loaded
from training.services import registry

pytestmark = pytest.mark.django_db(transaction=True)

PASSPHRASE = "six words that nobody else knows"
UPLOADED = b"a file that waits for its job"


class Place(NamedTuple):
    """An installation of the tests: a database of the tests' server, and a folder."""

    database: str
    var: Path

    @property
    def blobs(self) -> dict[str, bytes]:
        """Every file of its store."""
        root = self.var / "artifacts" / "blobs"
        return {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@contextmanager
def at(place: Place) -> Iterator[None]:
    """Be the installation of a place."""
    was = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = place.database
    folders = {"ARTIFACT_ROOT": place.var / "artifacts", "CACHE_ROOT": place.var / "cache"}
    _forget()
    try:
        with override_settings(VAR=place.var, STORE_URL="", **folders):
            yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = was
        _forget()


def _forget() -> None:
    forget_loaded()
    ContentType.objects.clear_cache()


@contextmanager
def admin() -> Iterator[psycopg.Connection[Any]]:
    there = connection.settings_dict
    with psycopg.connect(
        host=there["HOST"],
        port=there["PORT"],
        user=there["USER"],
        dbname="postgres",
        autocommit=True,
    ) as opened:
        yield opened


def make_database(name: str, *, like: str = "template1") -> None:
    connection.close()
    with admin() as opened:
        drop_database(name)
        opened.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(like)
            )
        )


def drop_database(name: str) -> None:
    with admin() as opened:
        opened.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


@pytest.fixture(scope="module")
def source(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Give an installation with people, trips, a champion, an upload and a job that runs."""
    with django_db_blocker.unblock():
        name = f"{connection.settings_dict['NAME']}_of_backups"
        place = Place(name, tmp_path_factory.mktemp("source"))
        make_database(name, like=connection.settings_dict["NAME"])
        with at(place):
            Installation.objects.all().delete()  # the copy is another one
            Installation.objects.create()
            for number in range(12):
                make_session(make_seed_user(f"seed_{number}"))
            registry.promote(make_model(make_dataset()))
            keep_upload(io.BytesIO(UPLOADED), "waits.csv")
            Job.objects.create(
                kind="overview.rebuild_model",
                state=Job.State.RUNNING,
                attempts=1,
                fence=1,
                worker="gone:1",
                lease_until=timezone.now() + timedelta(hours=1),
                is_by_operator=True,
            )
        try:
            yield place
        finally:
            drop_database(name)


@pytest.fixture
def target(source: Place, tmp_path: Path) -> Iterator[Place]:
    """Give an empty database and no folder."""
    place = Place(f"{source.database}_target", tmp_path / "target")
    make_database(place.database)
    yield place
    drop_database(place.database)


@pytest.fixture(scope="module")
def backed_up(source: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a backup of it with secrets; tests that change one copy it."""
    folder = tmp_path_factory.mktemp("backed_up") / "backup"
    with at(source), pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEDBED_BACKUP_PASSPHRASE", PASSPHRASE)
        run("backup", folder, "--secrets")
    return folder


@pytest.fixture
def backup(backed_up: Path, tmp_path: Path) -> Path:
    """Give a backup that may be changed."""
    return Path(shutil.copytree(backed_up, tmp_path / "backup"))


def run(name: str, *words: Any, code: int = 0) -> dict[str, Any]:
    """Run a command and return its JSON; it has to end with `code`."""
    out = StringIO()
    try:
        call_command(name, *map(str, words), "--json", stdout=out)
        ended = 0
    except SystemExit as end:
        ended = int(str(end.code))
    assert ended == code, out.getvalue()
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


def refused(name: str, *words: Any) -> str:
    told = run(name, *words, code=2)["refused"]
    assert told["remedy"]
    return f"{told['message']} {told['remedy']}"


def environment_of(place: Place) -> dict[str, str]:
    """Return the environment of a process of that installation, with the tests' secrets."""
    there = connection.settings_dict
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SEEDBED_", "DJANGO_", "PYTEST_", "AWS_"))
    }
    return {
        **inherited,
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "SEEDBED_VAR": str(place.var),
        "DATABASE_URL": f"postgres://{there['USER']}@/{place.database}?"
        + urllib.parse.urlencode({"host": there["HOST"], "port": there["PORT"]}),
        "REDIS_URL": settings.REDIS_URL,
        "SEEDBED_STORE_URL": "",
        **{
            f"SEEDBED_{name}": getattr(settings, name)
            for name in ("SECRET_KEY", "ARTIFACT_KEY", "FIELD_KEY")
        },
    }


# Kills itself when a function is called for the so-maniest time: before it, or just after it.
KILLED = """
import importlib, os, signal, sys
import django
django.setup()
module, name, calls, moment, *line = sys.argv[1:]
module = importlib.import_module(module)
inner, left = getattr(module, name), int(calls)

def counted(*positional, **named):
    global left
    left -= 1
    if left == 0 and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = inner(*positional, **named)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(module, name, counted)
from django.core.management import call_command
call_command(*line)
"""


def killed(place: Place, where: str, calls: int, moment: str, *line: Any) -> None:
    """Run a command in a process that is killed at its so-maniest call of a function."""
    module, _, name = where.rpartition(".")
    connection.close()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, module, name, str(calls), moment, *map(str, line)],
        cwd=settings.BASE_DIR,
        env=environment_of(place),
        capture_output=True,
        text=True,
    )
    assert done.returncode == -9, done.stderr


def files_of(place: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def is_untouched(place: Place) -> bool:
    """Whether nothing was restored there."""
    with at(place):
        return not making.count_tables() and not place.blobs


# --- There and back -------------------------------------------------------------------------------


def test_what_comes_back_is_byte_equal_and_scores_the_same(
    source: Place, target: Place, backed_up: Path, valkey: "redis.Redis[bytes]"
) -> None:
    with at(source):
        served_by, scores = sample_champion()
        champion = ModelVersion.objects.get()
        tables = making.count_tables()
        running = Job.objects.filter(state=Job.State.RUNNING).count()
    assert served_by == "model 1"
    assert len(scores) == 50
    valkey.flushdb()
    with at(target):
        told = run("restore", backed_up, "--check")
        assert (told["differing_tables"], told["broken"], told["differing"]) == ([], [], 0)
        assert told["tables"] == tables | {"audit_auditentry": tables["audit_auditentry"] - 1}
        assert target.blobs == source.blobs
        assert len(target.blobs) == told["files"] > 5
        # Scores, once more and by another way than the command's own.
        restored_by, again = sample_champion()
        assert restored_by == served_by
        assert [(one.left, one.right) for one in again] == [(one.left, one.right) for one in scores]
        gaps = [abs(a.score - b.score) for a, b in zip(scores, again, strict=True)]
        assert max(gaps) <= TOLERANCE
        assert ModelVersion.objects.get().files == champion.files
        # What waits, what ran, who is live.
        assert b"".join(making.pieces_of(Upload.objects.get().blob)) == UPLOADED
        job = Job.objects.get(kind="overview.rebuild_model")
        assert (job.state, job.worker, job.lease_until, job.attempts) == ("queued", "", None, 0)
        assert told["jobs"] == running >= 1
        assert told["sessions"] == 12
        assert len(valkey.keys("session:*")) == 12
        # The store is this database's, and may be swept as before.
        assert tend_store()["missing"] == []
        assert Installation.objects.get().adopted_at is None
        assert AuditEntry.objects.filter(act=Act.FOLDER, title__contains="Restored").exists()
        # And it is no empty place any more.
        assert "It would replace the database" in refused("restore", backed_up)


def test_a_backup_is_one_moment_and_nobody_sweeps_meanwhile(
    source: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[bool] = []
    inner = making._copy

    def late(*asked: Any) -> Any:
        if not swept:
            make_seed_user("came_late")
            swept.append(tend_store()["is_busy"])
        return inner(*asked)

    monkeypatch.setattr(making, "_copy", late)
    with at(source):
        before = SeedUser.objects.count()
        manifest = make_backup(open_place(str(tmp_path / "one")), sample=sample_champion)
        assert manifest.tables["matching_seeduser"] == before
        assert swept == [True]
        assert tend_store()["is_busy"] is False
        SeedUser.objects.filter(external_id="came_late").delete()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [TENDING_LOCK])
            assert cursor.fetchone()[0]


def test_nothing_in_a_backup_is_a_link_to_the_store(source: Place, backed_up: Path) -> None:
    store = source.var / "artifacts"
    for path in (backed_up / "blobs").rglob("*"):
        if path.is_file():
            assert path.stat().st_nlink == 1
            assert not path.samefile(store / path.relative_to(backed_up))
    assert (backed_up / MANIFEST).stat().st_nlink >= 1


# --- Killed in the middle -------------------------------------------------------------------------


def test_a_killed_backup_is_none_and_is_made_again_in_its_place(
    source: Place, target: Place, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    killed(source, "project.backup.places.write", 4, "before", "backup", folder)
    left = files_of(folder)
    assert [name for name in left if name.startswith("database-")]
    assert [name for name in left if name.startswith("blobs/")]
    assert MANIFEST not in left
    with at(target):
        assert "holds no manifest.json" in refused("restore", folder)
    assert is_untouched(target)
    with at(source):
        told = run("backup", folder)
    assert {one for one in files_of(folder) if not one.startswith("blobs/")} == {
        MANIFEST,
        f"database-{told['backup']}.dump",
    }
    with at(target):
        assert run("restore", folder)["differing"] == 0
    assert target.blobs == source.blobs


@pytest.mark.parametrize(
    ("where", "calls", "moment"),
    [
        ("project.backup.restoring.keep_file", 3, "after"),
        ("project.backup.restoring.run_program", 1, "before"),
        ("project.backup.restoring.call_command", 1, "before"),
    ],
    ids=["among the files", "before the database", "after the database"],
)
def test_a_killed_restore_begins_again_from_the_start(
    source: Place, target: Place, backed_up: Path, where: str, calls: int, moment: str
) -> None:
    killed(target, where, calls, moment, "restore", backed_up)
    with at(target):
        told = run("restore", backed_up, "--check")
        assert (told["differing_tables"], told["broken"], told["differing"]) == ([], [], 0)
    assert target.blobs == source.blobs


def test_half_a_restore_that_somebody_went_on_with_is_not_thrown_away(
    target: Place, backed_up: Path
) -> None:
    killed(target, "project.backup.restoring.call_command", 1, "before", "restore", backed_up)
    with at(target):
        AuditEntry.objects.create(act=Act.SIGN_IN, actor="ada")
        assert "It would replace the database" in refused("restore", backed_up)


# --- Not whole, or not one ------------------------------------------------------------------------


def test_a_broken_file_of_the_store_refuses_the_backup_by_name(
    source: Place, target: Place, tmp_path: Path
) -> None:
    with at(source):
        files = sorted(ModelVersion.objects.get().files.items())
        (flipped, digest), (gone, other) = files[0], files[1]
        paths = [source.var / "artifacts" / key_of(one["sha256"]) for one in (digest, other)]
        kept = [path.read_bytes() for path in paths]
        flip(paths[0])
        paths[1].unlink()
        try:
            said = refused("backup", tmp_path / "none")
            assert f"/{flipped}" in said
            assert f"/{gone}" in said
            assert not (tmp_path / "none" / MANIFEST).exists()
            told = run("backup", tmp_path / "without", "--without-broken")
            assert len(told["without"]) == 2
        finally:
            for path, content in zip(paths, kept, strict=True):
                path.write_bytes(content)
    with at(target):
        # The champion cannot answer without its file: what is restored says so.
        told = run("restore", tmp_path / "without", "--check")
        assert len(told["broken"]) == 2
        assert told["served_by"] == "the rules"
    assert len(target.blobs) == len(source.blobs) - 2


@pytest.mark.parametrize("pattern", ["blobs/*/*", "database-*.dump", MANIFEST])
def test_a_flipped_byte_in_a_backup_is_refused_and_nothing_is_touched(
    target: Place, backup: Path, pattern: str
) -> None:
    path = sorted(backup.glob(pattern))[0]
    if pattern == MANIFEST:
        told = json.loads(path.read_text())
        told["uploads"] += 1
        path.write_text(json.dumps(told))
    else:
        flip(path)
    with at(target):
        said = refused("restore", backup)
    assert str(path.relative_to(backup)) in said
    assert is_untouched(target)


def test_a_missing_file_is_refused_by_name(target: Place, backup: Path) -> None:
    path = sorted(backup.glob("blobs/*/*"))[0]
    path.unlink()
    with at(target):
        assert str(path.relative_to(backup)) in refused("restore", backup)
    assert is_untouched(target)


def test_a_mixture_of_two_backups_is_refused_either_way(
    source: Place, target: Place, backup: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    with at(source):
        run("backup", other)
    for path in other.rglob("*"):
        if path.is_file():
            copied = backup / path.relative_to(other)
            copied.parent.mkdir(exist_ok=True, parents=True)
            shutil.copyfile(path, copied)
    with at(target):
        assert "mixture of two backups" in refused("restore", backup)
        # The manifest of the one with the dump of the other, under its name.
        (dump,), (theirs,) = other.glob("database-*"), backup.glob("secrets-*")
        content = bytearray(dump.read_bytes())
        dump.write_bytes(bytes(content) + b"\0")
        assert "has changed" in refused("restore", other)
        assert theirs.exists()
    assert is_untouched(target)


def test_a_place_with_anything_else_is_no_place_for_a_backup(
    source: Place, backed_up: Path, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with at(source):
        assert "thesis.txt" in refused("backup", tmp_path)
        assert "holds a backup already" in refused("backup", backed_up)
        assert "lie in one another" in refused("backup", source.var / "artifacts" / "backup")
        assert "names no place" in refused("backup", "ftp://host/backup")
        with pytest.raises(CommandError, match="Name the place"):
            run("backup", "--verify")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


# --- Whose it is ----------------------------------------------------------------------------------


def test_what_is_here_is_replaced_only_with_its_id_as_the_word(
    source: Place, target: Place, backed_up: Path
) -> None:
    make_database(target.database, like=source.database)
    with at(target):
        row = Installation.objects.get()
        Installation.objects.all().delete()
        other = Installation.objects.create(id=uuid.uuid4())
        keep_upload(io.BytesIO(b"of the other installation"), "other.csv")
        theirs = dict(target.blobs)
        said = refused("restore", backed_up)
        assert f"of installation {other.pk}" in said
        for word in ("", str(row.pk), "yes"):
            assert "would replace" in refused(
                "restore", backed_up, "--replace", *filter(None, [word])
            )
        assert Upload.objects.filter(name="other.csv").exists()
        run("restore", backed_up, "--replace", str(other.pk))
        assert Installation.objects.get().pk == row.pk
        assert not Upload.objects.filter(name="other.csv").exists()
        # Files of the other one stay, and are never swept.
        assert Installation.objects.get().adopted_at is not None
        tend_store()
    assert theirs.items() <= target.blobs.items()


def test_the_store_of_another_installation_is_not_taken_by_an_empty_database(
    source: Place, target: Place, backed_up: Path
) -> None:
    with at(Place(target.database, source.var)):
        said = refused("restore", backed_up)
        assert "the store" in said
        assert "the database of" not in said


def test_a_backup_of_a_newer_version_is_refused(
    target: Place, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json.loads((backup / MANIFEST).read_text())
    told.pop("signature")
    told.pop("format")
    newer = Manifest.of({**told, "migrations": [*told["migrations"], "training.9999_later"]})
    (backup / MANIFEST).write_bytes(newer.said())
    with at(target):
        assert "training.9999_later" in refused("restore", backup)
    older = Manifest.of({**told, "server": 99})
    (backup / MANIFEST).write_bytes(older.said())
    with at(target):
        assert "PostgreSQL 99" in refused("restore", backup)
    assert is_untouched(target)


def test_others_who_are_connected_are_not_pulled_the_floor_from_under(
    target: Place, backed_up: Path
) -> None:
    there = connection.settings_dict
    with (
        psycopg.connect(
            host=there["HOST"], port=there["PORT"], user=there["USER"], dbname=target.database
        ),
        at(target),
    ):
        assert "1 other sessions are connected" in refused("restore", backed_up)


# --- Secrets --------------------------------------------------------------------------------------


def test_secrets_come_back_with_their_passphrase_alone(
    target: Place, backed_up: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (sealed,) = backed_up.glob("secrets-*")
    key = settings.ARTIFACT_KEY
    assert key.encode() not in sealed.read_bytes()
    assert key not in (backed_up / MANIFEST).read_text()
    for name in ("SECRET_KEY", "ARTIFACT_KEY", "FIELD_KEY"):
        monkeypatch.delenv(f"SEEDBED_{name}", raising=False)
    # A new machine has made keys of its own.
    new = {name: f"new-{name}-{uuid.uuid4()}" for name in ("SECRET_KEY", "FIELD_KEY")}
    with at(target), override_settings(ARTIFACT_KEY="of-the-new-machine" * 3, **new):
        assert "not signed with the key" in refused("restore", backed_up)
        monkeypatch.setenv("SEEDBED_BACKUP_PASSPHRASE", "seven words that nobody has known")
        assert "do not open" in refused("restore", backed_up, "--secrets")
        assert is_untouched(target)
        monkeypatch.setenv("SEEDBED_BACKUP_PASSPHRASE", PASSPHRASE)
        monkeypatch.setenv("SEEDBED_FIELD_KEY", "of the environment")
        said = refused("restore", backed_up, "--secrets")
        assert "SEEDBED_FIELD_KEY" in said
        assert "of the environment" not in said
        monkeypatch.delenv("SEEDBED_FIELD_KEY")
        told = run("restore", backed_up, "--secrets-to", tmp_path / "env")
        assert f"SEEDBED_ARTIFACT_KEY={key}\n" in (tmp_path / "env").read_text()
        assert (tmp_path / "env").stat().st_mode & 0o077 == 0
        assert key not in json.dumps(told)
        with pytest.raises(CommandError, match="cannot be made"):
            run("restore", backed_up, "--secrets-to", tmp_path / "env")
        told = run("restore", backed_up, "--secrets")
        assert (told["served_by"], told["differing"]) == ("model 1", 0)
        kept = target.var / "secrets" / "seedbed_artifact_key"
        assert kept.read_text() == key
        assert kept.stat().st_mode & 0o077 == 0


def test_a_passphrase_that_can_be_guessed_seals_nothing(
    source: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at(source):
        monkeypatch.setenv("SEEDBED_BACKUP_PASSPHRASE", "short")
        assert "at least 12 characters, got 5" in refused("backup", tmp_path / "b", "--secrets")
        monkeypatch.delenv("SEEDBED_BACKUP_PASSPHRASE")
        monkeypatch.setattr("sys.stdin", StringIO())
        with pytest.raises(CommandError, match="no terminal"):
            run("backup", tmp_path / "b", "--secrets")
    assert not (tmp_path / "b" / MANIFEST).exists()


# --- Programs -------------------------------------------------------------------------------------


def test_the_program_nearest_to_the_server_is_found_and_an_older_one_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def program(major: int) -> Path:
        path = tmp_path / f"pg{major}"
        path.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {major}.1'\n")
        path.chmod(0o700)
        return path

    found = [program(major) for major in (14, 16, 18)]
    monkeypatch.setattr(programs, "_candidates", lambda _: found)
    assert programs.find_program("pg_dump", server=16).major == 16
    assert programs.find_program("pg_dump", server=15).major == 16
    assert programs.find_program("pg_restore", server=14, least=18).major == 18
    with pytest.raises(ProgramUnusable, match=r"Expected pg_dump of PostgreSQL 19 .* got 18"):
        programs.find_program("pg_dump", server=19)
    monkeypatch.setattr(programs, "_candidates", lambda _: [])
    with pytest.raises(ProgramUnusable, match="postgresql-client-17"):
        programs.find_program("pg_dump", server=17)


def test_the_embedded_package_brings_its_own_programs() -> None:
    assert embedded.packaged_programs("pg_dump")
    assert embedded.packaged_programs("pg_restore")
    assert embedded.packaged_programs("pg_nothing") == []


# --- By schedule ----------------------------------------------------------------------------------


@pytest.fixture
def backup_to(source: Place, tmp_path: Path) -> Iterator[Path]:
    """Be the installation, with a place for scheduled backups."""
    folder = tmp_path / "scheduled"
    with at(source), override_settings(BACKUP_TO=folder.as_uri()):
        yield folder
        Job.objects.filter(kind=BACKUP_KIND).delete()
        Schedule.objects.all().delete()


def back_up(keep: int) -> Job:
    job = enqueue("overview.make_backup", keep=keep, ring_bell=False)
    run_job(str(job.pk))
    job.refresh_from_db()
    return job


def test_the_newest_stay_and_what_is_not_ours_does_too(backup_to: Path, target: Place) -> None:
    foreign = backup_to / "00000000-20260101T000000000000Z-00000000"
    foreign.mkdir(parents=True)
    (foreign / MANIFEST).write_text("{}")
    (backup_to / "notes.txt").write_text("mine")
    jobs = [back_up(2) for _ in range(3)]
    assert [job.state for job in jobs] == ["succeeded"] * 3, jobs[0].error
    names = [job.result["name"] for job in jobs]
    assert {path.name for path in backup_to.iterdir()} == {
        foreign.name,
        "notes.txt",
        *names[1:],
    }
    assert jobs[2].result["removed"] == [names[0]]
    state = describe_backups()
    assert state["last"] is not None
    assert state["last"]["name"] == names[2]
    # The job that made it is not made again where it is restored.
    with at(target):
        run("restore", backup_to / names[2])
        ended = Job.objects.get(pk=jobs[2].pk)
        assert ended.state == Job.State.CANCELLED
        assert "made the backup" in ended.error


def test_a_backup_that_fails_removes_none(
    backup_to: Path, source: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = back_up(1)
    path = source.var / "artifacts" / next(iter(_champion_keys()))
    content = path.read_bytes()
    flip(path)
    try:
        assert back_up(1).state == Job.State.REFUSED
    finally:
        path.write_bytes(content)
    assert (backup_to / first.result["name"] / MANIFEST).exists()
    # What it has left goes with the next one that is whole.
    last = back_up(1)
    assert [one.name for one in backup_to.iterdir()] == [last.result["name"]]
    with pytest.raises(Refusal, match="no manifest"):
        remove_old_backups(1, newest="nothing")


def _champion_keys() -> Iterator[str]:
    for digest in ModelVersion.objects.get().files.values():
        yield key_of(digest["sha256"])


def test_a_worker_that_died_after_the_end_finds_its_backup_whole(backup_to: Path) -> None:
    asked = {"asked_at": timezone.now(), "job": str(uuid.uuid4())}
    name, _, manifest = make_named_backup(**asked, tell=making.say_nothing)
    again, _, same = make_named_backup(**asked, tell=making.say_nothing)
    assert (name, manifest.id) == (again, same.id)


def test_a_schedule_names_how_many_and_never_where(backup_to: Path, source: Place) -> None:
    owner = User.objects.create_superuser("keeper")
    try:
        told = run("backup", "--every", "1", "--keep", "3", "--owner", "keeper")
        assert (told["every_days"], told["keep"]) == (1, 3)
        schedule = Schedule.objects.get()
        assert schedule.arguments == {"keep": 3}
        assert schedule.owner == owner
        assert run("backup", "--off")["next_at"] is None
        out = StringIO()
        call_command("backup", stdout=out)
        assert "None is planned" in out.getvalue()
        nobody = make_staff(name="nobody")
        with pytest.raises(Refusal, match="may not make backups"):
            switch_on(owner=nobody, days=1, keep=1)
        with override_settings(BACKUP_TO=""), pytest.raises(BackupRefused, match="No place"):
            switch_on(owner=owner, days=1, keep=1)
        inside = (source.var / "artifacts").as_uri()
        with override_settings(BACKUP_TO=inside), pytest.raises(BackupRefused, match="one another"):
            switch_on(owner=owner, days=1, keep=1)
        nobody.delete()
    finally:
        Schedule.objects.all().delete()
        owner.delete()


def test_the_page_says_when_the_last_one_was_made_and_makes_one(
    backup_to: Path, client: Client
) -> None:
    keeper = User.objects.create_superuser("keeper")
    other = make_staff("jobs.view_job", name="other")
    page, start = reverse("admin:overview_backups"), reverse("admin:overview_back_up")
    try:
        client.force_login(other)
        assert client.get(page).status_code == 403
        assert client.post(start, {"keep": "2"}).status_code == 403
        assert not Job.objects.filter(kind=BACKUP_KIND).exists()
        client.force_login(keeper)
        shown = client.get(page).content.decode()
        assert "No job has made a backup yet" in shown
        assert start in shown
        assert client.post(start, {"keep": "2"}).status_code == 302
        job = Job.objects.get(kind=BACKUP_KIND)
        assert (job.arguments, job.user) == ({"keep": 2}, keeper)
        run_job(str(job.pk))
        job.refresh_from_db()
        assert job.state == Job.State.SUCCEEDED, job.error
        shown = client.get(page).content.decode()
        assert "The last backup" in shown
        assert job.result["name"] in shown
        with override_settings(BACKUP_TO=""):
            shown = client.get(page).content.decode()
            assert "No place for backups is named" in shown
            assert start not in shown, "nothing is offered that would be refused"
    finally:
        Job.objects.filter(kind=BACKUP_KIND).delete()
        User.objects.filter(pk__in=[keeper.pk, other.pk]).delete()


def test_a_backup_can_be_stopped(backup_to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_jobs, "REPORT_SECONDS", 0.0)
    job = enqueue(BACKUP_KIND, ring_bell=False)
    inner: Callable[..., Any] = making._copy

    def stopped(*asked: Any) -> Any:
        Job.objects.filter(pk=job.pk).update(stop_requested=True)
        return inner(*asked)

    monkeypatch.setattr(making, "_copy", stopped)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    assert not list(backup_to.glob(f"*/{MANIFEST}"))


# --- Elsewhere ------------------------------------------------------------------------------------


def test_there_and_back_over_a_bucket(
    source: Place, target: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.KEYS.items():
        monkeypatch.setenv(name, value)
    with s3.running() as server:
        server.make_bucket("backups")
        address = server.url("backups", "kept/here")
        with at(source):
            run("backup", address)
            assert "holds a backup already" in refused("backup", address)
        with at(target):
            told = run("restore", address, "--check")
            assert (told["differing_tables"], told["broken"], told["differing"]) == ([], [], 0)
        with at(source), override_settings(BACKUP_TO=server.url("backups", "by-schedule")):
            names = [back_up(1).result["name"] for _ in range(2)]
            kept = {one.key.partition("/")[0] for one in open_place(settings.BACKUP_TO).listed("")}
            Job.objects.filter(kind=BACKUP_KIND).delete()
        assert kept == {names[1]}
    assert target.blobs == source.blobs


@pytest.mark.slow
def test_verify_restores_into_an_installation_of_its_own(source: Place, backup: Path) -> None:
    with at(source):
        told = run("backup", backup, "--verify")
        assert told["is_new"] is False
        assert told["verified"]["is_equal"], told
        manifest = read_manifest(open_place(str(backup)))
        scores = tuple(
            one.__class__(one.left, one.right, one.score + 1e-6) for one in manifest.scores
        )
        changed = Manifest(**{**manifest.__dict__, "scores": scores})
        (backup / MANIFEST).write_bytes(changed.said())
        told = run("backup", backup, "--verify", code=2)
        assert told["verified"]["is_equal"] is False
        flip(sorted(backup.glob("blobs/*/*"))[0])
        assert "could not be restored" in refused("backup", backup, "--verify")
