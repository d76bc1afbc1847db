"""An upgrade that nobody has to stop for: the version before works on the migrated database.

Whoever upgrades migrates first and starts the new processes then, host by host. Until the last one
is there, workers of the version before write into tables that they do not know.
"""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED

from matching.models import SeedUser
from project.jobs.models import Job
from project.jobs.services import enqueue
from tests.chaos import kinds
from tests.chaos.harness import Chaos

# The newest migration of each app that was written before these rules stood.
BEFORE = {
    "accounts": "0002_one_clock",
    "audit": "0004_one_clock",
    "feedback": "0014_one_clock",
    "jobs": "0008_one_clock",
    "mappings": "0004_one_clock",
    "matching": "0019_one_clock",
    "overview": "0003_watch",
    "serving": "0005_one_clock",
    "storage": "0003_one_clock",
    "training": "0010_one_clock",
    "uploads": "0002_one_clock",
}
TAKEN_AWAY = (
    migrations.RemoveField,
    migrations.DeleteModel,
    migrations.RenameField,
    migrations.RenameModel,
    migrations.AlterModelTable,
)


def faults_of(operation: Operation) -> Iterator[str]:
    """Say what of a step would stop a process that does not know it."""
    if isinstance(operation, TAKEN_AWAY):
        yield (
            f"{operation.describe()}: the version before still reads it. Take it from the state "
            "alone (SeparateDatabaseAndState), and from the database an edition later."
        )
    if isinstance(operation, migrations.AddField):
        field: models.Field[Any, Any] = operation.field
        has_default = field.null or field.many_to_many or field.db_default is not NOT_PROVIDED
        if not has_default:
            yield f"{operation.describe()}: the version before leaves it out; give it a db_default."
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        for part in operation.database_operations:
            yield from faults_of(part)


def test_no_migration_takes_from_the_version_before_what_it_needs() -> None:
    ours = {config.label for config in apps.get_app_configs() if _is_ours(Path(config.path))}
    found, seen = [], set()
    for (app, name), migration in MigrationLoader(None).disk_migrations.items():
        if app not in ours:
            continue
        seen.add(app)
        if name > BEFORE.get(app, ""):
            is_first = name.startswith("0001") and app not in BEFORE
            for operation in [] if is_first else migration.operations:
                found += [f"{app} {name}: {fault}" for fault in faults_of(operation)]
    assert found == []
    assert set(BEFORE) <= seen


def _is_ours(folder: Path) -> bool:
    inside = folder.is_relative_to(settings.BASE_DIR)
    return inside and ".venv" not in folder.parts


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("job", "colour", models.TextField(default="")),
        migrations.AddField("job", "owner", models.ForeignKey("auth.User", models.CASCADE)),
        migrations.RemoveField("job", "worker"),
        migrations.RenameField("job", "worker", "by"),
        migrations.DeleteModel("Job"),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RemoveField("job", "worker")]
        ),
    ],
)
def test_a_planted_fault_is_found(operation: Operation) -> None:
    assert len(list(faults_of(operation))) == 1


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("job", "colour", models.TextField(default="", db_default="")),
        migrations.AddField("job", "colour", models.TextField(null=True)),
        migrations.SeparateDatabaseAndState([], [migrations.RemoveField("job", "worker")]),
        migrations.AlterField("job", "worker", models.TextField(default="")),
    ],
)
def test_what_harms_nobody_passes(operation: Operation) -> None:
    assert list(faults_of(operation)) == []


def git(*words: str) -> bytes:
    done = subprocess.run(
        ["git", *words],
        cwd=settings.BASE_DIR,
        capture_output=True,
        check=True,
    )
    return done.stdout


@pytest.fixture
def version_before(tmp_path: Path) -> Path:
    """Give the code as it was before the newest migration that is committed."""
    try:
        newest = git("log", "-1", "--format=%H", "--", "*/migrations/0*.py").decode().strip()
        packed = git("archive", f"{newest}^")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"the history is not here: {error}")
    folder = tmp_path / "before"
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    (folder / "var").symlink_to(settings.BASE_DIR / "var")  # with the servers of these tests
    return folder


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
def test_a_worker_of_the_version_before_works_on_the_migrated_database(
    version_before: Path, tmp_path: Path
) -> None:
    with Chaos(tmp_path, seed=0, workers=1, code=version_before) as chaos:
        steps = enqueue(kinds.STEPS, chunks=3, waits_at=3, sign="none")
        people = enqueue("matching.seed_users", count=20)
        chaos.wait([steps, people])
        for job in (steps, people):
            job.refresh_from_db()
            assert (job.state, job.error) == (Job.State.SUCCEEDED, "")
        assert steps.steps.count() == 3
        assert SeedUser.objects.count() >= 20  # and those of the groups
