"""Files on their way into a job: kept under their digest, unpacked with limits, removed in time."""

import fcntl
import gzip
import io
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from project.acting import Actor
from project.jobs.contract import UnusableArguments
from project.jobs.models import Job
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.tabular import packed
from project.tabular.packed import Unpackable
from project.uploads.models import Upload
from project.uploads.services import keep_upload, release_upload, sweep_uploads
from tests.factories import make_staff

pytestmark = pytest.mark.django_db
LOG = (
    b'{"matchType": "user_user", "features": {"ageScore": 0.5}, "outcome": "ignore", '
    b'"timestamp": 1700000000000, "source": "real"}\n'
)


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "uploads"
    return settings.MEDIA_ROOT / "store"


def names(store: Path) -> list[str]:
    return sorted(path.name for path in store.iterdir())


def test_a_name_is_never_a_path(store: Path) -> None:
    for name in ("../../etc/pass\0wd", "..\\..\\passwd", "/etc/passwd"):
        upload = keep_upload(io.BytesIO(b"x\n"), name)
        assert upload.name == "passwd"
        assert f"{upload.sha256}-{upload.pk}" in names(store)
        assert not upload.path.is_symlink()
    assert len(names(store)) == 3
    assert store.stat().st_mode & 0o077 == 0
    assert upload.path.stat().st_mode & 0o777 == 0o600


def test_the_record_says_who_when_and_how_long() -> None:
    user = make_staff()
    upload = keep_upload(io.BytesIO(b"abc"), "a.csv", by=Actor.of(user))
    assert (upload.size, upload.actor, upload.user) == (3, user.username, user)
    assert upload.expires_at - upload.created_at > timedelta(days=6)


def test_packs_one_after_another_and_padding_are_unpacked() -> None:
    content = gzip.compress(b"a\n") + gzip.compress(b"b\n") + bytes(20)
    assert keep_upload(io.BytesIO(content), "a").path.read_bytes() == b"a\nb\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gzip.compress(os.urandom(5000))[:-100], "in the middle"),
        (gzip.compress(b"a") + b"rubbish", "damaged"),
        (b"\x1f\x8brubbish", "damaged"),
        (gzip.compress(bytes(64 * 1024**2)), "no text"),
    ],
    ids=["cut off", "followed by rubbish", "no pack at all", "of zeros"],
)
def test_a_bad_pack_is_refused_and_leaves_no_file(data: bytes, words: str, store: Path) -> None:
    with pytest.raises(Unpackable, match=words):
        keep_upload(io.BytesIO(data), "a")
    assert names(store) == []
    assert not Upload.objects.exists()


def test_a_file_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MAX_BYTES", 10)
    with pytest.raises(Unpackable, match="Split the file"):
        keep_upload(io.BytesIO(b"x" * 11), "a")


def test_bytes_go_with_their_record_and_nobody_elses(store: Path) -> None:
    """Also where another database keeps the same bytes in the same folder."""
    one, two = (keep_upload(io.BytesIO(b"same"), name) for name in "ab")
    Upload.objects.filter(pk=two.pk).delete()  # as this database would not know it
    release_upload(one)
    assert names(store) == [two.path.name]


def test_what_nobody_came_for_is_swept_and_nothing_else(store: Path) -> None:
    old, new = (keep_upload(io.BytesIO(text), "a") for text in (b"old", b"new"))
    Upload.objects.filter(pk=old.pk).update(expires_at=timezone.now())
    for left in ("incoming-dead", "incoming-living", f"{'0' * 64}-{new.pk}", "somebodys-file"):
        (store / left).write_bytes(b"")
    with (store / "incoming-living").open("wb") as written:
        fcntl.flock(written, fcntl.LOCK_EX)
        assert sweep_uploads() == 1
    assert names(store) == sorted(
        [new.path.name, "incoming-living", f"{'0' * 64}-{new.pk}", "somebodys-file"]
    )


def test_a_job_takes_an_own_upload_and_no_path(store: Path) -> None:
    user = make_staff("matching.import_events")
    upload = keep_upload(io.BytesIO(LOG), "a.jsonl", by=Actor.of(user))
    other = make_staff("matching.import_events")
    for by, files in (
        (other, [str(upload.pk)]),
        (user, ["../" + upload.sha256]),
        (user, [str(upload.path)]),
        (user, []),
        (user, [{"sha256": upload.sha256, "name": "a"}]),
    ):
        with pytest.raises(UnusableArguments, match="file"):
            enqueue("matching.import_events", by=by, files=files)
    assert not Job.objects.exists()
    job = enqueue("matching.import_events", by=user, files=[str(upload.pk)], ring_bell=False)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED, job.error
    assert names(store) == []
    assert not Upload.objects.exists()


def test_an_upload_that_is_gone_is_a_refusal_with_a_remedy() -> None:
    upload = keep_upload(io.BytesIO(LOG), "a.jsonl")
    job = enqueue("matching.import_events", files=[str(upload.pk)], ring_bell=False)
    upload.path.unlink()
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.result["refused"]["remedy"]) == ("refused", "Import the file again.")
