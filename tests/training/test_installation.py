"""Whose folder it is, and what may be removed there: nothing on a guess."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models.functions import Now

from matching.models import EventBatch, SeedUser
from overview.queries.next_step import next_step
from overview.queries.status import describe_store
from project.acting import operator
from project.audit.models import Act, AuditEntry
from project.jobs.models import Job
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.storage import artifacts, installation, tending
from project.storage.artifacts import verify
from project.storage.blobs import key_of
from project.storage.installation import FolderDisagrees, Owner, folder_owner, this_owner
from project.storage.models import Installation
from project.storage.tending import tend_store
from tests.blobs import files_of, lose_files, own_files_of
from tests.factories import make_admin
from tests.matching.commands import show_command
from tests.training.batches import make_dataset, make_good_batch, make_model
from tests.training.test_datasets import run_json
from training.kinds import DEFAULT_KIND, get_kind
from training.models import Dataset, ModelVersion

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
KIND = get_kind(DEFAULT_KIND)
PLACE = f"datasets/{DEFAULT_KIND}"


def everything_in(root: Path) -> dict[str, bytes | None]:
    """Return every path below a folder with its bytes."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }


def become_another_database() -> None:
    """Be what a second DATABASE_URL would be to the folder: fresh, with an id of its own."""
    ModelVersion.objects.all().delete()
    Dataset.objects.all().delete()
    Installation.objects.all().delete()
    Installation.objects.create()


@contextmanager
def owner_of_folder(**changed: str) -> Iterator[None]:
    """Let the folder say that it belongs to somebody else."""
    path = Path(settings.ARTIFACT_ROOT) / installation.MARKER
    said = path.read_bytes()
    path.write_text(json.dumps({**json.loads(said), **changed}))
    yield
    path.write_bytes(said)


def as_before(root: Path, record: Dataset | ModelVersion) -> Path:
    """Put the files of a record where editions before the store had them."""
    folder = root / record.folder
    folder.mkdir(parents=True)
    own = own_files_of(record)
    for name, path in files_of(record).items():
        shutil.copy(path, folder / name)
        if path in own:
            path.unlink()
    return folder


def small_dataset() -> Dataset:
    return make_dataset(make_good_batch(300))


# --- First use -----------------------------------------------------------------------------------


def test_the_first_file_marks_the_folder_as_this_databases(artifact_root):
    assert folder_owner() is None
    assert not Installation.objects.get().has_folder
    small_dataset()
    assert folder_owner() == this_owner()
    assert Installation.objects.get().has_folder
    assert "adopt_folder" in json.loads((artifact_root / installation.MARKER).read_bytes())["about"]


def test_a_database_is_one_installation():
    with pytest.raises(Exception, match="unique"), transaction.atomic():
        Installation.objects.create()


def test_a_folder_of_an_edition_without_ids_is_taken_by_the_database_that_knows_it(artifact_root):
    dataset = small_dataset()
    (artifact_root / installation.MARKER).unlink()
    as_before(artifact_root, dataset)
    Installation.objects.update(has_folder=False)
    assert small_dataset().version == 2
    assert folder_owner() == this_owner()
    verify(dataset.folder, dataset.files)


def test_a_folder_of_an_edition_without_ids_is_not_taken_by_any_other_database(artifact_root):
    small_dataset()
    (artifact_root / installation.MARKER).unlink()
    become_another_database()
    before = everything_in(artifact_root)
    with pytest.raises(FolderDisagrees, match="no record"):
        small_dataset()
    assert everything_in(artifact_root) == before
    assert describe_store()["problem"]


def test_a_record_of_the_same_name_is_no_proof_that_a_folder_is_known(artifact_root, tmp_path):
    """A second database has a dataset 1 too, of other bytes."""
    mine = small_dataset()
    shutil.rmtree(artifact_root)
    (artifact_root / mine.folder).mkdir(parents=True)
    for name in mine.files:
        (artifact_root / mine.folder / name).write_bytes(b"other bytes")
    Installation.objects.update(has_folder=False)
    with pytest.raises(FolderDisagrees, match="no record"):
        small_dataset()


@pytest.mark.django_db(transaction=True)
def test_two_processes_may_use_a_fresh_folder_first_at_once(artifact_root):
    def use(_: int) -> Owner:
        try:
            return artifacts.require_own_folder()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        owners = set(pool.map(use, range(8)))
    assert owners == {this_owner()} == {folder_owner()}
    assert [path.name for path in artifact_root.iterdir()] == [installation.MARKER]


@pytest.mark.django_db(transaction=True)
def test_a_first_use_that_is_rolled_back_does_not_lock_its_own_database_out():
    with transaction.atomic():
        artifacts.require_own_folder()
        transaction.set_rollback(True)
    assert not Installation.objects.get().has_folder
    assert artifacts.require_own_folder() == folder_owner()


@pytest.mark.django_db(transaction=True)
def test_a_flushed_database_has_a_new_id_and_leaves_the_folder_alone(artifact_root):
    small_dataset()
    before = everything_in(artifact_root)
    call_command("flush", interactive=False, verbosity=0)
    with pytest.raises(FolderDisagrees, match="belongs to installation"):
        small_dataset()
    assert everything_in(artifact_root) == before


