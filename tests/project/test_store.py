"""The store: a folder and a bucket keep the same promises. The bucket is one of a real server."""

import ast
import hashlib
import io
import os
import signal
import socketserver
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from project import clock
from project.jobs.models import Job
from project.jobs.run import JobRun
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from project.pages.errors import Poison
from project.removal.digests import Remembered, remember
from project.storage import artifacts, blobs, bucket, tending
from project.storage.blobs import Blob, keep_bytes, key_of, the_cache, the_store
from project.storage.bucket import Bucket
from project.storage.cache import Cache
from project.storage.failures import (
    ArtifactCorrupt,
    ArtifactMissing,
    KeyTaken,
    StoreAway,
    StoreRefused,
)
from project.storage.place import Place
from project.store_url import BucketUrl, UnusableStoreUrl, read_store_url
from project.uploads.models import Upload
from project.uploads.services import keep_upload, path_of, release_upload
from tests import s3
from tests.factories import make_admin
from tests.rooms import ROOMS

PARTS = 11 * 1024 * 1024  # bytes that go in parts where the limit is below
BLOCK = b"0123456789abcdef" * 65_536  # a mebibyte


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, settings: Any, keys: None) -> Place:
    """Give the store of the test: a folder, and then a bucket of its own."""
    if request.param == "s3":
        server = request.getfixturevalue("s3_server")
        name = f"b{uuid.uuid4().hex}"
        server.make_bucket(name)
        settings.STORE_URL = server.url(name)
    return the_store()


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everything go to a bucket in parts."""
    monkeypatch.setattr(bucket, "WHOLE_BYTES", 0)
    monkeypatch.setattr(bucket, "PART_BYTES", 5 * 1024 * 1024)
    monkeypatch.setattr(bucket, "RANGE_BYTES", 3 * 1024 * 1024)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def bytes_of(store: Place, key: str) -> bytes:
    return b"".join(store.pieces(key))


def keys_of(store: Place) -> set[str]:
    return {one.key for one in store.listed("blobs/")}


# --- A place ------------------------------------------------------------------------------------


def as_bytes(content: bytes, folder: Path) -> bytes:
    return content


def as_file(content: bytes, folder: Path) -> Path:
    path = folder / uuid.uuid4().hex
    path.write_bytes(content)
    return path


def as_stream(content: bytes, folder: Path) -> Iterator[bytes]:
    return (content[start : start + 100_000] for start in range(0, len(content), 100_000))


SHAPES = pytest.mark.parametrize("shape", [as_bytes, as_file, as_stream])


@SHAPES
@pytest.mark.parametrize("size", ["whole", "in parts"])
def test_what_is_there_is_never_written_over(
    store: Place, shape: Callable[..., Any], size: str, tmp_path: Path, request: Any
) -> None:
    count = 1000
    if size == "in parts":
        request.getfixturevalue("in_parts")
        count = PARTS
    first, second = os.urandom(count), os.urandom(count)
    store.create("blobs/a", shape(first, tmp_path))
    assert bytes_of(store, "blobs/a") == first
    with pytest.raises(KeyTaken):
        store.create("blobs/a", shape(second, tmp_path))
    assert bytes_of(store, "blobs/a") == first
    store.replace("blobs/a", shape(second, tmp_path))
    assert bytes_of(store, "blobs/a") == second
    assert store.stamp("blobs/a", is_fresh=True).size == count


def test_files_are_listed_looked_at_and_removed(store: Place) -> None:
    for name in ("blobs/aa/1", "blobs/bb/2", "other"):
        store.create(name, name.encode())
    assert keys_of(store) == {"blobs/aa/1", "blobs/bb/2"}
    assert {one.size for one in store.listed("blobs/")} == {10}
    store.remove("blobs/aa/1")
    store.remove("blobs/aa/1")  # which is no error
    assert keys_of(store) == {"blobs/bb/2"}
    for look in (store.stamp, lambda key: bytes_of(store, key)):
        with pytest.raises(ArtifactMissing, match="is gone"):
            look("blobs/aa/1")


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize("size", [1000, PARTS])
def test_of_writers_at_once_each_finds_the_same_bytes(
    store: Place, tmp_path: Path, size: int
) -> None:
    content = os.urandom(size)
    source = as_file(content, tmp_path)

    def write(_: int) -> None:
        try:
            store.create("blobs/a", source)
        except KeyTaken:
            return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(8)))
    assert bytes_of(store, "blobs/a") == content


def test_of_writers_of_different_bytes_one_alone_is_right(store: Place) -> None:
    """As two processes that mark a fresh store at once."""

    def write(number: int) -> int | None:
        try:
            store.create("installation.json", str(number).encode())
        except KeyTaken:
            return None
        return number

    with ThreadPoolExecutor(4) as pool:
        (winner,) = [one for one in pool.map(write, range(8)) if one is not None]
    assert bytes_of(store, "installation.json") == str(winner).encode()


DYING = """
import os, sys
import django
django.setup()
from django.conf import settings
from pathlib import Path
settings.STORE_URL, settings.ARTIFACT_ROOT, how = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
from project.storage import bucket
from project.storage.blobs import the_store
if how == "parts":
    bucket.WHOLE_BYTES, bucket.PART_BYTES = 0, 5 * 1024 * 1024

