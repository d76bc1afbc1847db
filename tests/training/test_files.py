"""Files that are gone, changed or not to be read: every door says so in words, with a remedy."""

import errno
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from matching.domain.features.names import FEATURE_NAMES
from overview.queries.next_step import next_step
from overview.queries.status import describe_kind
from project.jobs.models import Job
from project.refusal import Refusal
from project.storage import blobs
from project.storage.failures import ArtifactUnwritable
from tests.blobs import last_file_of, lose_files, own_files_of
from tests.factories import make_admin, make_seed_user, make_session
from tests.matching.commands import run_command, show_command
from tests.training.batches import make_dataset, make_good_batch, make_model
from training.kinds import DEFAULT_KIND, get_kind
from training.models import Dataset, ModelVersion
from training.queries.files import build_command, file_word, retrain_command
from training.queries.predictions import predict_features
from training.queries.scoring import score_features
from training.services import registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
KIND = get_kind(DEFAULT_KIND)
Damage = Callable[[Dataset | ModelVersion], None]


@pytest.fixture
def deny(monkeypatch):
    """Give a function that takes the right to read a folder away: from root as well."""
    denied: list[str] = []
    opened = os.open

    def refusing(path, *arguments, **named):
        if any(str(path).startswith(folder) for folder in denied):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *arguments, **named)

    monkeypatch.setattr(os, "open", refusing)
    return lambda record: denied.extend(map(str, own_files_of(record)))


def remove_folder(record):
    lose_files(record)


def remove_file(record):
    last_file_of(record).unlink()


def change_file(record):
    path = last_file_of(record)
    path.write_bytes(path.read_bytes()[:-1])


def replace_by_folder(record):
    path = last_file_of(record)
    path.unlink()
    path.mkdir()


DAMAGES = {
    "folder gone": (remove_folder, "gone", "is gone"),
    "file gone": (remove_file, "gone", "is gone"),
    "changed": (change_file, "changed", "has changed since it was written"),
    "a folder in its place": (replace_by_folder, "changed", "is not a regular file"),
    "unreadable": (None, "unreadable", "cannot be read (Permission denied)"),
}
damaged = pytest.mark.parametrize(
    ("damage", "word", "said"), DAMAGES.values(), ids=[name.replace(" ", "-") for name in DAMAGES]
)


def page_of(client, url: str) -> str:
    """Open a page, following to where it sends; it never fails."""
    response = client.get(url, follow=True)
    assert response.status_code == 200
    content = b"".join(response) if response.streaming else response.content
    return re.sub(r"\s+", " ", content.decode(errors="replace")).replace("&#x27;", "'")


@damaged
def test_a_champion_whose_files_are_not_right_is_named_at_every_door(
    damage, word, said, deny, client, tmp_path
):
    champion = make_model(seed=1)
    other = make_model(champion.dataset, seed=2)
    registry.promote(champion)
    assert score_features({"ageScore": 0.8}).serving.model_version == 1  # it is in memory now
    (damage or deny)(champion)

    # What says how things are.
    state = describe_kind(KIND)["champion"]
    assert state["serves"] == "rules"
    assert said in state["problem"]
    assert "Nothing waits" not in next_step()["text"]
    shown = re.sub(r"\s+", " ", show_command("status"))
    assert said in shown
    assert "cannot serve, the rules do: " in shown

    # What serves: in a process that has the model in memory as in a fresh one.
    scores = score_features({"ageScore": 0.8})
    assert scores.serving.served_by == "rule_score"
    assert said in scores.serving.warning
    code, told = run_command("predict", "--features", '{"ageScore": 0.8}')
    assert (code, told["served_by"]) == (0, "rule_score")
    assert said in told["warning"]
    left, right = make_session(make_seed_user()), make_session(make_seed_user())
    code, told = run_command("explain_match", left.external_id, right.external_id)
    assert code == 0
    assert said in told["warning"]
    with pytest.raises(Refusal, match=re.escape(said)):
        predict_features(KIND, dict.fromkeys(FEATURE_NAMES, 0.5))

    # Commands on models.
    code, told = run_command("models", "list")
    rows = {row["version"]: row for row in told["models"]}
    assert code == 0
    assert (rows[1]["files"], rows[2]["files"]) == (word, "there")
    assert said in rows[1]["problem"]
    code, told = run_command("models", "show", "1")
    assert code == 0
    assert said in told["problem"]
    for arguments in (
        ("export", "1", "--output", str(tmp_path / "out")),
        ("compare", "1", "2"),
        ("compare", "2", "1"),
    ):
        code, told = run_command("models", *arguments)
        assert code == 2, told
        assert said in told["refused"]["message"]
        assert "\n" not in told["refused"]["message"]
        assert "train_model --kind match_compatibility --dataset 1" in told["refused"]["remedy"]
    assert not (tmp_path / "out").exists()

    # Pages.
    client.force_login(make_admin())
    url = reverse("admin:training_modelversion_change", args=[champion.pk])
    assert said in page_of(client, "/admin/")
    assert said in page_of(client, url)
    assert word in page_of(client, reverse("admin:training_modelversion_changelist"))
    assert said in page_of(client, f"{url.removesuffix('change/')}files.zip")
    assert said in page_of(client, f"{url.removesuffix('change/')}compare/?other=2")
    page_of(client, reverse("admin:training_modelversion_promote", args=[other.pk]))

    # The way out of it, as the words say.
    registry.promote(other, reason="the files of the first are gone")
    assert score_features({"ageScore": 0.8}).serving.model_version == 2
    code, told = run_command("models", "rollback")
    assert code == 2
    assert said in told["refused"]["message"]
    code, told = run_command("models", "promote", "1")
    assert code == 2
    assert said in told["refused"]["message"]