# --- Another database, a restored copy, another folder -------------------------------------------


def test_another_database_is_refused_in_words_and_nothing_is_touched(artifact_root, capsys):
    make_model()
    become_another_database()
    make_good_batch(300)
    before = everything_in(artifact_root)
    said = run_json(capsys, "build_dataset", "--now", code=2)["refused"]
    assert "belongs to installation" in said["message"]
    assert "adopt_folder" in said["remedy"]
    assert everything_in(artifact_root) == before
    assert not Dataset.objects.exists()


@pytest.mark.parametrize("command", [("demo",), ("rebuild", "--now")])
def test_whole_runs_are_refused_before_anything_is_made(artifact_root, capsys, valkey, command):
    """Sessions of a second database would take the place of live copies of the first one."""
    artifacts.require_own_folder()
    with owner_of_folder(installation=str(uuid.uuid4())):
        said = run_json(capsys, *command, code=2)["refused"]
    assert "belongs to installation" in said["message"]
    assert not SeedUser.objects.exists()
    assert valkey.dbsize() == 0


def test_training_is_refused_before_hours_of_work(artifact_root, capsys, monkeypatch):
    make_dataset()
    monkeypatch.setattr("training.jobs.models.fit_and_measure", pytest.fail)
    with owner_of_folder(installation=str(uuid.uuid4())):
        said = run_json(capsys, "train_model", "--now", code=2)["refused"]
    assert "belongs to installation" in said["message"]


def test_a_copy_that_was_restored_elsewhere_is_refused(artifact_root, capsys):
    """The same id, another database: an older dump would write over what came after it."""
    small_dataset()
    with owner_of_folder(database="7000000000000000000/16384"):
        said = run_json(capsys, "build_dataset", "--now", code=2)["refused"]
    assert "a copy of it" in said["message"]
    assert "adopt" in said["remedy"]
    assert Dataset.objects.count() == 1


def test_a_volume_that_is_not_mounted_is_not_taken_for_a_fresh_folder(settings, tmp_path, capsys):
    small_dataset()
    settings.ARTIFACT_ROOT = tmp_path / "not-mounted"
    said = run_json(capsys, "build_dataset", "--now", code=2)["refused"]
    assert "carries no installation id" in said["message"]
    assert "Mount" in said["remedy"]
    assert not settings.ARTIFACT_ROOT.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"installation": "x"}', b"\xff"])
def test_a_damaged_id_is_nobodys(artifact_root, content):
    small_dataset()
    (artifact_root / installation.MARKER).write_bytes(content)
    with pytest.raises(FolderDisagrees, match="holds no installation id"):
        small_dataset()


def test_a_folder_that_cannot_be_used_is_refused_in_words(settings, tmp_path, capsys):
    make_good_batch(300)
    (tmp_path / "file").write_text("")
    settings.ARTIFACT_ROOT = tmp_path / "file" / "artifacts"
    said = run_json(capsys, "build_dataset", "--now", code=2)["refused"]
    assert "Not a directory" in said["message"]
    assert run_json(capsys, "status")["store"]["problem"]


def test_status_front_page_and_next_step_say_whose_folder_it_is(artifact_root, client, capsys):
    small_dataset()
    client.force_login(make_admin())
    with owner_of_folder(installation=str(uuid.uuid4())):
        assert "belongs to installation" in run_json(capsys, "status")["store"]["problem"]
        assert "belongs to installation" in show_command("status").replace("\n", " ")
        assert next_step()["command"] == "adopt_folder"
        assert "belongs to installation" in client.get("/admin/").content.decode()
    assert describe_store()["problem"] == ""
    assert "belongs to installation" not in client.get("/admin/").content.decode()


# --- Adopting ------------------------------------------------------------------------------------


def test_a_folder_is_adopted_on_purpose_and_no_file_of_it_changes(artifact_root, capsys):
    first = small_dataset()
    become_another_database()
    before = everything_in(artifact_root)
    told = run_json(capsys, "adopt_folder", code=2)
    assert (told["is_own"], told["is_adopted"]) == (False, False)
    assert told["unrecorded_files"] == sorted(key_of(one["sha256"]) for one in first.files.values())
    assert told["records"]["training.dataset"]["records"] == 0
    assert everything_in(artifact_root) == before
    assert run_json(capsys, "adopt_folder", "--yes")["is_adopted"]
    after = everything_in(artifact_root)
    assert after.pop(installation.MARKER) != before.pop(installation.MARKER)
    assert after == before
    assert folder_owner() == this_owner()
    verify(first.folder, first.files)
    entry = AuditEntry.objects.of(Act.FOLDER).get()
    assert entry.title == str(artifact_root)
    assert told["owner"]["installation"] in entry.detail
    assert entry.actor == operator().name
    # And what another database wrote is never swept by this one.
    for path in files_of(first).values():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert tend_store()["removed"] == 0
    assert small_dataset().version == 1
    verify(first.folder, first.files)


