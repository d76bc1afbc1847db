"""A new key, and nothing left under the old one."""

import json
import secrets
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from feedback.models.passwords import PasswordUnavailable, password_of
from project.audit.models import Act, AuditEntry
from project.storage import rotation
from project.storage.artifacts import verify
from project.storage.failures import ArtifactCorrupt
from tests.feedback.conftest import READER_PASSWORD, make_source
from tests.training.batches import make_dataset, make_good_batch, make_model
from training.models import Dataset, ModelVersion

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]


def rotate() -> tuple[int, dict]:
    out, code = StringIO(), 0
    try:
        call_command("rotate_keys", "--json", stdout=out)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, json.loads(out.getvalue())


@pytest.fixture
def kept(settings, tmp_path):
    """Give a source, a dataset and a model under the keys of before; the new ones are set."""
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"
    source = make_source(settings)
    model = make_model(make_dataset(make_good_batch(400)))
    for name in ("FIELD_KEY", "ARTIFACT_KEY"):
        setattr(settings, f"{name}_FALLBACKS", [getattr(settings, name)])
        setattr(settings, name, secrets.token_urlsafe(48))
    return source, model


def forget_old_keys(settings) -> None:
    settings.FIELD_KEY_FALLBACKS = settings.ARTIFACT_KEY_FALLBACKS = []


def test_everything_comes_under_the_newest_keys_and_works_with_them_alone(kept, settings) -> None:
    source, model = kept
    code, said = rotate()
    assert code == 0
    assert (said["passwords"]["renewed"], said["signatures"]["renewed"]) == (1, 2)
    assert said["passwords"]["earlier_keys_can_go"]
    forget_old_keys(settings)
    source.refresh_from_db()
    assert password_of(source) == READER_PASSWORD
    for one in (ModelVersion.objects.get(pk=model.pk), Dataset.objects.get()):
        verify(one.folder, one.files)
    assert AuditEntry.objects.of(Act.KEY).count() == 2
    _, again = rotate()
    assert (again["passwords"]["renewed"], again["signatures"]["renewed"]) == (0, 0)
    assert (again["passwords"]["current"], again["signatures"]["current"]) == (1, 2)


def test_what_no_key_opens_is_named_and_left_alone(kept, settings) -> None:
    source, model = kept
    old = settings.FIELD_KEY_FALLBACKS, settings.ARTIFACT_KEY_FALLBACKS
    forget_old_keys(settings)
    code, said = rotate()
    assert code == 2
    assert said["passwords"]["under_an_unknown_key"] == ["customer"]
    assert str(model) in said["signatures"]["under_an_unknown_key"]
    with pytest.raises(PasswordUnavailable):
        password_of(source)
    with pytest.raises(ArtifactCorrupt):
        verify(model.folder, model.files)
    settings.FIELD_KEY_FALLBACKS, settings.ARTIFACT_KEY_FALLBACKS = old
    assert rotate()[0] == 0


def test_stopped_half_way_it_goes_on(kept, settings, monkeypatch) -> None:
    def die(*_):
        raise KeyboardInterrupt

    real, seen = rotation.sign_anew, []

    def die_at_the_second(name, digests):
        seen.append(name)
        return real(name, digests) if len(seen) == 1 else die()

    monkeypatch.setattr(rotation, "sign_anew", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        rotation.renew_signatures()
    monkeypatch.setattr(rotation, "sign_anew", real)
    assert rotation.renew_signatures() == (1, 1, [])


def test_a_signature_is_all_that_may_change_of_what_was_written(kept) -> None:
    _, model = kept
    for name, digest in model.files.items():
        forged = {**model.files, name: {**digest, "sha256": "0" * 64}}
        with pytest.raises(IntegrityError), transaction.atomic():
            ModelVersion.objects.filter(pk=model.pk).update(files=forged)
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelVersion.objects.filter(pk=model.pk).update(files={})


def test_people_are_told_which_keys_can_go(kept) -> None:
    out = StringIO()
    call_command("rotate_keys", stdout=out)
    assert "Nothing needs the keys in SEEDBED_FIELD_KEY_FALLBACKS any more" in out.getvalue()
