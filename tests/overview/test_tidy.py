"""What is older than the settings keep it goes; nothing else does, and by default nothing."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from feedback.models import CollectionRun, FeedbackChange, QualityFeedback, RejectedRecord, Table
from matching.models import EventBatch, ProfileImport, RefusedProfile, RejectedEvent
from project.jobs.models import Job, Schedule
from serving.models import ScoredPair
from tests.factories import make_admin, make_refused_profile
from tests.feedback.collected import rate, real_source
from tests.matching.commands import run_command, show_command
from tests.serving.logged import log_pairs

pytestmark = pytest.mark.django_db

OLD, NEW = timedelta(days=31), timedelta(days=29)


@pytest.fixture
def kept(db: None) -> None:
    """Leave of everything something that is older than 30 days, and something that is not."""
    now = timezone.now()
    source = real_source()
    rate(source, [0.2, 0.8], days_ago=[31.0, 29.0], feedback_text=["long ago", "lately"])
    run = CollectionRun.objects.get()
    for age, place in ((OLD, 0), (NEW, 1)):
        row = QualityFeedback.objects.order_by("created_at")[place]
        FeedbackChange.objects.create(
            uid=row.uid, source=source, run=run, first_run=run, table=Table.QUALITY_FEEDBACK,
            action="replaced", before={"feedback_text": "first", "quality_rating": 0.1},
            after={"feedback_text": "then", "quality_rating": 0.2}, row_digest=uuid4(),
        )  # fmt: skip
        RejectedRecord.objects.create(
            row_uid=uuid4(), source=source, run=run, table=Table.QUALITY_FEEDBACK,
            reason="unusable", detail="It was 7.", payload={}, last_seen_at=now - age,
        )  # fmt: skip
        batch = EventBatch.objects.create(
            uid=uuid4(), method="imported", origin=1, state="complete", feature_set="tiered-1",
            created_at=now - age,
        )  # fmt: skip
        RejectedEvent.objects.create(
            batch=batch, line=1, reason="unusable", message="It was.", text="{}"
        )
        file = make_refused_profile(id=f"user{place}").source
        ProfileImport.objects.filter(pk=file.pk).update(imported_at=now - age)
        log_pairs([f"user{place}"], [now - age], [0.5])


def left() -> dict[str, int]:
    return {
        "texts": QualityFeedback.objects.exclude(feedback_text="").count(),
        "answers": QualityFeedback.objects.count(),
        "lines": RejectedEvent.objects.count(),
        "rows": RejectedRecord.objects.count(),
        "profiles": RefusedProfile.objects.count(),
        "scores": ScoredPair.objects.count(),
    }


def test_everything_is_kept_for_ever_by_default(kept: None) -> None:
    code, told = run_command("tidy", "--now")
    assert code == 2
    assert "kept for ever" in told["refused"]["message"]
    assert "SEEDBED_KEEP_TEXT_DAYS" in told["refused"]["remedy"]
    assert set(left().values()) == {2}


def test_what_is_older_goes_and_the_rest_stays(kept: None, settings: Any) -> None:
    settings.KEEP_TEXT_DAYS = settings.KEEP_REJECTED_DAYS = settings.KEEP_SCORES_DAYS = 30
    code, told = run_command("tidy", "--now")
    assert code == 0
    assert set(told["counts"].values()) == {1}
    assert set(told["days"].values()) == {30}
    assert left() == {**dict.fromkeys(left(), 1), "answers": 2}
    old, new = FeedbackChange.objects.order_by("pk")
    assert old.before == {"feedback_text": "", "quality_rating": 0.1}
    assert old.after == {"feedback_text": "", "quality_rating": 0.2}
    assert new.before["feedback_text"] == "first"
    assert "Nothing was older than it is kept" in show_command("tidy", "--now")


def test_each_setting_is_of_its_own(kept: None, settings: Any) -> None:
    settings.KEEP_SCORES_DAYS = 30
    assert run_command("tidy", "--now")[1]["counts"] == {"score-log line": 1}
    assert left() == {**dict.fromkeys(left(), 2), "scores": 1}


def test_chunks_end_where_nothing_is_left(kept: None, settings: Any, monkeypatch: Any) -> None:
    settings.KEEP_SCORES_DAYS = 10
    monkeypatch.setattr("serving.services.retention.CHUNK", 1)
    assert run_command("tidy", "--now")[1]["counts"] == {"score-log line": 2}
    steps = Job.objects.get().steps.order_by("number").values_list("result__rows", flat=True)
    assert list(steps) == [1, 1, 0]


def test_a_schedule_does_it_by_itself(settings: Any) -> None:
    make_admin()
    code, told = run_command("tidy", "--every", "7")
    assert code == 2
    assert not Schedule.objects.exists()
    settings.KEEP_TEXT_DAYS = 30
    code, told = run_command("tidy", "--every", "7")
    assert (code, told["schedule"]) == (0, "tidy")
    schedule = Schedule.objects.get()
    assert (schedule.kind, schedule.interval_seconds) == ("overview.tidy_rows", 7 * 86_400)
    run_command("tidy", "--off")
    schedule.refresh_from_db()
    assert not schedule.is_enabled
