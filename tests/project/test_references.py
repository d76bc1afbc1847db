"""What jobs name is linked to its record, and called as it is called now."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from matching.models import EventBatch
from project.jobs.models import Job
from project.jobs.references import records_now
from project.pages.links import record_url
from tests.factories import make_admin, make_seed_user, make_staff
from tests.project.test_jobs_commands import jobs
from tests.training.batches import make_good_batch

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]


def make_job(batch: EventBatch, **changes: Any) -> Job:
    begun = {"model": "matching.eventbatch", "id": batch.pk, "title": "Batch 9 (real, 0 events)"}
    values = {
        "kind": "matching.generate_events",
        "state": Job.State.SUCCEEDED,
        "records": [begun],
        "said": {"text": "Batch 9 holds 40 events.", "outcome": "succeeded", "figures": []},
        "result": {"batch": batch.pk, "batches": [batch.pk, 777], "made": 40},
    }
    return Job.objects.create(**{**values, **changes})


def test_ids_of_a_result_lead_to_the_records_that_are_there(client: Client) -> None:
    batch = make_good_batch(40)
    user = make_seed_user("somebody")
    result = {"batch": batch.pk, "batches": [batch.pk, 777], "users": [{"external_id": "somebody"}]}
    page = reverse("admin:jobs_job_change", args=[make_job(batch, result=result).pk])
    client.force_login(make_admin())
    html = client.get(page).content.decode()
    assert html.count(f'<a href="{record_url(batch)}">{batch.pk}</a>') == 2
    assert f'<a href="{record_url(user)}">somebody</a>' in html
    assert ", 777" in html
    # Who may start such jobs and see neither gets no link that answers no.
    client.force_login(make_staff("jobs.view_job", "matching.generate_events"))
    html = client.get(page).content.decode()
    assert record_url(batch) not in html


@pytest.mark.parametrize("value", ["x" * 300, -1, 2**70, 1.5, True, None, {"batch": []}])
def test_what_names_no_record_is_shown_as_it_is(client: Client, value: Any) -> None:
    job = make_job(make_good_batch(40), result={"batch": value, "external_id": value})
    client.force_login(make_admin())
    assert client.get(reverse("admin:jobs_job_change", args=[job.pk])).status_code == 200


def test_titles_tell_the_present() -> None:
    batch = make_good_batch(40)
    job = make_job(batch)
    assert [made.title for made in records_now(job.records)] == [str(batch)]
    assert "40 events" in str(batch)
    gone = [{"model": "matching.eventbatch", "id": 777, "title": "Batch 777"}]
    gone += [{"model": "matching.nomore", "id": 1, "title": "Something"}]
    assert [made.title for made in records_now(gone)] == [
        "Batch 777, deleted since",
        "Something, deleted since",
    ]


def test_the_command_shows_the_headline_and_present_titles() -> None:
    batch = make_good_batch(40)
    shown = jobs("show", str(make_job(batch).pk), as_json=False)
    assert shown.startswith("Batch 9 holds 40 events.")
    assert "40 events)" in shown
    assert "0 events)" not in shown.replace("40 events)", "")