@damaged
def test_a_dataset_whose_files_are_not_right_is_named_at_every_door(
    damage, word, said, deny, client
):
    dataset = make_dataset(make_good_batch(300), seed=4)
    (damage or deny)(dataset)
    again = (
        f"build_dataset --kind match_compatibility --batch {dataset.batches.get().pk} "
        "--feature-set smooth-1 --split time --seed 4"
    )
    assert build_command(dataset) == again
    assert said in describe_kind(KIND)["dataset"]["problem"]
    assert said in re.sub(r"\s+", " ", show_command("status"))
    code, told = run_command("analyze_dataset", "1")
    assert code == 2
    assert said in told["refused"]["message"]
    assert again in told["refused"]["remedy"]
    assert "rollback" not in told["refused"]["remedy"]

    client.force_login(make_admin())
    url = reverse("admin:training_dataset_change", args=[dataset.pk])
    assert said in page_of(client, "/admin/")
    page = page_of(client, url)
    assert said in page
    assert "Download everything" not in page
    assert word in page_of(client, reverse("admin:training_dataset_changelist"))
    for name in ("files.zip", "files/train.csv"):
        assert said in page_of(client, f"{url.removesuffix('change/')}{name}")


def test_training_on_a_dataset_that_is_gone_is_a_refusal_and_no_crash():
    dataset = make_dataset()
    remove_folder(dataset)
    code, told = run_command("train_model", "--now")
    assert code == 2
    assert told["refused"]["message"].startswith("match_compatibility dataset 1: ")
    assert build_command(dataset) in told["refused"]["remedy"]
    job = Job.objects.get()
    assert (job.state, job.traceback) == ("refused", "")
    make_session(make_seed_user())
    assert next_step()["command"] == build_command(dataset)


def test_a_champion_whose_dataset_is_gone_too_is_told_to_build_first(client):
    champion = make_model()
    registry.promote(champion)
    remove_folder(champion)
    remove_folder(champion.dataset)
    assert retrain_command(champion) == build_command(champion.dataset)
    assert describe_kind(KIND)["champion"]["command"] == build_command(champion.dataset)
    step = next_step()
    assert "build its dataset again" in step["text"]
    client.force_login(make_admin())
    assert "Train it again" not in page_of(client, "/admin/")


def test_no_page_offers_what_files_that_are_gone_cannot_give(client):
    model = make_model()
    client.force_login(make_admin())

    def offers(name: str, record: Any) -> set[str]:
        listed = page_of(client, reverse(f"admin:training_{name}_changelist"))
        shown = page_of(client, reverse(f"admin:training_{name}_change", args=[record.pk]))
        named = ("promote/", "files.zip", "train/", "retrain/", "build/?like=")
        return {one for one in named if f'{record.pk}/{one}"' in listed + shown} | {
            one for one in named[-1:] if f"{one}{record.pk}" in shown
        }

    whole = offers("modelversion", model)
    assert whole == {"promote/", "files.zip"}
    assert offers("dataset", model.dataset) == {"train/", "files.zip"}
    remove_folder(model)
    assert offers("modelversion", model) == {"retrain/"}
    at = reverse("admin:training_modelversion_promote", args=[model.pk])
    assert "cannot go live" in page_of(client, at)
    remove_folder(model.dataset)
    assert offers("dataset", model.dataset) == {"build/?like="}
    assert f"build/?like={model.dataset.pk}" in page_of(
        client, reverse("admin:training_modelversion_change", args=[model.pk])
    )
    for name, record in (("modelversion_retrain", model), ("dataset_train", model.dataset)):
        shown = page_of(client, reverse(f"admin:training_{name}", args=[record.pk]))
        assert "is gone" in shown
    chosen = {"action": "train", "_selected_action": [model.dataset.pk]}
    html = client.post(reverse("admin:training_dataset_changelist"), chosen).content.decode()
    assert "1 dataset has no usable files" in html