def stream():
    for number in range(40):
        yield bytes(1024 * 1024)
        if number == 20:
            os.kill(os.getpid(), 9)

the_store().create("blobs/a", stream())
"""


@pytest.mark.parametrize("how", ["whole", "parts"])
def test_a_writer_that_is_killed_in_the_middle_leaves_nothing_that_counts(
    store: Place, how: str
) -> None:
    command = [
        *(sys.executable, "-c", DYING),
        *(django_settings.STORE_URL, str(django_settings.ARTIFACT_ROOT), how),
    ]
    ended = subprocess.run(command, cwd=django_settings.BASE_DIR, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert keys_of(store) == set()
    with pytest.raises(ArtifactMissing):
        store.stamp("blobs/a")
    store.create("blobs/a", b"again")
    assert bytes_of(store, "blobs/a") == b"again"


def test_memory_of_a_writer_and_a_reader_is_bounded_by_pieces(store: Place, tmp_path: Path) -> None:
    """Two hundred mebibytes go there and back in a process that may grow by a third of that."""
    program = """
import os, resource, sys
import django
django.setup()
from django.conf import settings
from pathlib import Path
settings.STORE_URL = sys.argv[1]
settings.ARTIFACT_ROOT, settings.CACHE_ROOT = map(Path, sys.argv[2:4])
from project.storage.blobs import Blob, local_path, the_store
source = Path(sys.argv[4])
store = the_store()
store.create("blobs/warm", b"x")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store.create("blobs/" + source.name[:2] + "/" + source.name, source)
path = local_path(Blob(source.name, "the file"))
assert path.stat().st_size == source.stat().st_size
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    sha256 = hashlib.sha256()
    growing = tmp_path / "growing"
    with growing.open("wb") as file:
        for number in range(200):
            block = number.to_bytes(16, "big") + BLOCK[16:]
            sha256.update(block)
            file.write(block)
    source = growing.rename(tmp_path / sha256.hexdigest())
    roots = (django_settings.ARTIFACT_ROOT, django_settings.CACHE_ROOT, source)
    command = [sys.executable, "-c", program, django_settings.STORE_URL, *map(str, roots)]
    ended = subprocess.run(command, cwd=django_settings.BASE_DIR, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) < 150  # three parts on their way, and a range


# --- Blobs --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_was_kept_is_read_and_kept_once(store: Place) -> None:
    sha256 = keep_bytes(b"content")
    assert keep_bytes(b"content") == sha256 == digest(b"content")
    assert keys_of(store) == {key_of(sha256)}
    blob = Blob(sha256, "the file", size=7)
    assert blobs.read(blob) == blobs.local_path(blob).read_bytes() == b"content"
    blobs.check(blob)


@pytest.mark.django_db(transaction=True)
def test_a_file_is_kept_in_the_transaction_of_its_row_alone(store: Place) -> None:
    with pytest.raises(RuntimeError, match="in the transaction"):
        keep_bytes(b"content")
    assert keys_of(store) == set()


@pytest.mark.django_db
def test_a_flipped_byte_is_refused_and_written_anew_by_who_makes_it_again(store: Place) -> None:
    sha256 = keep_bytes(b"content")
    blob = Blob(sha256, "the file", size=7)
    store.replace(blob.key, b"c0ntent")
    the_cache().drop(sha256)
    for look in (blobs.read, blobs.local_path, blobs.check):
        with pytest.raises(ArtifactCorrupt, match=r"the file has changed since it was written"):
            look(blob)
    keep_bytes(b"content")
    assert blobs.read(blob) == b"content"