def test_adopting_says_which_records_have_lost_their_files(artifact_root, capsys):
    lost, kept = small_dataset(), small_dataset()
    lose_files(lost)
    with owner_of_folder(database="7/7"):
        found = run_json(capsys, "adopt_folder", code=2)["records"]["training.dataset"]
        shown = show_command("adopt_folder")
    assert found == {
        "records": 2, "there": 1, "gone": 1, "changed": 0, "named": [f"{lost}: gone"],
    }  # fmt: skip
    assert "adopt_folder --yes" in shown
    assert str(kept) not in shown
    assert "Nothing to adopt" in show_command("adopt_folder", "--yes")


def test_a_damaged_id_can_be_adopted(artifact_root, capsys):
    small_dataset()
    (artifact_root / installation.MARKER).write_text("{")
    assert run_json(capsys, "adopt_folder", "--yes")["owner"] is None
    assert small_dataset().version == 2


# --- Moving --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("keys")
def test_an_installation_moves_into_a_bucket_and_may_be_ended_on_the_way(
    artifact_root, settings, s3_server, capsys, monkeypatch
):
    dataset, before = small_dataset(), small_dataset()
    as_before(artifact_root, before)  # which one has as a folder, and the other as well by digest
    batches = {batch.blob.key for batch in EventBatch.objects.exclude(population_file="")}
    s3_server.make_bucket("moving")
    settings.STORE_URL = s3_server.url("moving")
    assert "carries no installation id" in run_json(capsys, "status")["store"]["problem"]
    with pytest.raises(FolderDisagrees, match="is another one"):
        small_dataset()
    for record in (dataset, before):  # they are read where they are meanwhile
        verify(record.folder, record.files)
    assert run_json(capsys, "adopt_folder", "--yes")["is_adopted"]

    digests = {one["sha256"] for record in (dataset, before) for one in record.files.values()}
    kept, keep_file = [], tending.keep_file

    def dying(source: Path, sha256: str) -> None:
        if len(kept) == 2:
            raise KeyboardInterrupt
        keep_file(source, sha256)
        kept.append(sha256)

    monkeypatch.setattr(tending, "keep_file", dying)
    with pytest.raises(KeyboardInterrupt):
        tend_store()
    monkeypatch.undo()
    told = run_json(capsys, "tend_store")
    assert (told["taken_over"], told["missing"]) == (len(digests | batches) - 2, [])
    artifact_root.rename(artifact_root.with_name("gone"))
    for record in (dataset, before):
        verify(record.folder, record.files)
    assert small_dataset().version == 3
    assert run_json(capsys, "tend_store")["taken_over"] == 0


# --- Killed between files and row ----------------------------------------------------------------

# Works at a job as a worker would, and is killed at a point.
DYING = """
import os, sys
from pathlib import Path
from django.conf import settings
settings.DATABASES["default"]["NAME"], root, point, job_id = sys.argv[1:]
import django
django.setup()
settings.ARTIFACT_ROOT = Path(root)
from project.jobs.run import JobRun
from project.jobs.runner import run_job
from training.models import Dataset, ModelVersion

def die(*_, **__):
    os.kill(os.getpid(), 9)

if point == "before the row":
    Dataset.save = ModelVersion.save = die
else:
    JobRun.add_record = die
run_job(job_id)
"""


def die_at(point: str, job: Job, root: Path) -> None:
    name = connection.settings_dict["NAME"]
    command = [sys.executable, "-c", DYING, name, str(root), point, str(job.pk)]
    ended = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    Job.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("kind", "records"),
    [("training.build_dataset", Dataset), ("training.train_model", ModelVersion)],
)
@pytest.mark.parametrize("point", ["before the row", "after the row"])
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_beside_its_row_loses_nothing_and_removes_nothing(
    artifact_root, kind, records, point
):
    dataset = make_dataset()
    before = everything_in(artifact_root)
    known = set(records.objects.values_list("pk", flat=True))
    arguments = {"batches": [dataset.batches.get().pk]} if records is Dataset else {"dataset": 1}
    job = enqueue(kind, ring_bell=False, model_kind=DEFAULT_KIND, **arguments)

    die_at(point, job, artifact_root)
    died_at = records.objects.exclude(pk__in=known)
    assert died_at.count() == (0 if point == "before the row" else 1)

    run_job(str(job.pk))  # as the worker does that takes over
    job.refresh_from_db()
    assert (job.state, job.error) == ("succeeded", "")
    made = records.objects.exclude(pk__in=known).get()
    assert made.version == len(known) + 1
    verify(made.folder, made.files)
    after = everything_in(artifact_root)
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize(("revoke", "server"), [(False, r"\d+"), (True, r"\?")])
def test_a_server_that_hides_its_identity_leaves_the_oid(revoke, server):
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE ordinary; GRANT SELECT ON storage_installation TO ordinary")
        if revoke:
            cursor.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        cursor.execute("SET LOCAL ROLE ordinary")
        assert re.fullmatch(rf"{server}/\d+", this_owner().database)
        cursor.execute("RESET ROLE")
