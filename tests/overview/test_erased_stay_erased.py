"""A backup is older than an erasure: whoever was erased does not come back with it."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from matching.models import EventBatch, MatchEvent, SeedUser
from project.backup import making
from project.jobs.models import Job
from project.removal.digests import Remembered, remember
from project.storage.blobs import ERASED, the_store
from project.storage.installation import is_empty, this_owner
from tests.factories import make_seed_user
from tests.overview.test_backup import Place, at, run, source  # noqa: F401 - a fixture
from tests.overview.traces import found
from tests.removing import remove
from tests.training.batches import draw_events, make_batch

pytestmark = pytest.mark.django_db(transaction=True)

GONE = "zq_gone_1"
LOGGED = "zq_logged_1"
ANEW = "zq_anew_1"


def test_who_was_erased_is_erased_again_after_a_restore(
    source: Place,  # noqa: F811
    tmp_path: Path,
    valkey: Any,
) -> None:
    with at(source):
        Job.objects.active().update(state=Job.State.SUCCEEDED)
        gone, logged = make_seed_user(GONE, name="Zq Gone"), make_seed_user(LOGGED)
        anew = make_seed_user(ANEW)
        batch = make_batch(draw_events(50), method="imported")
        event = MatchEvent.objects.of_batch(batch)[0]
        MatchEvent.objects.filter(pk=event.pk).update(
            user_id=gone.pk, external={"userId": LOGGED, "targetId": GONE}
        )
        SeedUser.objects.filter(pk=logged.pk).delete()
        SeedUser.history.filter(id=logged.pk).delete()
        run("backup", tmp_path / "first")
        make_seed_user(LOGGED)
        for name in (GONE, LOGGED, ANEW):
            assert remove("person", SeedUser.objects.get(external_id=name).pk).state == "succeeded"
        make_seed_user(ANEW)
        assert found((GONE, LOGGED)) == {}
        run("backup", tmp_path / "second")
        assert not (tmp_path / "second" / ERASED).exists()
        word = str(this_owner().installation)
        # One that is newer than the erasure: who came again since stays.
        told = run("restore", tmp_path / "second", "--replace", word)
        assert told["erased"] == 0
        assert SeedUser.objects.filter(external_id=ANEW).exists()
        # One that is older: all three are erased again, the one known from a log too.
        told = run("restore", tmp_path / "first", "--replace", word)
        assert told["erased"] == 3
        assert found((GONE, LOGGED, ANEW, "Zq Gone")) == {}
        assert MatchEvent.objects.of_batch(EventBatch.objects.get(pk=batch.pk)).count() == 50
        assert not SeedUser.objects.filter(pk__in=[gone.pk, anew.pk]).exists()
        assert not Job.objects.active().filter(kind="matching.remove_person").exists()
        assert told["tables"].keys() == making.count_tables().keys()


def test_digests_tell_nobody_who_it_was(settings: Any, tmp_path: Path) -> None:
    settings.ARTIFACT_ROOT = tmp_path / "store"
    before = this_moment()
    remember([GONE])
    kept = [(one.key, b"".join(the_store().pieces(one.key))) for one in the_store().listed(ERASED)]
    assert len(kept) == 1
    assert GONE not in str(kept)
    assert set(json.loads(kept[0][1])) == {"at"}
    assert Remembered(before).holds(GONE)
    assert not Remembered(before).holds(LOGGED)
    # After a change of the key the one of that day still tells.
    settings.ARTIFACT_KEY_FALLBACKS = [settings.ARTIFACT_KEY]
    settings.ARTIFACT_KEY = "another key of the artifacts, as long as it needs to be"
    assert Remembered(before).holds(GONE)
    settings.ARTIFACT_KEY_FALLBACKS = []
    assert not Remembered(before).holds(GONE)


def test_digests_may_be_carried_to_an_empty_store(settings: Any, tmp_path: Path) -> None:
    settings.ARTIFACT_ROOT = tmp_path / "store"
    assert is_empty()
    the_store().create(f"{ERASED}abc", b"{}")
    assert is_empty()
    assert len(Remembered(this_moment())) == 1  # of which nobody knows when: it counts


def this_moment() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        return cursor.fetchone()[0]