@pytest.mark.django_db
def test_a_file_of_another_size_is_seen_at_a_glance(store: Place) -> None:
    blob = Blob(keep_bytes(b"content"), "the file", size=7)
    store.replace(blob.key, b"cont")
    with pytest.raises(ArtifactCorrupt, match="expected 7 bytes, found 4"):
        blobs.look(blob)


@pytest.mark.django_db
def test_what_was_replaced_in_a_bucket_is_noticed_though_there_is_a_good_copy_here(
    store: Place,
) -> None:
    """A check looks at the thing itself."""
    blob = Blob(keep_bytes(b"content"), "the file", size=7)
    blobs.check(blob)
    if isinstance(store, Bucket):
        copy = the_cache().path(blob.sha256)
        os.utime(copy, ns=(copy.stat().st_atime_ns, 0))  # as if it had been made of an earlier one
    store.replace(blob.key, b"c0ntent")
    with pytest.raises(ArtifactCorrupt, match="has changed"):
        blobs.check(blob)


@pytest.mark.django_db
def test_a_set_of_files_is_signed_wherever_it_is(store: Place) -> None:
    digests = artifacts.write_files(
        "models/x/1", {"a.pkl": artifacts.joblib_bytes([1, 2]), "b": b""}
    )
    artifacts.verify("models/x/1", digests)
    assert artifacts.load_joblib("models/x/1", "a.pkl", digests["a.pkl"]) == [1, 2]
    with pytest.raises(ArtifactCorrupt, match="not signed"):
        artifacts.load_joblib("models/x/2", "a.pkl", digests["a.pkl"])
    assert len(artifacts.glance("models/x/1", digests)) == 2
    assert len(b"".join(artifacts.iter_zip("models/x/1", digests))) > 100


# --- Copies of a bucket's files -------------------------------------------------------------------


@pytest.fixture
def in_bucket(s3_server: s3.S3Server, settings: Any, keys: None) -> Bucket:
    name = f"b{uuid.uuid4().hex}"
    s3_server.make_bucket(name)
    settings.STORE_URL = s3_server.url(name)
    found = the_store()
    assert isinstance(found, Bucket)
    return found


@pytest.mark.django_db
def test_a_copy_that_was_changed_is_fetched_anew(in_bucket: Bucket) -> None:
    blob = Blob(keep_bytes(b"content"), "the file")
    copy = blobs.local_path(blob)
    assert copy == the_cache().path(blob.sha256)
    copy.chmod(0o600)
    copy.write_bytes(b"c0ntent")
    assert blobs.read(blob) == b"content"
    assert blobs.local_path(blob).read_bytes() == b"content"


@pytest.mark.django_db
def test_copies_serve_while_the_bucket_is_away(settings: Any, keys: None) -> None:
    with s3.running() as server:
        server.make_bucket("here")
        settings.STORE_URL = server.url("here")
        digests = artifacts.write_files("models/x/1", {"a.pkl": artifacts.joblib_bytes([1, 2])})
        stamps = artifacts.glance("models/x/1", digests)
        server.stop()
        assert artifacts.load_joblib("models/x/1", "a.pkl", digests["a.pkl"]) == [1, 2]
        assert artifacts.glance("models/x/1", digests) == stamps
        blobs._place.cache_clear()  # as a process that begins now
        assert [stamp.size for stamp in artifacts.glance("models/x/1", digests)] == [
            digests["a.pkl"]["size"]
        ]
        artifacts.verify("models/x/1", digests)
        the_cache().drop(digests["a.pkl"]["sha256"])
        with pytest.raises(StoreAway):
            artifacts.verify("models/x/1", digests)


def put(cache: Cache, content: bytes) -> str:
    with cache.staged() as folder:
        source = folder / "file"
        source.write_bytes(content)
        cache.take(digest(content), source, changed_ns=1)
    return digest(content)


def test_copies_are_bounded_and_those_read_last_stay(tmp_path: Path) -> None:
    filling, reading = Cache(tmp_path, 30), Cache(tmp_path, 30)
    first, second = put(filling, b"1" * 10), put(filling, b"2" * 10)
    for name, at in ((first, 2), (second, 1)):
        os.utime(filling.path(name), ns=(at, 1))
    another = Cache(tmp_path, 30)  # of a process that holds nothing
    filling._let_go(first), filling._let_go(second)  # as processes that have ended
    third = put(another, b"3" * 15)
    assert reading.hold(second) is None
    assert reading.hold(first) is not None
    assert reading.hold(third) is not None


