"""Artefacts: written whole or not at all, and nothing is read that is not what was written."""

import errno
import fcntl
import io
import os
import pickle
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from pytest_django import Settings

from project.storage import artifacts
from project.storage.failures import ArtifactCorrupt, ArtifactRefused, ArtifactUnwritable
from project.storage.staging import STAGING_PREFIX, STAGING_SECONDS, sweep
from tests.blobs import blob_path
from tests.rooms import ROOMS

MODEL = "models/match/1"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def root(tmp_path: Path, settings: Settings) -> Path:
    """Put the artefacts of each test into a folder of its own."""
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"
    settings.ARTIFACT_KEY = "k" * 40
    settings.ARTIFACT_KEY_FALLBACKS = []
    return settings.ARTIFACT_ROOT


class Fuse:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


def model_bytes(weight: float = 0.5) -> bytes:
    return artifacts.joblib_bytes({"weights": np.full(1000, weight)})


def path_in(digests: dict[str, artifacts.Digest], name: str) -> Path:
    return blob_path(digests[name]["sha256"])


def write_model(name: str = MODEL, weight: float = 0.5) -> dict[str, artifacts.Digest]:
    return artifacts.write_files(
        name, {"model.pkl": model_bytes(weight), "features.json": b'["distance_score"]'}
    )


def test_what_was_written_is_loaded() -> None:
    digests = write_model()
    artifacts.verify(MODEL, digests)
    loaded = artifacts.load_joblib(MODEL, "model.pkl", digests["model.pkl"])
    np.testing.assert_array_equal(loaded["weights"], np.full(1000, 0.5))


def test_a_function_writes_its_file_itself() -> None:
    digests = artifacts.write_files("d/1", {"train.csv": lambda path: path.write_text("a,b\n")})
    assert digests["train.csv"]["size"] == 4
    assert artifacts.read_verified("d/1", "train.csv", digests["train.csv"]) == b"a,b\n"


@pytest.mark.parametrize("position", [0, 100, -1])
def test_one_flipped_bit_is_found_and_nothing_is_unpickled(
    root: Path, tmp_path: Path, position: int
) -> None:
    trace = tmp_path / "unpickled"
    digests = artifacts.write_files(MODEL, {"model.pkl": pickle.dumps([Fuse(trace), "x" * 200])})
    path = path_in(digests, "model.pkl")
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        ArtifactCorrupt, match=r"model.pkl has changed .*expected SHA-256 .*from a backup"
    ):
        artifacts.load_joblib(MODEL, "model.pkl", digests["model.pkl"])
    with pytest.raises(ArtifactCorrupt, match=r"model\.pkl"):
        artifacts.verify(MODEL, digests)
    assert not trace.exists()


def test_the_fuse_of_these_tests_does_leave_a_trace(tmp_path: Path) -> None:
    trace = tmp_path / "unpickled"
    joblib.load(io.BytesIO(pickle.dumps(Fuse(trace))))
    assert trace.exists()


@pytest.mark.parametrize("kept", [0, 10, -1])
def test_a_truncated_file_is_found(root: Path, kept: int) -> None:
    digests = write_model()
    path = path_in(digests, "model.pkl")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ArtifactCorrupt, match=rf"found \w+ and {path.stat().st_size} bytes"):
        artifacts.load_joblib(MODEL, "model.pkl", digests["model.pkl"])


def test_a_missing_file_is_named(root: Path) -> None:
    digests = write_model()
    path_in(digests, "features.json").unlink()
    with pytest.raises(ArtifactCorrupt, match=r"features\.json is gone\. .*Restore"):
        artifacts.verify(MODEL, digests)


def test_another_models_file_is_refused_even_with_its_own_valid_digest(root: Path) -> None:
    write_model()
    others = write_model("models/match/2", weight=0.9)
    # The record of another place was put into ours: the signature names the place.
    with pytest.raises(
        ArtifactCorrupt, match="not signed with this installation's key for this place"
    ):
        artifacts.load_joblib(MODEL, "model.pkl", others["model.pkl"])


def test_files_swapped_within_a_folder_are_refused(root: Path) -> None:
    digests = artifacts.write_files(MODEL, {"a.pkl": b"first", "b.pkl": b"second"})
    with pytest.raises(ArtifactCorrupt, match="not signed"):
        artifacts.read_verified(MODEL, "a.pkl", digests["b.pkl"])


def test_a_file_written_with_another_key_is_refused(settings: Settings) -> None:
    digests = write_model()
    settings.ARTIFACT_KEY = "n" * 40
    with pytest.raises(ArtifactCorrupt, match="SEEDBED_ARTIFACT_KEY_FALLBACKS"):
        artifacts.load_joblib(MODEL, "model.pkl", digests["model.pkl"])


def test_after_a_change_of_the_key_the_old_one_still_verifies(settings: Settings) -> None:
    digests = write_model()
    settings.ARTIFACT_KEY, settings.ARTIFACT_KEY_FALLBACKS = "n" * 40, ["x" * 40, "k" * 40]
    artifacts.verify(MODEL, digests)