def test_a_version_without_files_is_not_offered_to_come_back(client):
    first = make_model(seed=1)
    second = make_model(first.dataset, seed=2)
    registry.promote(first)
    registry.promote(second, reason="newer")
    client.force_login(make_admin())
    page = reverse("admin:training_modelversion_change", args=[second.pk])
    assert "Return to version 1" in page_of(client, page)
    remove_folder(first)
    assert "Return to version 1" not in page_of(client, page)
    asked = reverse("admin:training_modelversion_rollback", args=[second.pk])
    assert "Version 1 cannot come back" in page_of(client, asked)


def test_the_remedy_of_a_champion_names_the_one_before_it_where_there_is_one():
    first = make_model(seed=1)
    registry.promote(first)
    remove_folder(first)
    assert "rollback" not in describe_kind(KIND)["champion"]["problem"]
    second = make_model(first.dataset, seed=2)
    registry.promote(second, reason="newer")
    remove_folder(second)
    assert (
        "models rollback --kind match_compatibility" in describe_kind(KIND)["champion"]["problem"]
    )


def test_another_key_is_said_with_the_setting_that_helps(settings):
    champion = make_model()
    registry.promote(champion)
    settings.ARTIFACT_KEY = "another" * 8
    assert "SEEDBED_ARTIFACT_KEY_FALLBACKS" in describe_kind(KIND)["champion"]["problem"]


def test_a_model_that_came_back_serves_again(tmp_path):
    champion = make_model()
    registry.promote(champion)
    place = last_file_of(champion)
    assert score_features({"ageScore": 0.8}).serving.served_by == "model"
    place.rename(tmp_path / "away")
    assert score_features({"ageScore": 0.8}).serving.served_by == "rule_score"
    (tmp_path / "away").rename(place)
    assert score_features({"ageScore": 0.8}).serving.served_by == "model"


def test_a_disk_that_breaks_while_reading_is_no_crash(monkeypatch):
    dataset = make_dataset(make_good_batch(300))

    def breaking(file):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(blobs, "_sha256", breaking)
    code, told = run_command("analyze_dataset")
    assert code == 2
    assert "cannot be read (Input/output error)" in told["refused"]["message"]
    assert file_word(dataset) == "there"  # at a glance nothing is wrong with it


# --- Writing -------------------------------------------------------------------------------------


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_fails_the_job_in_words_and_keeps_nothing(monkeypatch, artifact_root):
    make_good_batch(300)
    monkeypatch.setattr("training.services.datasets.write_csv", full)
    code, told = run_command("build_dataset", "--now")
    assert code == 1
    assert "could not be written: No space left on device. Nothing was kept of it." in told
    assert "Traceback" not in told
    assert not Dataset.objects.exists()
    assert not list(artifact_root.glob("blobs/*/*"))


def test_a_full_disk_while_a_model_is_written_keeps_nothing(monkeypatch, artifact_root):
    dataset = make_dataset()
    monkeypatch.setattr("project.storage.blobs.digest_of", full)
    with pytest.raises(ArtifactUnwritable, match="No space left"):
        make_model(dataset)
    assert not ModelVersion.objects.exists()
    assert {path.name for path in artifact_root.iterdir()} == {"blobs", "installation.json"}


def test_a_full_disk_while_exporting_is_an_error_in_words(monkeypatch, tmp_path):
    make_model()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CommandError, match="No space left on device"):
        call_command("models", "export", "1", "--output", str(tmp_path / "out"))
    assert list(tmp_path.glob("*out*")) == []
    assert list(tmp_path.glob(".export-*")) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_export_to_where_nothing_may_be_written_is_an_error_in_words(tmp_path):
    make_model()
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(CommandError, match="Permission denied"):
        call_command("models", "export", "1", "--output", str(tmp_path / "out"))


# --- Lists ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dataset", "modelversion"])
def test_a_list_looks_at_its_files_at_a_bounded_cost(kind, client, monkeypatch):
    """No file is read for a badge, and no query is asked, however many rows are damaged."""
    model = make_model()
    for seed in (1, 2, 3):
        make_model(model.dataset, seed=seed)
        make_dataset(model.dataset.batches.get(), seed=seed)
    client.force_login(make_admin())
    url = reverse(f"admin:training_{kind}_changelist")
    client.get(url)
    monkeypatch.setattr(blobs, "_sha256", pytest.fail)
    counts = []
    for damage in (lambda record: None, remove_folder):
        for record in [*Dataset.objects.all(), *ModelVersion.objects.all()]:
            damage(record)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