def test_a_copy_that_somebody_reads_stays(tmp_path: Path) -> None:
    reading, filling = Cache(tmp_path, 30), Cache(tmp_path, 30)
    first = put(reading, b"1" * 20)  # held by who made it
    second = put(filling, b"2" * 20)
    assert reading.path(first).read_bytes() == b"1" * 20
    assert filling.path(second).read_bytes() == b"2" * 20
    reading._let_go(first)
    put(filling, b"3" * 5)
    assert not reading.path(first).exists()


# --- Sweeping -----------------------------------------------------------------------------------


@pytest.fixture
def own(db: None, store: Place) -> Place:
    """Have the store be that of the test's database, from before its first file on."""
    artifacts.require_own_folder()
    return store


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a file count as a day old as soon as it is written."""
    monkeypatch.setattr(tending, "KEPT", -tending.KEPT)


@pytest.mark.django_db
def test_a_young_file_that_no_row_names_stays(own: Place) -> None:
    sha256 = keep_bytes(b"content")
    assert tending.tend_store()["removed"] == 0
    assert keys_of(own) == {key_of(sha256)}


@pytest.mark.django_db
def test_what_no_row_names_goes_at_once_with_its_copy_here(own: Place) -> None:
    upload = keep_upload(io.BytesIO(b"content"), "a")
    unnamed = keep_bytes(b"unnamed")
    other = "e" * 64
    for sha256 in (unnamed, upload.sha256):
        blobs.local_path(Blob(sha256, title="a file"))  # of a bucket there is a copy now
    the_cache().path(other).parent.mkdir(parents=True, exist_ok=True)
    the_cache().path(other).write_bytes(b"of a row that went long ago")
    # What the transaction of this test has written, it holds: another one looks.
    is_held = tending.remove_unnamed_now() == 0
    assert is_held or keys_of(own) == {upload.blob.key}
    assert not the_cache().path(other).exists()
    assert not the_cache().path(unnamed).exists()
    assert path_of(upload).read_bytes() == b"content"


@pytest.mark.django_db
def test_nothing_goes_at_once_while_a_backup_is_made(own: Place) -> None:
    keep_bytes(b"unnamed")
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [tending.TENDING_LOCK])
        assert tending.remove_unnamed_now() is None
    assert len(keys_of(own)) == 1


@pytest.mark.django_db
def test_who_was_erased_is_remembered_in_any_store(own: Place) -> None:
    since = clock.now() - timedelta(hours=1)
    assert len(Remembered(since)) == 0
    remember(["ana", "ben"])
    remember(["ana"])
    known = Remembered(since)
    assert (len(known), known.holds("ana"), known.holds("anna")) == (2, True, False)
    assert len(Remembered(clock.now() + timedelta(hours=1))) == 0
    assert tending.tend_store()["removed"] == 0
    assert len(Remembered(since)) == 2


@pytest.mark.django_db
@pytest.mark.usefixtures("soon")
def test_an_old_file_stays_for_as_long_as_a_row_names_it(own: Place) -> None:
    upload = keep_upload(io.BytesIO(b"content"), "a")
    unnamed = keep_bytes(b"unnamed")
    told = tending.tend_store()
    assert (told["files"], told["removed"], told["missing"]) == (1, 1, [])
    assert keys_of(own) == {upload.blob.key}
    assert key_of(unnamed) not in keys_of(own)
    release_upload(upload)
    assert tending.tend_store()["removed"] == 1
    assert keys_of(own) == set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("soon")
def test_an_old_file_that_a_writer_is_about_to_name_stays(own: Place) -> None:
    """It finds the bytes, and writes none: it would name what the sweep takes away."""
    with transaction.atomic():
        sha256 = keep_bytes(b"content")
    found, named = threading.Event(), threading.Event()

    def write() -> None:
        try:
            with transaction.atomic():
                keep_bytes(b"content")
                found.set()
                named.wait()
                Upload.objects.create(
                    sha256=sha256, name="a", size=7, actor="x", expires_at="2999-01-01T00:00Z"
                )
        finally:
            connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    found.wait()
    try:
        assert tending.tend_store()["removed"] == 0
    finally:
        named.set()
        writer.join()
    assert tending.tend_store()["removed"] == 0
    assert path_of(Upload.objects.get()).read_bytes() == b"content"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("soon")
def test_of_sweepers_at_once_one_works(store: Place) -> None:
    artifacts.require_own_folder()
    with tending._alone() as is_alone:
        assert is_alone

        def other() -> bool:
            try:
                return tending.tend_store()["is_busy"]
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(other).result()
    assert not tending.tend_store()["is_busy"]


@pytest.mark.django_db
@pytest.mark.usefixtures("soon")
def test_nothing_is_swept_in_a_store_of_another_installation(own: Place) -> None:
    sha256 = keep_bytes(b"content")
    artifacts.require_own_folder()
    said = bytes_of(own, "installation.json").replace(b'"database": "', b'"database": "9')
    own.replace("installation.json", said)
    with pytest.raises(artifacts.Refusal, match="adopt_folder"):
        tending.tend_store()
    assert keys_of(own) == {key_of(sha256)}


# --- What goes wrong ------------------------------------------------------------------------------


def problem_of(work: Callable[[], Any]) -> Any:
    with pytest.raises((StoreAway, StoreRefused)) as caught:
        work()
    told = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.as_dict()}"
    assert s3.SECRET_KEY not in told
    assert s3.ACCESS_KEY not in told
    return caught.value


def every_use(place: Bucket) -> list[Callable[[], Any]]:
    return [
        lambda: place.stamp("blobs/a"),
        lambda: bytes_of(place, "blobs/a"),
        lambda: place.create("blobs/a", b"x"),
        lambda: place.create("blobs/a", iter([b"x"])),
        lambda: list(place.listed("blobs/")),
    ]


def test_a_bucket_that_is_missing_is_said_in_words(
    s3_server: s3.S3Server, keys: None, tmp_path: Path
) -> None:
    place = Bucket(BucketUrl("nowhere", "p", s3_server.endpoint, ""), tmp_path)
    for use in every_use(place):
        told = problem_of(use)
        assert isinstance(told, StoreRefused)
        assert "there is no such bucket" in told.message
        assert "SEEDBED_STORE_URL" in told.remedy


def test_a_server_that_is_down_is_said_in_words(
    keys: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Bucket(BucketUrl("b", "p", s3.S3Server().endpoint, ""), tmp_path)
    for use in every_use(place):
        told = problem_of(use)
        assert isinstance(told, StoreAway)
        assert "does not answer" in told.message


class Refusing(BaseHTTPRequestHandler):
    """Answers as S3 does to a key that it does not know: it quotes what was signed with it."""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = (
            "<Error><Code>InvalidAccessKeyId</Code><Message>No such key</Message>"
            f"<AWSAccessKeyId>{s3.ACCESS_KEY}</AWSAccessKeyId></Error>"
        ).encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815 - names of http.server

    def log_message(self, *_: Any) -> None:
        return


def test_a_key_that_is_refused_is_said_in_words_and_never_shown(keys: None, tmp_path: Path) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        for use in every_use(Bucket(BucketUrl("b", "p", endpoint, ""), tmp_path)):
            told = problem_of(use)
            assert isinstance(told, StoreRefused)
            assert "refuses the key of this process" in told.message
            assert "AWS_ACCESS_KEY_ID" in told.remedy
        server.shutdown()


def test_a_process_without_a_key_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in bucket.WAYS_IN:
        monkeypatch.delenv(name, raising=False)
    place = Bucket(BucketUrl("b", "p", "http://127.0.0.1:9", ""), tmp_path)
    with pytest.raises(StoreRefused, match="no key for it"):
        place.stamp("blobs/a")


@pytest.mark.django_db(transaction=True)
def test_a_job_waits_for_the_store_and_is_no_failure(
    declare: Callable[..., str], settings: Any, keys: None
) -> None:
    with s3.running() as server:
        server.make_bucket("here")
        settings.STORE_URL = server.url("here")

        def work(run: JobRun) -> dict[str, Any]:
            with run.transaction("keep") as kept:
                kept["sha256"] = keep_bytes(b"content")
            return kept

        server.stop()
        job = enqueue(declare(work), ring_bell=False)
        for _ in range(settings.JOB_MAX_ATTEMPTS + 1):
            run_job(str(job.pk))
            job.refresh_from_db()
            assert (job.state, job.attempts) == (Job.State.QUEUED, 0)
            assert job.progress_message.startswith("Waits for the store: s3://here/seedbed at")
            assert job.traceback == ""
        server.start()
        server.make_bucket("here")
        blobs._place.cache_clear()  # as the process of another worker
        run_job(str(job.pk))
        job.refresh_from_db()
        assert job.state == Job.State.SUCCEEDED, job.error


@pytest.mark.django_db(transaction=True)
def test_a_job_whose_bucket_is_missing_is_refused_with_a_remedy(
    declare: Callable[..., str], settings: Any, s3_server: s3.S3Server, keys: None
) -> None:
    settings.STORE_URL = s3_server.url("nowhere-at-all")
    job = enqueue(declare(lambda run: {"x": the_store().stamp("blobs/a")}), ring_bell=False)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.REFUSED
    assert "Make the bucket" in job.result["refused"]["remedy"]


def test_what_forks_before_the_first_use_opens_a_client_of_its_own(
    s3_server: s3.S3Server, keys: None, tmp_path: Path
) -> None:
    """As a worker does, whose parent looks at no file."""
    program = f"""