def test_a_link_is_refused_even_when_it_leads_to_the_right_bytes(
    root: Path, tmp_path: Path
) -> None:
    digests = write_model()
    path = path_in(digests, "model.pkl")
    path.rename(tmp_path / "elsewhere.pkl")
    path.symlink_to(tmp_path / "elsewhere.pkl")
    with pytest.raises(ArtifactCorrupt, match="is a link"):
        artifacts.verify(MODEL, digests)


def test_a_pipe_is_refused_without_waiting_for_it(root: Path) -> None:
    digests = write_model()
    path = path_in(digests, "model.pkl")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ArtifactCorrupt, match="not a regular file"):
        artifacts.verify(MODEL, digests)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/../b",
        "/etc",
        "a//b",
        "a/",
        ".hidden",
        "a b",
        "ä",
        "a\0b",
        "a" * 101,
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ArtifactRefused, match="should consist of"):
        artifacts.write_files(name, {"a": b""})
    with pytest.raises(ArtifactRefused, match="should consist of"):
        artifacts.write_files("good", {name if name != "a//b" else "a/b": b""})


def test_bytes_that_are_there_already_are_kept_once(root: Path) -> None:
    digests = write_model()
    before = path_in(digests, "model.pkl").stat()
    again = write_model("models/match/2")
    assert path_in(again, "model.pkl").stat() == before
    assert len([path for path in (root / "blobs").rglob("*") if path.is_file()]) == 2


def test_writing_anew_mends_what_has_changed(root: Path) -> None:
    """To build again is the remedy that is offered: the same bytes have the same name."""
    digests = write_model()
    path = path_in(digests, "model.pkl")
    content = path.read_bytes()
    path.write_bytes(b"x" * len(content))
    assert write_model() == digests
    assert path.read_bytes() == content
    artifacts.verify(MODEL, digests)


def test_a_writer_that_fails_leaves_nothing(root: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ArtifactUnwritable, match=r"No space left on device\. .*Free space"):
        artifacts.write_files(MODEL, {"a": b"whole", "b": fail})
    assert [path.name for path in root.iterdir()] == ["installation.json"]


def test_a_killed_writer_leaves_nothing_that_counts_and_is_swept_by_the_next(
    root: Path, tmp_path: Path
) -> None:
    dying = (
        "import os, django; django.setup()\n"
        "from pathlib import Path\n"
        "from django.conf import settings\n"
        f"settings.ARTIFACT_ROOT = Path({str(root)!r})\n"
        "from project.storage import artifacts\n"
        "artifacts.require_own_folder = lambda: None\n"  # it has no database
        "artifacts.write_files('models/match/1', {'a': b'x', 'b': lambda path: "
        "os.kill(os.getpid(), 9)})"
    )
    ended = subprocess.run([sys.executable, "-c", dying], check=False, cwd=Path.cwd())
    assert ended.returncode == -9
    (leftover,) = root.iterdir()
    assert leftover.name.startswith(STAGING_PREFIX)
    past = time.time() - 2 * STAGING_SECONDS
    os.utime(leftover, (past, past))
    write_model()
    assert {path.name for path in root.iterdir()} == {"blobs", "installation.json"}


def test_a_writer_at_work_is_not_swept(root: Path) -> None:
    working = root / f"{STAGING_PREFIX}abc"
    working.mkdir(parents=True)
    past = time.time() - 2 * STAGING_SECONDS
    os.utime(working, (past, past))
    lock = os.open(working, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert sweep(root) == 0
    os.close(lock)
    assert sweep(root) == 1
    assert not working.exists()


def test_the_archive_holds_what_was_written_and_is_the_same_each_time() -> None:
    digests = artifacts.write_files(
        MODEL, {"model.pkl": model_bytes(), "big.csv": b"1,2\n" * 700_000}
    )
    pieces = list(artifacts.iter_zip(MODEL, digests))
    assert len(pieces) > 2
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["models-match-1/big.csv", "models-match-1/model.pkl"]
        assert archive.read("models-match-1/model.pkl") == model_bytes()
    assert b"".join(artifacts.iter_zip(MODEL, digests)) == b"".join(pieces)


def test_a_changed_folder_gives_no_archive(root: Path) -> None:
    digests = write_model()
    path_in(digests, "features.json").write_bytes(b"[]")
    with pytest.raises(ArtifactCorrupt, match=r"features\.json"):
        next(artifacts.iter_zip(MODEL, digests))


def test_nothing_else_in_the_project_unpickles() -> None:
    base = Path(artifacts.__file__).parents[2]
    loaders = ("joblib.load(", "pickle.load", "read_pickle(")
    found = {
        str(path.relative_to(base))
        for app in ROOMS
        for path in (base / app).rglob("*.py")
        if any(loader in path.read_text() for loader in loaders)
    }
    assert found == {"project/storage/artifacts.py"}
