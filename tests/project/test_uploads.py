"""Files on their way into a job: kept under their digest, unpacked with limits, removed in time."""

import gzip
import io
import os
import time
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
from project.storage.tending import tend_store
from project.tabular import packed
from project.tabular.packed import Unpackable
from project.uploads import services
from project.uploads.models import Upload
from project.uploads.services import (
    get_upload,
    keep_upload,
    path_of,
    release_upload,
    sweep_uploads,
)
from tests.factories import make_staff

pytestmark = pytest.mark.django_db
LOG = (
    b'{"matchType": "user_user", "features": {"ageScore": 0.5}, "outcome": "ignore", '
    b'"timestamp": 1700000000000, "source": "real"}\n'
)


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> Path:
    settings.ARTIFACT_ROOT = tmp_path / "store"
    settings.MEDIA_ROOT = tmp_path / "uploads"
    return settings.ARTIFACT_ROOT


def names(store: Path) -> list[str]:
    return sorted(path.name for path in store.glob("blobs/*/*"))


def test_a_name_is_never_a_path(store: Path) -> None:
    for name in ("../../etc/pass\0wd", "..\\..\\passwd", "/etc/passwd"):
        upload = keep_upload(io.BytesIO(b"x\n"), name)
        assert upload.name == "passwd"
        assert names(store) == [upload.sha256]
        assert not path_of(upload).is_symlink()
    assert (store / "blobs").stat().st_mode & 0o077 == 0
    assert path_of(upload).stat().st_mode & 0o777 == 0o600


def test_the_record_says_who_when_and_how_long() -> None:
    user = make_staff()
    upload = keep_upload(io.BytesIO(b"abc"), "a.csv", by=Actor.of(user))
    assert (upload.size, upload.actor, upload.user) == (3, user.username, user)
    assert upload.expires_at - upload.created_at > timedelta(days=6)


def test_packs_one_after_another_and_padding_are_unpacked() -> None:
    content = gzip.compress(b"a\n") + gzip.compress(b"b\n") + bytes(20)
    assert path_of(keep_upload(io.BytesIO(content), "a")).read_bytes() == b"a\nb\n"


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


class Pipe(io.BytesIO):
    """What can be read once."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: Any) -> int:
        raise io.UnsupportedOperation("seek")

    tell = seek


def test_what_is_there_is_not_written_again(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = keep_upload(io.BytesIO(b"same"), "a")
    monkeypatch.setattr(services, "staged", fail_to_stage)
    again = keep_upload(io.BytesIO(b"same"), "b")
    assert (again.pk != kept.pk, again.sha256, again.size) == (True, kept.sha256, kept.size)
    with pytest.raises(AssertionError, match="was written"):
        keep_upload(io.BytesIO(b"other"), "c")


def fail_to_stage(*_: Any) -> Any:
    raise AssertionError("It was written.")


def test_what_has_changed_since_in_the_store_is_written_anew(store: Path) -> None:
    path = path_of(keep_upload(io.BytesIO(b"same"), "a"))
    path.write_bytes(b"SAME")
    again = keep_upload(io.BytesIO(b"same"), "b")
    assert path_of(again).read_bytes() == b"same"


@pytest.mark.parametrize("content", [b"same", gzip.compress(b"same")], ids=["plain", "packed"])
def test_a_pipe_is_read_once_and_kept_whole(content: bytes, store: Path) -> None:
    for name in "ab":
        assert path_of(keep_upload(Pipe(content), name)).read_bytes() == b"same"
    assert len(names(store)) == 1


def test_a_stream_is_kept_from_where_it_stands(store: Path) -> None:
    for content in (b"past same", b"past" + gzip.compress(b" same")):
        stream = io.BytesIO(content)
        stream.seek(4)
        assert path_of(keep_upload(stream, "a")).read_bytes() == b" same"


def age(store: Path) -> None:
    """Have everything in the store written two days ago."""
    past = time.time() - 2 * 24 * 3600
    for name in store.glob("blobs/*/*"):
        os.utime(name, (past, past))


def test_bytes_go_with_the_last_record_that_names_them_after_a_day(store: Path) -> None:
    one, two = (keep_upload(io.BytesIO(b"same"), name) for name in "ab")
    release_upload(one)
    assert (tend_store()["removed"], path_of(two).read_bytes()) == (0, b"same")
    release_upload(two)
    assert tend_store()["removed"] == 0  # not within a day
    age(store)
    assert tend_store()["removed"] == 1
    assert names(store) == []


def test_what_nobody_came_for_is_swept_and_nothing_else(store: Path) -> None:
    old, new = (keep_upload(io.BytesIO(text), "a") for text in (b"old", b"new"))
    Upload.objects.filter(pk=old.pk).update(expires_at=timezone.now())
    (store / "blobs" / "somebodys-file").write_bytes(b"")
    age(store)
    assert sweep_uploads() == 1
    assert tend_store()["removed"] == 1
    assert names(store) == [new.sha256]
    assert (store / "blobs" / "somebodys-file").exists()


def test_an_upload_of_before_the_store_is_found_taken_over_and_released(
    store: Path, settings: Any
) -> None:
    upload = keep_upload(io.BytesIO(b"then"), "a")
    before = settings.MEDIA_ROOT / "store" / f"{upload.sha256}-{upload.pk}"
    before.parent.mkdir(parents=True)
    path_of(upload).rename(before)
    assert get_upload(upload.pk) == upload
    assert path_of(upload) == before
    assert tend_store()["taken_over"] == 1
    assert path_of(upload) != before
    release_upload(upload)
    assert not before.exists()


def test_a_job_takes_an_own_upload_and_no_path(store: Path) -> None:
    user = make_staff("matching.import_events")
    upload = keep_upload(io.BytesIO(LOG), "a.jsonl", by=Actor.of(user))
    other = make_staff("matching.import_events")
    for by, files in (
        (other, [str(upload.pk)]),
        (user, ["../" + upload.sha256]),
        (user, [str(path_of(upload))]),
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
    assert not Upload.objects.exists()


def test_an_upload_that_is_gone_is_a_refusal_with_a_remedy() -> None:
    upload = keep_upload(io.BytesIO(LOG), "a.jsonl")
    job = enqueue("matching.import_events", files=[str(upload.pk)], ring_bell=False)
    path_of(upload).unlink()
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.result["refused"]["remedy"]) == ("refused", "Import the file again.")
