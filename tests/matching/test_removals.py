"""Refused rows come out again, those of one import and no others; mappings too."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from matching.models import EventBatch, MatchEvent, ProfileImport, RefusedProfile, RejectedEvent
from project.jobs.models import Schedule
from project.mappings.models import ImportMapping
from tests.factories import make_admin, make_mapping, make_refused_profile, make_staff
from tests.matching.test_batches_admin import imported, lines
from tests.removing import remove, remove_dying

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


@pytest.mark.parametrize("within", [True, False])
def test_rejected_lines_go_and_the_events_stay(*, within: bool) -> None:
    batch = imported(lines(3) + b"broken\nbroken too\n")
    other = imported(lines(2, first=50) + b"broken\n")
    job, kills = remove_dying("rejected-events", batch.pk, within=within)
    assert (job.state, job.result["counts"]) == ("succeeded", {"rejected line": 2})
    assert kills == 4
    assert list(RejectedEvent.objects.values_list("batch", flat=True)) == [other.pk]
    assert MatchEvent.objects.of_batch(batch).count() == 3
    assert EventBatch.objects.complete().filter(pk=batch.pk).exists()


def test_rejected_rows_of_a_file_of_people_go_with_how_it_was_read() -> None:
    row, other = make_refused_profile(), make_refused_profile()
    assert row.source_id != other.source_id
    job = remove("rejected-profiles", row.source_id)
    assert job.state == "succeeded", job.error
    assert job.result["counts"] == {"rejected row": 1, "import": 1}
    assert list(RefusedProfile.objects.all()) == [other]
    assert list(ProfileImport.objects.all()) == [other.source]


def test_a_list_of_refused_rows_leads_to_what_removes_all_of_their_imports() -> None:
    batches = [imported(lines(1, first=n * 10) + b"broken\n") for n in (1, 2)]
    chosen = {
        "action": "remove_rows",
        "_selected_action": list(RejectedEvent.objects.values_list("pk", flat=True)),
    }
    address = reverse("admin:matching_rejectedevent_changelist")
    client = Client()
    client.force_login(make_admin())
    answer = client.post(address, chosen, follow=True)
    page = answer.content.decode()
    assert "Remove 2 records" in page
    for batch in batches:
        assert f"Rejected lines of batch {batch.pk}" in page
    # Without the right there is no such action.
    client.force_login(make_staff("matching.view_rejectedevent", name="looks"))
    assert "remove_rows" not in client.get(address).content.decode()


def test_a_mapping_goes_with_its_earlier_states_and_the_one_before_it_is_taken() -> None:
    mapping = make_mapping()
    earlier = ImportMapping.objects.get(pk=mapping.pk)
    mapping.pk, mapping.version, mapping.name = None, mapping.version + 1, "the-newer-one"
    for one in (earlier, mapping):
        one.confirmed_at = one.proposed_at
        one.save()
    Schedule.objects.create(
        name="theirs",
        kind="feedback.collect_feedback",
        arguments={"mapping": "the-newer-one"},
        interval_seconds=60,
    )
    history = ImportMapping.history.filter(id=mapping.pk)
    assert history.exists()
    job = remove("mapping", mapping.pk)
    assert job.state == "succeeded", job.error
    assert job.result["stale"] == [
        "Schedule theirs names it and will be refused.",
        f"The next table with these columns is read by version {earlier.version}.",
    ]
    assert list(ImportMapping.objects.all()) == [earlier]
    assert not history.exists(), "not even that it was deleted: its preview had rows"
    job = remove("mapping", earlier.pk)
    assert "is proposed anew" in job.result["stale"][0]