import os
from pathlib import Path
from project.storage.bucket import Bucket
from project.store_url import BucketUrl
place = Bucket(BucketUrl("forks", "p", {s3_server.endpoint!r}, ""), Path({str(tmp_path)!r}))
for number in range(2):
    child = os.fork()
    if not child:
        place.create(f"blobs/{{number}}", b"x")
        os._exit(place.stamp(f"blobs/{{number}}").size)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
"""
    s3_server.make_bucket("forks")
    subprocess.run([sys.executable, "-c", program], cwd=django_settings.BASE_DIR, check=True)


@pytest.mark.django_db
def test_a_page_says_what_is_away_where_the_file_was_chosen(
    client: Client, settings: Any, keys: None
) -> None:
    settings.STORE_URL = s3.S3Server().url("nowhere")
    client.force_login(make_admin())
    asked = {"file": SimpleUploadedFile("log.jsonl", b"{}\n")}
    answer = client.post(reverse("admin:matching_eventbatch_upload"), asked)
    assert answer.status_code == 200
    assert "does not answer" in answer.content.decode()
    assert not Upload.objects.exists()


@pytest.mark.parametrize("path", ["/admin/", "/api/v1/match/score"])
def test_what_nothing_answers_for_is_503_with_words(path: str) -> None:
    answer = Poison(lambda request: HttpResponse()).process_exception(
        RequestFactory().get(path), StoreAway("s3://b does not answer.", remedy="Start it.")
    )
    assert answer is not None
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert "s3://b does not answer. Start it." in answer.content.decode()


# --- The address, and the code -----------------------------------------------------------------


def test_the_address_says_where_the_store_is(tmp_path: Path) -> None:
    assert str(read_store_url("", tmp_path)) == str(read_store_url("file://", tmp_path))
    assert str(read_store_url("file:///srv/a%20b", tmp_path)) == "/srv/a b"
    found = read_store_url("s3://b/p/q/?endpoint=http://h:9000/&region=eu", tmp_path)
    assert found == BucketUrl("b", "p/q", "http://h:9000", "eu")
    assert str(found) == "s3://b/p/q at http://h:9000"


@pytest.mark.parametrize(
    "text",
    [
        "s3://key:topsecret@bucket/prefix",
        "s3://bucket/?access_key_id=topsecret",
        "s3://bucket/?endpoint=http://key:topsecret@host",
        "s3://bucket/?endpoint=http://host?topsecret=1",
        "s3://bucket/a/../topsecret",
        "s3:///topsecret",
        "s3://bucket:topsecret/x",
        "http://topsecret",
        "file://topsecret/folder",
        "topsecret",
        "file:///a?topsecret=1",
        "s3://[topsecret",
    ],
)
def test_an_address_that_names_no_store_is_refused_without_repeating_it(
    text: str, tmp_path: Path
) -> None:
    with pytest.raises(UnusableStoreUrl) as caught:
        read_store_url(text, tmp_path)
    assert "topsecret" not in str(caught.value)
    assert "s3://bucket/prefix" in str(caught.value)
    ended = subprocess.run(
        [sys.executable, "manage.py", "help"],
        cwd=django_settings.BASE_DIR,
        env={**os.environ, "SEEDBED_STORE_URL": text, "DJANGO_SETTINGS_MODULE": "project.settings"},
        capture_output=True,
        text=True,
    )
    assert "topsecret" not in ended.stderr + ended.stdout


def test_only_one_module_knows_the_library_and_none_its_writer_that_writes_over() -> None:
    base = Path(django_settings.BASE_DIR)
    files = [path for app in ROOMS for path in (base / app).rglob("*.py")]
    using = {str(path.relative_to(base)) for path in files if "obstore" in path.read_text()}
    assert using == {"project/storage/bucket.py"}
    words = {
        getattr(node, "attr", getattr(node, "id", ""))
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute | ast.Name)
    }
    assert words.isdisjoint({"open_writer", "open_writer_async"})
